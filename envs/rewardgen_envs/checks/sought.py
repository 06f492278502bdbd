"""Good states without a policy: worlds are placed where the task's fitness says that it is good.

Random play meets what a task asks for rarely or never. So each world looks for itself: its robot
and all other bodies are displaced, the displaced state is kept if the ranking metric of the step
after it is no worse, and the next displacement starts from there. The steps are physical; only the
way to where they start is not.
"""

from __future__ import annotations

import math

import mujoco
import torch
from torch import Tensor

from rewardgen_envs.checks.plays import Play, keep_valid, random_actions
from rewardgen_envs.engines.mujoco_batch import MujocoBatchEngine
from rewardgen_envs.simulation import Simulation, Step
from rewardgen_envs.task import Task

WORLDS = 64
ROUNDS = 24
FRESH = 0.25
"""Share of displacements that start from where the episode began, not from the best so far."""
WIDEST = 1.5  # m, where no joint's range says how far
FASTEST = 5.0  # m/s or rad/s
LIMIT = 10.0  # the same; beyond it a speed is none that robots reach
_DECADES = 2.0  # displacements are drawn from so many orders of magnitude
_SEED = 31


def sought_play(task: Task) -> Play:
    """Return transitions at states that are good by the ranking metric, and on the way there."""
    generator = torch.Generator().manual_seed(_SEED)
    engine = MujocoBatchEngine(task.model, WORLDS)
    simulation = Simulation(task, [_SEED], WORLDS, engine=engine)
    actions = random_actions(task, 2 * ROUNDS, WORLDS, generator)
    rows = torch.arange(WORLDS)
    start = best = _placed(engine)
    value = torch.full((WORLDS,), -torch.inf)
    history: list[tuple[Tensor, ...]] = []
    try:
        for arriving, staying in actions.view(ROUNDS, 2, *actions.shape[1:]):
            fresh = torch.rand(WORLDS, 1, generator=generator) < FRESH
            origin = [torch.where(fresh, s, b) for s, b in zip(start, best, strict=True)]
            qpos, qvel = placed = _displaced(task, origin[0], origin[1], generator)
            engine.write("qpos", qpos, rows)
            engine.write("qvel", qvel, rows)
            engine.forward(rows)
            simulation.t.zero_()  # nothing ends by time
            simulation.step(arriving)  # what compares with the step before has no meaning in it
            state = simulation.state
            step = simulation.step(staying)
            found = _value(task, step)
            better = (found >= value) & step.valid & ~step.terminated
            value = torch.where(better, found, value)
            kept = better.unsqueeze(1)
            best = tuple(torch.where(kept, p, b) for p, b in zip(placed, best, strict=True))
            history.append((state, staying, step.next_state, *_flags(step)))
    finally:
        simulation.close()
    return Play(*(torch.stack(column) for column in zip(*history, strict=True)))


def _placed(engine: MujocoBatchEngine) -> tuple[Tensor, ...]:
    return engine.field("qpos").clone(), engine.field("qvel").clone()


def _displaced(
    task: Task, qpos: Tensor, qvel: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return positions and velocities nearer or farther from given ones, joints within limits."""
    size = 10.0 ** (-_DECADES * torch.rand(WORLDS, 1, generator=generator, dtype=qpos.dtype))
    # few numbers at a time: a change of everything at once rarely improves anything
    share = torch.rand(WORLDS, 1, generator=generator)
    moved, thrown = (
        (torch.rand(x.shape, generator=generator, dtype=x.dtype) * 2.0 - 1.0)
        * (torch.rand(x.shape, generator=generator) < share)
        for x in (qpos, qvel)
    )
    placed = qpos + _reach(task.model).to(qpos.dtype) * size * moved
    for joint in range(task.model.njnt):
        keep_valid(task.model, joint, placed)
    return placed, (qvel + FASTEST * size * thrown).clamp(-LIMIT, LIMIT)


def _reach(model: mujoco.MjModel) -> Tensor:
    """Return how far each position is displaced at most: through the whole range of a joint."""
    reach = torch.full((model.nq,), WIDEST)
    for joint in range(model.njnt):
        place, (low, high) = int(model.jnt_qposadr[joint]), model.jnt_range[joint]
        if model.jnt_limited[joint]:
            reach[place] = float(high - low)
        elif model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_HINGE:
            reach[place] = math.pi
    return reach


def _value(task: Task, step: Step) -> Tensor:
    """Return the ranking metric's value of a step, larger being better."""
    metric = task.metric
    return metric.sign * task.fitness(task.table.view(step.next_state))[metric.name].float()


def _flags(step: Step) -> tuple[Tensor, ...]:
    """Return what a play says of each step beside its features and action."""
    everywhere = torch.ones_like(step.valid)
    return step.terminated, step.ended, step.valid, ~step.valid, everywhere, step.length
