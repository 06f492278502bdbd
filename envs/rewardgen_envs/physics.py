"""Named, batched access to the simulation for task authors."""

from __future__ import annotations

import mujoco
from jaxtyping import Int64
from torch import Tensor

from rewardgen_envs.engines.base import Engine
from rewardgen_envs.names import nearest

_OBJECTS = {
    "body": mujoco.mjtObj.mjOBJ_BODY,
    "geom": mujoco.mjtObj.mjOBJ_GEOM,
    "site": mujoco.mjtObj.mjOBJ_SITE,
    "joint": mujoco.mjtObj.mjOBJ_JOINT,
    "sensor": mujoco.mjtObj.mjOBJ_SENSOR,
    "actuator": mujoco.mjtObj.mjOBJ_ACTUATOR,
}
_POSITION_SIZE = {0: 7, 1: 4, 2: 1, 3: 1}  # mjtJoint: free, ball, slide, hinge
_VELOCITY_SIZE = {0: 6, 1: 3, 2: 1, 3: 1}


class Physics:
    """Quantities of some worlds, by name, in the engine's own precision (float64 on CPU).

    Args:
        engine: the simulation.
        rows: the worlds, (R,); None for all.
    """

    def __init__(self, engine: Engine, rows: Int64[Tensor, " R"] | None = None) -> None:
        self._engine = engine
        self._rows = rows

    @property
    def model(self) -> mujoco.MjModel:
        """The compiled scene, for constants."""
        return self._engine.model

    def field(self, name: str) -> Tensor:
        """Return an MjData field, (R, ...): ``qpos``, ``qvel``, ``xpos``, ``cfrc_ext``."""
        return self._values(name)

    @property
    def qpos(self) -> Tensor:
        """Generalized positions (R, nq)."""
        return self.field("qpos")

    @property
    def qvel(self) -> Tensor:
        """Generalized velocities (R, nv)."""
        return self.field("qvel")

    def joint_position(self, name: str) -> Tensor:
        """Return a joint's position: (R,) for slide (m) and hinge (rad), else (R, 4 or 7)."""
        joint = self._id("joint", name)
        start = int(self.model.jnt_qposadr[joint])
        size = _POSITION_SIZE[int(self.model.jnt_type[joint])]
        return _columns(self._values("qpos"), start, size)

    def joint_velocity(self, name: str) -> Tensor:
        """Return a joint's velocity: (R,) for slide (m/s) and hinge (rad/s), else (R, 3 or 6)."""
        joint = self._id("joint", name)
        start = int(self.model.jnt_dofadr[joint])
        size = _VELOCITY_SIZE[int(self.model.jnt_type[joint])]
        return _columns(self._values("qvel"), start, size)

    def body_position(self, name: str) -> Tensor:
        """Return a body frame's position in the world, (R, 3) m."""
        return self._values("xpos")[:, self._id("body", name)]

    def body_quaternion(self, name: str) -> Tensor:
        """Return a body frame's orientation in the world, (R, 4), w first."""
        return self._values("xquat")[:, self._id("body", name)]

    def body_matrix(self, name: str) -> Tensor:
        """Return a body frame's rotation matrix, (R, 3, 3); columns are its axes."""
        return self._values("xmat")[:, self._id("body", name)].reshape(-1, 3, 3)

    def center_of_mass(self, name: str) -> Tensor:
        """Return the centre of mass of a body's subtree, (R, 3) m."""
        return self._values("subtree_com")[:, self._id("body", name)]

    def geom_position(self, name: str) -> Tensor:
        """Return a geom's position in the world, (R, 3) m."""
        return self._values("geom_xpos")[:, self._id("geom", name)]

    def lowest_point(self, name: str) -> Tensor:
        """Return the height of the lowest point of a sphere or capsule geom, (R,) m.

        Raises:
            ValueError: the geom has another shape.
        """
        geom = self._id("geom", name)
        kind, size = int(self.model.geom_type[geom]), self.model.geom_size[geom]
        lowest = self._values("geom_xpos")[:, geom, 2] - float(size[0])
        if kind == mujoco.mjtGeom.mjGEOM_SPHERE:
            return lowest
        if kind != mujoco.mjtGeom.mjGEOM_CAPSULE:
            raise ValueError(f"geom '{name}' is neither a sphere nor a capsule")
        axis_z = self._values("geom_xmat")[:, geom, 8]
        return lowest - axis_z.abs() * float(size[1])

    def site_position(self, name: str) -> Tensor:
        """Return a site's position in the world, (R, 3) m."""
        return self._values("site_xpos")[:, self._id("site", name)]

    def sensor(self, name: str) -> Tensor:
        """Return a sensor's reading: (R,) for one number, else (R, n)."""
        sensor = self._id("sensor", name)
        start, size = int(self.model.sensor_adr[sensor]), int(self.model.sensor_dim[sensor])
        return _columns(self._values("sensordata"), start, size)

    # field() is for tasks; what is found by name comes from here, so that a subclass can tell
    # one from the other
    def _values(self, name: str) -> Tensor:
        values = self._engine.field(name)
        return values if self._rows is None else values[self._rows]

    def _id(self, kind: str, name: str) -> int:
        found = mujoco.mj_name2id(self.model, _OBJECTS[kind], name)
        if found < 0:
            counts = {"body": "nbody", "geom": "ngeom", "site": "nsite", "joint": "njnt"}
            counts |= {"sensor": "nsensor", "actuator": "nu"}
            total = int(getattr(self.model, counts[kind]))
            known = [mujoco.mj_id2name(self.model, _OBJECTS[kind], i) for i in range(total)]
            valid = nearest(name, [n for n in known if n])
            raise KeyError(f"the scene has no {kind} '{name}'{valid}")
        return found


def _columns(values: Tensor, start: int, size: int) -> Tensor:
    return values[:, start] if size == 1 else values[:, start : start + size]
