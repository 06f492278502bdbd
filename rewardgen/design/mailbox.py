"""Letters as files, for people who have nothing but a chat window.

Every letter becomes ``LABEL.prompt.md``; its answer is waited for in ``LABEL.answer.md`` beside
it. An answer that is there already is taken as it is, so a resumed run asks for nothing twice.
"""

from __future__ import annotations

import codecs
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rewardgen.design.letters import Answer, Letter
from rewardgen.store.atomic import clear_errors, write_file

POLL_S = 0.5
_HEADINGS = {"system": "", "user": "", "assistant": "# Your answer was\n\n"}


def _sleep() -> None:
    time.sleep(POLL_S)


@dataclass(frozen=True)
class Mailbox:
    """A folder of prompts and answers.

    Attributes:
        folder: where they lie.
        say: tells people what is waited for, and where.
        wait: called while nothing has changed; it may raise to stop the waiting.
    """

    folder: Path
    say: Callable[[str], None]
    wait: Callable[[], None] = _sleep

    def ask(self, letters: Sequence[Letter]) -> list[Answer | None]:
        """Write the prompts and wait for all answers.

        Raises:
            StoreError: the files cannot be written or read.
        """
        for letter in letters:
            prompt = self._path(letter, "prompt")
            with clear_errors(prompt):
                prompt.parent.mkdir(parents=True, exist_ok=True)
            write_file(prompt, _letter(letter).encode())
        said, before = "", [""] * len(letters)
        while True:
            # an answer counts once it stays as it is: it may be in the middle of being saved
            texts = [self._text(letter) for letter in letters]
            if texts == before and all(texts):
                break
            missing = [x for x, text in zip(letters, texts, strict=True) if not text]
            places = ", ".join(self._path(letter, "answer").name for letter in missing)
            if missing and places != said:
                folder = self._path(missing[0], "answer").parent
                self.say(
                    f"waiting for answers: give each *.prompt.md in {folder} to whoever "
                    f"writes, and save the whole answers there as {places}"
                )
                said = places
            before = texts
            self.wait()
        return [Answer(text) for text in before]

    def _path(self, letter: Letter, kind: str) -> Path:
        return self.folder / f"{letter.label}.{kind}.md"

    def _text(self, letter: Letter) -> str:
        """Return an answer, empty while there is none."""
        path = self._path(letter, "answer")
        with clear_errors(path, "read"):
            text = _decoded(path.read_bytes()) if path.is_file() else ""
        return text if text.strip() else ""


def _decoded(data: bytes) -> str:
    """Return the text of a file that an editor, or a shell on Windows, has written."""
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if wide else "utf-8-sig", errors="replace")


def _letter(letter: Letter) -> str:
    """Return a conversation as one text that can be pasted."""
    return "\n\n".join(f"{_HEADINGS[m.role]}{m.content.strip()}" for m in letter.messages) + "\n"
