"""The text of a new task's files."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import mujoco

from rewardgen.skeleton.drives import REACH_RAD, Drive, drives, meanings
from rewardgen.skeleton.names import Names
from rewardgen.skeleton.part import Part, columns, listed, plain, quoted
from rewardgen.skeleton.robot import Robot
from rewardgen_envs.features import Feature

CONTROL_STEP_S = 0.02
ROAMING_EPISODE_S, FIXED_EPISODE_S = 10.0, 5.0
START_NOISE = 0.01
_WIDTH = 100
_OF_ONE_NUMBER = (int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE))

_TASK = '''\
"""``{name}``, to be completed where it says TODO."""

from __future__ import annotations

from pathlib import Path

import mujoco
import torch
from torch import Tensor

from rewardgen_envs.draw import Draw
from rewardgen_envs.features import Feature, FeatureView
from rewardgen_envs.metrics import Metric
from rewardgen_envs.physics import Physics
from rewardgen_envs.quantities import Quantities
from rewardgen_envs.scene import load_scene
from rewardgen_envs.task import Initial, Task

HERE = Path(__file__).parent
{constants}

class {class_name}(Task):
    """{about}.

    An action is one number from -1 to 1 per actuator, in this order:

{actions}
    """

    name = "{name}"
    # TODO 1 of 2, fitness: a sentence, what is measured, and in fitness() its value at a step. The
    # average over an episode ranks rewards; from success=… on, an episode counts as one.
    description = "TODO: one sentence that tells a designer what to achieve."
    metrics = (Metric(name="todo", unit="TODO", description="TODO: what is measured."),)
    # TODO 2 of 2, human reward: what a person would write, with the features, in this file
    human_reward = HERE / "{reward}"
{step}
{episode}
    # the only words of observation, terminations, fitness and reward code; add what they need
    features = (
{features}    )
{left_out}    # what ends an episode early stands here, and terminations(features) says when:
    # causes = {{"fallen": "The robot lies on the floor."}}

    def scene(self) -> mujoco.MjSpec:
        """Return the scene; change it here, so that the file can stay as it is."""
{scene}

    def measure(self, physics: Physics, variables: Quantities) -> dict[str, Tensor]:
        """Compute the features, one row per world."""
        del variables
{setup}        return {{
{measured}        }}

    def observation(self, features: FeatureView) -> Tensor:
        """Return what the policy sees: the state."""
        return torch.cat(
            [
{observed}            ],
            dim=-1,
        )
{actuate}
    def reset(self, mask: Tensor, draw: Draw) -> Initial:
        """Start {start}, almost at rest; chance comes from ``draw``."""
        del mask
{reset}
        return Initial(qpos=qpos, qvel=qvel)

    def fitness(self, features: FeatureView) -> dict[str, Tensor]:
        """Return the value of each metric at this step."""
        # TODO 1 of 2, as above
        return {{"todo": torch.zeros_like(features.terminated)}}
'''

_ACTUATE = '''
    def actuate(self, action: Tensor, features: FeatureView) -> Tensor:
        """Turn actions into controls; the physics keeps them within the actuators' ranges."""
        del features
        centre, reach = action.new_tensor(CONTROLS).unbind(1)
        return centre + reach * action
'''

_REWARD = '''\
"""TODO 2 of 2: the human reward of {name}."""


def compute_reward(state, action, next_state):
    effort = 0.01 * (action**2).sum(dim=-1)
    return -effort, {{"effort": -effort}}
