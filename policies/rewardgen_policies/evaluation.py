"""Trusted evaluation: deterministic policies, the same episodes for every member.

No candidate code runs here. One episode per (member, evaluation seed); its random numbers are
keyed by the evaluation seed alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor

from rewardgen_envs.base_task import BaseTask, BoxAction
from rewardgen_envs.engines.base import ContactsOverflow
from rewardgen_envs.engines.choice import CPU, EngineChoice, with_more_room
from rewardgen_envs.features import FeatureView
from rewardgen_envs.simulation import Simulation, Step
from rewardgen_envs.task import Task
from rewardgen_envs.worlds import Worlds, open_worlds
from rewardgen_policies.checkpoint import CheckpointError, MemberState
from rewardgen_policies.heads import make_head
from rewardgen_policies.networks import NetworkSpec, forward
from rewardgen_policies.normalizer import CLIP, ObservationScale
from rewardgen_policies.population import Population
from rewardgen_policies.streams import stream_seed

TIME_LIMIT = "time limit"
DIVERGED = "diverged"
TERMINATED = "terminated"
"""Where a task names no causes."""

Act = Callable[[Tensor], Tensor]
"""Observations (P, E, …) of P members in E worlds each → actions (P, E, A) or (P, E)."""


@dataclass(frozen=True)
class Evaluation:
    """Episodes of P members under E evaluation seeds.

    Attributes:
        eval_seeds: the seeds, E.
        fitness: each metric, (P, E); a diverged episode has the metric's value after a
            termination.
        length: control steps, (P, E).
        cause: why each episode ended: a termination cause of the task, ``terminated`` where it
            names none, ``time limit`` or ``diverged``; P lists of E.
    """

    eval_seeds: tuple[int, ...]
    fitness: dict[str, Float[Tensor, "P E"]]
    length: Int64[Tensor, "P E"]
    cause: list[list[str]]


@dataclass(frozen=True)
class Trajectory:
    """One episode of L control steps.

    Attributes:
        state: features before each action.
        action: as applied; int64 (L,) if discrete.
        next_state: features after it.
        qpos: generalized positions at the start and after each step, for rendering.
        terminated: whether the task ended it.
    """

    state: Float[Tensor, "L F"]
    action: Tensor
    next_state: Float[Tensor, "L F"]
    qpos: Float[Tensor, "L+1 nq"]
    terminated: bool


class Watcher(Protocol):
    """Looks on while episodes run."""

    def start(self, simulation: Worlds) -> None:
        """See the start of all episodes."""
        ...

    def step(self, state: Tensor, action: Tensor, step: Step, simulation: Worlds) -> None:
        """See one control step of all worlds; ``state`` are the features before it."""
        ...


class Policies:
    """Deterministic policies of several members.

    They compute in float64 and round the actions to float32: then others who run the same policy
    (ONNX, another number of rows) act the same to the last bit. After a difference in the last
    bit, contacts lead an episode elsewhere within seconds.

    Args:
        states: members of equal network sizes.
        device: where observations come from, by default the CPU.
    """

    def __init__(self, states: Sequence[MemberState], device: torch.device | None = None) -> None:
        population = Population.of(states, torch.float64, device)
        parameters = population.parameters
        self._actor = population.network("actor")
        self._head = make_head(population.layout, parameters, torch.zeros_like(parameters))
        self._scale = ObservationScale(population.observation, parameters.dtype)
        self._discrete = population.layout.spec.discrete

    def __call__(self, observation: Float[Tensor, "P M O"]) -> Tensor:
        """Return the actions, clipped to [-1, 1] unless discrete."""
        precise = observation.to(torch.float64)
        normalized = self._scale.apply(precise, torch.empty_like(precise)).clamp_(-CLIP, CLIP)
        action = self._head.mode(forward(self._actor, normalized))
        return action if self._discrete else action.clamp_(-1.0, 1.0).to(torch.float32)


class RandomPolicy:
    """Uniformly random actions for one member, the baseline of every task."""

    def __init__(self, task: BaseTask, seed: int) -> None:
        self._action = task.action
        self._generator = torch.Generator().manual_seed(stream_seed("random policy", seed))

    def __call__(self, observation: Shaped[Tensor, "1 M ..."]) -> Tensor:
        """Return the actions."""
        shape = observation.shape[:2]
        if isinstance(self._action, BoxAction):
            unit = torch.rand(*shape, self._action.size, generator=self._generator)
            return unit * 2.0 - 1.0
        return torch.randint(self._action.count, shape, generator=self._generator)


def evaluate(
    task: Task,
    states: Sequence[MemberState],
    eval_seeds: Sequence[int],
    *,
    watcher: Watcher | None = None,
    threads: int | None = None,
    engine: EngineChoice = CPU,
) -> Evaluation:
    """Evaluate members.

    Args:
        task: the task.
        states: members, trained on this task with equal network sizes.
        eval_seeds: one episode each.
        watcher: looks on.
        threads: for physics; None for one per CPU of this process.
        engine: what simulates.

    Raises:
        CheckpointError: a member's networks do not fit the task, or differ.
        EngineError: the engine cannot be had.
    """
    check_members(task, states)
    act = Policies(states, torch.device(engine.device))
    return run_episodes(task, act, len(states), eval_seeds, watcher, threads=threads, engine=engine)


def evaluate_random(
    task: BaseTask, eval_seeds: Sequence[int], *, seed: int = 0, threads: int | None = None
) -> Evaluation:
    """Evaluate uniformly random actions, as a population of one."""
    return run_episodes(task, RandomPolicy(task, seed), 1, eval_seeds, threads=threads)


def record(
    task: Task,
    states: Sequence[MemberState],
    eval_seeds: Sequence[int],
    *,
    threads: int | None = None,
) -> list[list[Trajectory]]:
    """Return the episodes that ``evaluate`` scores, member by member and seed by seed.

    Raises:
        CheckpointError: see ``evaluate``.
    """
    check_members(task, states)
    recorder = _Recorder()
    run_episodes(task, Policies(states), len(states), eval_seeds, recorder, threads=threads)
    count = len(eval_seeds)
    return [
        [recorder.trajectory(member * count + e) for e in range(count)]
        for member in range(len(states))
    ]


class _Recorder:
    """Keeps every step of an evaluation."""

    def __init__(self) -> None:
        self._states: list[Tensor] = []
        self._actions: list[Tensor] = []
        self._steps: list[Step] = []
        self._qpos: list[Tensor] = []

    def start(self, simulation: Worlds) -> None:
        """Note the initial positions."""
        assert isinstance(simulation, Simulation)
        self._qpos.append(simulation.engine.field("qpos").clone())

    def step(self, state: Tensor, action: Tensor, step: Step, simulation: Worlds) -> None:
        """Note one control step."""
        assert isinstance(simulation, Simulation)
        self._states.append(state)
        self._actions.append(action)
        self._steps.append(step)
        self._qpos.append(simulation.engine.field("qpos").clone())

    def trajectory(self, world: int) -> Trajectory:
        """Return the first episode of a world."""
        length = next(i for i, s in enumerate(self._steps, 1) if bool(s.ended[world]))
        # after the last step the world was reset: its last positions are those before it
        qpos = [q[world] for q in self._qpos[:length]]
        return Trajectory(
            state=torch.stack([s[world] for s in self._states[:length]]),
            action=torch.stack([a[world] for a in self._actions[:length]]),
            next_state=torch.stack([s.next_state[world] for s in self._steps[:length]]),
            qpos=torch.stack([*qpos, qpos[-1]]),
            terminated=bool(self._steps[length - 1].terminated[world]),
        )


def episode_stream(eval_seed: int) -> int:
    """Return the simulation seed of an evaluation episode."""
    return stream_seed("evaluation episode", eval_seed)


@torch.no_grad()
def run_episodes(
    task: BaseTask,
    act: Act,
    members: int,
    eval_seeds: Sequence[int],
    watcher: Watcher | None = None,
    *,
    threads: int | None = None,
    engine: EngineChoice = CPU,
) -> Evaluation:
    """Run one episode per member and evaluation seed.

    Raises:
        EngineError: the engine cannot be had.
    """
    while True:
        try:
            return _episodes(task, act, members, eval_seeds, watcher, threads, engine)
        except ContactsOverflow:
            engine = with_more_room(engine)


def _episodes(
    task: BaseTask,
    act: Act,
    members: int,
    eval_seeds: Sequence[int],
    watcher: Watcher | None,
    threads: int | None,
    engine: EngineChoice,
) -> Evaluation:
    """Run the episodes once.

    Raises:
        ContactsOverflow: they are void.
    """
    count = len(eval_seeds)
    # one world per (member, seed), each its own simulation member: its stream is the seed's
    streams = [episode_stream(seed) for seed in eval_seeds] * members
    simulation = open_worlds(task, streams, 1, threads=threads, engine=engine)
    try:
        outcome = _Outcome(task, members * count)
        if watcher is not None:
            watcher.start(simulation)
        while not outcome.complete:
            state = simulation.state
            seen = simulation.observation()
            observation = seen.reshape(members, count, *seen.shape[1:])
            action = act(observation).flatten(0, 1)
            step = simulation.step(action).cpu()
            outcome.add(step)
            if watcher is not None:
                watcher.step(state.cpu(), action.cpu(), step, simulation)
        simulation.check_contacts()
    finally:
        simulation.close()
    return outcome.evaluation(tuple(eval_seeds), members)


class _Outcome:
    """The first episode's end of every world."""

    def __init__(self, task: BaseTask, worlds: int) -> None:
        self._task = task
        self._open = torch.ones(worlds, dtype=torch.bool)
        self._fitness = {m.name: torch.zeros(worlds) for m in task.metrics}
        self._length = torch.zeros(worlds, dtype=torch.int64)
        self._cause = [""] * worlds

    @property
    def complete(self) -> bool:
        """Whether every world has finished its first episode."""
        return not bool(self._open.any())

    def add(self, step: Step) -> None:
        """Note the episodes that end with this step."""
        now: Bool[Tensor, " B"] = step.ended & self._open
        if not bool(now.any()):
            return
        self._open &= ~now
        self._length = torch.where(now, step.length, self._length)
        for metric in self._task.metrics:
            value = torch.where(step.valid, step.fitness[metric.name], metric.after_termination)
            kept = self._fitness[metric.name]
            self._fitness[metric.name] = torch.where(now, value, kept)
        view = self._task.table.view(step.next_state)
        for world in (int(i) for i in now.nonzero()[:, 0]):
            self._cause[world] = self._name(step, view, world)

    def _name(self, step: Step, view: FeatureView, world: int) -> str:
        """Return why the episode of a world ended."""
        if not bool(step.valid[world]):
            return DIVERGED
        if bool(step.truncated[world]):
            return TIME_LIMIT
        causes = self._task.causes
        return next((c for c in causes if bool(getattr(view, c)[world] > 0.5)), TERMINATED)

    def evaluation(self, eval_seeds: tuple[int, ...], members: int) -> Evaluation:
        """Return everything, by member and seed."""
        count = len(eval_seeds)
        return Evaluation(
            eval_seeds=eval_seeds,
            fitness={k: v.view(members, count) for k, v in self._fitness.items()},
            length=self._length.view(members, count),
            cause=[self._cause[m * count : (m + 1) * count] for m in range(members)],
        )


def check_members(task: Task, states: Sequence[MemberState]) -> None:
    """Refuse members that cannot act in this task together.

    Raises:
        CheckpointError: their networks do not fit the task, or differ.
    """
    if not states:
        raise CheckpointError("nothing to evaluate: no members given")
    spec = states[0].spec
    expected = NetworkSpec.of(task, spec.hidden)
    for state in states:
        if state.spec != expected:
            raise CheckpointError(
                f"a member trained on '{state.origin.task}' has networks {state.spec}; task "
                f"'{task.name}' needs {expected}"
            )
