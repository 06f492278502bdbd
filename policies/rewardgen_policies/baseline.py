"""What random actions and a task's own rewards reach: stored results, and a policy of each task.

``rewardgen tasks baseline`` writes them; reports, task cards and normalized scores read them.
"""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from rewardgen_envs.errors import UsageError
from rewardgen_policies.checkpoint import MAX_BYTES, MemberState, decode, encode

DIRECTORY = Path(__file__).parent / "baselines"
_SUFFIX, _POLICY_SUFFIX = ".json", ".policy.gz"

Interval = tuple[FiniteFloat, FiniteFloat]


class BaselineError(UsageError):
    """A stored baseline cannot be read or written; says which file and what is wrong."""


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BaselineCurve(_Data):
    """Fitness of the training episodes along training, mean and 95 % band over the seeds."""

    env_steps: tuple[FiniteFloat, ...]
    mean: tuple[FiniteFloat | None, ...]
    low: tuple[FiniteFloat | None, ...]
    high: tuple[FiniteFloat | None, ...]


class BaselineArm(_Data):
    """What one reward, or chance, reaches in the ranking metric."""

    points: Annotated[
        tuple[FiniteFloat, ...], Field(description="mean of each policy; of chance each episode")
    ]
    iqm: FiniteFloat
    interval: Annotated[Interval, Field(description="95 % interval of the interquartile mean")]
    success: Annotated[
        FiniteFloat | None, Field(description="share of episodes that reach the success threshold")
    ]
    curve: Annotated[BaselineCurve | None, Field(description="null for chance")]


class Baseline(_Data):
    """The baselines of one task."""

    format: Literal[1] = 1
    task: str
    task_version: int
    scene_sha256: str
    metric: str
    unit: str
    higher_is_better: bool
    success_threshold: FiniteFloat | None
    human_sha256: Annotated[str, Field(description="of the human-written reward file")]
    recipe_sha256: str
    env_steps: Annotated[int, Field(description="training budget of every policy")]
    seed: Annotated[int, Field(description="that of the run; every other seed follows from it")]
    train_seeds: Annotated[int, Field(description="policies of each reward")]
    eval_episodes: Annotated[int, Field(description="evaluation episodes of each policy")]
    random: BaselineArm
    sparse: BaselineArm
    human: BaselineArm
    correlations: Annotated[
        dict[str, FiniteFloat | None],
        Field(
            description="Spearman's rank correlation of the episode means of each public number "
            "with the episode's fitness, over random, sparse and human policies; null if constant"
        ),
    ]
    wall_s: Annotated[FiniteFloat, Field(description="seconds of the training, evaluation too")]
    processor: str
    versions: dict[str, str]

    @property
    def overlap(self) -> bool:
        """Whether the intervals of human and sparse share a point."""
        first, second = self.human.interval, self.sparse.interval
        return first[0] <= second[1] and second[0] <= first[1]

    def normalized(self, fitness: float) -> float | None:
        """Return a fitness on the scale where sparse is 0 and human 1.

        The human-normalized score of Ma et al. ("Eureka", 2024): distance from the sparse reward
        over the absolute distance of the human reward from it, so that on a task where sparse is
        the better of both, more is still better.

        Returns:
            The score; None where it is undefined because the intervals of human and sparse
            overlap, so that it would divide by what may be nothing.
        """
        if self.overlap:
            return None
        sign = 1.0 if self.higher_is_better else -1.0
        return sign * (fitness - self.sparse.iqm) / abs(self.human.iqm - self.sparse.iqm)


def baseline_file(task: str, directory: Path = DIRECTORY) -> Path:
    """Return where the baseline of a task is kept."""
    return directory / f"{task.replace('/', '-')}{_SUFFIX}"


def load_baseline(file: Path) -> Baseline | None:
    """Read a baseline; None if there is none.

    Raises:
        BaselineError: it is damaged.
    """
    if not file.is_file():
        return None
    try:
        return Baseline.model_validate_json(file.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BaselineError(f"{file} is no baseline: {where}: {first['msg']}") from error


def policy_bytes(state: MemberState) -> bytes:
    """Return a policy as it is kept beside its baseline: without the optimizer's moments.

    They make up two thirds of a checkpoint and are of use only to the run that goes on.
    """
    forgotten = {
        name: torch.zeros_like(value) if name.startswith("adam_") else value
        for name, value in state.tensors.items()
    }
    counters = replace(state.counters, adam_steps=0)
    # no time in the header: equal policies give equal bytes
    return gzip.compress(encode(replace(state, tensors=forgotten, counters=counters)), mtime=0)


def load_policy(task: str, directory: Path = DIRECTORY) -> MemberState | None:
    """Return the stored policy of a task, that of the human reward's median seed; None if none.

    Raises:
        BaselineError: it is damaged.
        CheckpointError: what it holds is no checkpoint.
    """
    file = policy_file(task, directory)
    if not file.is_file():
        return None
    try:
        with gzip.open(file) as stream:
            data = stream.read(MAX_BYTES + 1)
    except (OSError, EOFError) as error:
        raise BaselineError(f"{file} is no stored policy: {error}") from error
    return decode(data, str(file))


def policy_file(task: str, directory: Path = DIRECTORY) -> Path:
    """Return where the policy of a task is kept."""
    return baseline_file(task, directory).with_suffix("").with_suffix(_POLICY_SUFFIX)
