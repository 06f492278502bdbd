"""What a reward is held against: transitions of its task, and what fitness says of them.

The critic belongs to the platform: it may look at fitness. What it says about a reward holds ranks
and shares of it, and never a number that reward code could use. Neither the human reward nor what
was trained on it is asked: a critic that knew them would judge by likeness, not by the task.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Bool, Float32
from torch import Tensor

from rewardgen.rewards.transitions import Transitions
from rewardgen_envs.adapters.mapped.checks import MappedSubject
from rewardgen_envs.adapters.mapped.task import MappedTask
from rewardgen_envs.base_task import BaseTask, BoxAction, DiscreteAction
from rewardgen_envs.checks.plays import Play
from rewardgen_envs.checks.sought import sought_play
from rewardgen_envs.checks.subject import Subject
from rewardgen_envs.features import FeatureTable
from rewardgen_envs.task import Task

MAX_ROWS = 3000
"""Transitions of each source, evenly spread over its play."""


@dataclass(frozen=True)
class Rows:
    """Transitions of one source.

    Attributes:
        transitions: public features and actions.
        fitness: the ranking metric's value at the end of each, larger being better.
        terminated: whether the transition ended its episode.
    """

    transitions: Transitions
    fitness: Float32[Tensor, " R"]
    terminated: Bool[Tensor, " R"]


@dataclass(frozen=True)
class Evidence:
    """Everything that lint and critic know of a task.

    Attributes:
        table: its public features.
        action: its action space.
        sentence: what the robot shall do.
        causes: names of the features that say what ended an episode.
        metric: name of the ranking metric.
        control_dt_s: length of a control step.
        episode_steps: nominal length of an episode.
        gamma: the discount that rewards are trained with.
        sources: transitions by where they come from: ``random`` play; ``displaced`` worlds;
            ``sought``, states that fitness led to.
        endings: last transitions of episodes, by cause.
    """

    table: FeatureTable
    action: BoxAction | DiscreteAction
    sentence: str
    causes: tuple[str, ...]
    metric: str
    control_dt_s: float
    episode_steps: int
    gamma: float
    sources: Mapping[str, Rows]
    endings: Mapping[str, Transitions]

    @cached_property
    def all(self) -> Rows:
        """The transitions of all sources."""
        return joined(list(self.sources.values()))

    @cached_property
    def largest(self) -> dict[str, float]:
        """Largest magnitude of each feature in what physics gave."""
        rows = self.all.transitions
        return {
            feature.name: float(
                torch.cat([rows.state, rows.next_state])[:, self.table.columns(feature.name)]
                .abs()
                .max()
            )
            for feature in self.table
        }


def evidence_of(
    make: Callable[[], BaseTask], gamma: float, own_words: str | None = None
) -> Evidence:
    """Play a task for some seconds; never trains.

    Args:
        make: makes equal and independent instances of the task.
        gamma: the discount of its recipe.
        own_words: what the robot shall do in place of the task's sentence; the task's fitness
            then says nothing about it.
    """
    task = make()
    evidence = _of_task(make, task, gamma)
    if own_words is None:
        return evidence
    sources = {
        name: replace(rows, fitness=torch.zeros_like(rows.fitness))
        for name, rows in evidence.sources.items()
    }
    return replace(evidence, sentence=own_words, sources=sources)


def _of_task(make: Callable[[], BaseTask], task: BaseTask, gamma: float) -> Evidence:
    if isinstance(task, MappedTask):
        return _evidence(task, gamma, _mapped(task), {})
    assert isinstance(task, Task)
    subject = Subject(lambda: _simulated(make()))
    plays = {
        "random": subject.random,
        "displaced": subject.kicked,
        "sought": sought_play(subject.fresh()),
    }
    sources = {name: _played(task, play) for name, play in plays.items()}
    width = task.table.public_width
    endings = {
        ending.cause: Transitions(
            ending.state[:, :width], ending.action, ending.next_state[:, :width]
        )
        for ending in subject.endings
    }
    return _evidence(task, gamma, sources, endings)


def joined(parts: list[Rows]) -> Rows:
    """Return the rows of several sources as one."""
    return Rows(
        Transitions(
            *(
                torch.cat([getattr(part.transitions, name) for part in parts])
                for name in ("state", "action", "next_state")
            )
        ),
        torch.cat([part.fitness for part in parts]),
        torch.cat([part.terminated for part in parts]),
    )


def _evidence(
    task: BaseTask,
    gamma: float,
    sources: Mapping[str, Rows],
    endings: Mapping[str, Transitions],
) -> Evidence:
    return Evidence(
        table=task.table.public(),
        action=task.action,
        sentence=task.description,
        causes=tuple(task.causes),
        metric=task.metric.name,
        control_dt_s=task.control_dt_s,
        episode_steps=task.episode_steps,
        gamma=gamma,
        sources=sources,
        endings=endings,
    )


def _simulated(task: BaseTask) -> Task:
    assert isinstance(task, Task)
    return task


def _mapped(task: MappedTask) -> dict[str, Rows]:
    """Return random play of somebody else's environment, which cannot be displaced."""
    play = MappedSubject(lambda: task).random
    valid = play.valid
    return {
        "random": _rows(
            task,
            play.state[valid],
            play.action[valid],
            play.next_state[valid],
            play.terminated[valid],
        )
    }


def _played(task: Task, play: Play) -> Rows:
    """Return the transitions of a play that physics gave."""
    rows = play.valid & play.physical
    return _rows(
        task, play.state[rows], play.action[rows], play.next_state[rows], play.terminated[rows]
    )


def _rows(
    task: BaseTask, state: Tensor, action: Tensor, next_state: Tensor, terminated: Tensor
) -> Rows:
    """Return some of many transitions, evenly spread."""
    count = len(state)
    chosen = torch.arange(count)
    if count > MAX_ROWS:
        chosen = torch.linspace(0, count - 1, MAX_ROWS).long()
    metric = task.metric
    value = task.fitness(task.table.view(next_state[chosen]))[metric.name].to(torch.float32)
    width = task.table.public_width
    return Rows(
        Transitions(state[chosen, :width], action[chosen], next_state[chosen, :width]),
        metric.sign * value,
        terminated[chosen],
    )
