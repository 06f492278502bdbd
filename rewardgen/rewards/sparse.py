"""Baselines that no reward file gives: a task's success event, an environment's own reward.

They are trusted and read private features.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rewardgen.rewards.transitions import one_thread, scores
from rewardgen_policies.seam import Rollout, Scores, SourceSpec

if TYPE_CHECKING:
    from rewardgen_envs.adapters.mapped.task import MappedTask
    from rewardgen_envs.base_task import BaseTask
    from rewardgen_envs.features import FeatureView


class TaskReward:
    """A reward source that asks a function of the task.

    Args:
        task: the task.
        name: shown in curves and reports.
        function: (state, action, next_state) → reward.
    """

    def __init__(
        self,
        task: BaseTask,
        name: str,
        function: Callable[[FeatureView, Tensor, FeatureView], Tensor],
    ) -> None:
        self._function = function
        identity = f"{name} {task.name} {task.version}"
        self._spec = SourceSpec(
            name=name,
            sha256=hashlib.sha256(identity.encode()).hexdigest(),
            placement="inline",
        )

    @property
    def spec(self) -> SourceSpec:
        """What this source is."""
        return self._spec

    def score(self, rollout: Rollout) -> Scores:
        """Score the transitions of the members given.

        Raises:
            RewardFailure: a number is not finite.
        """
        view = rollout.table.view
        with one_thread():
            rewards = [
                self._function(
                    view(rollout.state[member]),
                    rollout.action[member],
                    view(rollout.next_state[member]),
                ).to(torch.float32)
                for member in range(rollout.valid.shape[0])
            ]
        reward = torch.stack(rewards).flatten(1)
        return scores(rollout, reward, {self._spec.name: reward})


class SparseReward(TaskReward):
    """The task's sparse reward."""

    def __init__(self, task: BaseTask) -> None:
        super().__init__(task, "sparse", task.sparse_reward)


class OriginalReward(TaskReward):
    """The reward that somebody else's environment gives by itself."""

    def __init__(self, task: MappedTask) -> None:
        super().__init__(task, "original", task.original_reward)
