"""What can go wrong with a run directory; every message names the culprit and what to do."""

from __future__ import annotations

from rewardgen_envs.errors import UsageError


class StoreError(RuntimeError):
    """A run directory cannot be read or written; nothing that was acknowledged is lost."""


class StoreFullError(StoreError):
    """The disk (or quota, or file size limit) is full; the store is as before the write."""


class StoreCorruptError(StoreError):
    """Stored bytes are not those that were written."""


class StoreMovedError(StoreError):
    """The run's directory is no longer where it was opened."""


class StoreLockedError(StoreError):
    """Another process writes this run."""


class StoreVersionError(StoreError):
    """The run was written in a format that this version does not read."""


class RunNotFoundError(UsageError):
    """No such run; the message lists those there are."""


class RunExistsError(UsageError):
    """A new run was asked for where one is already."""
