"""What everybody but the physics needs of a task: words, actions, length, fitness, baselines.

``Task`` (``task.py``) is simulated by MuJoCo's engines; ``MappedTask`` (``adapters/mapped``) is
somebody else's Gymnasium environment with a map of its features.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from rewardgen_envs.errors import UsageError
from rewardgen_envs.features import Feature, FeatureTable, FeatureView
from rewardgen_envs.metrics import Accumulation, Metric


class TaskError(UsageError):
    """A task's declaration contradicts itself; says which task and what to change."""


@dataclass(frozen=True)
class BoxAction:
    """Continuous actions (B, size) in [-1, 1]."""

    size: int


@dataclass(frozen=True)
class DiscreteAction:
    """Actions int64 (B,) in 0 … count - 1."""

    count: int


class BaseTask(ABC):
    """One task, whatever simulates it.

    Attributes:
        name: ``family/variant``.
        description: the sentence that tells a designer what to achieve.
        version: raised whenever scores of older versions stop being comparable.
        features: what is measured.
        causes: termination cause → sentence; each is a public 0/1 feature.
        metrics: fitness metrics; the first ranks.
        human_reward: reward file written by a person, the baseline; None if the environment has
            a reward of its own.
        fitness_in_features: True if a public feature's average is the fitness.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    version: ClassVar[int] = 1
    features: ClassVar[tuple[Feature, ...]]
    causes: ClassVar[Mapping[str, str]] = {}
    metrics: ClassVar[tuple[Metric, ...]]
    human_reward: ClassVar[Path | None]
    fitness_in_features: ClassVar[bool] = False

    @abstractmethod
    def fitness(self, features: FeatureView) -> dict[str, Tensor]:
        """Return the value of each metric at this step, (…)."""

    @property
    @abstractmethod
    def action(self) -> BoxAction | DiscreteAction:
        """The action space."""

    @cached_property
    @abstractmethod
    def table(self) -> FeatureTable:
        """All features and their columns."""

    @cached_property
    @abstractmethod
    def scene_sha256(self) -> str:
        """Hash of what makes the physics: the compiled scene, or environment and map."""

    @cached_property
    @abstractmethod
    def control_dt_s(self) -> float:
        """Length of a control step in seconds."""

    @cached_property
    @abstractmethod
    def episode_steps(self) -> int:
        """Nominal episode length in control steps."""

    @cached_property
    @abstractmethod
    def observation_size(self) -> int:
        """Number of numbers in an observation."""

    def sparse_reward(
        self, state: FeatureView, action: Tensor, next_state: FeatureView
    ) -> Float[Tensor, "..."]:
        """Return the sparse baseline's reward; trusted, so it may read private features.

        By default, of the ranking metric's value at this step: 1 where it reaches the success
        threshold, else 0; without a threshold the value itself, and so for a total, which no
        single step can reach.
        """
        del state, action
        metric = self.metrics[0]
        value = metric.sign * self.fitness(next_state)[metric.name].to(torch.float32)
        if metric.success is None or metric.accumulation is Accumulation.TOTAL:
            return value
        return (value >= metric.sign * metric.success).to(torch.float32)

    @property
    def declared(self) -> tuple[Feature, ...]:
        """The features that the task's author describes."""
        return self.features

    @property
    def metric(self) -> Metric:
        """The ranking metric."""
        return self.metrics[0]


def standard_features(action: BoxAction | DiscreteAction) -> tuple[Feature, ...]:
    """Return the features that every task has."""
    shape = (action.size,) if isinstance(action, BoxAction) else ()
    return (
        Feature("terminated", (), "bool", "1 if the episode was ended by a termination."),
        Feature("episode_time_s", (), "s", "Time since the start of the episode."),
        Feature("last_action", shape, "1", "The action applied in the last control step."),
    )
