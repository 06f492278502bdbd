"""The scene that a new task is written for, in the posture in which its episodes begin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import mujoco
import numpy as np

from rewardgen_envs.errors import UsageError
from rewardgen_envs.scene import SceneError, compile_scene, has_acceleration_sensor, load_scene

_FARTHEST_M = 1000.0
_ENDINGS = (".xml", ".urdf")
_VERTICAL = 0.999  # cosine of the angle from which on a plane is a slope
_JOINTS = mujoco.mjtJoint
_ON_JOINTS = (int(mujoco.mjtTrn.mjTRN_JOINT), int(mujoco.mjtTrn.mjTRN_JOINTINPARENT))


@dataclass(frozen=True)
class Floor:
    """A floor that the file lacks.

    Attributes:
        name: of its geom.
        bits: its contype and conaffinity: all that the robot's geoms have.
        heights_m: column of ``qpos`` → the height at which what floats there touches the floor.
    """

    name: str
    bits: int
    heights_m: Mapping[int, float] = field(default_factory=dict[int, float])


@dataclass(frozen=True)
class Robot:
    """A compiled scene, at the start of an episode.

    Attributes:
        model: the scene, with the floor that was added.
        data: its state at the start.
        floor: what has to be added to the file, or None.
        own_acceleration: whether the file holds a sensor that makes MuJoCo compute contact forces.
    """

    model: mujoco.MjModel
    data: mujoco.MjData
    floor: Floor | None
    own_acceleration: bool

    def name(self, kind: mujoco.mjtObj, number: int) -> str | None:
        """Return an object's name, or None if it has none."""
        return mujoco.mj_id2name(self.model, int(kind), number) or None

    def word(self, kind: mujoco.mjtObj, number: int) -> str:
        """Return a word for an object, its name if it has one."""
        return self.name(kind, number) or f"{kind.name.removeprefix('mjOBJ_').lower()} {number}"

    def body(self, number: int) -> str:
        """Return a word for a body."""
        return self.word(mujoco.mjtObj.mjOBJ_BODY, number)

    def joint(self, number: int) -> str:
        """Return a word for a joint."""
        return self.word(mujoco.mjtObj.mjOBJ_JOINT, number)

    def moves(self, body: int) -> bool:
        """Whether a body can move at all."""
        return int(self.model.body_treeid[body]) >= 0

    def collides(self, geom: int) -> bool:
        """Whether a geom can touch anything."""
        return bool(self.model.geom_contype[geom] | self.model.geom_conaffinity[geom])

    @cached_property
    def driven(self) -> frozenset[int]:
        """The degrees of freedom that actuators act on."""
        return frozenset(int(dof) for dof in self.data.moment_colind)

    @cached_property
    def driven_trees(self) -> frozenset[int]:
        """The kinematic trees that actuators act on: robots, and not what they handle."""
        return frozenset(int(self.model.dof_treeid[dof]) for dof in self.driven)

    @cached_property
    def root_joints(self) -> frozenset[int]:
        """Joints that stand for floating, such as the two slides and the hinge of a planar robot.

        They sit on the first body of a robot, at least one of them is a slide, and no actuator
        acts on them.
        """
        model, found = self.model, set[int]()
        for tree in self.driven_trees:
            body = int(model.tree_bodyadr[tree])
            first, count = int(model.body_jntadr[body]), int(model.body_jntnum[body])
            joints = range(first, first + count)
            kinds = [int(model.jnt_type[joint]) for joint in joints]
            floats = count > 1 and int(_JOINTS.mjJNT_SLIDE) in kinds
            if floats and not self.driven.intersection(int(model.jnt_dofadr[j]) for j in joints):
                found.update(joints)
        return frozenset(found)

    @cached_property
    def roams(self) -> bool:
        """Whether the robot can leave its place."""
        model = self.model
        return bool(self.root_joints) or any(
            int(model.body_treeid[int(model.jnt_bodyid[joint])]) in self.driven_trees
            for joint in range(model.njnt)
            if model.jnt_type[joint] == _JOINTS.mjJNT_FREE
        )

    @cached_property
    def floor_height_m(self) -> float | None:
        """Height of a flat floor, None if there is none."""
        model = self.model
        for geom in range(model.ngeom):
            flat = model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_PLANE
            if not flat or self.moves(int(model.geom_bodyid[geom])) or not self.collides(geom):
                continue
            if self.data.geom_xmat[geom, 8] > _VERTICAL:
                return float(self.data.geom_xpos[geom, 2])
        return None


