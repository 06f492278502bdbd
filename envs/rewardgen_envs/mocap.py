"""Mocap bodies: they stand wherever they are told to, and welds pull other bodies after them."""

from __future__ import annotations

from collections.abc import Mapping

import mujoco
from jaxtyping import Int64
from torch import Tensor

from rewardgen_envs.engines.base import Engine
from rewardgen_envs.names import nearest
from rewardgen_envs.scene import SceneError


def mocap_row(model: mujoco.MjModel, body: str) -> int:
    """Return the row of a mocap body in ``mocap_pos``.

    Raises:
        SceneError: the scene has no mocap body of that name; lists those that it has.
    """
    kind, rows = mujoco.mjtObj.mjOBJ_BODY, model.body_mocapid
    index = mujoco.mj_name2id(model, kind, body)
    if index < 0 or rows[index] < 0:
        names = [mujoco.mj_id2name(model, kind, i) or "" for i in range(len(rows)) if rows[i] >= 0]
        raise SceneError(f"the scene has no mocap body '{body}'{nearest(body, names)}")
    return int(rows[index])


def write_mocap(
    engine: Engine, positions: Mapping[str, Tensor], rows: Int64[Tensor, " R"] | None
) -> None:
    """Put mocap bodies of some worlds (None: all) somewhere; those not named stay.

    Args:
        engine: the simulation.
        positions: the place of each body by its name, (R, 3) m.
        rows: the worlds.

    Raises:
        SceneError: the scene has no such mocap body.
    """
    if not positions:
        return
    field = engine.field("mocap_pos")
    placed = field.clone() if rows is None else field[rows]
    for body, position in positions.items():
        placed[:, mocap_row(engine.model, body)] = position.to(placed.dtype)
    engine.write("mocap_pos", placed, rows)
