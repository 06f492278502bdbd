"""What a wrapper remembers of the episode that each world is in."""

from __future__ import annotations

import torch
from torch import Tensor

from rewardgen_policies.seam import Rollout


class EpisodeMemory:
    """Numbers for every member and world that live as long as an episode, also over rollouts.

    They belong to a step of an episode. Whatever does not follow that step begins anew: a world
    that was reset, also after it diverged, and a rung that starts once more.
    """

    def __init__(self) -> None:
        self._value: Tensor | None = None
        self._episode = torch.empty(0)
        self._t = torch.empty(0)

    def recall(self, rollout: Rollout, step: int, initial: Tensor) -> Tensor:
        """Return what is remembered before a step.

        Args:
            rollout: what is scored.
            step: number of the step in it.
            initial: what an episode begins with; (..., P, N).
        """
        value = self._value
        if value is None or value.shape != initial.shape or value.device != initial.device:
            return initial
        same = rollout.episode[:, step] == self._episode
        return torch.where(same & (rollout.t[:, step] == self._t + 1), value, initial)

    def store(self, rollout: Rollout, step: int, value: Tensor) -> None:
        """Remember something after a step; nothing follows an invalid one."""
        self._value = value.clone()
        self._episode = torch.where(rollout.valid[:, step], rollout.episode[:, step], -1)
        self._t = rollout.t[:, step].clone()
