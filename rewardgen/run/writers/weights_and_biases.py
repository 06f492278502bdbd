"""Weights & Biases: one W&B run per policy, grouped by the run, in its folder or online.

W&B's own settings decide (``wandb login``, ``WANDB_MODE``, ``WANDB_PROJECT``, …). Who is not
logged in gets files for ``wandb sync``. Nothing asks for a login, and nothing waits for a server
longer than the limits below.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rewardgen.run.writers.base import OpenLog, PolicyLog, ScalarWriter

if TYPE_CHECKING:
    import wandb

_FOLDER = "wandb"
_PROJECT = "rewardgen"
_OFFLINE = ("offline", "dryrun")
_INIT_TIMEOUT_S, _FINISH_TIMEOUT_S = 30.0, 120.0
# W&B sends reports about errors of its own, offline too; nobody asked for that here
_REPORTING = "WANDB_ERROR_REPORTING"

Mode = Literal["online", "offline", "disabled"]


class _Log:
    def __init__(self, run: wandb.Run) -> None:
        self._run = run

    def add_scalars(self, values: Mapping[str, float], step: int) -> None:
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        self._run.finish()


@contextmanager
def weights_and_biases(run: Path, note: Callable[[str], None]) -> Generator[OpenLog]:
    """Write one W&B run per policy; without a login into ``wandb/`` in the run's directory.

    Raises:
        wandb.Error: the server does not answer in time, or refuses; what was begun is left as is.
    """
    with _quietly():
        import wandb

        settings = wandb.Settings(
            silent=True,
            console="off",
            disable_git=True,
            disable_code=True,
            x_disable_stats=True,  # of the machine, long after the training
            init_timeout=_INIT_TIMEOUT_S,
            finish_timeout=_FINISH_TIMEOUT_S,
            finish_timeout_raises=True,
        )
        folder = run / _FOLDER
        shutil.rmtree(folder, ignore_errors=True)
        try:
            mode = _mode(settings)
            yield partial(_open, run, mode, settings)
            if mode == "offline":
                command = f"wandb sync {shlex.quote(str(folder))}/offline-run-*"
                note(f"Weights & Biases: written offline; upload with: {command}")
        finally:
            if wandb.run is None:  # else the caller's own run goes on
                wandb.teardown()


def _open(run: Path, mode: Mode, settings: wandb.Settings, log: PolicyLog) -> ScalarWriter:
    import wandb

    return _Log(
        wandb.init(
            project=os.environ.get("WANDB_PROJECT", _PROJECT),
            dir=run,
            id=log.id,
            name=f"{log.run}/{log.name}",
            group=log.run,
            job_type=log.source,
            config=dict(log.config),
            mode=mode,
            reinit="create_new",
            settings=settings,
        )
    )


def _mode(settings: wandb.Settings) -> Mode:
    """Return what W&B's settings ask for; offline if nobody is logged in."""
    import wandb

    wanted = wandb.setup(settings=settings).settings.mode
    if wanted == "disabled":
        return "disabled"
    if wanted in _OFFLINE or not wandb.login(prompt=False, verify=False):
        return "offline"
    return "online"


@contextmanager
def _quietly() -> Generator[None]:
    """Turn W&B's reports about itself off, unless the user chose."""
    chosen = os.environ.get(_REPORTING)
    os.environ.setdefault(_REPORTING, "false")
    try:
        yield
    finally:
        if chosen is None:
            os.environ.pop(_REPORTING, None)
