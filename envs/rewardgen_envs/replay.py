"""Repeats recorded control steps in plain MuJoCo, to see what no batch of worlds gives: contacts.

Every control step begins at its recorded state, so errors do not add up, and it does not matter
which engine simulated the episode: forces are MuJoCo's at the states that were met.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, fields

import mujoco
import numpy as np
import torch
from torch import Tensor

from rewardgen_envs.engines.base import Engine
from rewardgen_envs.engines.mujoco_data import MujocoDataEngine
from rewardgen_envs.mocap import mocap_row
from rewardgen_envs.motion import Contacts, Floats, Motion, Touched
from rewardgen_envs.randomization import scaled_fields
from rewardgen_envs.robot import find_robot, limited_joints
from rewardgen_envs.task import Task

_WIDTH = 2  # place of a contact's width in its solimp
_SOLVER_ROWS = 3  # of a contact: along its normal, and along two tangents


@dataclass(frozen=True)
class PhysicsState:
    """States of worlds at one instant, or of one world at several: what a control step begins with.

    What actions write belongs to the step. None where the scene has no such thing.
    """

    qpos: Tensor
    qvel: Tensor
    act: Tensor | None
    mocap_pos: Tensor | None
    mocap_quat: Tensor | None


def physics_state(engine: Engine) -> PhysicsState:
    """Copy the states of an engine's worlds into main memory, (B, …) each."""
    model = engine.model

    def copied(name: str) -> Tensor:
        return engine.field(name).to("cpu", copy=True)

    return PhysicsState(
        qpos=copied("qpos"),
        qvel=copied("qvel"),
        act=copied("act") if model.na else None,
        mocap_pos=copied("mocap_pos") if model.nmocap else None,
        mocap_quat=copied("mocap_quat") if model.nmocap else None,
    )


def states_of(states: Sequence[PhysicsState], world: int) -> PhysicsState:
    """Return one world's states at several instants, (L, …) each."""

    def stacked(values: Sequence[Tensor | None]) -> Tensor | None:
        known = [value[world] for value in values if value is not None]
        return torch.stack(known) if known else None

    return PhysicsState(
        qpos=torch.stack([state.qpos[world] for state in states]),
        qvel=torch.stack([state.qvel[world] for state in states]),
        act=stacked([state.act for state in states]),
        mocap_pos=stacked([state.mocap_pos for state in states]),
        mocap_quat=stacked([state.mocap_quat for state in states]),
    )


def replay(task: Task, starts: PhysicsState, features: Tensor, action: Tensor) -> Motion:
    """Return what the robot did in one episode of L control steps.

    Args:
        task: the task.
        starts: states at the starts of the control steps, (L, …).
        features: the features there, (L, F).
        action: what was applied, (L, A), or (L,) if discrete.
    """
    model = _model(task, features)
    data = mujoco.MjData(model)
    view = task.table.view(features)
    ctrl = _array(task.actuate(action, view))
    moved = {
        mocap_row(model, body): _array(places)
        for body, places in task.move_mocap(action, view).items()
    }
    begun = {
        field.name: _array(values)
        for field in fields(PhysicsState)
        if (values := getattr(starts, field.name)) is not None
    }
    log = _Log(model, len(features) * task.decimation)
    drift = 0.0
    for step in range(len(features)):
        if step:
            drift = max(drift, float(np.abs(data.qpos - begun["qpos"][step]).max()))
        for name, values in begun.items():
            getattr(data, name)[:] = values[step]
        data.ctrl[:] = ctrl[step]
        for row, places in moved.items():
            data.mocap_pos[row] = places[step]
        for _ in range(task.decimation):
            log.before(data)
            mujoco.mj_step(model, data)
            log.after(data)
    return log.motion(drift)


def _model(task: Task, features: Tensor) -> mujoco.MjModel:
    """Return the scene as this episode had it."""
    if not task.randomization:
        return task.model
    model = copy.copy(task.model)
    names = [f"{option}_scale" for option in task.randomization]
    scales = {n: task.table.select(features[:1], n).to(torch.float64) for n in names}
    own = MujocoDataEngine(model, mujoco.MjData(model))
    own.randomize(scaled_fields(task.model, scales), None)
    return model


def _array(values: Tensor) -> Floats:
    return values.to(torch.float64).numpy()


