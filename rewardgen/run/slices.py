"""Has a reward say what it would pay for steps that nobody made, for slices of it."""

from __future__ import annotations

import numpy as np
import torch

from rewardgen.analysis.columns import column_names
from rewardgen.analysis.trajectories.episodes import Floats
from rewardgen.analysis.trajectories.slices import QUANTILES, Slices, slices
from rewardgen.rungs.episodes import Played, telling_columns
from rewardgen_policies.seam import RewardSource, Rollout

_STEPS = 16
"""Of those played, at even distances: what a slice is the mean of."""


def reward_slices(played: Played, source: RewardSource, gamma: float, env_steps: int) -> Slices:
    """Cut a reward along the public quantities, around steps that were played.

    Args:
        played: the episodes.
        source: the reward.
        gamma: discount factor of the training.
        env_steps: how long the policies had learned.

    Raises:
        RewardFailure: the reward cannot score such steps.
        HostUnavailable: no process could be started for it.
    """
    rows = played.counts & ~played.terminated
    led_to = played.next_state[rows]
    if not len(led_to):
        return Slices((), None)
    chosen = torch.linspace(0, len(led_to) - 1, min(_STEPS, len(led_to))).round().long()
    state, action = played.state[rows][chosen], played.action[rows][chosen]
    steps = len(chosen)

    def pay(asked: Floats) -> Floats:
        count = len(asked) // steps
        no = torch.zeros(1, 1, len(asked), dtype=torch.bool)
        scores = source.score(
            Rollout(
                table=played.task.table,
                state=state.repeat(count, 1)[None, None],
                next_state=torch.tensor(asked, dtype=torch.float32)[None, None],
                action=action.repeat(count, *[1] * (action.dim() - 1))[None, None],
                terminated=no,
                truncated=no,
                valid=~no,
                world=torch.arange(len(asked)),
                episode=torch.zeros_like(no, dtype=torch.int64),
                t=torch.zeros_like(no, dtype=torch.int64),
                gamma=gamma,
                env_steps=torch.tensor([env_steps]),
            )
        )
        return scores.reward.flatten().double().numpy()

    low, high = np.quantile(led_to.double().numpy(), QUANTILES, axis=0)
    return slices(led_to[chosen].double().numpy(), low, high, _names(played), pay)


def _names(played: Played) -> list[str]:
    """Return the name of every column; none for what is private, and for time, action and end."""
    table = played.task.table
    names = [name for feature in table for name in column_names(feature)]
    kept = set(telling_columns(played.task)) & set(range(table.public_width))
    return [name if place in kept else "" for place, name in enumerate(names)]
