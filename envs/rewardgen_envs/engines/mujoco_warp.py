"""The GPU engine: MuJoCo Warp, all worlds on one device, a control step as one recorded graph.

It also runs on Warp's CPU device, in one thread: slow, and the very same code.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import mujoco
import mujoco_warp as mjw
import numpy as np
import torch
import warp as wp
from jaxtyping import Int64
from torch import Tensor

from rewardgen_envs.engines.base import EngineError, Health, write_rows
from rewardgen_envs.engines.choice import Budget
from rewardgen_envs.finite import finite_rows
from rewardgen_envs.scene import has_acceleration_sensor

_RAN_OUT = (
    mjw.OverflowType.NEFC
    | mjw.OverflowType.NJMAX_NNZ
    | mjw.OverflowType.BROADPHASE
    | mjw.OverflowType.NARROWPHASE
    | mjw.OverflowType.CCD
    | mjw.OverflowType.HFIELD
    | mjw.OverflowType.CONTACT_MATCH
)
"""Bits of ``Data.overflow`` after which contacts are missing."""
_STATE = (
    "time",
    "qpos",
    "qvel",
    "act",
    "ctrl",
    "qacc",
    "qacc_warmstart",
    "qfrc_applied",
    "xfrc_applied",
    "mocap_pos",
    "mocap_quat",
    "eq_active",
)
_CONSTANTS = (
    "body_subtreemass",
    "body_invweight0",
    "dof_invweight0",
    "tendon_length0",
    "tendon_invweight0",
    "actuator_acc0",
    "geom_aabb",
    "geom_rbound",
    "eq_data",
    "cam_pos0",
    "cam_poscom0",
    "cam_mat0",
    "light_pos0",
    "light_poscom0",
    "light_dir0",
)
"""Model fields that follow from others, so that they differ between worlds as soon as those do."""
_PLACING = frozenset(("qpos", "qvel", "mocap_pos", "mocap_quat"))
"""State fields from which positions and velocities of bodies follow."""
_SPARE = 0.9  # of the free memory: what a step allocates besides comes from the rest


class MujocoWarpEngine:
    """Worlds in float32 on a device.

    Args:
        model: the compiled scene.
        nworld: number of worlds B.
        device: ``cuda``, ``cuda:1`` … or ``cpu``.
        budget: room for contacts; ``health`` tells if it was not enough.

    Raises:
        EngineError: no such device, too little memory, or a scene that MuJoCo Warp cannot simulate.
    """

    def __init__(self, model: mujoco.MjModel, nworld: int, device: str, budget: Budget) -> None:
        self._model = model
        self._nworld = nworld
        self._device = _device(device)
        self._acceleration = has_acceleration_sensor(model)
        with wp.ScopedDevice(self._device):
            self._put(budget)
        self._fields: dict[str, Tensor] = {}
        self._default = {name: self.field(name)[:1].clone() for name in self._present()}
        self._graphs: dict[tuple[int, bool], wp.Graph] = {}
        self._placed = False  # since derived fields were last computed

    @property
    def model(self) -> mujoco.MjModel:
        """The compiled scene."""
        return self._model

    @property
    def nworld(self) -> int:
        """Number of worlds B."""
        return self._nworld

    @property
    def device(self) -> torch.device:
        """Where the fields live."""
        return torch.device(wp.device_to_torch(self._device))

    def field(self, name: str) -> Tensor:
        """Return the live array (B, ...) of an MjData field, in MuJoCo's shape and float32."""
        if name not in self._fields:
            values = wp.to_torch(getattr(self._data, name))
            if getattr(self._data, name).dtype is wp.mat33:  # nine numbers in MuJoCo
                values = values.flatten(-2)
            self._fields[name] = values
        return self._fields[name]

    def write(self, name: str, values: Tensor, rows: Int64[Tensor, " R"] | None) -> None:
        """Write a state field of some worlds."""
        self._placed |= name in _PLACING
        write_rows(self.field(name), values, rows)

    def step(self, substeps: int) -> None:
        """Advance every world by ``substeps`` physics steps."""
        self._run(substeps)

    def forward(self, rows: Int64[Tensor, " R"] | None) -> None:
        """Compute the derived fields from the state, of all worlds whatever ``rows`` are.

        For those that were not written, positions and velocities come out as they were; what
        follows from accelerations then describes the present state, not the last substep.
        """
        del rows
        self._run(0)

    def reset(self, rows: Int64[Tensor, " R"] | None) -> None:
        """Put some worlds into the model's default state."""
        for name, default in self._default.items():
            self.field(name)[slice(None) if rows is None else rows] = default

    def randomize(self, fields: Mapping[str, Tensor], rows: Int64[Tensor, " R"] | None) -> None:
        """Give some worlds their own values of model fields.

        Raises:
            EngineError: worlds cannot differ in one of them.
        """
        for name in fields:
            if name not in _differing():
                valid = ", ".join(_differing())
                raise EngineError(f"worlds cannot differ in '{name}' here; they can in {valid}")
        with wp.ScopedDevice(self._device):
            for name in (*fields, *_CONSTANTS):
                self._give_each_its_own(name)
            for name, values in fields.items():
                target = wp.to_torch(getattr(self._warp_model, name))
                given = values.to(target).reshape(-1, *target.shape[1:])
                target[slice(None) if rows is None else rows] = given
            mjw.set_const(self._warp_model, self._data)
            self._refresh()

    def health(self) -> Health:
        """Report worlds whose state is not finite, and whether contacts ever were too many."""
        finite = finite_rows(self.field("qpos")) & finite_rows(self.field("qvel"))
        ran_out = self.field("overflow") & int(_RAN_OUT) != 0
        return Health(diverged=~finite, overflow=ran_out.any())

    def snapshot(self, world: int) -> mujoco.MjData:
        """Copy one world, for rendering."""
        data = mujoco.MjData(self._model)
        for name in ("qpos", "qvel", "act", "ctrl", "mocap_pos", "mocap_quat"):
            if name in self._default:
                getattr(data, name)[:] = self.field(name)[world].cpu().numpy()
        mujoco.mj_forward(self._model, data)
        return data

    def close(self) -> None:
        """Free the worlds."""
        self._graphs.clear()
        self._fields.clear()
        self._default.clear()
        del self._data, self._warp_model

    # ---- internals

    def _give_each_its_own(self, name: str) -> None:
        """Let a model field have values for every world; at first they all share one set."""
        shared: wp.array = getattr(self._warp_model, name)
        if shared.shape[0] == 1 and self._nworld > 1 and math.prod(shared.shape):
            each = np.repeat(shared.numpy(), self._nworld, axis=0)
            setattr(self._warp_model, name, wp.array(each, dtype=shared.dtype))
            self._graphs.clear()  # they hold the address of the shared values

    def _put(self, budget: Budget) -> None:
        """Move model and worlds to the device.

        Raises:
            EngineError: it cannot simulate the scene, or has too little memory.
        """
        # Warp has no auto-reset, and refuses the flag that switches it off
        accepted = copy.copy(self._model)
        accepted.opt.disableflags &= ~int(mujoco.mjtDisableBit.mjDSBL_AUTORESET)
        # in Warp this only says that boxes touch boxes by the algorithm that MuJoCo has for them
        accepted.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_NATIVECCD)
        try:
            self._warp_model = mjw.put_model(accepted)
        except NotImplementedError as error:
            raise EngineError(f"MuJoCo Warp cannot simulate this scene: {error}") from error
        self._warp_model.opt.warn_overflow = 0  # health() tells
        if self._device.is_cuda:
            self._warp_model.opt.graph_conditional = wp.is_conditional_graph_supported()
            check_memory(
                self._nworld, bytes_per_world(accepted, budget), *_memory_bytes(self._device)
            )
        start = mujoco.MjData(accepted)
        mujoco.mj_forward(accepted, start)
        self._data = _worlds(accepted, start, self._nworld, budget)

    def _present(self) -> list[str]:
        """Return the state fields that this scene has."""
        return [name for name in _STATE if math.prod(getattr(self._data, name).shape)]

    def _run(self, substeps: int) -> None:
        """Launch the graph of so many substeps, or of the derived fields alone for 0."""
        key = substeps, self._placed and substeps > 0
        self._placed = False
        with wp.ScopedDevice(self._device):
            if key not in self._graphs:
                work = functools.partial(self._step, *key) if substeps else self._forward
                self._graphs[key] = self._recorded(work)
            stream = wp.stream_from_torch(self.device) if self._device.is_cuda else None
            wp.capture_launch(self._graphs[key], stream=stream)

    def _recorded(self, work: Callable[[], None]) -> wp.Graph:
        """Record what ``work`` launches, without changing any world."""
        kept = {name: self.field(name).clone() for name in (*self._default, "overflow")}
        work()  # compiles kernels, which cannot be done while recording
        with wp.ScopedCapture() as capture:
            work()
        for name, values in kept.items():
            self.field(name).copy_(values)
        self._refresh()  # a step takes positions and velocities for known
        return capture.graph

    def _step(self, substeps: int, placed: bool) -> None:
        """Go through substeps that each begin where positions and velocities are known already.

        Args:
            substeps: how many.
            placed: whether something was put elsewhere, so that they first have to be computed.
        """
        model, data = self._warp_model, self._data
        if placed:
            self._refresh()
        for _ in range(substeps):
            data.sensordata.zero_()  # some sensors add up
            mjw.step2(model, data)
            self._refresh()
        mjw.sensor_pos(model, data)
        mjw.sensor_vel(model, data)

    def _forward(self) -> None:
        model, data = self._warp_model, self._data
        if self._acceleration:
            mjw.forward(model, data)
            return
        self._refresh()
        mjw.sensor_pos(model, data)
        mjw.sensor_vel(model, data)

    def _refresh(self) -> None:
        """Compute what follows from positions and velocities."""
        mjw.fwd_position(self._warp_model, self._data)
        mjw.fwd_velocity(self._warp_model, self._data)


