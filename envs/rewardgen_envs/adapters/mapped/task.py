"""Tasks from other people's environments: what the author of a map declares, and what follows.

A map in YAML (``map_file.py``) becomes a class like those written in Python.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, ClassVar

import torch
from gymnasium import spaces
from jaxtyping import Float
from torch import Tensor

from rewardgen_envs.adapters.mapped.formula import Formula, FormulaError
from rewardgen_envs.adapters.mapped.making import Environment, Wrapper, make_environment
from rewardgen_envs.adapters.mapped.measuring import Function, Measured, Seen
from rewardgen_envs.adapters.mapped.spaces import Observed, action_of, observed_of
from rewardgen_envs.base_task import (
    BaseTask,
    BoxAction,
    DiscreteAction,
    TaskError,
    standard_features,
)
from rewardgen_envs.errors import UsageError
from rewardgen_envs.features import Feature, FeatureTable, FeatureView

ENV_REWARD = Feature("env_reward", (), "1", "Reward that the environment itself gave.", True)
"""What the environment pays for the step that led here; no candidate sees it."""


@dataclass(frozen=True)
class Interface:
    """What an environment says about itself.

    Attributes:
        observation_space: of one environment.
        action_space: of one environment.
        observed: what policies see.
        action: in the product's words.
        steps: its time limit in control steps, or None.
        step_s: length of a control step in seconds.
    """

    observation_space: spaces.Space[Any]
    action_space: spaces.Space[Any]
    observed: Observed
    action: BoxAction | DiscreteAction
    steps: int | None
    step_s: float


class MappedTask(BaseTask):
    """A Gymnasium environment with a map of its features.

    Attributes:
        name, description, version, metrics, human_reward: see ``BaseTask``. Without a human reward
            the environment's own takes its place.
        env: as ``gymnasium.make`` takes it, ``Name-v0`` or ``module:Name-v0``.
        env_kwargs: what it is made with.
        wrappers: around it, from the innermost.
        observed: parts of a dictionary that policies see; None for all that are numbers.
        features: what is measured.
        sources: feature → formula or function, unless the class has a ``measure`` of its own.
        absent: feature → what holds where info does not tell.
        scores: metric → formula of features, for one step, unless it has a ``fitness``.
        steps: nominal episode length in control steps; None for the environment's.
        step_s: length of a control step in seconds; None for what the environment says.
        recipe: PPO settings that differ from those of all mapped tasks.
        render_mode: how the environment draws; None if it need not.
    """

    env: ClassVar[str]
    env_kwargs: ClassVar[Mapping[str, Any]] = {}
    wrappers: ClassVar[tuple[Wrapper, ...]] = ()
    observed: ClassVar[tuple[str, ...] | None] = None
    sources: ClassVar[Mapping[str, str | Function]] = {}
    absent: ClassVar[Mapping[str, float]] = {}
    scores: ClassVar[Mapping[str, str]] = {}
    steps: ClassVar[int | None] = None
    step_s: ClassVar[float | None] = None
    recipe: ClassVar[Mapping[str, Any]] = {}
    render_mode: ClassVar[str | None] = None
    human_reward = None

    def filmed(self) -> MappedTask:
        """Return the same task, whose environments draw pictures."""
        return type("Filmed", (type(self),), {"render_mode": "rgb_array"})()

    def make(self) -> Environment:
        """Return a new environment.

        Raises:
            TaskError: it cannot be made; says what is missing.
        """
        try:
            return make_environment(
                self.env,
                self.env_kwargs,
                self.wrappers,
                steps=self.steps,
                render_mode=self.render_mode,
            )
        except TaskError as error:
            raise TaskError(f"task '{self.name}': {error}") from error

    def measure(self, seen: Seen) -> dict[str, Tensor]:
        """Return every declared feature, (R, *shape) each.

        Raises:
            TaskError: one cannot be computed, or in another shape than declared.
        """
        space = self.interface.observation_space
        try:
            return {m.feature.name: m.value(seen, space) for m in self._measured}
        except TaskError as error:
            raise TaskError(f"task '{self.name}': {error}") from error

    def fitness(self, features: FeatureView) -> dict[str, Tensor]:
        """Return the value of each metric at this step, (…)."""
        values: dict[str, Tensor] = {}
        for metric in self.metrics:
            formula = self._scores[metric.name]
            scope = {name: _reader(features, name) for name in formula.names}
            lead = features.terminated
            try:
                value = formula.evaluate(scope)
            except FormulaError as error:
                raise TaskError(f"task '{self.name}': metric '{metric.name}': {error}") from error
            if value.numel() != lead.numel():
                raise TaskError(
                    f"task '{self.name}': metric '{metric.name}': '{formula.text}' gives the shape "
                    f"{tuple(value.shape[1:])}, not one number per step"
                )
            values[metric.name] = value.reshape(lead.shape).to(torch.float32)
        return values

    def original_reward(
        self, state: FeatureView, action: Tensor, next_state: FeatureView
    ) -> Float[Tensor, "..."]:
        """Return the environment's own reward: the baseline where no person wrote one."""
        del state, action
        return next_state.env_reward

    # ---- what follows from it

    @property
    def action(self) -> BoxAction | DiscreteAction:
        """The action space; a box is scaled to [-1, 1]."""
        return self.interface.action

    @cached_property
    def interface(self) -> Interface:
        """What the environment says about itself; one is made to be asked.

        Raises:
            TaskError: it cannot be made, or has observations or actions that cannot be used.
        """
        env = self.make()
        try:
            limit = None if env.spec is None else env.spec.max_episode_steps
            return Interface(
                observation_space=env.observation_space,
                action_space=env.action_space,
                observed=observed_of(env.observation_space, self.observed),
                action=action_of(env.action_space),
                steps=limit,
                step_s=self.step_s or _step_s(env),
            )
        except TaskError as error:
            raise TaskError(f"task '{self.name}', environment '{self.env}': {error}") from error
        finally:
            env.close()

    @cached_property
    def table(self) -> FeatureTable:
        """All features and their columns."""
        try:
            standard = standard_features(self.action)
            return FeatureTable((*self.features, *standard, ENV_REWARD))
        except ValueError as error:
            if isinstance(error, UsageError):
                raise
            raise TaskError(f"task '{self.name}': {error}") from error

    @cached_property
    def _measured(self) -> tuple[Measured, ...]:
        names = {feature.name for feature in self.features}
        for name in self.sources.keys() ^ names:
            what = "has no source" if name in names else "is no declared feature"
            raise TaskError(f"task '{self.name}': '{name}' {what}")
        return tuple(
            Measured(feature, self.sources[feature.name], self.absent.get(feature.name))
            for feature in self.features
        )

    @cached_property
    def _scores(self) -> dict[str, Formula]:
        names = self.table.names
        for metric in self.metrics:
            if metric.name not in self.scores:
                raise TaskError(f"task '{self.name}': metric '{metric.name}' has no formula")
        try:
            return {
                metric.name: Formula(self.scores[metric.name], names) for metric in self.metrics
            }
        except FormulaError as error:
            raise TaskError(f"task '{self.name}': fitness: {error}") from error

    @cached_property
    def scene_sha256(self) -> str:
        """Hash of environment and map: whatever in them changes, scores are not comparable."""
        facts = {
            "env": self.env,
            "kwargs": dict(self.env_kwargs),
            "wrappers": [(w.name, dict(w.kwargs)) for w in self.wrappers],
            "observed": self.observed,
            "features": [asdict(feature) for feature in self.features],
            "sources": self._texts(),
            "absent": dict(self.absent),
            "metrics": [asdict(metric) for metric in self.metrics],
            "scores": dict(self.scores),
            "steps": self.episode_steps,
            "step_s": self.control_dt_s,
        }
        text = json.dumps(facts, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    def _texts(self) -> dict[str, str]:
        """Return how features and fitness are computed, as text."""
        own = {
            name: inspect.getsource(getattr(type(self), name))
            for name in ("measure", "fitness")
            if getattr(type(self), name) is not getattr(MappedTask, name)
        }
        return own if "measure" in own else own | {m.feature.name: m.text for m in self._measured}

    @cached_property
    def control_dt_s(self) -> float:
        """Length of a control step in seconds."""
        return self.interface.step_s

    @cached_property
    def episode_steps(self) -> int:
        """Nominal episode length in control steps.

        Raises:
            TaskError: neither map nor environment says it.
        """
        steps = self.steps or self.interface.steps
        if steps is None:
            raise TaskError(
                f"task '{self.name}': environment '{self.env}' declares no time limit: say "
                "how many control steps an episode has, 'steps: 200'"
            )
        return steps

    @cached_property
    def observation_size(self) -> int:
        """Number of numbers in an observation, pixels included."""
        size = 1
        for count in self.interface.observed.shape:
            size *= count
        return size


def _reader(features: FeatureView, name: str) -> Callable[[], Tensor]:
    """Return what reads a feature with all leading dimensions as one."""
    width = features.terminated.dim()

    def read() -> Tensor:
        value: Tensor = getattr(features, name)
        return value.reshape(-1, *value.shape[width:]).to(torch.float64)

    return read


def _step_s(env: Environment) -> float:
    """Return a control step in seconds, as far as an environment tells; else 1."""
    seconds: object = getattr(env.unwrapped, "dt", None)
    if isinstance(seconds, float | int) and seconds > 0.0:
        return float(seconds)
    rate: object = env.metadata.get("render_fps")
    return 1.0 / float(rate) if isinstance(rate, float | int) and rate > 0 else 1.0
