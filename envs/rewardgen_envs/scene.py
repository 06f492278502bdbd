"""Scenes: loading an MJCF and the options that every task shares."""

from __future__ import annotations

import hashlib
from pathlib import Path

import mujoco

from rewardgen_envs.errors import UsageError
from rewardgen_envs.names import nearest


class SceneError(UsageError):
    """A scene that cannot be read or compiled, or that lacks what a feature needs."""


def load_scene(path: Path) -> mujoco.MjSpec:
    """Read an MJCF file; meshes are found beside it.

    Raises:
        SceneError: the file is missing or is not valid MJCF.
    """
    if not path.is_file():
        raise SceneError(f"scene file {path} does not exist")
    try:
        return mujoco.MjSpec.from_file(str(path))
    except ValueError as error:
        raise SceneError(f"scene file {path} is not valid MJCF: {error}") from error


def gymnasium_scene(file_name: str) -> mujoco.MjSpec:
    """Read one of the MJCF files that the gymnasium package ships."""
    import gymnasium

    return load_scene(Path(gymnasium.__file__).parent / "envs" / "mujoco" / "assets" / file_name)


def normalize(spec: mujoco.MjSpec) -> None:
    """Set the options under which both engines compute the same physics.

    implicitfast and Newton exist on both. Pyramidal friction depends on the tangent frame,
    which the engines choose differently, so cones are elliptic. Auto-reset is off: a diverged
    world must keep its NaN to be found.
    """
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.solver = mujoco.mjtSolver.mjSOL_NEWTON
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.disableflags |= mujoco.mjtDisableBit.mjDSBL_AUTORESET


def compile_scene(spec: mujoco.MjSpec, task_name: str) -> mujoco.MjModel:
    """Normalize and compile a scene.

    Raises:
        SceneError: with the compiler's message and the task's name.
    """
    normalize(spec)
    try:
        return spec.compile()
    except ValueError as error:
        problem = f"{error}{_hint(spec, str(error))}"
        raise SceneError(f"the scene of task '{task_name}' does not compile: {problem}") from error


def _hint(spec: mujoco.MjSpec, problem: str) -> str:
    """Return what helps with some of the compiler's complaints."""
    if "opening file" in problem:
        return "; files are looked for beside the MJCF, in its meshdir and texturedir"
    joints = {joint.name for joint in spec.joints}
    for actuator in spec.actuators:
        on_joint = actuator.trntype in (mujoco.mjtTrn.mjTRN_JOINT, _IN_PARENT)
        if on_joint and actuator.target not in joints:
            return nearest(actuator.target, joints - {""})
    return ""


_IN_PARENT = mujoco.mjtTrn.mjTRN_JOINTINPARENT


def scene_sha256(spec: mujoco.MjSpec) -> str:
    """Return the hash of a compiled scene's MJCF text."""
    return hashlib.sha256(spec.to_xml().encode()).hexdigest()


ACCELERATION_FIELDS = frozenset(
    {"cacc", "cfrc_int", "cfrc_ext", "qacc", "qfrc_constraint", "efc_force", "actuator_force"}
)


def has_acceleration_sensor(model: mujoco.MjModel) -> bool:
    """Whether the scene holds a sensor that makes MuJoCo compute contact forces per body.

    Only accelerometer, force, torque and frame acceleration sensors trigger the pass that
    fills ``cfrc_ext``; without one it stays silently zero.
    """
    kinds = {
        int(mujoco.mjtSensor.mjSENS_ACCELEROMETER),
        int(mujoco.mjtSensor.mjSENS_FORCE),
        int(mujoco.mjtSensor.mjSENS_TORQUE),
        int(mujoco.mjtSensor.mjSENS_FRAMELINACC),
        int(mujoco.mjtSensor.mjSENS_FRAMEANGACC),
    }
    return any(int(kind) in kinds for kind in model.sensor_type)
