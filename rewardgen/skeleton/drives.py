"""What an action from -1 to 1 means at each actuator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import mujoco

from rewardgen.skeleton.robot import Robot, turns

REACH_RAD = 0.5
"""How far an action of ±1 turns a joint that a position servo holds: much, but no new posture."""
_FIXED = int(mujoco.mjtGain.mjGAIN_FIXED)
_AFFINE = int(mujoco.mjtBias.mjBIAS_AFFINE)
_FOLLOWS_AT_ONCE = (
    int(mujoco.mjtDyn.mjDYN_NONE),
    int(mujoco.mjtDyn.mjDYN_FILTER),
    int(mujoco.mjtDyn.mjDYN_FILTEREXACT),
)


@dataclass(frozen=True)
class Drive:
    """One actuator.

    Attributes:
        name: its name, or that of what it acts on.
        centre: control at an action of 0.
        reach: by how much an action of ±1 changes it; None for REACH_RAD.
        whole: whether that is the whole of its range, as a task has it by default.
        meaning: of an action from -1 to 1, in words.
    """

    name: str
    centre: float
    reach: float | None
    whole: bool
    meaning: str


def drives(robot: Robot) -> tuple[Drive, ...]:
    """Return what an action means at each actuator.

    A position servo of a joint that turns far is driven around the start posture: the middle of a
    joint's range is no posture. All others use the range that the file gives them.
    """
    return tuple(_drive(robot, number) for number in range(robot.model.nu))


def _drive(robot: Robot, number: int) -> Drive:
    per_length = _control_per_length(robot.model, number)
    if per_length is not None:
        return _servo(robot, number, per_length)
    return _motor(robot, number)


def _servo(robot: Robot, number: int, per_length: float) -> Drive:
    """Return the drive of an actuator that holds a position."""
    model, name = robot.model, _name(robot, number)
    angle, limits = _angle(model, number), _limits(model, number)
    bias = float(model.actuator_biasprm[number, 0] / model.actuator_gainprm[number, 0])
    hold = per_length * float(robot.data.actuator_length[number]) - bias
    reach = abs(REACH_RAD * per_length * float(model.actuator_gear[number, 0]))
    if angle and (limits is None or reach < 0.5 * (limits[1] - limits[0])):
        centre = hold if limits is None else min(max(hold, limits[0]), limits[1])
        meaning = f"servo, 0 keeps the joint as it starts, ±1 is {REACH_RAD:g} rad from there"
        return Drive(name, centre, None if reach == REACH_RAD else reach, False, meaning)
    if limits is None:
        return _unlimited(name, hold)
    plain = per_length == 1.0 and not bias  # else a control is no length
    unit = (" rad" if angle else " m") if plain else ""
    return _whole(name, limits, f"servo, {_span(limits)}{unit}")


def _motor(robot: Robot, number: int) -> Drive:
    """Return the drive of an actuator that pushes."""
    model, name = robot.model, _name(robot, number)
    angle, limits = _angle(model, number), _limits(model, number)
    force = _force_per_control(model, number)
    unit = "N·m" if angle else "N"
    if limits is not None:
        if force is not None:
            return _whole(name, limits, f"{_span([force * bound for bound in limits])} {unit}")
        if _holds_velocity(model, number):
            unit = "rad/s" if angle else "m/s"
            return _whole(name, limits, f"servo, velocity {_span(limits)} {unit}")
        return _whole(name, limits, f"control {_span(limits)}")
    strongest = _strongest(model, number)
    if force and strongest is not None:
        meaning = f"{_span((-strongest, strongest))} {unit}"
        return Drive(name, 0.0, strongest / abs(force), whole=False, meaning=meaning)
    return _unlimited(name, 0.0)


def _angle(model: mujoco.MjModel, number: int) -> bool:
    return turns(model, int(mujoco.mjtObj.mjOBJ_ACTUATOR), number)


def _limits(model: mujoco.MjModel, number: int) -> tuple[float, float] | None:
    """Return the range that the file gives an actuator, None if it gives none."""
    low, high = (float(bound) for bound in model.actuator_ctrlrange[number])
    return (low, high) if model.actuator_ctrllimited[number] else None


def _whole(name: str, limits: tuple[float, float], meaning: str) -> Drive:
    low, high = limits
    return Drive(name, 0.5 * (low + high), 0.5 * (high - low), whole=True, meaning=meaning)


def _unlimited(name: str, centre: float) -> Drive:
    span = _span((centre - 1.0, centre + 1.0))
    meaning = f"control {span}, a guess: the file gives no range, so set CONTROLS"
    return Drive(name, centre, 1.0, whole=False, meaning=meaning)


def _name(robot: Robot, number: int) -> str:
    """Return the name of an actuator, or of what it acts on."""
    model, kinds = robot.model, mujoco.mjtTrn
    name = robot.name(mujoco.mjtObj.mjOBJ_ACTUATOR, number)
    if name is not None:
        return name
    targets = {
        int(kinds.mjTRN_JOINT): mujoco.mjtObj.mjOBJ_JOINT,
        int(kinds.mjTRN_JOINTINPARENT): mujoco.mjtObj.mjOBJ_JOINT,
        int(kinds.mjTRN_TENDON): mujoco.mjtObj.mjOBJ_TENDON,
        int(kinds.mjTRN_SITE): mujoco.mjtObj.mjOBJ_SITE,
        int(kinds.mjTRN_BODY): mujoco.mjtObj.mjOBJ_BODY,
    }
    kind = targets.get(int(model.actuator_trntype[number]), mujoco.mjtObj.mjOBJ_ACTUATOR)
    target = number if kind == mujoco.mjtObj.mjOBJ_ACTUATOR else model.actuator_trnid[number, 0]
    return robot.word(kind, int(target))


def _control_per_length(model: mujoco.MjModel, number: int) -> float | None:
    """Return by how much a servo's control exceeds that of a length less by 1; None if it is none.

    A servo pulls with gain · control + bias0 + bias1 · length, bias1 being negative.
    """
    gain, bias = model.actuator_gainprm[number], model.actuator_biasprm[number]
    servo = (
        int(model.actuator_gaintype[number]) == _FIXED
        and int(model.actuator_biastype[number]) == _AFFINE
        and int(model.actuator_dyntype[number]) in _FOLLOWS_AT_ONCE
        and bias[1] < 0.0 < gain[0]
    )
    return -float(bias[1] / gain[0]) if servo else None


def _holds_velocity(model: mujoco.MjModel, number: int) -> bool:
    """Whether an actuator's control is a velocity."""
    gain, bias = model.actuator_gainprm[number], model.actuator_biasprm[number]
    return (
        int(model.actuator_gaintype[number]) == _FIXED
        and int(model.actuator_biastype[number]) == _AFFINE
        and bool(bias[0] == bias[1] == 0.0 < gain[0] == -bias[2])
        and float(model.actuator_gear[number, 0]) == 1.0
    )


