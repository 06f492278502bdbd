"""The CPU engine: ``mujoco.batch.Batch``, one thread pool over many worlds."""

from __future__ import annotations

from collections.abc import Mapping

import mujoco
import numpy as np
import torch
from jaxtyping import Int64
from mujoco import batch
from torch import Tensor

from rewardgen_envs.cpus import cpu_count
from rewardgen_envs.engines.base import STATE_WARNINGS, Health, write_rows
from rewardgen_envs.finite import finite_rows
from rewardgen_envs.scene import has_acceleration_sensor

# what is current after a bare step: the state, and what describes the last substep anyway
_LEFT_BY_STEP = frozenset(
    ("qpos", "qvel", "act", "ctrl", "mocap_pos", "qacc", "cacc", "cfrc_ext", "cfrc_int")
)
_COUNT = 1  # column of Batch.warning; column 0 says which coordinate it was


class MujocoBatchEngine:
    """Worlds on CPU threads, in float64.

    Args:
        model: the compiled scene.
        nworld: number of worlds B.
        threads: threads for physics; None for one per CPU that this process may use.
        refresh: False if only state and contact forces will be read, as ``needs_refresh`` of
            another engine tells; steps then cost 3 to 11 % less. Reading more turns it on, at a
            higher cost.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        nworld: int,
        threads: int | None = None,
        *,
        refresh: bool = True,
    ) -> None:
        self._model = model
        count = threads if threads is not None else cpu_count()
        # persistent: a step that also refreshes positions and velocities then costs 2-5 %
        self._batch = batch.Batch(model, nworld, count, persistent=refresh)
        # health() finds what diverges; MuJoCo prints only the first warning of a kind and world,
        # to stderr and into a file in the working directory
        self._batch.warning[:, STATE_WARNINGS, _COUNT] = 1
        self._fields: dict[str, Tensor] = {}
        self._state = torch.as_tensor(self._batch.state)
        self._default_state = self._state[0].clone()
        acceleration = has_acceleration_sensor(model)
        stages = mujoco.mjtStage
        self._reset_stage = int(stages.mjSTAGE_ACC if acceleration else stages.mjSTAGE_VEL)
        self._current_stage = int(stages.mjSTAGE_VEL)
        self._step_stage = self._current_stage if refresh else int(stages.mjSTAGE_NONE)

    @property
    def needs_refresh(self) -> bool:
        """Whether a field was read that a step must refresh."""
        return not self._fields.keys() <= _LEFT_BY_STEP

    @property
    def model(self) -> mujoco.MjModel:
        """The compiled scene."""
        return self._model

    @property
    def nworld(self) -> int:
        """Number of worlds B."""
        return self._batch.nsim

    @property
    def device(self) -> torch.device:
        """Where the fields live."""
        return torch.device("cpu")

    def field(self, name: str) -> Tensor:
        """Return the live array (B, ...) of an MjData field."""
        if name not in self._fields:
            array = self._batch.bind(name)
            # torch has no read-only tensors; derived arrays are ours and only ever read
            array.flags.writeable = True
            self._fields[name] = torch.as_tensor(array)
            if self.needs_refresh and self._step_stage != self._current_stage:
                self._step_stage = self._current_stage
                self._batch.forward(stage=self._current_stage)
        return self._fields[name]

    def write(self, name: str, values: Tensor, rows: Int64[Tensor, " R"] | None) -> None:
        """Write a state field of some worlds."""
        write_rows(self.field(name), values, rows)

    def step(self, substeps: int) -> None:
        """Advance every world by ``substeps`` physics steps."""
        self._batch.step(nstep=substeps, stage=self._step_stage)

    def forward(self, rows: Int64[Tensor, " R"] | None) -> None:
        """Compute the derived fields of some worlds."""
        self._batch.forward(_ids(rows), stage=self._reset_stage)

    def reset(self, rows: Int64[Tensor, " R"] | None) -> None:
        """Put some worlds into the model's default state."""
        # one write instead of Batch.reset, which costs as much as two physics steps; what else
        # a world holds is derived from its state by forward()
        self._state[slice(None) if rows is None else rows] = self._default_state

    def randomize(self, fields: Mapping[str, Tensor], rows: Int64[Tensor, " R"] | None) -> None:
        """Give some worlds their own values of model fields."""
        for name, values in fields.items():
            target = self._batch.expand(name)
            target[slice(None) if rows is None else rows.numpy()] = values.numpy()
        self._batch.set_const(_ids(rows))

    def health(self) -> Health:
        """Report worlds whose state is not finite."""
        finite = finite_rows(self.field("qpos")) & finite_rows(self.field("qvel"))
        return Health(diverged=~finite, overflow=torch.tensor(False, device="cpu"))

    def snapshot(self, world: int) -> mujoco.MjData:
        """Copy one world, for rendering."""
        data = self._batch.get_data(world)
        if self._step_stage != self._current_stage:
            mujoco.mj_forward(self._model, data)
        return data

    def close(self) -> None:
        """Free the worlds and threads."""
        self._fields.clear()
        del self._batch


def _ids(rows: Tensor | None) -> np.ndarray | None:
    return None if rows is None else rows.numpy()