def turns(model: mujoco.MjModel, kind: int, number: int) -> bool:
    """Whether a joint, a tendon or what an actuator acts on is measured as an angle."""
    if kind == int(mujoco.mjtObj.mjOBJ_JOINT):
        return int(model.jnt_type[number]) != int(mujoco.mjtJoint.mjJNT_SLIDE)
    if kind == int(mujoco.mjtObj.mjOBJ_TENDON):
        first, count = int(model.tendon_adr[number]), int(model.tendon_num[number])
        wrapped = range(first, first + count)
        joint = int(mujoco.mjtWrap.mjWRAP_JOINT)
        return all(int(model.wrap_type[w]) == joint for w in wrapped) and all(
            turns(model, int(mujoco.mjtObj.mjOBJ_JOINT), int(model.wrap_objid[w])) for w in wrapped
        )
    if kind == int(mujoco.mjtObj.mjOBJ_ACTUATOR):
        target = int(model.actuator_trnid[number, 0])
        transmission = int(model.actuator_trntype[number])
        if transmission in _ON_JOINTS:
            return turns(model, int(mujoco.mjtObj.mjOBJ_JOINT), target)
        if transmission == int(mujoco.mjtTrn.mjTRN_TENDON):
            return turns(model, int(mujoco.mjtObj.mjOBJ_TENDON), target)
    return False


def demand_mjcf(path: Path) -> None:
    """Refuse what cannot be a robot's file.

    Raises:
        UsageError: by its ending it is none.
    """
    if path.suffix.lower() not in _ENDINGS:
        raise UsageError(
            f"{path} is no MJCF file, which ends in .xml; to name a task say --name family/variant"
        )


def read_robot(path: Path) -> Robot:
    """Read and compile a file.

    Raises:
        SceneError: it does not compile, or describes nothing that could act.
    """
    spec = load_scene(path)
    model = _compiled(spec, path)
    if model.nv == 0:
        raise SceneError(f"nothing in {path} moves: it has no joint")
    if model.nu == 0:
        raise SceneError(f"{path} has no actuator, so there is nothing to act with{_remedy(path)}")
    own_acceleration = has_acceleration_sensor(model)
    robot = Robot(model, _start(model, {}), None, own_acceleration)
    floating = [j for j in range(model.njnt) if model.jnt_type[j] == _JOINTS.mjJNT_FREE]
    if not floating or _stands_on_something(robot):
        return robot
    floor = _floor(spec, model)
    spec.worldbody.add_geom(
        name=floor.name,
        type=mujoco.mjtGeom.mjGEOM_PLANE,
        size=[0.0, 0.0, 0.05],
        contype=floor.bits,
        conaffinity=floor.bits,
    )
    model = _compiled(spec, path)
    heights_m = _touching(model, floor.name, floating)
    return Robot(
        model,
        _start(model, heights_m),
        Floor(floor.name, floor.bits, heights_m),
        own_acceleration,
    )


def _compiled(spec: mujoco.MjSpec, path: Path) -> mujoco.MjModel:
    return compile_scene(spec, path.name)


def _remedy(path: Path) -> str:
    if path.suffix.lower() != ".urdf":
        return "; add one per joint to its <actuator> section, say a <position> or a <motor>"
    read, write = f"s = mujoco.MjSpec.from_file('{path.name}')", f"s.to_file('{path.stem}.xml')"
    convert = f"{read}; s.compile(); {write}"
    return (
        f': a URDF describes none. Write it as MJCF, python -c "import mujoco; {convert}", and add '
        "an <actuator> section there"
    )


def _start(model: mujoco.MjModel, heights_m: Mapping[int, float]) -> mujoco.MjData:
    """Return the state in which episodes begin: the first keyframe, if there is one."""
    data = mujoco.MjData(model)
    if model.nkey:
        data.qpos[:] = model.key_qpos[0]
    for column, height_m in heights_m.items():
        data.qpos[column] = height_m
    mujoco.mj_forward(model, data)
    return data


def _stands_on_something(robot: Robot) -> bool:
    """Whether the file itself has a floor, a table or the like."""
    model = robot.model
    return any(
        robot.collides(geom) and not robot.moves(int(model.geom_bodyid[geom]))
        for geom in range(model.ngeom)
    )


def _floor(spec: mujoco.MjSpec, model: mujoco.MjModel) -> Floor:
    """Return a floor that every geom of the robot touches which touches anything at all."""
    bits = int(np.bitwise_or.reduce(model.geom_contype | model.geom_conaffinity, initial=0))
    return Floor("floor" if spec.geom("floor") is None else "added_floor", bits or 1)


def _touching(model: mujoco.MjModel, floor: str, floating: list[int]) -> dict[int, float]:
    """Return the height of every free joint at which its body's lowest point is on the floor."""
    data = _start(model, {})
    plane = mujoco.mj_name2id(model, int(mujoco.mjtObj.mjOBJ_GEOM), floor)
    heights_m: dict[int, float] = {}
    for joint in floating:
        tree = model.body_treeid[int(model.jnt_bodyid[joint])]
        gaps_m = [
            mujoco.mj_geomDistance(model, data, geom, plane, _FARTHEST_M, None)
            for geom in range(model.ngeom)
            if model.body_treeid[int(model.geom_bodyid[geom])] == tree
            and model.geom_contype[geom] | model.geom_conaffinity[geom]
        ]
        column = int(model.jnt_qposadr[joint]) + 2
        heights_m[column] = round(float(data.qpos[column]) - min(gaps_m, default=0.0), 4)
    return heights_m
