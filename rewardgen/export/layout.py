"""What the numbers of an observation and of an action are, found by asking the task.

A task computes its observation by a function of its features. Fed with made-up features, the
function shows which column copies which feature, between which bounds, or what it depends on.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import torch
from jaxtyping import Bool, Float32
from torch import Tensor

from rewardgen.store.export_records import ActionColumn, ObservationColumn
from rewardgen_envs.features import Feature, FeatureTable
from rewardgen_envs.task import BoxAction, Task
from rewardgen_policies.checkpoint import MemberState

_BASES = 8
_STEP = 0.5
_FAR = 1e6
_SEED = 30_000


def observation_columns(task: Task, state: MemberState) -> tuple[ObservationColumn, ...]:
    """Return what each column of the observation is.

    Args:
        task: the task.
        state: a member trained on it; its normalizer knows mean and deviation of each column.
    """
    probe = _probe(task)
    mean, variance = (state.tensors[f"observation_{moment}"] for moment in ("mean", "variance"))
    places = [(feature, i) for feature in task.table for i in range(feature.size)]
    columns: list[ObservationColumn] = []
    for index, depends in enumerate(probe.depends):
        sources = [place for place, used in zip(places, depends, strict=True) if bool(used)]
        copied = sources[0] if len(sources) == 1 and bool(probe.copies[index]) else None
        low, high = (_bound(float(end[index])) for end in (probe.low, probe.high))
        clipped = copied is not None and (low is not None or high is not None)
        columns.append(
            ObservationColumn(
                index=index,
                copies=None if copied is None else _named(*copied),
                unit=None if copied is None else copied[0].unit,
                clip=(low, high) if clipped else None,
                depends_on=tuple(dict.fromkeys(feature.name for feature, _ in sources)),
                mean=float(mean[index]),
                std=float(variance[index].sqrt()),
            )
        )
    return tuple(columns)


def action_columns(task: Task) -> tuple[ActionColumn, ...]:
    """Return what each number of a continuous action does; nothing for choices.

    Where the task scales actions to the actuators' ranges, as tasks do by default, each number
    has its actuator; else only the task knows.
    """
    action = task.action
    if not isinstance(action, BoxAction):
        return ()
    if type(task).actuate is not Task.actuate:
        return tuple(ActionColumn(index=i) for i in range(action.size))
    model = task.model
    return tuple(
        ActionColumn(
            index=i,
            drives=_driven(model, i),
            control_low=float(model.actuator_ctrlrange[i, 0]),
            control_high=float(model.actuator_ctrlrange[i, 1]),
        )
        for i in range(action.size)
    )


def _driven(model: mujoco.MjModel, actuator: int) -> str | None:
    """Return the name of an actuator, or of the joint that it drives."""
    name = mujoco.mj_id2name(model, mujoco.mjtObj.mjOBJ_ACTUATOR, actuator)
    if name is None and model.actuator_trntype[actuator] == mujoco.mjtTrn.mjTRN_JOINT:
        joint = int(model.actuator_trnid[actuator, 0])
        name = mujoco.mj_id2name(model, mujoco.mjtObj.mjOBJ_JOINT, joint)
    return name


def _bound(end: float) -> float | None:
    """Return where a column ends, None where it follows the feature as far as was tried."""
    return end if abs(end) < _FAR else None


@dataclass(frozen=True)
class _Probe:
    """What a task's observation makes of made-up features.

    Attributes:
        depends: on which columns of the features each column depends.
        copies: whether it equals the first of these, clipped to the bounds.
        low: the lower bound.
        high: the upper bound.
    """

    depends: Bool[Tensor, "O F"]
    copies: Bool[Tensor, " O"]
    low: Float32[Tensor, " O"]
    high: Float32[Tensor, " O"]


def _probe(task: Task) -> _Probe:
    table = task.table
    generator = torch.Generator().manual_seed(_SEED)
    bases = torch.rand(_BASES, table.width, generator=generator) - 0.5
    before = _observe(task, table, bases)
    depends = torch.zeros(before.shape[1], table.width, dtype=torch.bool)
    for column in range(table.width):
        for change in (_STEP, -_STEP, 1.0):
            moved = bases.clone()
            moved[:, column] += change
            depends[:, column] |= (_observe(task, table, moved) != before).any(0)
    source = depends.to(torch.int64).argmax(1)
    low = _observe(task, table, torch.full_like(bases, -_FAR)).amin(0)
    high = _observe(task, table, torch.full_like(bases, _FAR)).amax(0)
    given = bases[:, source]
    copies = (before == torch.minimum(torch.maximum(given, low), high)).all(0)
    return _Probe(depends, copies, low, high)


@torch.no_grad()
def _observe(task: Task, table: FeatureTable, data: Float32[Tensor, "B F"]) -> Tensor:
    return task.observation(table.view(data))


def _named(feature: Feature, column: int) -> str:
    """Return how reward code would write one number of a feature: ``torso_velocity[0]``."""
    if not feature.shape:
        return feature.name
    index: list[int] = []
    for size in reversed(feature.shape):
        index.insert(0, column % size)
        column //= size
    return f"{feature.name}[{', '.join(map(str, index))}]"
