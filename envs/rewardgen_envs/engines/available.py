"""Whether an engine can be had on this machine, and having it."""

from __future__ import annotations

import importlib.util

import mujoco
import torch

from rewardgen_envs.engines.base import Engine, EngineError
from rewardgen_envs.engines.choice import EngineChoice


def require_engine(choice: EngineChoice) -> None:
    """Refuse an engine that this machine does not have, before anything is begun.

    Raises:
        EngineError: says what is missing, and how to get it.
    """
    if choice.name == "mujoco":
        if not choice.on_cpu:
            raise EngineError(
                f"engine mujoco runs on the CPU, not on '{choice.device}'; engine warp does"
            )
        return
    if importlib.util.find_spec("mujoco_warp") is None:
        raise EngineError(
            "engine warp needs the package mujoco-warp, which comes with the extra 'gpu': "
            "pip install -e '.[gpu]'"
        )
    if not choice.on_cpu:
        _require_gpu(choice.device)


def _require_gpu(device: str) -> None:
    """Refuse a GPU that is not there.

    Raises:
        EngineError: there is no such GPU, or torch cannot use it.
    """
    if torch.version.cuda is None:
        raise EngineError(
            f"device '{device}' needs torch with CUDA, this is torch {torch.__version__}: "
            "make install TORCH=default. Without a GPU: --device cpu"
        )
    count = torch.cuda.device_count()
    if count == 0:
        raise EngineError(
            f"device '{device}': no NVIDIA GPU is seen here (nvidia-smi shows what the driver "
            "sees; CUDA_VISIBLE_DEVICES may hide it). Without a GPU: --device cpu"
        )
    if (torch.device(device).index or 0) >= count:
        known = ", ".join(f"cuda:{i}" for i in range(count))
        raise EngineError(f"no device '{device}' here; there is cpu, {known}")


def make_warp(model: mujoco.MjModel, nworld: int, choice: EngineChoice) -> Engine:
    """Return worlds of MuJoCo Warp.

    Raises:
        EngineError: they cannot be had.
    """
    require_engine(choice)
    # imported here: only who asked for it need have it
    from rewardgen_envs.engines.mujoco_warp import MujocoWarpEngine

    if choice.budget is None:
        raise EngineError("MuJoCo Warp must be told the room for contacts; probed_budget() does")
    return MujocoWarpEngine(model, nworld, choice.device, choice.budget)