'''


@dataclass(frozen=True)
class Skeleton:
    """What a new task is made of.

    Attributes:
        names: what it and its files are called.
        robot: its scene.
        parts: its features.
        called: what the robot is called.
        timestep_s: length of a physics step.
        left_out: names of features that would never change.
    """

    names: Names
    robot: Robot
    parts: tuple[Part, ...]
    called: str
    timestep_s: float
    left_out: tuple[str, ...] = ()


def reward_text(names: Names) -> str:
    """Return the file of the human reward."""
    return _REWARD.format(name=names.task)


def task_text(skeleton: Skeleton, scene: str) -> str:
    """Return the task's file.

    Args:
        skeleton: what it is made of.
        scene: where its scene is, as code.
    """
    names, robot, parts = skeleton.names, skeleton.robot, skeleton.parts
    given = drives(robot)
    own_drive = not all(drive.whole for drive in given)
    constants = {name: values for part in parts if part.names for name, values in [part.names]}
    lines = [
        _assigned(name, [quoted(value) for value in values]) for name, values in constants.items()
    ]
    if own_drive:
        lines += _controls(given)
    return _TASK.format(
        name=names.task,
        constants="".join(f"{line}\n" for line in lines),
        class_name=names.class_name,
        about=f"{skeleton.called}, moved by {len(given)} actuator{'s' if len(given) > 1 else ''}",
        actions=_actions(given),
        reward=names.reward.name,
        step=_step(skeleton.timestep_s),
        episode=_episode(robot),
        features="".join(_declared(part.feature) for part in parts),
        left_out=_left_out(skeleton.left_out),
        scene=_scene(skeleton, scene),
        setup="".join(
            f"        {line}\n" for line in dict.fromkeys(p.setup for p in parts) if line
        ),
        measured="".join(_entry(part) for part in parts),
        observed="".join(f"                {_seen(p.feature)},\n" for p in parts if p.observed),
        actuate=_ACTUATE if own_drive else "",
        start=_start_words(robot),
        reset=_reset(robot),
    )


def _assigned(name: str, values: Sequence[str]) -> str:
    """Return ``name = (values)``, on several lines where one is too short."""
    line = f"{name} = ({', '.join(values)}{',' if len(values) == 1 else ''})"
    if len(line) <= _WIDTH:
        return line
    inside = "".join(f"    {value},\n" for value in values)
    return f"{name} = (\n{inside})"


def _controls(given: Sequence[Drive]) -> list[str]:
    """Return the lines that say what controls are at an action of 0 and how far ±1 moves them."""
    rows = [
        f"    ({_number(drive.centre)}, "
        f"{'REACH_RAD' if drive.reach is None else _number(drive.reach)}),  # {plain(drive.name)}"
        for drive in given
    ]
    far = f"REACH_RAD = {REACH_RAD:g}  # how far an action of ±1 turns a joint that a servo holds"
    return [
        *([far] if any(drive.reach is None for drive in given) else []),
        "# of each actuator: its control at an action of 0, and how far an action of ±1 moves it",
        "CONTROLS = (",
        *rows,
        ")",
    ]


def _number(value: float) -> str:
    return f"{round(value, 5) + 0.0!r}"


def _filled(text: str, indent: str) -> str:
    """Return text on lines of at most 100 columns, all but the first indented."""
    room = _WIDTH - len(indent)
    lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
    return f"\n{indent}".join(lines)


def _actions(given: Sequence[Drive]) -> str:
    return "\n".join(
        "    - " + _filled(f"{', '.join(map(plain, names))}: {meaning}", "      ")
        for meaning, names in meanings(given)
    )


def _step(timestep_s: float) -> str:
    count = max(1, round(CONTROL_STEP_S / timestep_s))
    why = _filled(
        f"an action holds for {count * timestep_s:g} s, {count} physics steps of {timestep_s:g} s: "
        "short enough to keep balance, long enough to make a difference",
        "    # ",
    )
    return f"    # {why}\n    decimation = {count}"


def _episode(robot: Robot) -> str:
    if robot.roams:
        return (
            "    # long enough to get going and to fall, short enough to see many\n"
            f"    episode_s = {ROAMING_EPISODE_S}"
        )
    return (
        "    # long enough to reach any posture and to hold it, short enough to see many\n"
        f"    episode_s = {FIXED_EPISODE_S}"
    )


def _declared(feature: Feature) -> str:
    """Return a feature's declaration."""
    values = [
        quoted(feature.name),
        str(feature.shape),
        quoted(feature.unit),
        quoted(feature.description),
        *(["needs_acceleration=True"] if feature.needs_acceleration else []),
    ]
    line = f"        Feature({', '.join(values)}),\n"
    if len(line) <= _WIDTH + 1:
        return line
    inside = "".join(_argument(value, "            ") for value in values)
    return f"        Feature(\n{inside}        ),\n"


def _argument(value: str, indent: str) -> str:
    """Return an argument on a line of its own; a long string on several."""
    line = f"{indent}{value},\n"
    if len(line) <= _WIDTH + 1 or not value.startswith('"'):
        return line
    room = _WIDTH - len(indent) - 4
    pieces = textwrap.wrap(json.loads(value), room, break_long_words=False, break_on_hyphens=False)
    texts = [f"{piece} " for piece in pieces[:-1]] + [pieces[-1]]
    lines = [f"{indent}{quoted(text)}" for text in texts]
    return "\n".join(lines) + ",\n"


def _left_out(names: Sequence[str]) -> str:
    if not names:
        return ""
    text = _filled(f"left out, as it never changed in play: {listed(names)}", "    # ")
    return f"    # {text}\n"


def _entry(part: Part) -> str:
    line = f'            "{part.feature.name}": {part.expression},\n'
    if len(line) <= _WIDTH + 1:
        return line
    return (
        f'            "{part.feature.name}": (\n                {part.expression}\n            ),\n'
    )


def _seen(feature: Feature) -> str:
    """Return how the observation shows a feature, as one dimension."""
    if not feature.shape:
        return f"features.{feature.name}.unsqueeze(-1)"
    if len(feature.shape) > 1:
        return f"features.{feature.name}.flatten(-{len(feature.shape)})"
    return f"features.{feature.name}"


def _scene(skeleton: Skeleton, scene: str) -> str:
    robot, lines = skeleton.robot, list[str]()
    file_s = float(robot.model.opt.timestep)
    if skeleton.timestep_s != file_s:
        why = f"with the file's {file_s:g} s it blew up in play"
        lines.append(f"spec.option.timestep = {skeleton.timestep_s:g}  # {why}")
    if robot.floor is not None:
        lines += [
            "spec.worldbody.add_geom(  # the file has none",
            f'    name="{robot.floor.name}",',
            "    type=mujoco.mjtGeom.mjGEOM_PLANE,",
            "    size=[0, 0, 0.05],",
            "    rgba=[0.8, 0.85, 0.9, 1],",
        ]
        if robot.floor.bits != 1:
            lines += [f"    contype={robot.floor.bits},", f"    conaffinity={robot.floor.bits},"]
        lines.append(")")
    if any(p.feature.needs_acceleration for p in skeleton.parts) and not robot.own_acceleration:
        lines += [
            'spec.bodies[1].add_site(name="acceleration")',
            "spec.add_sensor(  # without one MuJoCo computes no forces on bodies",
            '    name="acceleration",',
            "    type=mujoco.mjtSensor.mjSENS_ACCELEROMETER,",
            "    objtype=mujoco.mjtObj.mjOBJ_SITE,",
            '    objname="acceleration",',
            ")",
        ]
    if not lines:
        return _call("        return load_scene", scene)
    inside = "".join(f"        {line}\n" for line in lines)
    return f"{_call('        spec = load_scene', scene)}\n{inside}        return spec"


def _call(function: str, argument: str) -> str:
    line = f"{function}({argument})"
    indent = " " * (len(line) - len(line.lstrip()))
    return line if len(line) <= _WIDTH else f"{function}(\n{indent}    {argument}\n{indent})"


def _start_words(robot: Robot) -> str:
    model = robot.model
    if not model.nkey:
        return "as the file describes it"
    name = robot.name(mujoco.mjtObj.mjOBJ_KEY, 0)
    return "in the file's first keyframe" if name is None else f"in the keyframe {name}"


def _reset(robot: Robot) -> str:
    model = robot.model
    start = "self.model.key_qpos[0]" if model.nkey else "self.model.qpos0"
    lines = [
        f'qvel = draw.uniform("velocities", ({int(model.nv)},), -{START_NOISE}, {START_NOISE})',
        f"qpos = qvel.new_tensor({start}).repeat(len(qvel), 1)",
    ]
    if robot.floor is not None:
        lines += [
            f"qpos[:, {column}] = {height_m:g}  # it touches the floor"
            for column, height_m in robot.floor.heights_m.items()
        ]
    moved = [
        int(model.jnt_qposadr[joint])
        for joint in range(model.njnt)
        if int(model.jnt_type[joint]) in _OF_ONE_NUMBER
    ]
    if moved:
        noise = f'draw.uniform("joints", ({len(moved)},), -{START_NOISE}, {START_NOISE})'
        lines.append(f"qpos[:, {columns(moved)}] += {noise}")
    return "\n".join(f"        {line}" for line in lines)
