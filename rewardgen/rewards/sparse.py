"""The sparse baseline: the task's own success event, trusted, reads private features."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import torch

from rewardgen.rewards.transitions import one_thread, scores
from rewardgen_policies.seam import Rollout, Scores, SourceSpec

if TYPE_CHECKING:
    from rewardgen_envs.task import Task


class SparseReward:
    """A reward source that asks the task for its sparse reward."""

    def __init__(self, task: Task) -> None:
        self._task = task
        identity = f"sparse {task.name} {task.version}"
        self._spec = SourceSpec(
            name="sparse",
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
                self._task.sparse_reward(
                    view(rollout.state[member]),
                    rollout.action[member],
                    view(rollout.next_state[member]),
                ).to(torch.float32)
                for member in range(rollout.valid.shape[0])
            ]
        reward = torch.stack(rewards).flatten(1)
        return scores(rollout, reward, {"sparse": reward})
