"""SB3's rollout buffer, paid after the fact, with transitions that do not count."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.type_aliases import RolloutBufferSamples
from torch import Tensor


class WeightedBuffer(RolloutBuffer):
    """A rollout that was collected with rewards of 0, and is scored as a whole.

    SB3 adds the discounted value of a truncated episode's last state to the reward of its last
    step. With rewards of 0 that is all the buffer then holds.
    """

    _counted: NDArray[np.bool_] | None = None

    def reset(self) -> None:
        """Forget the rollout."""
        super().reset()
        self._counted = None

    def pay(
        self,
        reward: NDArray[np.float32],
        valid: NDArray[np.bool_],
        last_values: Tensor,
        ended: NDArray[np.bool_],
    ) -> None:
        """Put the scores in place of the rewards, and compute returns and advantages anew.

        Args:
            reward: (T, N).
            valid: transitions that count; the others have advantage 0 and cut the λ-trace.
            last_values: value of the states after the rollout, (N,).
            ended: where the last step ended an episode, (N,).
        """
        self.rewards = reward + self.rewards
        void = ~valid
        if void.any():
            # an advantage of 0, and the end of what is added up across it
            self.rewards[void] = self.values[void]
            self.episode_starts[1:][void[:-1]] = 1.0
            ended = ended | void[-1]
            self._counted = valid.swapaxes(0, 1).flatten()  # as SB3 orders samples
        self.compute_returns_and_advantage(last_values, ended.astype(np.float32))

    def get(self, batch_size: int | None = None) -> Generator[RolloutBufferSamples, None, None]:
        """Yield minibatches of the transitions that count, in random order."""
        if self._counted is None:
            yield from super().get(batch_size)
            return
        # lets the base class lay out the samples, and draw the order of all of them
        next(iter(super().get(None)))
        order = np.random.permutation(np.flatnonzero(self._counted))
        size = batch_size or len(order)
        for start in range(0, len(order), size):
            yield self._get_samples(order[start : start + size])
