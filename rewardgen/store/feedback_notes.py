"""Notes that people leave in a run's folder while another process writes the run.

A run has one writer. So whoever has something to say leaves a file, whole or absent; the writer
records it as an event before it asks its designer for the next candidates.
"""

from __future__ import annotations

import time
from pathlib import Path

from pydantic import ValidationError

from rewardgen.store.atomic import TEMPORARY_PREFIX, clear_errors, write_file
from rewardgen.store.errors import StoreError
from rewardgen.store.parts import Data

_FOLDER = "feedback"


class FeedbackNote(Data):
    """What a person said.

    Attributes:
        id: name of the file; later notes sort behind earlier ones.
        candidate: the candidate it is about, or None.
        text: what was said.
    """

    id: str
    candidate: str | None
    text: str


def leave_note(run: Path, text: str, candidate: str | None) -> Path:
    """Leave a note for the next prompt and return its file.

    Raises:
        StoreError: it cannot be written.
    """
    folder = run / _FOLDER
    name = f"{time.time_ns():020d}"
    path = folder / f"{name}.json"
    with clear_errors(path):
        folder.mkdir(exist_ok=True)
    note = FeedbackNote(id=name, candidate=candidate, text=text)
    write_file(path, note.model_dump_json(indent=2).encode())
    return path


def read_notes(run: Path) -> list[FeedbackNote]:
    """Return all notes of a run, oldest first.

    Raises:
        StoreError: a note cannot be read or is none.
    """
    notes: list[FeedbackNote] = []
    for path in sorted((run / _FOLDER).glob("*.json")):
        if path.name.startswith(TEMPORARY_PREFIX):
            continue
        with clear_errors(path):
            data = path.read_bytes()
        try:
            notes.append(FeedbackNote.model_validate_json(data))
        except ValidationError as error:
            raise StoreError(
                f"{path} is no note that 'rewardgen feedback' wrote: correct or remove it"
            ) from error
    return notes
