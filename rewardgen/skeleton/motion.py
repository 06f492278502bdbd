"""Features of what moves: floating bodies, joints, and actuators with a state of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from rewardgen.skeleton.names import identifier
from rewardgen.skeleton.part import Part, columns, listed, quoted
from rewardgen.skeleton.robot import Robot
from rewardgen_envs.features import Feature

_MANY_JOINTS = 12  # more of one robot are told apart by limb
_FEW_JOINTS = 3  # so many have features of their own
_JOINTS = mujoco.mjtJoint
_ALONG_AXIS = 0.999  # cosine of the angle from which on a direction is called by its axis


@dataclass(frozen=True)
class _Kind:
    """A kind of joint: what several are called, what a position and a velocity of one are."""

    word: str
    position: str
    velocity: str
    units: tuple[str, str]
    sizes: tuple[int, int] = (1, 1)


_KINDS = {
    int(_JOINTS.mjJNT_HINGE): _Kind("joint", "angle", "velocity", ("rad", "rad/s")),
    int(_JOINTS.mjJNT_SLIDE): _Kind("slide", "position", "velocity", ("m", "m/s")),
    int(_JOINTS.mjJNT_BALL): _Kind(
        "ball", "quaternion", "angular_velocity", ("1", "rad/s"), (4, 3)
    ),
}


def floating_parts(robot: Robot) -> Iterator[Part]:
    """Yield place, orientation and velocities of every body on a free joint.

    The policy sees a robot's height only: where on the floor it is does not change what it can do.
    """
    model = robot.model
    for joint in range(model.njnt):
        if model.jnt_type[joint] != _JOINTS.mjJNT_FREE:
            continue
        number = int(model.jnt_bodyid[joint])
        own = int(model.body_treeid[number]) in robot.driven_trees
        body, stem = robot.body(number), identifier(robot.body(number), "body")
        q, v = int(model.jnt_qposadr[joint]), int(model.jnt_dofadr[joint])
        yield Part(
            Feature(f"{stem}_position", (3,), "m", f"Position of {body}; z is up."),
            f"physics.qpos[:, {q}:{q + 3}]",
            observed=not own,
        )
        yield _height(robot, body, stem, q + 2, observed=own)
        yield Part(
            Feature(f"{stem}_quaternion", (4,), "1", f"Orientation of {body}, scalar part first."),
            f"physics.qpos[:, {q + 3}:{q + 7}]",
            observed=True,
        )
        yield _up(robot, body, stem, number)
        yield Part(
            Feature(f"{stem}_velocity", (3,), "m/s", f"Velocity of {body} in the world."),
            f"physics.qvel[:, {v}:{v + 3}]",
            observed=True,
        )
        yield Part(
            Feature(
                f"{stem}_angular_velocity",
                (3,),
                "rad/s",
                f"Angular velocity of {body} about its own axes.",
            ),
            f"physics.qvel[:, {v + 3}:{v + 6}]",
            observed=True,
        )


def _height(robot: Robot, body: str, stem: str, column: int, *, observed: bool) -> Part:
    floor_m = robot.floor_height_m
    start_m = float(robot.data.qpos[column]) - (floor_m or 0.0)
    above = "" if floor_m is None else " above the floor"
    sentence = f"Height of {body}{above}; {start_m:.3g} at the start."
    less = f" - {floor_m:g}" if floor_m else ""
    return Part(
        Feature(f"{stem}_height", (), "m", sentence), f"physics.qpos[:, {column}]{less}", observed
    )


def _up(robot: Robot, body: str, stem: str, number: int) -> Part:
    """Return how upright a body is: its own axis that points up at the start tells."""
    vertical = robot.data.xmat[number].reshape(3, 3)[2]
    axis = int(np.abs(vertical).argmax())
    if robot.name(mujoco.mjtObj.mjOBJ_BODY, number) is None:
        matrix = f'physics.field("xmat")[:, {number}].reshape(-1, 3, 3)'
    else:
        matrix = f"physics.body_matrix({quoted(body)})"
    return Part(
        Feature(
            f"{stem}_up",
            (),
            "1",
            f"Vertical part of that axis of {body} which points up at the start; 1 is upright, -1 "
            "upside down.",
        ),
        f"{'-' if vertical[axis] < 0.0 else ''}{matrix}[:, 2, {axis}]",
    )


def joint_parts(robot: Robot) -> Iterator[Part]:
    """Yield positions and velocities of all other joints, those of a limb or a robot together."""
    for joint in sorted(robot.root_joints):
        yield from _single(robot, joint, observed=not _slides_away(robot, joint))
    groups = list(_groups(robot))
    for group in groups:
        for kind in _KINDS:
            joints = [j for j in group.joints if int(robot.model.jnt_type[j]) == kind]
            if len(joints) > group.few:
                yield from _together(robot, joints, group.prefix)
            else:
                for joint in joints:
                    yield from _single(robot, joint, observed=True)


@dataclass(frozen=True)
class _Group:
    """Joints that belong together.

    Attributes:
        joints: their numbers.
        prefix: of the names of features for several of them.
        few: so many of a kind have features of their own.
    """

    joints: tuple[int, ...]
    prefix: str
    few: int


def _groups(robot: Robot) -> Iterator[_Group]:
    """Yield the joints of each robot, or of each limb of one with many."""
    model = robot.model
    trees: dict[int, list[int]] = {}
    for joint in range(model.njnt):
        if model.jnt_type[joint] != _JOINTS.mjJNT_FREE and joint not in robot.root_joints:
            tree = int(model.body_treeid[int(model.jnt_bodyid[joint])])
            trees.setdefault(tree, []).append(joint)
    several = sum(len(joints) > _FEW_JOINTS for joints in trees.values()) > 1
    for tree, joints in trees.items():
        if len(joints) > _MANY_JOINTS:
            for body, limb in _limbs(robot, joints).items():
                yield _Group(tuple(limb), _prefix(robot, body), 1)
        else:
            prefix = _prefix(robot, int(model.tree_bodyadr[tree])) if several else ""
            yield _Group(tuple(joints), prefix, _FEW_JOINTS)


def _prefix(robot: Robot, body: int) -> str:
    return f"{identifier(robot.body(body), 'body')}_"


def _limbs(robot: Robot, joints: Sequence[int]) -> dict[int, list[int]]:
    """Split the joints of a tree where it branches; first body of a limb → the limb's joints."""
    model = robot.model
    bodies = list(dict.fromkeys(int(model.jnt_bodyid[joint]) for joint in joints))
    above: dict[int, int] = {}
    for body in bodies:
        parent = int(model.body_parentid[body])
        while parent and parent not in bodies:
            parent = int(model.body_parentid[parent])
        above[body] = parent
    branches = Counter(above.values())
    limb: dict[int, int] = {}
    for body in bodies:  # a body comes after the one that it hangs on
        goes_on = above[body] in limb and branches[above[body]] == 1
        limb[body] = limb[above[body]] if goes_on else body
    found: dict[int, list[int]] = {}
    for joint in joints:
        found.setdefault(limb[int(model.jnt_bodyid[joint])], []).append(joint)
    return found


