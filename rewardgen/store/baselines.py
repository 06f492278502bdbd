"""What random actions and a task's own rewards reach: stored results.

``rewardgen tasks baseline`` writes them; reports, task cards and normalized scores read them.
They lie in the package of the policies, beside one policy of each task; it is found without
importing it, which would be heavy.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from rewardgen_envs.errors import UsageError

_PACKAGE = find_spec("rewardgen_policies")
DIRECTORY = Path(str(_PACKAGE and _PACKAGE.origin)).parent / "baselines"

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
    return directory / f"{task.replace('/', '-')}.json"


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
