"""The skeleton of a new task: files that run at once and say what is left to write."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from pathlib import Path

import mujoco

from rewardgen_envs.errors import UsageError
from rewardgen_envs.features import Feature
from rewardgen_envs.scene import compile_scene, load_scene

CONTROL_STEP_S = 0.02
_WORD = "[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*"

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

_TASK = '''\
"""TODO: what this task is, in a sentence."""

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


class {class_name}(Task):
    """TODO: what happens in an episode."""

    name = "{name}"
    description = "TODO: one sentence that tells a designer what to achieve."
    decimation = {decimation}  # physics steps of {timestep:g} s per control step
    episode_s = 10.0
    # the only words of observation, terminations, fitness and reward code: add what they need
    features = (
{features}    )
    # TODO: what ends an episode early, for example {{"fallen": "The torso is below 0.2 m."}}
    causes = {{}}
    # TODO: what counts; its average over the episode is the fitness
    metrics = (Metric(name="todo", unit="TODO", description="TODO: what is measured."),)
    human_reward = HERE / "{stem}_reward.py"

    def scene(self) -> mujoco.MjSpec:
        """Return the scene; change it here, not in the file: spec.worldbody.add_geom(...)."""
        return load_scene(HERE / "{scene}")

    def measure(self, physics: Physics, variables: Quantities) -> dict[str, Tensor]:
        """Compute the features, one row per world."""
        del variables
        return {{
{measured}        }}

    def observation(self, features: FeatureView) -> Tensor:
        """Return what the policy sees."""
        return torch.cat(
            [
{observed}            ],
            dim=-1,
        )

    def terminations(self, features: FeatureView) -> dict[str, Tensor]:
        """Return each cause of an early end, as booleans."""
        return {{}}

    def reset(self, mask: Tensor, draw: Draw) -> Initial:
        """Start near the file's own posture; every random number comes from ``draw``."""
        del mask
        start = torch.from_numpy(self.model.{start}.copy())
        noise = draw.uniform("qpos", ({nq},), -0.01, 0.01)
        return Initial(qpos=start + noise, qvel=draw.uniform("qvel", ({nv},), -0.01, 0.01))

    def fitness(self, features: FeatureView) -> dict[str, Tensor]:
        """Return the value of each metric at this step."""
        return {{"todo": features.{first}[..., 0].square()}}
'''

_REWARD = '''\
"""TODO: human reward of {name}: what a person would write."""


def compute_reward(state, action, next_state):
    effort = 0.01 * (action**2).sum(dim=-1)
    return -effort, {{"effort": -effort}}
