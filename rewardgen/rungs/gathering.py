"""Gathers transitions to compare rewards on: random actions and policies, all sources alike.

Every world acts for one nominal episode and starts anew where it ends early. A policy is disturbed
in two of three worlds, so that not every action is a function of the state: what an action is
worth shows only where another one was taken.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from rewardgen.rewards.transitions import one_thread
from rewardgen_envs.base_task import BaseTask, BoxAction
from rewardgen_envs.worlds import Worlds, open_worlds
from rewardgen_policies.evaluation import Act
from rewardgen_policies.seam import Rollout
from rewardgen_policies.streams import stream_seed

RANDOM = "random"
TRANSITIONS = 20_000
POLICIES = 4
"""Of a run, at most; spread over its fitness, so that there is good and bad to tell apart."""
LEAST_WORLDS = 2
"""Of each source: an interval over episodes needs two."""
DISTURBED = (0.0, 0.25, 0.5)
"""Shares of the control steps at which a policy's worlds take random actions, in turn."""
RANDOM_HOLDS = (1, 4, 16)
"""Control steps for which random actions are held, in turn: held ones reach further."""
HOLD = 4
"""Control steps of a disturbance."""


@dataclass(frozen=True)
class Actor:
    """Who acts: a name and a policy, or None for random actions."""

    name: str
    act: Act | None = None


@dataclass(frozen=True, eq=False)
class Gathered:
    """T control steps of W worlds.

    Attributes:
        rollout: of one member, (1, T, W, …); invalid where the simulation diverged.
        source: who acted in each world, as an index into ``sources``, (W,).
        sources: their names.
        whole: where an episode ended that started at a reset and stayed valid, (T, W).
        fitness: of the ranking metric, meaningful where ``whole``, (T, W).
    """

    rollout: Rollout
    source: Int64[Tensor, " W"]
    sources: tuple[str, ...]
    whole: Bool[Tensor, "T W"]
    fitness: Float32[Tensor, "T W"]


def spread(ordered: Sequence[str], count: int) -> list[str]:
    """Return at most so many of them, first and last included, at equal distances."""
    last = len(ordered) - 1
    return list(dict.fromkeys(ordered[round(i * last / max(1, count - 1))] for i in range(count)))


def worlds_of_each(task: BaseTask, actors: int, transitions: int) -> int:
    """Return how many worlds each actor gets for so many transitions in all."""
    return max(LEAST_WORLDS, math.ceil(transitions / actors / task.episode_steps))


@torch.no_grad()
def gather(
    task: BaseTask,
    actors: Sequence[Actor],
    *,
    transitions: int = TRANSITIONS,
    seed: int,
    gamma: float,
    threads: int | None = None,
) -> Gathered:
    """Let actors act in worlds of their own, all in one simulation.

    Args:
        task: the task.
        actors: who acts.
        transitions: how many are wanted in all, at least; whole worlds and episodes round it up.
        seed: of starts and disturbances.
        gamma: discount factor of who will be trained.
        threads: for physics; None for one per CPU of this process.
    """
    each = worlds_of_each(task, len(actors), transitions)
    count, steps = each * len(actors), task.episode_steps
    streams = [stream_seed("comparison episode", seed + world) for world in range(count)]
    disturbance = _Disturbance(task, actors, each, seed)
    simulation = open_worlds(task, streams, 1, threads=threads)
    record = _Record(task, steps, count)
    try:
        with one_thread():  # others round differently, and the transitions go by their hash
            for t in range(steps):
                state, seen = simulation.state, simulation.observation()
                action = disturbance.disturbed(t, _actions(task, actors, seen, each))
                record.add(t, state, action, simulation)
    finally:
        simulation.close()
    source = torch.arange(len(actors)).repeat_interleave(each)
    names = tuple(actor.name for actor in actors)
    return record.gathered(source, names, gamma)


