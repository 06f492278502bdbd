"""Maps in YAML: what stands in one, and how it becomes a task."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rewardgen_envs.adapters.mapped.making import Wrapper
from rewardgen_envs.adapters.mapped.measuring import Function
from rewardgen_envs.adapters.mapped.task import MappedTask
from rewardgen_envs.base_task import TaskError
from rewardgen_envs.features import Feature
from rewardgen_envs.metrics import Accumulation, Metric
from rewardgen_envs.names import nearest
from rewardgen_envs.settings_file import SettingsFileError, read_settings
from rewardgen_envs.task_file import load_module

SUFFIXES = (".yaml", ".yml")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, strict=True)


_Size = Annotated[int, Field(ge=1)]


class FeatureEntry(_Strict):
    """One feature."""

    from_: str | None = Field(default=None, alias="from")
    """Formula of observation, info and env; of reward too if private."""
    function: str | None = None
    """file.py:name of a function (env, observation, info) of one world, instead of a formula."""
    shape: list[_Size] = []
    """Shape in one world; a number without it."""
    unit: str
    """SI unit; '1' for a pure number, bool for true or false."""
    description: str
    """One sentence."""
    private: bool = False
    """Whether only the fitness may read it."""
    absent: float | None = None
    """What holds where the environment's info lacks the key."""

    @model_validator(mode="after")
    def _one_source(self) -> FeatureEntry:
        if (self.from_ is None) == (self.function is None):
            raise ValueError("give one of 'from' (a formula) and 'function' (file.py:name)")
        return self


class MetricEntry(_Strict):
    """One fitness metric."""

    value: str
    """Formula of features: its value at one step."""
    unit: str
    description: str
    accumulation: Literal["time_average", "total", "final", "best", "longest_streak"] = (
        "time_average"
    )
    direction: Literal["higher", "lower"] = "higher"
    """Which is better."""
    success: float | None = None
    """From which number on an episode is a success."""
    after_termination: float = 0.0
    """What each step counts that a termination leaves out."""


class MapFile(_Strict):
    """A whole map."""

    env: str
    """As gymnasium.make takes it: Name-v0, or module:Name-v0."""
    kwargs: dict[str, Any] = {}
    """What the environment is made with."""
    wrappers: list[str | dict[str, dict[str, Any]]] = []
    """module:Class, or module:Class with its arguments; the innermost first."""
    name: str
    """family/variant."""
    description: str
    """The sentence that tells a designer what to achieve."""
    version: int = 1
    """To be raised when scores of older versions stop being comparable."""
    observation: list[str] | None = None
    """Parts of a dictionary that policies see; by default all that are numbers."""
    features: dict[str, FeatureEntry]
    fitness: Annotated[dict[str, MetricEntry], Field(min_length=1)]
    """By name; the first ranks."""
    human_reward: str | None = None
    """Reward file; without one the environment's own reward is the baseline."""
    steps: Annotated[int, Field(ge=1)] | None = None
    """Control steps of an episode; by default the environment's time limit."""
    step_s: Annotated[float, Field(gt=0.0)] | None = None
    """Seconds of a control step; by default what the environment says, or 1."""
    recipe: dict[str, Any] = {}
    """PPO settings that differ from configs/recipes/gymnasium.yaml."""


def read_map(path: Path) -> type[MappedTask]:
    """Return the task that a map describes.

    Raises:
        TaskError: it cannot be read, or an entry is wrong; says where.
    """
    try:
        entries = MapFile.model_validate(read_settings(path))
    except SettingsFileError as error:
        raise TaskError(str(error)) from error
    except ValidationError as error:
        problems = [_problem(p["type"], p["loc"], p["msg"], p["input"]) for p in error.errors()]
        raise TaskError(f"{path}: {'; '.join(problems)}") from error
    folder = path.parent
    features = {
        name: Feature(name, tuple(e.shape), e.unit, e.description, e.private)
        for name, e in entries.features.items()
    }
    attributes: dict[str, Any] = {
        "__doc__": entries.description,
        "__module__": MappedTask.__module__,
        "name": entries.name,
        "description": entries.description,
        "version": entries.version,
        "env": entries.env,
        "env_kwargs": entries.kwargs,
        "wrappers": tuple(wrapper for given in entries.wrappers for wrapper in _wrappers(given)),
        "observed": None if entries.observation is None else tuple(entries.observation),
        "features": tuple(features.values()),
        "sources": {n: _source(n, e, path) for n, e in entries.features.items()},
        "absent": {n: e.absent for n, e in entries.features.items() if e.absent is not None},
        "metrics": tuple(_metric(name, e) for name, e in entries.fitness.items()),
        "scores": {name: e.value for name, e in entries.fitness.items()},
        "steps": entries.steps,
        "step_s": entries.step_s,
        "recipe": entries.recipe,
        "human_reward": None if entries.human_reward is None else folder / entries.human_reward,
    }
    return type("Mapped", (MappedTask,), attributes)


def _wrappers(given: str | dict[str, dict[str, Any]]) -> list[Wrapper]:
    if isinstance(given, str):
        return [Wrapper(given)]
    return [Wrapper(name, kwargs) for name, kwargs in given.items()]


def _metric(name: str, entry: MetricEntry) -> Metric:
    return Metric(
        name=name,
        unit=entry.unit,
        description=entry.description,
        accumulation=Accumulation(entry.accumulation),
        higher_is_better=entry.direction == "higher",
        success=entry.success,
        after_termination=entry.after_termination,
    )


def _source(name: str, entry: FeatureEntry, path: Path) -> str | Function:
    if entry.from_ is not None:
        return entry.from_
    file_name, _, function = str(entry.function).rpartition(":")
    file = path.parent / file_name
    where = f"{path}: features.{name}.function"
    if not file_name.endswith(".py") or not file.is_file():
        raise TaskError(f"{where}: there is no file {file}; write file.py:name")
    module = load_module(file)
    found = getattr(module, function, None)
    if not callable(found):
        names = [n for n, v in vars(module).items() if callable(v)]
        raise TaskError(
            f"{where}: {file_name} has no function '{function}'{nearest(function, names)}"
        )
    return found


def _problem(kind: str, at: tuple[str | int, ...], message: str, given: object) -> str:
    """Return one problem of a validation: the entry, what is wrong, the valid names."""
    place = ".".join(str(part) for part in at)
    if kind == "extra_forbidden":
        *above, key = at
        return f"{place}: unknown entry{nearest(str(key), _entries(above))}"
    if kind == "missing":
        return f"{place} is missing"
    return f"{place}: {message.removeprefix('Value error, ')}, got {given!r}"


def _entries(above: Sequence[str | int]) -> list[str]:
    kinds: dict[str, type[BaseModel]] = {"features": FeatureEntry, "fitness": MetricEntry}
    kind = kinds.get(str(above[0]), MapFile) if above else MapFile
    return [field.alias or name for name, field in kind.model_fields.items()]
