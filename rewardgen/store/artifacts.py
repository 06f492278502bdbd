"""Artifacts: immutable files named by the sha256 of their bytes.

A file gets its name only when it is whole and durable, and its event only after that, together
with the next event (the first that could refer to it). A kill in between leaves a file that no
event names, which the next identical one replaces.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

from rewardgen.store.atomic import (
    clear_errors,
    commit_file,
    remove_temporaries,
    sync_directory,
    temporary_file,
)
from rewardgen.store.errors import StoreCorruptError, StoreError
from rewardgen.store.parts import Artifact

ARTIFACTS_NAME = "artifacts"


class ArtifactReader:
    """Reads the artifacts of a run; what is read is compared with its name.

    Args:
        directory: where the files lie.
        registered: returns what an event says of an artifact, or None.
    """

    def __init__(self, directory: Path, registered: Callable[[str], Artifact | None]) -> None:
        self._directory = directory
        self._registered = registered

    def about(self, artifact: str) -> Artifact:
        """Return name, media type and size.

        Raises:
            StoreError: no such artifact.
        """
        found = self._find(artifact)
        if found is None:
            raise StoreError(f"this run has no artifact '{artifact}'")
        return found

    def _find(self, artifact: str) -> Artifact | None:
        return self._registered(artifact)

    def path(self, artifact: str) -> Path:
        """Return where an artifact lies, after comparing its bytes with its name.

        Raises:
            StoreError: no such artifact.
            StoreCorruptError: the file is missing or was changed.
        """
        path = self._directory / self.about(artifact).sha256
        if _hash_file(path) != artifact:
            raise _changed(path)
        return path

    def read_bytes(self, artifact: str) -> bytes:
        """Return an artifact's bytes.

        Raises:
            StoreError: no such artifact.
            StoreCorruptError: the file is missing or was changed.
        """
        path = self._directory / self.about(artifact).sha256
        try:
            data = path.read_bytes()
        except OSError as error:
            raise _changed(path) from error
        if hashlib.sha256(data).hexdigest() != artifact:
            raise _changed(path)
        return data

    def read_text(self, artifact: str) -> str:
        """Return an artifact as text; errors as in ``read_bytes``."""
        return self.read_bytes(artifact).decode()


class ArtifactStore(ArtifactReader):
    """Reads and adds artifacts; held by the one writer of a run.

    Args:
        directory: where the files lie; made if missing.
        registered: returns what an event says of an artifact, or None.
    """

    def __init__(self, directory: Path, registered: Callable[[str], Artifact | None]) -> None:
        super().__init__(directory, registered)
        self._pending: dict[str, Artifact] = {}
        with clear_errors(directory):
            if not directory.is_dir():
                directory.mkdir()
                sync_directory(directory.parent)
            remove_temporaries(directory)

    def pending(self) -> list[Artifact]:
        """Make the names of new files durable and return what events are to tell of."""
        if self._pending:
            with clear_errors(self._directory):
                sync_directory(self._directory)
        return list(self._pending.values())

    def settle(self, stored: Iterable[Artifact]) -> None:
        """Take note that an event tells of these."""
        for artifact in stored:
            self._pending.pop(artifact.sha256, None)

    def put_bytes(self, data: bytes, *, name: str, media_type: str) -> str:
        """Store bytes and return their id; bytes that are stored already keep their first name.

        Raises:
            StoreFullError: the disk is full; nothing changed.
            StoreError: the file cannot be written.
        """
        artifact = hashlib.sha256(data).hexdigest()
        if self._find(artifact) is not None:
            return artifact
        path = self._directory / artifact
        with clear_errors(path), temporary_file(self._directory) as (stream, temporary):
            stream.write(data)
            commit_file(stream, temporary, path)
        return self._add(artifact, name, media_type, len(data))

    def put_text(self, text: str, *, name: str, media_type: str = "text/plain") -> str:
        """Store text as UTF-8; see ``put_bytes``."""
        return self.put_bytes(text.encode(), name=name, media_type=media_type)

    def put_file(self, source: Path, *, media_type: str, name: str | None = None) -> str:
        """Store a copy of a file, by default under its own name; see ``put_bytes``."""
        digest = hashlib.sha256()
        size = 0
        with (
            source.open("rb") as given,
            clear_errors(self._directory),
            temporary_file(self._directory) as (stream, temporary),
        ):
            while block := given.read(1 << 20):
                digest.update(block)
                size += stream.write(block)
            artifact = digest.hexdigest()
            if self._find(artifact) is not None:
                return artifact
            commit_file(stream, temporary, self._directory / artifact)
        return self._add(artifact, name or source.name, media_type, size)

    def _find(self, artifact: str) -> Artifact | None:
        return self._pending.get(artifact) or self._registered(artifact)

    def _add(self, artifact: str, name: str, media_type: str, size: int) -> str:
        self._pending[artifact] = Artifact(
            sha256=artifact, name=name, media_type=media_type, size_bytes=size
        )
        return artifact


def _hash_file(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise _changed(path) from error
    return digest.hexdigest()


def _changed(path: Path) -> StoreCorruptError:
    return StoreCorruptError(f"artifact {path} is missing or was changed; restore it from a backup")
