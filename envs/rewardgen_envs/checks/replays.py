"""The same episode comes out the same: again, on other threads, among others, after others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from rewardgen_envs.checks.compare import ROUNDING
from rewardgen_envs.checks.diagnose import GLOBAL_RANDOM, NO_MEMORY, seeded
from rewardgen_envs.checks.finding import TaskFinding
from rewardgen_envs.checks.plays import random_actions
from rewardgen_envs.checks.quantities import reads_neighbour
from rewardgen_envs.checks.subject import Subject
from rewardgen_envs.simulation import Simulation
from rewardgen_envs.task import Task

STAGE = "replays"
SEEDS = (3, 8)
WORLDS = 3
STEPS = 12
EPISODES = 3
OBSERVATION = "the observation"

# (member seed, world of the member, episode) → features (F,) after 0, 1, 2, … control steps
Record = dict[tuple[int, int, int], list[Tensor]]


def replays(subject: Subject) -> Iterator[TaskFinding]:
    """An episode depends on its own streams and actions and on nothing else."""
    script = _Script(subject.task)
    fresh = _fresh_episodes(subject, script, threads=1)
    again = _fresh_episodes(subject, script, threads=3)
    difference = _difference(subject.task, fresh, again, exact=True)
    if difference is not None:
        yield _unequal_runs(subject, script, difference)
        return
    others = {
        "in another order of members": (SEEDS[1], SEEDS[0]),
        "without the other members": (SEEDS[1],),
    }
    for when, seeds in others.items():
        simulation = Simulation(subject.fresh(), seeds, WORLDS)
        alone = script.record(simulation, seeds, STEPS)
        difference = _difference(subject.task, fresh, alone, exact=False)
        if difference is not None:
            yield reads_neighbour(
                subject, STAGE, _method(subject.task, difference), f"'{difference}' ({when})"
            )
            return
    history = script.record(Simulation(subject.fresh(), SEEDS, WORLDS), SEEDS, None)
    difference = _difference(subject.task, fresh, history, exact=False)
    if difference is not None:
        yield subject.broken(
            STAGE,
            "hidden-state",
            _method(subject.task, difference),
            f"'{difference}' of an episode depends on the episodes before it: a state survives "
            "the reset",
            NO_MEMORY,
        )


class _Script:
    """Actions by member, world, episode and step, and when episodes are cut off."""

    def __init__(self, task: Task) -> None:
        generator = torch.Generator().manual_seed(6)
        worlds = len(SEEDS) * WORLDS * EPISODES
        actions = random_actions(task, STEPS + 1, worlds, generator).transpose(0, 1)
        self._actions = actions.reshape(len(SEEDS), WORLDS, EPISODES, *actions.shape[1:])

    def record(self, simulation: Simulation, seeds: Sequence[int], steps: int | None) -> Record:
        """Play and note every state; close the simulation.

        Args:
            simulation: members ``seeds`` with WORLDS worlds each.
            seeds: the member seeds.
            steps: control steps; None to play EPISODES episodes, each cut off after a few
                steps that differ between the worlds.
        """
        member = torch.tensor([SEEDS.index(s) for s in seeds]).repeat_interleave(WORLDS)
        world, record = simulation.world, Record()
        _note(record, _seen(simulation), member, world, simulation.episode, simulation.t)
        for _ in range(steps if steps is not None else STEPS):
            episode = simulation.episode.clamp(max=EPISODES - 1)
            if steps is None:
                # as long as its nominal length is over, a world is truncated at the next step
                cut = (simulation.t >= 1 + (world + episode) % 3) & (episode < EPISODES - 1)
                simulation.t[cut] = simulation.task.episode_steps - 1
            t = simulation.t.clamp(max=STEPS)
            simulation.step(self._actions[member, world, episode, t])
            _note(record, _seen(simulation), member, world, simulation.episode, simulation.t)
        simulation.close()
        return record


def _seen(simulation: Simulation) -> Tensor:
    """Return features, observation and metrics of the present states side by side, (B, C)."""
    task, view = simulation.task, simulation.task.table.view(simulation.state)
    metrics = [value.float().unsqueeze(1) for value in task.fitness(view).values()]
    return torch.cat([simulation.state, task.observation(view), *metrics], dim=1)


def _columns(task: Task) -> list[tuple[str, slice]]:
    """Return the names of the columns of ``_seen``."""
    columns = [(feature.name, task.table.columns(feature.name)) for feature in task.table]
    end = task.table.width + task.observation_size
    columns.append((OBSERVATION, slice(task.table.width, end)))
    return [*columns, *((m.name, slice(end + i, end + i + 1)) for i, m in enumerate(task.metrics))]


def _note(
    record: Record, state: Tensor, member: Tensor, world: Tensor, episode: Tensor, t: Tensor
) -> None:
    for row in range(len(state)):
        key = int(member[row]), int(world[row]), int(episode[row])
        states = record.setdefault(key, [])
        if len(states) == int(t[row]):
            states.append(state[row].clone())


def _fresh_episodes(subject: Subject, script: _Script, threads: int) -> Record:
    """Play every episode as the first one of a new simulation."""
    task, record = subject.fresh(), Record()
    for episode in range(EPISODES):
        simulation = Simulation(task, SEEDS, WORLDS, threads=threads, first_episode=episode)
        played = script.record(simulation, SEEDS, STEPS)
        record |= {key: states for key, states in played.items() if key[2] == episode}
    return record


def _difference(task: Task, expected: Record, given: Record, *, exact: bool) -> str | None:
    """Return the name of what differs first at the same point of an episode."""
    for key, states in given.items():
        pairs = list(zip(expected.get(key, []), states, strict=False))
        if not pairs:
            continue
        left, right = (
            torch.stack(side).nan_to_num(nan=1.25e30) for side in zip(*pairs, strict=True)
        )
        allowed = 0.0 if exact else 10.0 * ROUNDING * (1e-2 + left.abs().amax(0))
        wrong = ((left - right).abs() > allowed).any(0)
        for name, columns in _columns(task):
            if bool(wrong[columns].any()):
                return name
    return None


def _unequal_runs(subject: Subject, script: _Script, difference: str) -> TaskFinding:
    method = _method(subject.task, difference)
    with seeded():
        first = _fresh_episodes(subject, script, threads=1)
    with seeded():
        second = _fresh_episodes(subject, script, threads=3)
    if _difference(subject.task, first, second, exact=True) is None:
        return subject.broken(
            STAGE,
            "nondeterminism",
            method,
            f"two equal runs give different values of '{difference}': the task uses global "
            "random numbers",
            GLOBAL_RANDOM,
        )
    return subject.broken(
        STAGE,
        "hidden-state",
        method,
        f"two equal runs give different values of '{difference}': the class or its module keeps "
        "a state between them",
        NO_MEMORY,
    )


def _method(task: Task, feature: str) -> str:
    """Return the method that is to blame for a difference."""
    if feature in task.causes or feature == "terminated":
        return "terminations"
    if feature in {v.name for v in task.variables}:
        return "reset"
    if feature in task.table:
        return "measure"
    return "observation" if feature == OBSERVATION else "fitness"