def _actions(task: BaseTask, actors: Sequence[Actor], seen: Tensor, each: int) -> Tensor:
    """Return what the policies do, (W, A) or (W,); zero for who acts by chance."""
    action = task.action
    if isinstance(action, BoxAction):
        actions = torch.zeros(len(seen), action.size)
    else:
        actions = torch.zeros(len(seen), dtype=torch.int64)
    for place, actor in enumerate(actors):
        if actor.act is not None:
            mine = slice(place * each, (place + 1) * each)
            actions[mine] = actor.act(seen[mine].unsqueeze(0))[0].cpu()
    return actions


class _Disturbance:
    """Random actions in place of a policy's, drawn beforehand."""

    def __init__(self, task: BaseTask, actors: Sequence[Actor], each: int, seed: int) -> None:
        steps, count = task.episode_steps, len(actors) * each
        generator = torch.Generator().manual_seed(stream_seed("comparison disturbance", seed))
        share = torch.zeros(count)
        self._hold = torch.full((count,), HOLD)
        for place, actor in enumerate(actors):
            for i in range(each):
                world = place * each + i
                if actor.act is None:
                    share[world] = 1.0
                    self._hold[world] = RANDOM_HOLDS[i % len(RANDOM_HOLDS)]
                else:
                    share[world] = DISTURBED[i % len(DISTURBED)]
        self._chosen = torch.rand(steps, count, generator=generator) < share
        if isinstance(task.action, BoxAction):
            drawn = torch.rand(steps, count, task.action.size, generator=generator)
            self._actions = drawn * 2.0 - 1.0
        else:
            self._actions = torch.randint(task.action.count, (steps, count), generator=generator)
        self._worlds = torch.arange(count)

    def disturbed(self, t: int, actions: Tensor) -> Tensor:
        """Return the actions of control step ``t``."""
        since = t - t % self._hold
        chosen = self._chosen[since, self._worlds]
        other = self._actions[since, self._worlds]
        return torch.where(chosen[:, None] if actions.ndim > 1 else chosen, other, actions)


class _Record:
    """Keeps every step of all worlds."""

    def __init__(self, task: BaseTask, steps: int, count: int) -> None:
        def empty(*shape: int) -> Tensor:
            return torch.zeros(steps, count, *shape)

        def flags() -> Tensor:
            return torch.zeros(steps, count, dtype=torch.bool)

        self._task = task
        self._state, self._next_state = empty(task.table.width), empty(task.table.width)
        action = task.action
        box = isinstance(action, BoxAction)
        self._action = empty(action.size) if box else empty().to(torch.int64)
        self._terminated, self._truncated, self._whole = flags(), flags(), flags()
        self._valid = flags()
        self._fitness = empty()
        self._episode = torch.zeros(steps, count, dtype=torch.int64)
        self._t = torch.zeros(steps, count, dtype=torch.int64)
        self._episodes = torch.zeros(count, dtype=torch.int64)
        self._since = torch.zeros(count, dtype=torch.int64)

    def add(self, t: int, state: Tensor, action: Tensor, simulation: Worlds) -> None:
        """Advance the worlds by one control step and keep it."""
        self._episode[t], self._t[t] = self._episodes, self._since
        step = simulation.step(action)
        self._state[t], self._action[t] = state, action
        self._next_state[t] = torch.nan_to_num(step.next_state)
        self._terminated[t], self._truncated[t] = step.terminated, step.truncated
        self._valid[t] = step.valid
        if bool(step.ended.any()):
            self._whole[t] = step.ended & step.valid
            self._fitness[t] = step.fitness[self._task.metric.name]
        self._episodes = self._episodes + step.ended
        self._since = torch.where(step.ended, 0, self._since + 1)

    def gathered(self, source: Tensor, sources: tuple[str, ...], gamma: float) -> Gathered:
        """Return everything."""

        def one(values: Tensor) -> Tensor:
            return values.unsqueeze(0)

        rollout = Rollout(
            table=self._task.table,
            state=one(self._state),
            next_state=one(self._next_state),
            action=one(self._action),
            terminated=one(self._terminated),
            truncated=one(self._truncated),
            valid=one(self._valid),
            world=torch.arange(len(source)),
            episode=one(self._episode),
            t=one(self._t),
            gamma=gamma,
        )
        return Gathered(rollout, source, sources, self._whole, self._fitness)
