"""Playing a task to see what its states, episodes and numbers look like."""

from __future__ import annotations

import math
from dataclasses import dataclass

import mujoco
import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from rewardgen_envs.checks.watch import WatchedEngine
from rewardgen_envs.engines.base import Engine
from rewardgen_envs.engines.mujoco_batch import MujocoBatchEngine
from rewardgen_envs.simulation import Simulation
from rewardgen_envs.task import BoxAction, Task

WORLDS = 64
SUBSTEPS = 800  # per world, so that finer physics does not take longer
MOST_STEPS, LEAST_STEPS = 200, 80
HOLD_STEPS = 10  # how long an extreme action is held
KICK_EVERY = 8
KICK_SELDOM = 64  # for the other half of the worlds: long enough to come to rest
_KICK_RANGE = 1.5  # m or rad, at full strength
_KICK_VELOCITY = 5.0  # m/s or rad/s, at full strength


@dataclass(frozen=True)
class Play:
    """Transitions of B worlds over T control steps.

    Attributes:
        state: features before the step.
        action: the actions, (T, B, A) or (T, B).
        next_state: features after it, terminal ones where an episode ended.
        terminated: the task ended the episode.
        ended: the episode ended for any reason.
        valid: features and physics are finite.
        diverged: the physics is not finite; ``~valid & ~diverged`` is a feature's own fault.
        physical: ``next_state`` follows from ``state``; False where the world was displaced.
        t: control steps since the start of the episode, after the step.
    """

    state: Float32[Tensor, "T B F"]
    action: Tensor
    next_state: Float32[Tensor, "T B F"]
    terminated: Bool[Tensor, "T B"]
    ended: Bool[Tensor, "T B"]
    valid: Bool[Tensor, "T B"]
    diverged: Bool[Tensor, "T B"]
    physical: Bool[Tensor, "T B"]
    t: Int64[Tensor, "T B"]

    def visited(self) -> Float32[Tensor, "R F"]:
        """Return the features of all valid states, resets included.

        Those right after a displacement are left out: what is computed from the displacement
        of a step, a velocity for example, has no meaning there.
        """
        return torch.cat([self.state[self.t == 1], self.next_state[self.valid & self.physical]])


def random_actions(task: Task, steps: int, worlds: int, generator: torch.Generator) -> Tensor:
    """Return actions (T, B, A) or (T, B) of four styles, one world in four each.

    The styles are uniform noise, extremes held for some steps, small noise, and idling.
    """
    action = task.action
    if not isinstance(action, BoxAction):
        noise = torch.randint(action.count, (steps, worlds), generator=generator)
        held = noise[::HOLD_STEPS].repeat_interleave(HOLD_STEPS, dim=0)[:steps]
        return torch.where(torch.arange(worlds) % 2 == 0, noise, held)
    shape = (steps, worlds, action.size)
    noise = torch.rand(shape, generator=generator) * 2.0 - 1.0
    held = noise[::HOLD_STEPS].sign().repeat_interleave(HOLD_STEPS, dim=0)[:steps]
    style = (torch.arange(worlds) % 4).reshape(1, -1, 1)
    chosen = torch.where(style == 1, held, noise)
    return chosen * torch.where(style == 2, 0.2, torch.where(style == 3, 0.0, 1.0))


def random_play(task: Task) -> Play:
    """Play random actions from the task's own resets."""
    return _play(task, kicks=False)


def kicked_play(task: Task) -> Play:
    """Play random actions and displace some worlds every few steps, to see unusual states."""
    return _play(task, kicks=True)


def kick(engine: Engine, rows: Int64[Tensor, " R"], generator: torch.Generator) -> None:
    """Displace some worlds: joints anywhere in their range, bodies turned, moved and thrown.

    Joints that turn freely also get a whole turn more or less: the same posture, as after a
    somersault. One world in three gets nothing else.
    """
    model = engine.model
    qpos, qvel = engine.field("qpos")[rows].clone(), engine.field("qvel")[rows].clone()
    strength = torch.rand(len(rows), 1, generator=generator, dtype=qpos.dtype) ** 2
    strength *= torch.arange(len(rows)).unsqueeze(1) % 3 > 0
    noise = torch.randn(qpos.shape, generator=generator, dtype=qpos.dtype)
    moved = qpos + strength * _KICK_RANGE * noise
    for joint in range(model.njnt):
        keep_valid(model, joint, moved)
        if model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_HINGE and not model.jnt_limited[joint]:
            turns = torch.randint(-1, 2, (len(rows),), generator=generator)
            moved[:, int(model.jnt_qposadr[joint])] += 2.0 * math.pi * turns
    thrown = torch.randn(qvel.shape, generator=generator, dtype=qvel.dtype)
    engine.write("qpos", moved, rows)
    engine.write("qvel", qvel + strength * _KICK_VELOCITY * thrown, rows)
    engine.forward(rows)


def keep_valid(model: mujoco.MjModel, joint: int, qpos: Tensor) -> None:
    """Keep a joint within its limits and a quaternion at length 1."""
    start, kind = int(model.jnt_qposadr[joint]), int(model.jnt_type[joint])
    if kind in (mujoco.mjtJoint.mjJNT_FREE, mujoco.mjtJoint.mjJNT_BALL):
        first = start + 3 if kind == mujoco.mjtJoint.mjJNT_FREE else start
        part = qpos[:, first : first + 4]
        part /= part.square().sum(1, keepdim=True).sqrt()
    elif model.jnt_limited[joint]:
        low, high = model.jnt_range[joint]
        qpos[:, start].clamp_(float(low), float(high))


def _kicked(step: int, generator: torch.Generator) -> Bool[Tensor, " B"]:
    """Choose the worlds that are displaced before this step: half of them often."""
    often = torch.arange(WORLDS) < WORLDS // 2
    if step % KICK_SELDOM == 0:
        return torch.ones(WORLDS, dtype=torch.bool)
    return often & (step % KICK_EVERY == 0) & (torch.rand(WORLDS, generator=generator) < 0.5)


def _play(task: Task, *, kicks: bool) -> Play:
    generator = torch.Generator().manual_seed(1 if kicks else 0)
    engine = WatchedEngine(MujocoBatchEngine(task.model, WORLDS))
    simulation = Simulation(task, [17], WORLDS, engine=engine)
    steps = min(MOST_STEPS, max(LEAST_STEPS, SUBSTEPS // task.decimation))
    actions = random_actions(task, steps, WORLDS, generator)
    history: list[tuple[Tensor, ...]] = []
    for step, action in enumerate(actions):
        physical = torch.ones(WORLDS, dtype=torch.bool)
        if kicks:
            physical = ~_kicked(step, generator)
            kick(engine, (~physical).nonzero()[:, 0], generator)
        state = simulation.state
        result = simulation.step(action)
        history.append(
            (
                state,
                result.next_state,
                result.terminated,
                result.ended,
                result.valid,
                engine.last_health.diverged,
                physical,
                result.length,
            )
        )
    simulation.close()
    state, after, terminated, ended, valid, diverged, physical, t = (
        torch.stack(column) for column in zip(*history, strict=True)
    )
    return Play(state, actions, after, terminated, ended, valid, diverged, physical, t)
