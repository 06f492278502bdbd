"""Played episodes under a reward: what it would have paid for each step of them."""

from __future__ import annotations

from collections.abc import Mapping

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


def scored(played: Played, source: RewardSource, metric: FitnessRecord, gamma: float) -> Episodes:
    """Return episodes with rewards and terms.

    Args:
        played: the episodes.
        source: the reward.
        metric: the ranking metric.
        gamma: discount factor of the training.

    Raises:
        RewardFailure: the reward cannot score them.
        HostUnavailable: no process could be started for it.
    """
    scores = source.score(_rollout(played, gamma))
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
        reward=_spread(played, scores.reward),
        terms={name: _spread(played, values) for name, values in scores.terms.items()},
        progress=_hidden(played, sign * played.progress),
        action=_action(played),
        features=_hidden(played, played.next_state[..., columns]),
        names=tuple(names[column] for column in columns),
        control_dt_s=played.task.control_dt_s,
        nominal_steps=played.task.episode_steps,
    )


def _rollout(played: Played, gamma: float) -> Rollout:
    """Return all steps that count, as the transitions of one member and one instant."""
    rows = played.counts
    count = int(rows.sum())

    def flat(values: Tensor) -> Tensor:
        return values[rows][None, None]

    time = torch.arange(len(rows))[:, None].expand_as(rows)
    return Rollout(
        table=played.task.table,
        state=flat(played.state),
        next_state=flat(played.next_state),
        action=flat(played.action),
        terminated=flat(played.terminated),
        truncated=flat(played.truncated),
        valid=torch.ones(1, 1, count, dtype=torch.bool),
        world=torch.arange(count),
        episode=torch.zeros(1, 1, count, dtype=torch.int64),
        t=flat(time),
        gamma=gamma,
    )


def _spread(played: Played, values: Tensor) -> Float[np.ndarray, "E T"]:
    """Put the numbers of steps that count where they belong."""
    spread = torch.full(played.counts.shape, torch.nan, dtype=torch.float64)
    spread[played.counts] = values.flatten().to(torch.float64)
    # an episode that diverged at once has one step all the same, which pays nothing
    spread[0].nan_to_num_(0.0)
    return spread.T.numpy()


def _hidden(played: Played, values: Tensor) -> NDArray[np.float64]:
    """Return values (T, E, …) as (E, T, …), NaN where no step counts."""
    counts = played.counts.view(*played.counts.shape, *[1] * (values.dim() - 2))
    kept = torch.where(counts, values.to(torch.float64), torch.nan)
    kept[0].nan_to_num_(0.0)
    return kept.transpose(0, 1).numpy()


def _action(played: Played) -> NDArray[np.float64] | NDArray[np.int64]:
    if isinstance(played.task.action, BoxAction):
        return _hidden(played, played.action)
    return played.action.T.numpy()


def member_matrix(
    curves: list[Mapping[str, list[float | None]]], quantity: str
) -> Float[np.ndarray, "M U"]:
    """Return a quantity of training curves, one row per member; NaN where it is not known."""
    rows = [curve.get(quantity, []) for curve in curves]
    matrix = np.full((len(rows), max(map(len, rows), default=0)), np.nan)
    for row, values in zip(matrix, rows, strict=True):
        row[: len(values)] = [np.nan if value is None else value for value in values]
    return matrix
