"""Scores rewards on gathered transitions: code that nobody vouches for in hosts, as in training."""

from __future__ import annotations

from collections.abc import Sequence

from rewardgen.isolation.host import HostPool
from rewardgen.rewards.format import parse_reward
from rewardgen.rewards.wrappers.sources import wrapped
from rewardgen.rungs.jobs import RewardRef
from rewardgen.rungs.training import trusted
from rewardgen_envs.base_task import BaseTask
from rewardgen_policies.seam import Prefetching, RewardFailure, RewardSource, Rollout, Scores


def score_rewards(
    rewards: Sequence[RewardRef], task: BaseTask, pool: HostPool, rollout: Rollout
) -> list[Scores | RewardFailure]:
    """Score a rollout under several rewards, which work side by side.

    Args:
        rewards: what to score.
        task: of the transitions.
        pool: starts hosts for code.
        rollout: the transitions.

    Returns:
        The scores of each reward, or why it has none.

    Raises:
        HostUnavailable: no host can be started; no fault of a reward.
    """
    sources = [_source(reward, task, pool) for reward in rewards]
    for source in sources:
        if isinstance(source, Prefetching):
            source.prefetch(rollout)
    results: list[Scores | RewardFailure] = []
    for source in sources:
        try:
            results.append(source.score(rollout))
        except RewardFailure as failure:
            results.append(failure)
    pool.release()
    return results


def _source(reward: RewardRef, task: BaseTask, pool: HostPool) -> RewardSource:
    if reward.kind != "code":
        return wrapped(trusted(reward, task), reward.wrapper)
    host = pool.open(parse_reward(reward.source), task.table, reward.name)
    return wrapped(host, reward.wrapper)
