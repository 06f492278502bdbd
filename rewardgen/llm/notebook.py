"""Where replies are kept: durably, before anybody uses them, so that none is paid for twice."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from rewardgen.llm.messages import Reply, Request
from rewardgen.store.atomic import clear_errors, sync_directory, temporary_file, write_file


class Notebook(Protocol):
    """Keeps the replies of one run or command. Called by the thread that asks, never by others."""

    @property
    def spent_usd(self) -> float:
        """What was paid for all replies kept so far, by earlier processes of the run too."""
        ...

    @property
    def dropped(self) -> tuple[str, ...]:
        """Parameters that the endpoint refused, of earlier processes of the run too."""
        ...

    def find(self, key: str) -> Reply | None:
        """Return the reply kept under a key."""
        ...

    def drop(self, name: str) -> None:
        """Take note that the endpoint refused a parameter."""
        ...

    def keep(self, key: str, request: Request, reply: Reply) -> None:
        """Keep a reply; when this returns it is durable, and its price is in ``spent_usd``."""
        ...


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    request: Request
    reply: Reply


class FileCache:
    """Replies as files, named by their keys; several commands may share it.

    As a notebook it counts what was paid through this object: another command has a cap of its
    own. The replies it finds keep the price that was once paid; as the ``cache`` of an endpoint
    they come at none.

    Args:
        directory: where the files lie; made with the first.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._spent_usd = 0.0
        self._estimated = 0

    @property
    def estimated(self) -> int:
        """How many of the replies kept through this object have a cost that is an estimate."""
        return self._estimated

    @property
    def dropped(self) -> tuple[str, ...]:
        """Nothing: the files are of many commands, and of any endpoint."""
        return ()

    def drop(self, name: str) -> None:
        """Keep nothing of it: another command may ask another endpoint."""

    @property
    def spent_usd(self) -> float:
        """What was paid for the replies kept through this object."""
        return self._spent_usd

    def find(self, key: str) -> Reply | None:
        """Return the reply kept under a key; a file that is damaged counts as none."""
        try:
            entry = _Entry.model_validate_json(self._path(key).read_bytes())
        except (OSError, ValidationError):
            return None
        return entry.reply if entry.reply.key == key else None

    def keep(self, key: str, request: Request, reply: Reply) -> None:
        """Keep a reply, in place of what is there.

        Raises:
            StoreFullError: the disk is full.
            StoreError: the file cannot be written.
        """
        self._make_directory()
        data = _Entry(request=request, reply=reply).model_dump_json(indent=1).encode()
        write_file(self._path(key), data)
        self._spent_usd += reply.cost_usd or 0.0
        self._estimated += reply.estimated

    def check(self) -> None:
        """Make sure that replies can be kept, before one is paid for.

        Raises:
            StoreFullError: the disk is full.
            StoreError: the folder cannot be made or written to.
        """
        self._make_directory()
        with clear_errors(self._directory), temporary_file(self._directory):
            pass

    def _make_directory(self) -> None:
        with clear_errors(self._directory):
            if not self._directory.is_dir():
                self._directory.mkdir(parents=True, exist_ok=True)
                sync_directory(self._directory.parent)

    def _path(self, key: str) -> Path:
        return self._directory / f"{key}.json"
