"""Runs whose simulation is made up: a search of any size within minutes, as the product writes it.

``api.run`` does everything it does for a real run: proposals, racing, feedback, events and
artifacts. Replaced are only the parts that take hours: training and evaluation are drawn by
chance, every check accepts, and proposals are what ``evolve`` gives without looking back, since
what it learns from a pool takes the longer the larger that is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Self
from unittest.mock import patch

from pydantic import JsonValue

from rewardgen import api
from rewardgen.config import RunConfig
from rewardgen.design.designer import DesignContext, Proposal
from rewardgen.design.evolve import EvolveDesigner
from rewardgen.rewards.findings import Finding
from rewardgen.run import session
from rewardgen.run.screening import Screening
from rewardgen.run.session import InterruptedRunError
from rewardgen.rungs.executor import LocalExecutor
from rewardgen.rungs.jobs import (
    EvaluateJob,
    EvaluateResult,
    MemberResult,
    SurveyJob,
    SurveyResult,
    TrainJob,
    TrainResult,
)
from rewardgen.store.payloads import CandidateChecked
from rewardgen_envs.registry import load_task

UPDATES = 20
"""Updates per rung that curves show."""
_SPREAD = (0.0, -1.0, 0.0, 1.0)
_LEARNING = ("reward", "kl", "entropy", "learning_rate", "value_loss", "explained_variance")
_SHOWN = ("episodes", "episode_return", "episode_length", "truncated", "clip_share", *_LEARNING)


def make_run(config: RunConfig, finished: int) -> Path:
    """Make a search that was interrupted, and return its directory.

    Args:
        config: its configuration; evolve is its designer.
        finished: iterations it finished; it stops in the last rung of the next one.
    """
    with made_up(stop_at=f"iteration-{finished + 1}-rung-{config.rungs}-train"):
        try:
            api.run(config, designer=Forgetful(), display=Silent())
        except InterruptedRunError as stop:
            return stop.path
    raise AssertionError("it is longer than what it is to finish")


@contextmanager
def made_up(stop_at: str = "") -> Generator[None]:
    """Make up the simulation of the runs in here.

    Args:
        stop_at: the job that is interrupted, as if somebody had pressed Ctrl-C.
    """

    def executor(workspace: Path, trainers: int = 0) -> MadeUpExecutor:
        return MadeUpExecutor(workspace, stop_at)

    with (
        patch.object(session, "LocalExecutor", executor),
        patch.object(Screening, "check", _accept),
    ):
        yield


@dataclass(frozen=True)
class Forgetful:
    """Proposes what evolve proposes first; most are children of the best, by name only."""

    @property
    def name(self) -> str:
        """The designer that takes the run up again."""
        return "evolve"

    def propose(self, context: DesignContext) -> list[Proposal]:
        """Return proposals that depend on the context's seed alone."""
        drawn = EvolveDesigner().propose(replace(context, history=(), parents=()))
        parents = tuple(t.candidate for t in context.parents)
        return [
            replace(one, parents=parents[i % 4 : i % 4 + 1], origin="mutation:rescale")
            if parents and i % 3
            else one
            for i, one in enumerate(drawn)
        ]


class MadeUpExecutor(LocalExecutor):
    """Draws results instead of executing jobs; equal jobs have equal results.

    Args:
        workspace: folder for what is trained.
        stop_at: the job that is interrupted.
    """

    def __init__(self, workspace: Path, stop_at: str) -> None:
        super().__init__(workspace)
        self._stop_at = stop_at

    def __enter__(self) -> Self:
        return self  # no process is needed

    def survey(self, name: str, job: SurveyJob) -> SurveyResult:
        """Give every feature the same spread."""
        return SurveyResult(columns=_columns(job.task, Random(0)), env_steps=16_000, steps_per_s=1)

    def train(
        self,
        name: str,
        job: TrainJob,
        progress: Callable[[int, int], None],
        late: Callable[..., None],
    ) -> tuple[TrainResult, Path]:
        """Write small files as policies; draw curves.

        Raises:
            KeyboardInterrupt: this is where the run stops.
        """
        del progress, late
        if name == self._stop_at:
            raise KeyboardInterrupt
        folder = (self._workspace / name).resolve()
        folder.mkdir(parents=True)
        for i, member in enumerate(job.members):
            policy = f"{name} {job.rewards[member.reward].name} {member.seed}\n"
            (folder / f"member-{i}.safetensors").write_text(policy)
        result = TrainResult(
            members=tuple(
                MemberResult(checkpoint=f"member-{i}.safetensors", env_steps=job.env_steps)
                for i in range(len(job.members))
            ),
            curves=tuple(
                _curves(job.task, job.rewards[m.reward].source, m.seed, job.rung, job.env_steps)
                for m in job.members
            ),
            env_steps=job.env_steps * len(job.members),
            wall_s=1.0,
            isolation=("made up",),
        )
        return result, folder

    def evaluate(self, name: str, job: EvaluateJob) -> EvaluateResult:
        """Draw episodes by the policy's file."""
        chances = [Random(Path(path).read_text()) for path in job.checkpoints]
        count = len(job.eval_seeds)
        return EvaluateResult(
            fitness={
                metric: tuple(tuple(chance.random() for _ in range(count)) for chance in chances)
                for metric in _metrics(job.task)
            },
            length=((500,) * count,) * len(chances),
            causes=(("time limit",) * count,) * len(chances),
            columns=tuple(_columns(job.task, chance) for chance in chances),
            env_steps=500 * count * len(chances),
        )


class Silent:
    """A display that shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def iteration(self, number: int, total: int) -> None:
        """Show nothing."""

    def candidate(self, name: str, state: str, fitness: float | None = None) -> None:
        """Show nothing."""

    def progress(self, job: str, done: int, total: int) -> None:
        """Show nothing."""

    def note(self, text: str) -> None:
        """Show nothing."""


def _accept(
    self: Screening,
    candidate: str,
    source: str,
    fault: Finding | None = None,
    wrapper: JsonValue = None,
    *,
    criticized: bool = True,
) -> CandidateChecked:
    del self, source, fault, wrapper, criticized
    return CandidateChecked(candidate=candidate, verdict="accepted")


@cache
def _metrics(task: str) -> list[str]:
    return [metric.name for metric in load_task(task).metrics]


@cache
def _features(task: str) -> list[str]:
    """Return the scalar public features; of the others columns have longer names."""
    return [one.name for one in load_task(task).table.public() if not one.shape]


def _columns(task: str, chance: Random) -> dict[str, tuple[float, float, float, float]]:
    """Return statistics of the scalar public features, as an evaluation gives them."""
    moved = chance.gauss(0.0, 0.3)
    mean, low, median, high = (value + moved for value in _SPREAD)
    return {name: (mean, low, median, high) for name in _features(task)}


def _curves(
    task: str, source: str, seed: int, rung: int, env_steps: int
) -> dict[str, list[float | None]]:
    """Return the quantities that a trainer reports, along a rung."""
    chance = Random(f"{source}{seed}{rung}")
    terms = dict.fromkeys(re.findall(r'"(\w+)":', source))
    names = [*_SHOWN, *(f"fitness/{metric}" for metric in _metrics(task))]
    names += [f"{kind}/{term}" for term in terms for kind in ("term", "advantage_share")]
    curves: dict[str, list[float | None]] = {
        name: [chance.random() for _ in range(UPDATES)] for name in names
    }
    step = env_steps / UPDATES
    return {"env_steps": [step * (i + 1) for i in range(UPDATES)], **curves}
