"""Jobs and checks whose outcome is known: training is the same for the same job.

So a run that is disturbed and repeated many times costs its own work, not that of its workers,
which do each job once. The jobs' folders are written as workers write them. Figures are empty.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self
from unittest import mock

from pydantic import JsonValue

from rewardgen.report import plots
from rewardgen.rewards.findings import Finding
from rewardgen.run import program, session
from rewardgen.run.screening import Screening
from rewardgen.rungs.executor import Late, LocalExecutor, Progress
from rewardgen.rungs.jobs import (
    JOB,
    RESULT,
    EvaluateJob,
    EvaluateResult,
    SurveyJob,
    SurveyResult,
    TrainJob,
    TrainResult,
)
from rewardgen.store.payloads import CandidateChecked

_FIGURE = b'<svg xmlns="http://www.w3.org/2000/svg"/>'


def remember(folder: Path) -> None:
    """Let runs of this process look up what is known, and keep what is not known yet."""

    class Remembering(_Executor):
        memory = folder

    class RememberingScreening(_Screening):
        memory = folder

    session.LocalExecutor = Remembering  # type: ignore[misc]
    program.Screening = RememberingScreening  # type: ignore[misc]
    # half of what such a run takes would be the drawing of figures
    mock.patch.object(plots, "svg", _drawn).start()


def _drawn(size_in: object, draw: object) -> bytes:
    del size_in, draw
    return _FIGURE


class _Executor(LocalExecutor):
    memory: Path

    def __enter__(self) -> Self:
        return self  # workers start when something is not known

    def train(
        self, name: str, job: TrainJob, progress: Progress, late: Late
    ) -> tuple[TrainResult, Path]:
        known = self.memory / _key(job)
        if not known.is_dir():
            result, made = super().train(name, job, progress, late)
            (made / "known.json").write_bytes(RESULT.dump_json(result))
            _keep(known, lambda folder: shutil.copytree(made, folder))
            return result, made
        place = (self._workspace / name).resolve()
        shutil.rmtree(place, ignore_errors=True)
        _copy(known, place)
        result = RESULT.validate_json((place / "known.json").read_bytes())
        assert isinstance(result, TrainResult)
        return result, place

    def evaluate(self, name: str, job: EvaluateJob) -> EvaluateResult:
        result = self._remembered(job, lambda: super(_Executor, self).evaluate(name, job))
        assert isinstance(result, EvaluateResult)
        return result

    def survey(self, name: str, job: SurveyJob) -> SurveyResult:
        result = self._remembered(job, lambda: super(_Executor, self).survey(name, job))
        assert isinstance(result, SurveyResult)
        return result

    def _remembered(
        self, job: EvaluateJob | SurveyJob, work: Callable[[], Any]
    ) -> TrainResult | EvaluateResult | SurveyResult:
        known = self.memory / _key(job)
        if not known.is_file():
            result = RESULT.dump_json(work())
            _keep(known, lambda file: file.write_bytes(result))
        return RESULT.validate_json(known.read_bytes())


class _Screening(Screening):
    memory: Path

    def check(
        self,
        candidate: str,
        source: str,
        fault: Finding | None = None,
        wrapper: JsonValue = None,
        *,
        criticized: bool = True,
    ) -> CandidateChecked:
        asked = json.dumps([source, wrapper, criticized]).encode()
        known = self.memory / f"check-{hashlib.sha256(asked).hexdigest()}"
        if not known.is_file():
            found = super().check(candidate, source, fault, wrapper, criticized=criticized)
            _keep(known, lambda file: file.write_text(found.model_dump_json()))
        checked = CandidateChecked.model_validate_json(known.read_bytes())
        return checked.model_copy(update={"candidate": candidate})


def _key(job: TrainJob | EvaluateJob | SurveyJob) -> str:
    """Return a name that equal jobs share, wherever their checkpoints lie."""
    match job:
        case TrainJob():
            members = [
                m.model_copy(update={"checkpoint": _hash(m.checkpoint)}) for m in job.members
            ]
            job = job.model_copy(update={"members": tuple(members)})
        case EvaluateJob():
            hashes = tuple(_hash(path) or "" for path in job.checkpoints)
            job = job.model_copy(update={"checkpoints": hashes})
        case SurveyJob():
            pass
    return f"{job.kind}-{hashlib.sha256(JOB.dump_json(job)).hexdigest()}"


def _hash(path: str | None) -> str | None:
    return None if path is None else hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _keep(known: Path, write: Callable[[Path], object]) -> None:
    """Write something under a name that it gets when it is whole; the first one stays."""
    partial = known.with_name(f".{known.name}-{os.getpid()}")
    write(partial)
    try:
        partial.rename(known)
    except OSError:  # another process was faster
        shutil.rmtree(partial, ignore_errors=True)


def _copy(source: Path, target: Path) -> None:
    """Copy a folder by plain writes, as a worker would make them."""
    for path in sorted(source.rglob("*")):
        copied = target / path.relative_to(source)
        copied.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            copied.write_bytes(path.read_bytes())