def _single(robot: Robot, joint: int, *, observed: bool) -> Iterator[Part]:
    """Yield the features of one joint."""
    model, word = robot.model, robot.joint(joint)
    kind, stem = _KINDS[int(model.jnt_type[joint])], identifier(word, "joint")
    position = f"{kind.position.capitalize()} of {word}{_direction(robot, joint)}"
    if model.jnt_limited[joint]:
        low, high = model.jnt_range[joint]
        position += f", from {low:.3g} to {high:.3g}"
    named = robot.name(mujoco.mjtObj.mjOBJ_JOINT, joint) is not None
    code = [f"physics.joint_{which}({quoted(word)})" for which in ("position", "velocity")]
    if not named:
        code = [
            f"physics.qpos[:, {_column(int(model.jnt_qposadr[joint]), kind.sizes[0])}]",
            f"physics.qvel[:, {_column(int(model.jnt_dofadr[joint]), kind.sizes[1])}]",
        ]
    shapes = [() if size == 1 else (size,) for size in kind.sizes]
    velocity = kind.velocity.replace("_", " ").capitalize()
    yield Part(
        Feature(f"{stem}_{kind.position}", shapes[0], kind.units[0], f"{position}."),
        code[0],
        observed,
    )
    yield Part(
        Feature(f"{stem}_{kind.velocity}", shapes[1], kind.units[1], f"{velocity} of {word}."),
        code[1],
        observed=True,
    )


def _together(robot: Robot, joints: Sequence[int], prefix: str) -> Iterator[Part]:
    """Yield the features of several joints of one kind."""
    model = robot.model
    kind = _KINDS[int(model.jnt_type[joints[0]])]
    positions = f"{kind.position}s"
    velocities = kind.velocity.replace("velocity", "velocities")
    names = listed([robot.joint(joint) for joint in joints])
    sentences = (
        f"{positions.capitalize()} of {names}.",
        f"{velocities.replace('_', ' ').capitalize()} of the same joints, in the same order.",
    )
    firsts = (model.jnt_qposadr, model.jnt_dofadr)
    for field, word, sentence, unit, size, first in zip(
        ("qpos", "qvel"),
        (positions, velocities),
        sentences,
        kind.units,
        kind.sizes,
        firsts,
        strict=True,
    ):
        numbers = [int(first[joint]) + i for joint in joints for i in range(size)]
        code = f"physics.{field}[:, {columns(numbers)}]"
        shape: tuple[int, ...] = (len(joints),)
        if size > 1:
            code, shape = f"{code}.reshape(-1, {len(joints)}, {size})", (len(joints), size)
        name = f"{prefix}{kind.word}_{word}"
        yield Part(Feature(name, shape, unit, sentence), code, observed=True)


def _column(first: int, size: int) -> str:
    return str(first) if size == 1 else f"{first}:{first + size}"


def _direction(robot: Robot, joint: int) -> str:
    """Return where a slide leads whose direction stays the same."""
    model = robot.model
    if model.jnt_type[joint] != _JOINTS.mjJNT_SLIDE:
        return ""
    if robot.moves(int(model.body_parentid[int(model.jnt_bodyid[joint])])):
        return ""
    axis = robot.data.xaxis[joint]
    along = int(np.abs(axis).argmax())
    if abs(axis[along]) < _ALONG_AXIS:
        return ""
    return f" along {'-' if axis[along] < 0.0 else ''}{'xyz'[along]}"


def _slides_away(robot: Robot, joint: int) -> bool:
    """Whether a joint only says where on the floor the robot is."""
    model = robot.model
    if model.jnt_type[joint] != _JOINTS.mjJNT_SLIDE or model.jnt_limited[joint]:
        return False
    return bool(abs(robot.data.xaxis[joint, 2]) < 1.0 - _ALONG_AXIS)


def activation_parts(robot: Robot) -> Iterator[Part]:
    """Yield the inner state of muscles, of actuators that integrate or filter."""
    model = robot.model
    if model.na:
        numbers = [i for i in range(model.nu) if model.actuator_actadr[i] >= 0]
        names = listed([robot.word(mujoco.mjtObj.mjOBJ_ACTUATOR, number) for number in numbers])
        yield Part(
            Feature("activations", (int(model.na),), "1", f"Inner state of the actuators {names}."),
            'physics.field("act")',
            observed=True,
        )