def kernels_folder() -> Path:
    """Return where compiled kernels are kept."""
    given = os.environ.get("XDG_CACHE_HOME")
    return (Path(given) if given else Path.home() / ".cache") / "rewardgen" / "warp"


def use_kernels(folder: Path) -> None:
    """Keep compiled kernels in a folder, of this process's own; before any engine is made."""
    wp.config.kernel_cache_dir = str(folder)


def bytes_per_world(model: mujoco.MjModel, budget: Budget) -> int:
    """Return the memory that one more world takes on a device."""
    start = mujoco.MjData(model)
    mujoco.mj_forward(model, start)
    few, more = 4, 12
    with wp.ScopedDevice("cpu"):
        sizes = [_bytes(_worlds(model, start, count, budget)) for count in (few, more)]
    return max(1, (sizes[1] - sizes[0]) // (more - few))


def check_memory(nworld: int, per_world_bytes: int, free_bytes: int, total_bytes: int) -> None:
    """Refuse more worlds than fit a device.

    Raises:
        EngineError: says what would fit.
    """
    fitting = int(_SPARE * free_bytes) // per_world_bytes
    if nworld > fitting:
        raise EngineError(
            f"{nworld:,} worlds need about {nworld * per_world_bytes / 2**30:.1f} GiB of GPU "
            f"memory; {free_bytes / 2**30:.1f} of {total_bytes / 2**30:.1f} GiB are free, enough "
            f"for {fitting:,}. Take fewer worlds per policy (recipe), fewer candidates or seeds"
        )


def _worlds(model: mujoco.MjModel, start: mujoco.MjData, nworld: int, budget: Budget) -> mjw.Data:
    rows = max(budget.rows, int(start.nefc))
    return mjw.put_data(
        model,
        start,
        nworld=nworld,
        nconmax=budget.contacts,
        naconmax=nworld * max(budget.contacts, int(start.ncon)),
        njmax=rows,
    )


def _bytes(data: mjw.Data) -> int:
    """Return the size of all arrays of some worlds."""
    parts = [data, data.contact, data.efc]
    values = [getattr(part, f.name) for part in parts for f in dataclasses.fields(part)]
    return sum(value.capacity for value in values if isinstance(value, wp.array))


@functools.cache
def _differing() -> tuple[str, ...]:
    """Return the model fields in which worlds may differ."""
    shapes = {f.name: getattr(f.type, "shape", ()) for f in dataclasses.fields(mjw.Model)}
    return tuple(name for name, shape in shapes.items() if "*" in shape)


def _device(name: str) -> wp.Device:
    """Return a device.

    Raises:
        EngineError: there is none of that name; says which there are.
    """
    wp.config.log_level = wp.LOG_WARNING  # else it tells of every kernel it loads
    if wp.config.kernel_cache_dir is None:  # Warp's own is anybody's to fill
        use_kernels(kernels_folder())
    wp.init()
    known = {str(device): device for device in wp.get_devices()}
    if name == "cuda" and wp.is_cuda_available():
        return wp.get_preferred_device()
    if name not in known:
        raise EngineError(
            f"no device '{name}' here; there is {', '.join(known)}. A GPU needs an NVIDIA driver "
            "and a build of torch for CUDA; see docs/gpu.md"
        )
    return known[name]


def _memory_bytes(device: wp.Device) -> tuple[int, int]:
    """Return the free and the total memory of a GPU."""
    return torch.cuda.mem_get_info(wp.device_to_torch(device))