def _force_per_control(model: mujoco.MjModel, number: int) -> float | None:
    """Return the force on the joint or tendon at a control of 1; None if it is not just that."""
    plain = (
        int(model.actuator_gaintype[number]) == _FIXED
        and int(model.actuator_biastype[number]) == int(mujoco.mjtBias.mjBIAS_NONE)
        and int(model.actuator_dyntype[number]) in _FOLLOWS_AT_ONCE
        and int(model.actuator_trntype[number]) in _ON_LENGTHS
    )
    if not plain:
        return None
    return float(model.actuator_gainprm[number, 0] * model.actuator_gear[number, 0])


_ON_LENGTHS = (
    int(mujoco.mjtTrn.mjTRN_JOINT),
    int(mujoco.mjtTrn.mjTRN_JOINTINPARENT),
    int(mujoco.mjtTrn.mjTRN_TENDON),
)


def _strongest(model: mujoco.MjModel, number: int) -> float | None:
    """Return the limit that the file sets to a motor's force on its joint, if any."""
    if model.actuator_forcelimited[number]:
        gear = abs(float(model.actuator_gear[number, 0]))
        return gear * float(abs(model.actuator_forcerange[number]).max())
    joint = int(model.actuator_trnid[number, 0])
    on_joint = int(model.actuator_trntype[number]) == int(mujoco.mjtTrn.mjTRN_JOINT)
    if on_joint and model.jnt_actfrclimited[joint]:
        return float(abs(model.jnt_actfrcrange[joint]).max())
    return None


def _span(bounds: Sequence[float]) -> str:
    return f"{bounds[0]:.4g} to {bounds[1]:.4g}"


def meanings(given: Sequence[Drive]) -> list[tuple[str, list[str]]]:
    """Return (meaning, names) of the actuators in their order, those in a row that agree as one."""
    rows: list[tuple[str, list[str]]] = []
    for drive in given:
        if rows and rows[-1][0] == drive.meaning:
            rows[-1][1].append(drive.name)
        else:
            rows.append((drive.meaning, [drive.name]))
    return rows
