"""Where a task is looked at from, for videos, pictures and judges.

A camera is no part of the scene: a scene's hash, on which stored scores depend, stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import mujoco
import numpy as np

from rewardgen_envs.errors import UsageError
from rewardgen_envs.names import nearest

_VIEWS = {  # azimuth and elevation, degrees
    "side": (90.0, -12.0),
    "front": (180.0, -12.0),
    "corner": (135.0, -25.0),
    "above": (90.0, -89.0),
}
_DISTANCE = 2.2  # times the radius of what is looked at
_OBJECTS = mujoco.mjtObj


@dataclass(frozen=True)
class Camera:
    """One point of view.

    Attributes:
        azimuth_deg: direction of view about the vertical; 90 looks along y, 180 against x.
        elevation_deg: of the direction of view; negative looks down.
        distance_m: from what is looked at.
        at: point that is looked at, m; of a camera that follows, nothing.
        follows: body whose subtree's centre of mass is looked at, or None.
    """

    azimuth_deg: float
    elevation_deg: float
    distance_m: float
    at: tuple[float, float, float] = (0.0, 0.0, 0.0)
    follows: str | None = None


def views(model: mujoco.MjModel, own: Mapping[str, Camera]) -> dict[str, mujoco.MjvCamera]:
    """Return all points of view of a task, the usual one first.

    Args:
        model: the scene.
        own: those that the task names. Else there are the scene's own cameras and four around
            the robot: ``side``, ``front``, ``corner`` and ``above``; they follow a robot that
            is free to leave.

    Raises:
        UsageError: a camera follows a body that the scene has not.
    """
    if own:
        return {name: _made(model, camera) for name, camera in own.items()}
    return _fixed(model) | {name: _made(model, c) for name, c in _around(model).items()}


def chosen(found: Mapping[str, mujoco.MjvCamera], name: str | None) -> mujoco.MjvCamera:
    """Return a point of view by name; None for the usual one.

    Raises:
        UsageError: there is none of that name; lists what there is.
    """
    if name is None:
        return next(iter(found.values()))
    if name not in found:
        raise UsageError(f"no camera '{name}'{nearest(name, found)}")
    return found[name]


def _fixed(model: mujoco.MjModel) -> dict[str, mujoco.MjvCamera]:
    """Return the named cameras of the scene itself."""
    cameras: dict[str, mujoco.MjvCamera] = {}
    for number in range(model.ncam):
        name = mujoco.mj_id2name(model, _OBJECTS.mjOBJ_CAMERA, number)
        if name:
            camera = cameras[name] = mujoco.MjvCamera()
            camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
            camera.fixedcamid = number
    return cameras


def _made(model: mujoco.MjModel, camera: Camera) -> mujoco.MjvCamera:
    made = mujoco.MjvCamera()
    made.azimuth, made.elevation = camera.azimuth_deg, camera.elevation_deg
    made.distance = camera.distance_m
    made.lookat[:] = camera.at
    if camera.follows is not None:
        body = mujoco.mj_name2id(model, _OBJECTS.mjOBJ_BODY, camera.follows)
        if body < 0:
            names = [mujoco.mj_id2name(model, _OBJECTS.mjOBJ_BODY, i) for i in range(model.nbody)]
            valid = nearest(camera.follows, [name for name in names if name])
            raise UsageError(f"a camera follows the body '{camera.follows}'{valid}")
        made.type = mujoco.mjtCamera.mjCAMERA_TRACKING
        made.trackbodyid = body
    return made


def _around(model: mujoco.MjModel) -> dict[str, Camera]:
    """Return four views that hold the robot, or the whole scene if nothing can leave it."""
    root = _leaving(model)
    if root is None:
        centre, radius, name = model.stat.center, float(model.stat.extent), None
    else:
        centre, radius = _ball(model, root)
        name = mujoco.mj_id2name(model, _OBJECTS.mjOBJ_BODY, root)
    at = (float(centre[0]), float(centre[1]), float(centre[2]))
    return {
        view: Camera(azimuth, elevation, _DISTANCE * radius, at, name)
        for view, (azimuth, elevation) in _VIEWS.items()
    }


def _leaving(model: mujoco.MjModel) -> int | None:
    """Return the first named body that can go anywhere: on a free joint, or two slides."""
    kinds = mujoco.mjtJoint
    for body in range(1, model.nbody):
        first, count = int(model.body_jntadr[body]), int(model.body_jntnum[body])
        types = [int(model.jnt_type[j]) for j in range(first, first + count)]
        leaves = int(kinds.mjJNT_FREE) in types or types.count(int(kinds.mjJNT_SLIDE)) >= 2
        if leaves and mujoco.mj_id2name(model, _OBJECTS.mjOBJ_BODY, body):
            return body
    return None


def _ball(model: mujoco.MjModel, root: int) -> tuple[np.ndarray, float]:
    """Return centre and radius of a ball around all geoms of a body's tree, as it starts."""
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    tree = np.flatnonzero(model.body_rootid[model.geom_bodyid] == model.body_rootid[root])
    places = data.geom_xpos[tree]
    centre = (places.min(0) + places.max(0)) / 2.0
    reach = np.linalg.norm(places - centre, axis=1) + model.geom_rbound[tree]
    return centre, float(reach.max())
