"""Whether another model holds what a task reads, so that its features mean the same there."""

from __future__ import annotations

from collections.abc import Iterator

import mujoco
import torch
from torch import Tensor

from rewardgen_envs.engines.base import Engine
from rewardgen_envs.engines.mujoco_data import MujocoDataEngine
from rewardgen_envs.measurement import no_variables
from rewardgen_envs.physics import Physics
from rewardgen_envs.quantities import Quantities
from rewardgen_envs.task import BoxAction, Task

_OBJECTS: dict[str, tuple[mujoco.mjtObj, str]] = {
    "body": (mujoco.mjtObj.mjOBJ_BODY, "nbody"),
    "geom": (mujoco.mjtObj.mjOBJ_GEOM, "ngeom"),
    "site": (mujoco.mjtObj.mjOBJ_SITE, "nsite"),
    "joint": (mujoco.mjtObj.mjOBJ_JOINT, "njnt"),
    "sensor": (mujoco.mjtObj.mjOBJ_SENSOR, "nsensor"),
    "actuator": (mujoco.mjtObj.mjOBJ_ACTUATOR, "nu"),
}
# prefix of a field read as a whole → what its rows belong to; any other: bodies
_ROWS = {
    "q": "joint",
    "geom_": "geom",
    "site_": "site",
    "sensordata": "sensor",
    "ctrl": "actuator",
    "act": "actuator",
}


def scene_differences(task: Task, model: mujoco.MjModel) -> list[str]:
    """Return in what a model lacks or orders differently what a task reads; empty if nothing.

    Args:
        task: the task.
        model: the other model.
    """
    own = MujocoDataEngine(task.model, mujoco.MjData(task.model))
    reading = _Reading(own)
    task.measure(reading, Quantities(no_variables(task, 1, torch.device("cpu"))))
    kinds = {_rows_of(field) for field in reading.fields}
    if isinstance(task.action, BoxAction) and task.action.size == task.model.nu:
        kinds.add("actuator")  # the columns of an action
    return [
        *(f"{kind} '{name}' is missing" for kind, name in sorted(_missing(reading, model))),
        *(line for kind in sorted(kinds) for line in _order(kind, task.model, model)),
    ]


class _Reading(Physics):
    """Notes what is read: objects by name, and fields as a whole."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.names: set[tuple[str, str]] = set()
        self.fields: set[str] = set()

    def field(self, name: str) -> Tensor:
        self.fields.add(name)
        return super().field(name)

    @property
    def qpos(self) -> Tensor:
        return self.field("qpos")

    @property
    def qvel(self) -> Tensor:
        return self.field("qvel")

    def _id(self, kind: str, name: str) -> int:
        self.names.add((kind, name))
        return super()._id(kind, name)


def _missing(reading: _Reading, model: mujoco.MjModel) -> Iterator[tuple[str, str]]:
    for kind, name in reading.names:
        if mujoco.mj_name2id(model, _OBJECTS[kind][0], name) < 0:
            yield kind, name


def _rows_of(field: str) -> str:
    return next((kind for prefix, kind in _ROWS.items() if field.startswith(prefix)), "body")


def _order(kind: str, task: mujoco.MjModel, other: mujoco.MjModel) -> Iterator[str]:
    """Compare two lists of objects; those without a name may be called anything."""
    ours, theirs = _objects(kind, task), _objects(kind, other)
    if len(ours) != len(theirs):
        yield f"it has {len(theirs)} of kind {kind}, the task's scene has {len(ours)}"
        return
    for index, (mine, found) in enumerate(zip(ours, theirs, strict=True)):
        if mine and found and mine != found:
            yield f"{kind} {index} is '{found}', in the task's scene '{mine}'"
            return
    if kind == "joint" and not (task.jnt_type == other.jnt_type).all():
        yield "its joints are of other types than those of the task's scene"


def _objects(kind: str, model: mujoco.MjModel) -> list[str]:
    number, count = _OBJECTS[kind]
    return [mujoco.mj_id2name(model, number, i) or "" for i in range(int(getattr(model, count)))]
