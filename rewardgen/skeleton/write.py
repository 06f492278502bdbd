"""Writing a new task for a robot: all but its fitness and its human reward."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from rewardgen.skeleton.motion import activation_parts, floating_parts, joint_parts
from rewardgen.skeleton.names import choose_names, with_unique_names
from rewardgen.skeleton.part import Part, plain, quoted
from rewardgen.skeleton.robot import Robot, demand_mjcf, read_robot
from rewardgen.skeleton.sensors import sensor_parts
from rewardgen.skeleton.surroundings import contact_parts, place_parts, tip_parts
from rewardgen.skeleton.text import Skeleton, reward_text, task_text
from rewardgen_envs.checks.episodes import varies
from rewardgen_envs.checks.subject import Subject
from rewardgen_envs.errors import UsageError
from rewardgen_envs.registry import task_class

_PENDULUM = """\
<mujoco model="pendulum">
  <worldbody>
    <light pos="0 -2 3"/>
    <body name="pole" pos="0 0 1.2">
      <joint name="hinge" axis="0 1 0" damping="0.02"/>
      <geom name="pole" type="capsule" fromto="0 0 0 0 0 -1" size="0.04" mass="1"/>
    </body>
  </worldbody>
  <actuator>
    <motor name="motor" joint="hinge" ctrlrange="-5 5"/>
  </actuator>
</mujoco>
"""


_HALVINGS = 3


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        reference: the task as ``path/to/file.py:Class``.
        files: all files.
        notes: what playing the task has shown, a sentence each.
    """

    reference: str
    files: tuple[Path, ...]
    notes: tuple[str, ...]


def write_skeleton(robot: Path | None, out: Path | None, name: str | None) -> Written:
    """Write the files of a new task.

    Args:
        robot: MJCF file; None to write a pendulum.
        out: the task's file; by default it is called after the name, in the current folder.
        name: ``family/variant``; by default the names of robot and file.

    Raises:
        UsageError: the name is no name, the robot is unusable, or a file exists already.
    """
    if robot is not None:
        demand_mjcf(robot)
    called = "pendulum" if robot is None else plain(robot.stem)
    names = choose_names(called, out, name)
    folder = names.file.parent
    pendulum = names.file.with_suffix(".xml")
    files = [names.file, names.reward, *([pendulum] if robot is None else [])]
    taken = [path for path in files if path.exists()]
    if taken:
        raise UsageError(f"{taken[0]} exists already; choose another file with --out")
    with tempfile.TemporaryDirectory() as scratch:
        given = Path(scratch) / pendulum.name if robot is None else robot
        if robot is None:
            given.write_text(_PENDULUM, encoding="utf-8")
        read = read_robot(given)
        timestep_s = float(read.model.opt.timestep)
        untried = Skeleton(names, read, _parts(read), called, timestep_s)
        skeleton = _tried(untried, given, Path(scratch))
    scene = pendulum if robot is None else robot
    texts = [
        task_text(skeleton, _from_here(scene, folder)),
        reward_text(names),
        *([_PENDULUM] if robot is None else []),
    ]
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in zip(files, texts, strict=True):
        path.write_text(text, encoding="utf-8")
    return Written(f"{names.file}:{names.class_name}", tuple(files), tuple(_notes(skeleton)))


def _parts(robot: Robot) -> tuple[Part, ...]:
    """Return all features that a robot can have."""
    return with_unique_names(
        [
            *floating_parts(robot),
            *joint_parts(robot),
            *activation_parts(robot),
            *sensor_parts(robot),
            *place_parts(robot),
            *tip_parts(robot),
            *contact_parts(robot),
        ]
    )


def _tried(skeleton: Skeleton, scene: Path, scratch: Path) -> Skeleton:
    """Return a skeleton that has been played as its check plays it.

    What never changes is left out: a sensor on a wall tells a reward nothing. Physics that blows
    up gets shorter steps: a file may be written for another integrator.
    """
    subject = _played(skeleton, scene, scratch)
    for _ in range(_HALVINGS):
        if bool(subject.random.valid.all()):
            break
        skeleton = replace(skeleton, timestep_s=0.5 * skeleton.timestep_s)
        subject = _played(skeleton, scene, scratch)
    rows, table = subject.rows, subject.task.table
    left_out = tuple(
        part.feature.name
        for part in skeleton.parts
        if part.feature.unit != "bool"
        and not bool(varies(rows[:, table.columns(part.feature.name)]).any())
    )
    parts = tuple(part for part in skeleton.parts if part.feature.name not in left_out)
    return replace(skeleton, parts=parts, left_out=left_out)


def _played(skeleton: Skeleton, scene: Path, scratch: Path) -> Subject:
    file = scratch / "played.py"
    file.write_text(task_text(skeleton, f"Path({_quoted(scene.resolve())})"), encoding="utf-8")
    return Subject(task_class(f"{file}:{skeleton.names.class_name}"))


def _notes(skeleton: Skeleton) -> Iterator[str]:
    if skeleton.timestep_s != float(skeleton.robot.model.opt.timestep):
        yield f"the physics blew up in play; steps of {skeleton.timestep_s:g} s keep it calm"
    if skeleton.left_out:
        yield f"left out, as it never changed in play: {', '.join(skeleton.left_out)}"


def _from_here(scene: Path, folder: Path) -> str:
    """Return the path of a scene as code in a task's file: from its own folder, if it can be."""
    scene, folder = scene.resolve(), folder.resolve()
    if scene.anchor == folder.anchor and os.path.commonpath([scene, folder]) != scene.anchor:
        return f"HERE / {_quoted(Path(os.path.relpath(scene, folder)))}"
    return f"Path({_quoted(scene)})"


def _quoted(path: Path) -> str:
    return quoted(path.as_posix())
