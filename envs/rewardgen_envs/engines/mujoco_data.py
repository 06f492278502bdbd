"""One world in a ``mujoco.MjData`` that the caller made: plain MuJoCo behind the same contract.

For a script or a simulation that owns its MjData: what it draws, logs or steers is the very
state that a task's features are computed from.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import mujoco
import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from rewardgen_envs.engines.base import STATE_WARNINGS, Health
from rewardgen_envs.scene import has_acceleration_sensor


class MujocoDataEngine:
    """A world in float64; ``field`` gives views of the data's own arrays.

    Args:
        model: the compiled scene.
        data: its state; changed by everything but ``field``, ``health`` and ``snapshot``.
    """

    def __init__(self, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        self._model = model
        self._data = data
        self._acceleration = has_acceleration_sensor(model)
        self._fields: dict[str, Tensor] = {}
        self._numbers: set[str] = set()
        self._mute()

    @property
    def model(self) -> mujoco.MjModel:
        """The compiled scene."""
        return self._model

    @property
    def nworld(self) -> int:
        """Number of worlds: 1."""
        return 1

    @property
    def device(self) -> torch.device:
        """Where the fields live."""
        return torch.device("cpu")

    def field(self, name: str) -> Tensor:
        """Return the live array (1, ...) of an MjData field.

        Raises:
            AttributeError: MjData has no such field.
        """
        if name not in self._fields:
            value: object = getattr(self._data, name)
            if not isinstance(value, np.ndarray):  # a number such as ``time``: there is no view
                self._numbers.add(name)
            self._fields[name] = torch.as_tensor(np.asarray(value)).unsqueeze(0)
        return self._fields[name]

    def write(self, name: str, values: Tensor, rows: Int64[Tensor, " R"] | None) -> None:
        """Write a state field."""
        if rows is None or len(rows):
            self.field(name).copy_(values)

    def step(self, substeps: int) -> None:
        """Advance by ``substeps`` calls of ``mj_step``."""
        mujoco.mj_step(self._model, self._data, substeps)
        self.refresh()

    def refresh(self) -> None:
        """Make what follows from positions and velocities describe the present state.

        ``mj_step`` leaves it one substep old. What follows from accelerations stays as it is.
        """
        model, data = self._model, self._data
        mujoco.mj_fwdPosition(model, data)
        mujoco.mj_sensorPos(model, data)
        mujoco.mj_fwdVelocity(model, data)
        mujoco.mj_sensorVel(model, data)
        self._read_numbers()

    def forward(self, rows: Int64[Tensor, " R"] | None) -> None:
        """Compute the derived fields from the state."""
        if rows is not None and not len(rows):
            return
        if self._acceleration:
            mujoco.mj_forward(self._model, self._data)
            self._read_numbers()
        else:
            self.refresh()

    def reset(self, rows: Int64[Tensor, " R"] | None) -> None:
        """Put the world into the model's default state."""
        if rows is None or len(rows):
            mujoco.mj_resetData(self._model, self._data)
            self._mute()

    def randomize(self, fields: Mapping[str, Tensor], rows: Int64[Tensor, " R"] | None) -> None:
        """Change fields of the model that was given."""
        if rows is None or len(rows):
            for name, values in fields.items():
                getattr(self._model, name)[:] = values[0].numpy()
            mujoco.mj_setConst(self._model, self._data)

    def health(self) -> Health:
        """Report whether the state is finite."""
        finite = np.isfinite(self._data.qpos).all() and np.isfinite(self._data.qvel).all()
        return Health(
            diverged=torch.tensor([not finite]), overflow=torch.tensor(False, device="cpu")
        )

    def snapshot(self, world: int) -> mujoco.MjData:
        """Copy the world, for rendering."""
        del world
        return copy.copy(self._data)

    def close(self) -> None:
        """Do nothing: the data belongs to the caller."""

    def _read_numbers(self) -> None:
        for name in self._numbers:
            self._fields[name].fill_(getattr(self._data, name))

    def _mute(self) -> None:
        """Keep MuJoCo from printing warnings that ``health`` reports; it prints the first only."""
        for kind in STATE_WARNINGS:
            self._data.warning[kind].number = 1
