"""Played episodes under a reward, also under one that remembers the episode it is in."""

from __future__ import annotations

import numpy as np

from rewardgen.analysis.trajectories.episodes import Episodes
from rewardgen.rewards.vocabulary import tolerance
from rewardgen.rewards.wrappers.catalogue import Multiplicative, Wrapper
from rewardgen.rewards.wrappers.sources import wrapped
from rewardgen.run.scored import scored
from rewardgen.rungs.episodes import Played, play
from rewardgen.rungs.jobs import RewardRef
from rewardgen.rungs.training import trusted
from rewardgen.store.records import FitnessRecord
from rewardgen_envs.registry import load_task
from rewardgen_policies.evaluation import RandomPolicy

METRIC = FitnessRecord(name="balanced", unit="1", direction="higher", success=0.6)
TASK = load_task("cartpole/swing-up")


def episodes(wrapper: Wrapper | None) -> tuple[Played, Episodes]:
    played = play(TASK, RandomPolicy(TASK, seed=1), 1, (5, 6, 7))
    source = wrapped(trusted(RewardRef(kind="human", name="human"), TASK), wrapper)
    return played, scored(played, source, METRIC, gamma=0.98, env_steps=1000)


def test_every_step_gets_its_own_reward() -> None:
    played, found = episodes(None)
    assert found.reward.shape == tuple(played.counts.T.shape)
    np.testing.assert_allclose(found.reward, sum(found.terms.values()), atol=1e-6)
    effort = -0.01 * played.action.double().square().sum(-1).T.numpy()
    np.testing.assert_allclose(found.terms["effort"], effort, atol=1e-6)


def test_a_wrapper_remembers_each_episode_by_itself() -> None:
    """Progress beyond the largest so far adds up to the largest minus what there was at first."""
    played, found = episodes(Multiplicative(progress="swing"))
    swing = found.terms["swing"]
    view = TASK.table.view(played.state[0])
    centered = (1.0 + tolerance(view.cart_position, margin=2.0)) / 2.0
    calm = (1.0 + tolerance(view.pole_angular_velocity, margin=5.0)) / 2.0
    first = ((view.pole_angle_cosine + 1.0) / 2.0 * centered * calm).double().numpy()
    gained = found.reward.sum(axis=1)
    np.testing.assert_allclose(gained, np.maximum(swing.max(axis=1) - first, 0.0), atol=1e-5)
    assert gained.max() > 0.01 and (found.reward >= 0.0).all()
