"""Finds the robot in a scene: whatever the actuators move, and all that hangs on it."""

from __future__ import annotations

import mujoco
import numpy as np

from rewardgen_envs.motion import Floats, Robot

_FREE, _SLIDE, _HINGE = 0, 2, 3  # mjtJoint
_BY_SITE = 4  # mjtTrn: thrusters and wheels push somewhere, they hold no joint
_PLANE = 0  # mjtGeom: has no end
_STEEP = 0.7  # vertical part of a slide along which a base can fall


def find_robot(model: mujoco.MjModel) -> Robot:
    """Return the robot of a scene: the trees of bodies that its actuators act on."""
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    driven = _driven(model, data)
    roots = np.unique(model.body_rootid[model.dof_bodyid[np.flatnonzero(driven.any(axis=0))]])
    bodies = np.flatnonzero(np.isin(model.body_rootid, roots))
    joints = limited_joints(model, bodies)
    names = [mujoco.mj_id2name(model, mujoco.mjtObj.mjOBJ_JOINT, int(j)) for j in joints]
    held = np.atleast_1d(driven[model.actuator_trntype != _BY_SITE].any(axis=0))
    return Robot(
        bodies=bodies,
        falls=any(_falls(model, data, int(root), held) for root in roots),
        mass_kg=float(model.body_mass[bodies].sum()),
        length_m=_length_m(model, data, bodies),
        gravity_m_s2=float(np.linalg.norm(model.opt.gravity)),
        joint_low=model.jnt_range[joints, 0].copy(),
        joint_high=model.jnt_range[joints, 1].copy(),
        joint_names=tuple(name or f"joint {j}" for name, j in zip(names, joints, strict=True)),
        force_limit=_force_limit(model),
    )


def configuration(model: mujoco.MjModel, robot: Robot, qpos: Floats) -> Floats:
    """Return positions as numbers of one scale that are near for near positions.

    Angles of limited hinges in rad, others by cosine and sine, orientations by matrices, distances
    in lengths of the robot.

    Args:
        model: the scene.
        robot: its robot.
        qpos: generalized positions, (T, nq).
    """
    columns: list[Floats] = []
    for joint in range(model.njnt):
        kind, at = int(model.jnt_type[joint]), int(model.jnt_qposadr[joint])
        if kind == _SLIDE:
            columns.append(qpos[:, at : at + 1] / robot.length_m)
        elif kind == _HINGE and model.jnt_limited[joint]:
            columns.append(qpos[:, at : at + 1])
        elif kind == _HINGE:
            angle = qpos[:, at]
            columns.append(np.stack([np.cos(angle), np.sin(angle)], axis=1))
        else:
            if kind == _FREE:
                columns.append(qpos[:, at : at + 3] / robot.length_m)
                at += 3
            columns.append(_matrices(qpos[:, at : at + 4]))
    return np.concatenate(columns, axis=1)


def limited_joints(model: mujoco.MjModel, bodies: np.ndarray) -> np.ndarray:
    """Return the limited hinges and slides of some bodies."""
    mine = np.isin(model.jnt_bodyid, bodies) & (model.jnt_limited != 0)
    return np.flatnonzero(mine & np.isin(model.jnt_type, (_SLIDE, _HINGE)))


def _matrices(quaternion: Floats) -> Floats:
    """Return rotation matrices, (T, 9): unlike quaternions, one for each orientation."""
    w, x, y, z = (quaternion / np.linalg.norm(quaternion, axis=1, keepdims=True)).T
    return np.stack(
        [
            *(1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
            *(2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
            *(2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
        ],
        axis=1,
    )


def _driven(model: mujoco.MjModel, data: mujoco.MjData) -> np.ndarray:
    """Return which degrees of freedom each actuator moves, (nu, nv)."""
    moment = np.zeros((model.nu, model.nv))
    mujoco.mju_sparse2dense(
        moment,
        data.actuator_moment.ravel(),
        data.moment_rownnz,
        data.moment_rowadr,
        data.moment_colind.ravel(),
    )
    return moment != 0.0


def _falls(model: mujoco.MjModel, data: mujoco.MjData, root: int, held: np.ndarray) -> bool:
    """Return whether a base has a vertical degree of freedom that no actuator holds."""
    first = int(model.body_jntadr[root])
    for joint in range(first, first + int(model.body_jntnum[root])):
        if model.jnt_type[joint] == _FREE:
            return True
        steep = abs(float(data.xaxis[joint, 2])) > _STEEP
        if model.jnt_type[joint] == _SLIDE and steep and not held[model.jnt_dofadr[joint]]:
            return True
    return False


def _length_m(model: mujoco.MjModel, data: mujoco.MjData, bodies: np.ndarray) -> float:
    """Return the longest side of the box around the geoms of some bodies."""
    mine = np.isin(model.geom_bodyid, bodies) & (model.geom_type != _PLANE)
    if not mine.any():
        return float(model.stat.extent)
    rotation = data.geom_xmat[mine].reshape(-1, 3, 3)
    centre, half = model.geom_aabb[mine, :3, None], model.geom_aabb[mine, 3:, None]
    middle = data.geom_xpos[mine] + (rotation @ centre)[..., 0]
    reach = (np.abs(rotation) @ half)[..., 0]
    return float(((middle + reach).max(axis=0) - (middle - reach).min(axis=0)).max())


def _force_limit(model: mujoco.MjModel) -> Floats:
    """Return the largest force that each actuator can exert; infinite where nothing bounds it.

    A limit of its force, or that of a motor's control; a servo without a limit of its force pulls
    the harder the further it is from where it is told to be.
    """
    limit = np.full(model.nu, np.inf)
    motor = (model.actuator_gaintype == 0) & (model.actuator_biastype == 0)
    motor &= (model.actuator_dyntype == 0) & (model.actuator_ctrllimited != 0)
    reach = np.abs(model.actuator_gainprm[:, 0]) * np.abs(model.actuator_ctrlrange).max(axis=1)
    limit[motor] = reach[motor]
    own = model.actuator_forcelimited != 0
    limit[own] = np.minimum(limit[own], np.abs(model.actuator_forcerange[own]).max(axis=1))
    return limit
