"""Played episodes under a reward: what it would have paid for each step of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from rewardgen.analysis.columns import column_names
from rewardgen.analysis.trajectories.episodes import Episodes
from rewardgen.rungs.episodes import Played, telling_columns
from rewardgen.store.records import FitnessRecord
from rewardgen_envs.base_task import BoxAction
from rewardgen_policies.seam import RewardSource, Rollout


def scored(
    played: Played, source: RewardSource, metric: FitnessRecord, gamma: float, env_steps: int
) -> Episodes:
    """Return episodes with rewards and terms.

    Args:
        played: the episodes.
        source: the reward.
        metric: the ranking metric.
        gamma: discount factor of the training.
        env_steps: how long the policies had learned; a reward may change along training.

    Raises:
        RewardFailure: the reward cannot score them.
        HostUnavailable: no process could be started for it.
    """
    scores = source.score(_rollout(played, gamma, env_steps))
    sign = 1.0 if metric.direction == "higher" else -1.0
    fitness = played.fitness.to(torch.float64).numpy()
    threshold = metric.success
    columns = telling_columns(played.task)
    names = [name for feature in played.task.table for name in column_names(feature)]
    return Episodes(
        policy=np.arange(played.policies).repeat(len(played.eval_seeds)),
        eval_seed=played.eval_seeds * played.policies,
        length=played.length.numpy(),
        cause=played.cause,
        early=np.array(played.early),
        fitness=fitness,
        sign=sign,
        success=None if threshold is None else sign * fitness >= sign * threshold,
        reward=_hidden(played, scores.reward[0]),
        terms={name: _hidden(played, values[0]) for name, values in scores.terms.items()},
        progress=_hidden(played, sign * played.progress),
        action=_action(played),
        features=_hidden(played, played.next_state[..., columns]),
        names=tuple(names[column] for column in columns),
        control_dt_s=played.task.control_dt_s,
        nominal_steps=played.task.episode_steps,
    )


def _rollout(played: Played, gamma: float, env_steps: int) -> Rollout:
    """Return the episodes as one member's, each in a world of its own."""
    steps, worlds = played.counts.shape
    world = torch.arange(worlds)
    return Rollout(
        table=played.task.table,
        state=played.state[None],
        next_state=played.next_state[None],
        action=played.action[None],
        terminated=played.terminated[None],
        truncated=played.truncated[None],
        valid=played.counts[None],
        world=world,
        episode=world.expand(1, steps, worlds),
        t=torch.arange(steps)[:, None].expand(1, steps, worlds),
        gamma=gamma,
        env_steps=torch.tensor([env_steps]),
    )


def _hidden(played: Played, values: Tensor) -> NDArray[np.float64]:
    """Return values (T, E, …) as (E, T, …), NaN where no step counts.

    An episode that diverged at once has one step all the same, of zeros.
    """
    counts = played.counts.view(*played.counts.shape, *[1] * (values.dim() - 2))
    kept = torch.where(counts, values.to(torch.float64), torch.nan)
    kept[0].nan_to_num_(0.0)
    return kept.transpose(0, 1).numpy()


def _action(played: Played) -> NDArray[np.float64] | NDArray[np.int64]:
    if isinstance(played.task.action, BoxAction):
        return _hidden(played, played.action)
    return played.action.T.numpy()


def member_matrix(
    curves: Sequence[Mapping[str, Sequence[float | None]]], quantity: str
) -> Float[np.ndarray, "M U"]:
    """Return a quantity of training curves, one row per member; NaN where it is not known."""
    rows = [curve.get(quantity, []) for curve in curves]
    matrix = np.full((len(rows), max(map(len, rows), default=0)), np.nan)
    for row, values in zip(matrix, rows, strict=True):
        row[: len(values)] = [np.nan if value is None else value for value in values]
    return matrix