'''


@dataclass(frozen=True)
class Skeleton:
    """What was written.

    Attributes:
        reference: the task as ``path/to/file.py:Class``.
        files: all files.
    """

    reference: str
    files: tuple[Path, ...]


@dataclass(frozen=True)
class _Part:
    """A feature of the skeleton and the expression that measures it."""

    feature: Feature
    expression: str


def write_skeleton(name: str, scene: Path | None, directory: Path) -> Skeleton:
    """Write the files of a new task.

    Args:
        name: ``family/variant``, in lower-case words.
        scene: MJCF file; None to write a pendulum.
        directory: where to write.

    Raises:
        UsageError: the name is no name, the scene is unusable, or a file exists already.
    """
    stem, class_name = _stem_and_class(name)
    scene_path = (directory / f"{stem}.xml") if scene is None else scene
    files = {directory / f"{stem}_reward.py": _REWARD.format(name=name)}
    if scene is None:
        files[scene_path] = _PENDULUM
        model = compile_scene(mujoco.MjSpec.from_string(_PENDULUM), name)
    else:
        model = compile_scene(load_scene(scene), name)
    task_path = directory / f"{stem}.py"
    files[task_path] = _task_text(name, stem, class_name, _relative(scene_path, directory), model)
    taken = [path for path in files if path.exists()]
    if taken:
        raise UsageError(f"{taken[0]} exists already; choose another name or --directory")
    directory.mkdir(parents=True, exist_ok=True)
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
    return Skeleton(f"{task_path}:{class_name}", tuple(files))


def _stem_and_class(name: str) -> tuple[str, str]:
    """Return what the files and the class of a task are called, ``walk_fast`` and ``WalkFast``.

    Raises:
        UsageError: the name is no name.
    """
    problem = None
    if name.count("/") != 1:
        problem = "it must be family/variant"
    elif not re.fullmatch(f"{_WORD}/{_WORD}", name):
        problem = "both parts are lower-case letters, then also digits, with '-' or '_' between"
    stem = name.rpartition("/")[2].replace("-", "_")
    class_name = "".join(part.capitalize() for part in stem.split("_"))
    if problem is None and (keyword.iskeyword(stem) or keyword.iskeyword(class_name)):
        problem = f"'{stem}' is a word of Python's, and it is to name a file and a class"
    if problem is not None:
        raise UsageError(f"{name!r} is no name for a task: {problem}, as in robot/walk-fast")
    return stem, class_name


def _relative(scene: Path, directory: Path) -> str:
    """Return the scene's path as the task file writes it, relative to itself if it can be."""
    scene, directory = scene.resolve(), directory.resolve()
    return str(scene.relative_to(directory) if scene.is_relative_to(directory) else scene)


def _task_text(name: str, stem: str, class_name: str, scene: str, model: mujoco.MjModel) -> str:
    parts = _parts(model)
    timestep = float(model.opt.timestep)
    return _TASK.format(
        name=name,
        stem=stem,
        class_name=class_name,
        scene=scene,
        start="key_qpos[0]" if model.nkey else "qpos0",
        decimation=max(1, round(CONTROL_STEP_S / timestep)),
        timestep=timestep,
        features="".join(f"        {_declared(part.feature)},\n" for part in parts),
        measured="".join(
            f'            "{part.feature.name}": {part.expression},\n' for part in parts
        ),
        observed="".join(f"                features.{part.feature.name},\n" for part in parts),
        first=parts[-1].feature.name,
        nq=int(model.nq),
        nv=int(model.nv),
    )


def _declared(feature: Feature) -> str:
    return f'Feature("{feature.name}", {feature.shape}, "{feature.unit}", "{feature.description}")'


def _parts(model: mujoco.MjModel) -> list[_Part]:
    """Return features for everything that moves: free bodies, ball joints, slides and hinges."""
    parts: list[_Part] = []
    kinds = mujoco.mjtJoint
    for joint in range(model.njnt):
        q, v = int(model.jnt_qposadr[joint]), int(model.jnt_dofadr[joint])
        body = _name(model, mujoco.mjtObj.mjOBJ_BODY, int(model.jnt_bodyid[joint]))
        if model.jnt_type[joint] == kinds.mjJNT_FREE:
            parts += [
                _part(body, "position", 3, "m", "qpos", q),
                _part(body, "quaternion", 4, "1", "qpos", q + 3),
                _part(body, "velocity", 3, "m/s", "qvel", v),
                _part(body, "angular_velocity", 3, "rad/s", "qvel", v + 3),
            ]
        elif model.jnt_type[joint] == kinds.mjJNT_BALL:
            parts += [
                _part(body, "quaternion", 4, "1", "qpos", q),
                _part(body, "angular_velocity", 3, "rad/s", "qvel", v),
            ]
    hinges = [j for j in range(model.njnt) if model.jnt_type[j] == kinds.mjJNT_HINGE]
    slides = [j for j in range(model.njnt) if model.jnt_type[j] == kinds.mjJNT_SLIDE]
    return [
        *parts,
        *_joints(model, slides, "slide", "positions", "m"),
        *_joints(model, hinges, "joint", "angles", "rad"),
    ]


_SENTENCES = {
    "position": "Position of {body} in the world; z is up.",
    "quaternion": "Orientation of {body}, scalar part first.",
    "velocity": "Velocity of {body} in the world.",
    "angular_velocity": "Angular velocity of {body}, own frame.",
}


def _part(body: str, word: str, size: int, unit: str, field: str, first: int) -> _Part:
    """Return one quantity of a body, columns ``first`` and following of a field."""
    name = re.sub(r"\W+", "_", f"{body}_{word}").lower()
    feature = Feature(name, (size,), unit, _SENTENCES[word].format(body=body))
    return _Part(feature, f"physics.{field}[:, {first}:{first + size}]")


def _name(model: mujoco.MjModel, kind: mujoco.mjtObj, number: int) -> str:
    return mujoco.mj_id2name(model, int(kind), number) or f"number_{number}"


def _joints(
    model: mujoco.MjModel, joints: list[int], word: str, plural: str, unit: str
) -> list[_Part]:
    if not joints:
        return []
    named = [_name(model, mujoco.mjtObj.mjOBJ_JOINT, j) for j in joints]
    names = ", ".join(named) if len(named) <= 3 else f"{len(named)} joints, {named[0]} first"
    q = [int(model.jnt_qposadr[j]) for j in joints]
    v = [int(model.jnt_dofadr[j]) for j in joints]
    shape = (len(joints),)
    return [
        _Part(
            Feature(f"{word}_{plural}", shape, unit, f"{plural.capitalize()} of {names}."),
            f"physics.qpos[:, {q}]",
        ),
        _Part(
            Feature(f"{word}_velocities", shape, f"{unit}/s", f"Velocities of {names}."),
            f"physics.qvel[:, {v}]",
        ),
    ]
