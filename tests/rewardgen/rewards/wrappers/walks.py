"""Random walks as rollouts, with episodes that end in every way, and rewards on them."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from rewardgen.rewards.format import parse_reward
from rewardgen.rewards.inline import InlineReward
from rewardgen_envs.features import Feature, FeatureTable
from rewardgen_policies.seam import Rollout

TABLE = FeatureTable(
    [
        Feature("x", (), "m", "Position."),
        Feature("care", (), "1", "How carefully it moves."),
        Feature("terminated", (), "bool", "1 if the episode was ended by a termination."),
        Feature("episode_time_s", (), "s", "Time since the start."),
        Feature("last_action", (1,), "1", "The action applied in the last control step."),
    ]
)
SOURCE = """\
def compute_reward(state, action, next_state):
    forward = next_state.x - state.x
    effort = -0.1 * (action**2).sum(dim=-1)
    terms = {
        "forward": forward,
        "effort": effort,
        "place": next_state.x,
        "care": next_state.care,
        "fall": -5.0 * next_state.terminated,
    }
    return forward + effort, terms
"""
GAMMA = 0.9


def walker(source: str = SOURCE) -> InlineReward:
    return InlineReward(parse_reward(source), TABLE, "walker")


def walk(steps: int = 40, *, members: int = 2, worlds: int = 5, seed: int = 0) -> Rollout:
    """Return a rollout in which a seventh of the steps ends an episode in some way."""
    random = torch.Generator().manual_seed(seed)
    shape = (members, steps, worlds)
    state, next_state = torch.zeros(*shape, TABLE.width), torch.zeros(*shape, TABLE.width)
    action = torch.rand(*shape, 1, generator=random) * 2.0 - 1.0
    episode, t = (torch.zeros(shape, dtype=torch.int64) for _ in range(2))
    how = torch.randint(21, shape, generator=random)
    terminated, truncated, valid = how == 0, how == 1, how != 2
    now = torch.randn(members, worlds, generator=random)
    number, age = (torch.zeros(members, worlds, dtype=torch.int64) for _ in range(2))
    for step in range(steps):
        before, after = TABLE.view(state[:, step]), TABLE.view(next_state[:, step])
        before.x.copy_(now)
        now = now + action[:, step, :, 0] + 0.1 * torch.randn(now.shape, generator=random)
        after.x.copy_(now)
        after.care.copy_(torch.rand(now.shape, generator=random) * 1.4 - 0.2)
        after.terminated.copy_(terminated[:, step].float())
        episode[:, step], t[:, step] = number, age
        ended = terminated[:, step] | truncated[:, step] | ~valid[:, step]
        now = torch.where(ended, torch.randn(now.shape, generator=random), now)
        number, age = number + ended.long(), torch.where(ended, 0, age + 1)
    # a simulation that diverged says nothing that could be used
    next_state[~valid] = torch.nan
    return Rollout(
        table=TABLE,
        state=state,
        next_state=next_state,
        action=action,
        terminated=terminated,
        truncated=truncated,
        valid=valid,
        world=torch.arange(worlds),
        episode=episode,
        t=t,
        gamma=GAMMA,
        env_steps=torch.zeros(members, dtype=torch.int64),
    )


def cut(rollout: Rollout, start: int, stop: int, env_steps: int = 0) -> Rollout:
    """Return some steps of a rollout as a rollout of its own."""
    part = slice(start, stop)
    return replace(
        rollout,
        state=rollout.state[:, part],
        next_state=rollout.next_state[:, part],
        action=rollout.action[:, part],
        terminated=rollout.terminated[:, part],
        truncated=rollout.truncated[:, part],
        valid=rollout.valid[:, part],
        episode=rollout.episode[:, part],
        t=rollout.t[:, part],
        env_steps=torch.full((rollout.valid.shape[0],), env_steps),
    )


def episodes(rollout: Rollout) -> list[tuple[int, int, slice]]:
    """Return member, world and steps of every valid stretch of one episode."""
    found: list[tuple[int, int, slice]] = []
    members, steps, worlds = rollout.valid.shape
    ended = rollout.terminated | rollout.truncated
    for member in range(members):
        for world in range(worlds):
            start = 0
            for step in range(steps):
                if not bool(rollout.valid[member, step, world]):
                    start = step + 1
                elif bool(ended[member, step, world]) or step == steps - 1:
                    found.append((member, world, slice(start, step + 1)))
                    start = step + 1
    return found


def discounted(values: Tensor, gamma: float = GAMMA) -> float:
    """Return the discounted sum, in double precision."""
    weights = gamma ** torch.arange(len(values), dtype=torch.float64)
    return float((weights * values.double()).sum())
