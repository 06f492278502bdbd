"""Plays episodes of policies and keeps every step of them, for analysis; holds no reward."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from numpy.typing import NDArray
from torch import Tensor

from rewardgen.rewards.fitness import METRIC, FitnessCode, StepFitness
from rewardgen.rungs.own_fitness import OwnFitness
from rewardgen.rungs.worker import Watchers
from rewardgen_envs.base_task import BaseTask
from rewardgen_envs.contacts import with_room
from rewardgen_envs.engines.choice import CPU, EngineChoice
from rewardgen_envs.metrics import Metric
from rewardgen_envs.motion import Motion
from rewardgen_envs.replay import PhysicsState, physics_state, replay, states_of
from rewardgen_envs.robot import configuration, find_robot
from rewardgen_envs.simulation import Simulation, Step
from rewardgen_envs.task import Task
from rewardgen_envs.worlds import Worlds
from rewardgen_policies.evaluation import TIME_LIMIT, Act, run_episodes

NO_SCENE = "the environment is somebody else's: its bodies and forces are not known here"


class EpisodeRecorder:
    """Watches episodes and keeps every step; of a task with a scene, the physics too."""

    def __init__(self) -> None:
        self.state: list[Tensor] = []
        self.action: list[Tensor] = []
        self.steps: list[Step] = []
        self.physics: list[PhysicsState] = []

    def start(self, simulation: Worlds) -> None:
        """See the start of all episodes, anew if they had to begin again."""
        for kept in (self.state, self.action, self.steps, self.physics):
            kept.clear()
        self._look(simulation)

    def step(self, state: Tensor, action: Tensor, step: Step, simulation: Worlds) -> None:
        """Keep one control step of all worlds."""
        self.state.append(state)
        self.action.append(action)
        self.steps.append(step)
        self._look(simulation)

    def _look(self, simulation: Worlds) -> None:
        if isinstance(simulation, Simulation):
            self.physics.append(physics_state(simulation.engine))


@dataclass(frozen=True)
class Played:
    """E episodes, policy by policy and seed by seed, in at most T control steps.

    Attributes:
        task: what was played.
        metric: the ranking metric.
        policies: how many acted.
        eval_seeds: of the episodes of each.
        length: control steps of each episode, one that diverged not counted.
        cause: why it ended.
        fitness: by the ranking metric.
        progress: the ranking metric's value at each step; what lies behind an end means nothing.
        state: features before each action.
        action: as applied; (T, E) if discrete.
        next_state: features after it.
        terminated: the task ended the episode here.
        truncated: its time was up here.
        counts: whether a step belongs to the episode and its simulation did not diverge.
        physics: states at the start of each control step; empty without a scene.
    """

    task: BaseTask
    metric: Metric
    policies: int
    eval_seeds: tuple[int, ...]
    length: Int64[Tensor, " E"]
    cause: tuple[str, ...]
    fitness: Float[Tensor, " E"]
    progress: Float[Tensor, "T E"]
    state: Float[Tensor, "T E F"]
    action: Tensor
    next_state: Float[Tensor, "T E F"]
    terminated: Bool[Tensor, "T E"]
    truncated: Bool[Tensor, "T E"]
    counts: Bool[Tensor, "T E"]
    physics: tuple[PhysicsState, ...]

    @property
    def early(self) -> list[bool]:
        """Which episodes ended before their time."""
        return [cause != TIME_LIMIT for cause in self.cause]

    @property
    def env_steps(self) -> int:
        """Control steps of all episodes."""
        return int(self.length.sum())

    def motion(self, episode: int) -> Motion:
        """Return what the robot did in an episode.

        Raises:
            ValueError: the task has no scene.
        """
        task, length = self.task, int(self.length[episode])
        if not isinstance(task, Task):
            raise ValueError(NO_SCENE)
        return replay(
            task,
            states_of(self.physics[:length], episode),
            self.state[:length, episode],
            self.action[:length, episode],
        )

    def places(self) -> list[NDArray[np.float64]]:
        """Return each episode's configuration at every step, (L, C).

        Without a scene: its features, in deviations of all episodes.
        """
        ends = [int(end) for end in self.length]
        if isinstance(self.task, Task):
            model = self.task.model
            robot = find_robot(model)
            qpos = torch.stack([state.qpos for state in self.physics]).to(torch.float64).numpy()
            return [configuration(model, robot, qpos[:end, e]) for e, end in enumerate(ends)]
        columns = telling_columns(self.task)
        data = self.next_state[..., columns].to(torch.float64).numpy()
        played = [data[:end, e] for e, end in enumerate(ends)]
        spread = np.concatenate(played).std(axis=0)
        alive = spread > 0.0
        return [each[:, alive] / spread[alive] for each in played]


def telling_columns(task: BaseTask) -> list[int]:
    """Return the columns of features that say where an episode is; not time, action, or end."""
    left_out = {"episode_time_s", "last_action", "terminated", *task.causes}
    slices = [task.table.columns(f.name) for f in task.table if f.name not in left_out]
    return [column for part in slices for column in range(part.start, part.stop)]


def play(
    task: BaseTask,
    act: Act,
    policies: int,
    eval_seeds: Sequence[int],
    *,
    own: FitnessCode | None = None,
    threads: int | None = None,
    engine: EngineChoice = CPU,
) -> Played:
    """Play an episode per policy and seed and keep all of it.

    Args:
        task: what is played.
        act: the policies.
        policies: how many they are.
        eval_seeds: one episode each.
        own: a person's own fitness in place of the task's.
        threads: for physics; None for one per CPU of this process.
        engine: what simulates; both keep the same.

    Raises:
        EngineError: the engine cannot be had.
        FitnessError: the person's function raised.
    """
    recorder = EpisodeRecorder()
    scored = None if own is None else OwnFitness(own, task)
    result = run_episodes(
        task,
        act,
        policies,
        eval_seeds,
        Watchers(recorder, scored),
        threads=threads,
        engine=with_room(task, engine) if isinstance(task, Task) else engine,
    )
    metric = task.metric if own is None else METRIC
    fitness = result.fitness[metric.name] if scored is None else scored.result(policies)
    steps = recorder.steps
    state, action = torch.stack(recorder.state), torch.stack(recorder.action)
    next_state = torch.stack([step.next_state for step in steps])
    valid = torch.stack([step.valid for step in steps])
    counts = valid & (torch.arange(len(steps))[:, None] < result.length.flatten())
    return Played(
        task=task,
        metric=metric,
        policies=policies,
        eval_seeds=tuple(eval_seeds),
        length=counts.sum(0).clamp(min=1),
        cause=tuple(cause for causes in result.cause for cause in causes),
        fitness=fitness.flatten(),
        progress=_progress(task, metric, own, state, action, next_state),
        state=state,
        action=action,
        next_state=next_state,
        terminated=torch.stack([step.terminated for step in steps]),
        truncated=torch.stack([step.truncated for step in steps]),
        counts=counts,
        physics=tuple(recorder.physics),
    )


def _progress(
    task: BaseTask,
    metric: Metric,
    own: FitnessCode | None,
    state: Tensor,
    action: Tensor,
    next_state: Tensor,
) -> Float[Tensor, "T E"]:
    if own is None:
        rows = task.table.view(next_state.flatten(0, 1))
        return task.fitness(rows)[metric.name].to(torch.float32).view(next_state.shape[:2])
    function = StepFitness(own, task.table)
    return torch.stack([function(*row) for row in zip(state, action, next_state, strict=True)])