class _Log:
    """Collects the samples of an episode, one per ``mj_step``.

    What follows from the state is, after ``mj_step``, still that of the state before: it all
    describes the instant at which the step began.
    """

    def __init__(self, model: mujoco.MjModel, samples: int) -> None:
        self._model = model
        self.robot = robot = find_robot(model)
        self._centre = model.body_rootid  # of rotation, of a body: the centre of mass of this tree
        self._roots = np.unique(model.body_rootid[robot.bodies])
        self._joints = model.jnt_qposadr[limited_joints(model, robot.bodies)]
        self._mine = np.isin(np.arange(model.nbody), robot.bodies)
        self._fixed = model.body_weldid == 0
        count = len(robot.bodies)
        self._at = 0
        self._position = np.empty((samples, count, 3))
        self._rotation = np.empty((samples, 9))
        self._spin = np.empty((samples, count, 6))
        self._middle = np.empty((samples, count, 3))
        self._com = np.empty((samples, len(self._roots), 3))
        self._force = np.empty((samples, model.nu))
        self._speed = np.empty((samples, model.nu))
        self._joint = np.empty((samples, len(self._joints)))
        self._touches: list[_Touches] = []

    def before(self, data: mujoco.MjData) -> None:
        """Note what the step changes."""
        self._joint[self._at] = data.qpos[self._joints]

    def after(self, data: mujoco.MjData) -> None:
        """Note what followed from the state before the step."""
        at, bodies, middle = self._at, self.robot.bodies, data.subtree_com
        self._position[at] = data.xpos[bodies]
        self._rotation[at] = data.xmat[bodies[0]]
        self._spin[at] = data.cvel[bodies]
        self._middle[at] = middle[self._centre[bodies]]
        self._com[at] = middle[self._roots]
        self._force[at] = data.actuator_force
        self._speed[at] = data.actuator_velocity
        if data.ncon:
            self._touch(data)
        self._at += 1

    def _touch(self, data: mujoco.MjData) -> None:
        contact = data.contact
        address = contact.efc_address
        geoms = contact.geom
        body = self._model.geom_bodyid[geoms]
        mine = self._mine[body]
        kept = np.flatnonzero(mine.any(axis=1) & (address >= 0) & (geoms >= 0).all(axis=1))
        if not len(kept):
            return
        first, second = body[kept].T
        rows = np.minimum(contact.dim[kept], _SOLVER_ROWS)
        along = np.arange(_SOLVER_ROWS)
        places = np.minimum(address[kept, None] + along, data.nefc - 1)
        self._touches.append(
            _Touches(
                sample=np.full(len(kept), self._at),
                mine=mine[kept],
                fixed=self._fixed[body[kept]],
                position=contact.pos[kept].copy(),
                frame=contact.frame[kept].reshape(-1, 3, 3).copy(),
                force=np.where(along < rows[:, None], data.efc_force[places], 0.0),
                depth=-contact.dist[kept],
                soft=contact.solimp[kept, _WIDTH],
                spin=data.cvel[np.stack([first, second], axis=1)],
                middle=data.subtree_com[self._centre[body[kept]]],
            )
        )

    def motion(self, drift: float) -> Motion:
        """Return the episode."""
        mass = self._model.body_subtreemass[self._roots]
        return Motion(
            robot=self.robot,
            dt_s=float(self._model.opt.timestep),
            position=self._position,
            rotation=self._rotation.reshape(-1, 3, 3),
            velocity=_velocity(self._spin, self._position - self._middle),
            com=np.einsum("srx,r->sx", self._com, mass) / mass.sum(),
            force=self._force,
            speed=self._speed,
            joint=self._joint,
            contacts=_contacts(self._touches),
            drift=drift,
        )


@dataclass(frozen=True)
class _Touches:
    """Contacts of one sample or more as MuJoCo gives them, (K, …); pairs are (first, second).

    Attributes:
        sample: which sample.
        mine: whether each side is the robot's, (K, 2).
        fixed: whether each side is fixed to the world, (K, 2).
        position: where, (K, 3).
        frame: rows are the normal, from the first to the second side, and two tangents, (K, 3, 3).
        force: along these on the second side, (K, 3).
        depth: how deep, (K,).
        soft: how deep they are made to go, (K,).
        spin: angular and linear velocity of each side about ``middle``, (K, 2, 6).
        middle: (K, 2, 3).
    """

    sample: np.ndarray
    mine: np.ndarray
    fixed: np.ndarray
    position: Floats
    frame: Floats
    force: Floats
    depth: Floats
    soft: Floats
    spin: Floats
    middle: Floats


def _contacts(touches: Sequence[_Touches]) -> Contacts:
    """Return contacts that carry load, as the robot sees them."""
    empty = _Touches(
        sample=np.empty(0, dtype=np.int64),
        mine=np.empty((0, 2), dtype=bool),
        fixed=np.empty((0, 2), dtype=bool),
        position=np.empty((0, 3)),
        frame=np.empty((0, 3, 3)),
        force=np.empty((0, 3)),
        depth=np.empty(0),
        soft=np.empty(0),
        spin=np.empty((0, 2, 6)),
        middle=np.empty((0, 2, 3)),
    )
    parts = [empty, *touches]
    joined = {f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(_Touches)}
    loaded = joined["force"][:, 0] > 0.0
    all_of = _Touches(**{name: values[loaded] for name, values in joined.items()})
    velocity = _velocity(all_of.spin, all_of.position[:, None] - all_of.middle)
    difference = velocity[:, 1] - velocity[:, 0]
    normal = all_of.frame[:, 0]
    slip = difference - (difference * normal).sum(axis=1, keepdims=True) * normal
    # the force on the second side; the first one feels the opposite
    force: Floats = np.einsum("kij,ki->kj", all_of.frame, all_of.force)
    second = all_of.mine[:, 1]
    return Contacts(
        sample=all_of.sample,
        touched=_touched(all_of),
        position=all_of.position,
        force=np.where(second[:, None], force, -force),
        normal_n=all_of.force[:, 0],
        velocity=np.where(second[:, None], velocity[:, 1], velocity[:, 0]),
        slip_m_s=np.sqrt((slip**2).sum(axis=1)),
        depth_m=np.maximum(all_of.depth, 0.0),
        soft_m=all_of.soft,
    )


def _touched(touches: _Touches) -> np.ndarray:
    other_fixed = (touches.fixed & ~touches.mine).any(axis=1)
    kinds = np.where(other_fixed, Touched.GROUND, Touched.OBJECT)
    return np.where(touches.mine.all(axis=1), Touched.ITSELF, kinds)


def _velocity(spin: Floats, arm: Floats) -> Floats:
    """Return velocities at points (…, 3) away from where angular and linear velocity are taken."""
    return spin[..., 3:] + np.cross(spin[..., :3], arm)
