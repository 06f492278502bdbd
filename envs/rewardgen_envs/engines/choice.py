"""Which engine simulates, and where."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import mujoco

from rewardgen_envs.engines.base import Budget, Engine, EngineError

EngineName = Literal["mujoco", "warp"]


@dataclass(frozen=True)
class EngineChoice:
    """An engine by name; plain data, so that it can travel with a job.

    Attributes:
        name: ``mujoco`` (CPU threads) or ``warp`` (MuJoCo Warp).
        device: ``cpu``, ``cuda``, ``cuda:1`` …; ``mujoco`` knows only the first.
        budget: room for contacts; ``warp`` needs it.
    """

    name: EngineName = "mujoco"
    device: str = "cpu"
    budget: Budget | None = None

    @property
    def on_cpu(self) -> bool:
        """Whether tensors live in main memory."""
        return self.device == "cpu"


CPU = EngineChoice()


def with_more_room(choice: EngineChoice) -> EngineChoice:
    """Return the same engine with twice the room for contacts."""
    assert choice.budget is not None, "only an engine with a budget overflows"
    return replace(choice, budget=choice.budget.doubled())


def make_warp(model: mujoco.MjModel, nworld: int, choice: EngineChoice) -> Engine:
    """Return worlds of MuJoCo Warp.

    Raises:
        EngineError: it is not installed, or cannot be had as chosen.
    """
    try:
        from rewardgen_envs.engines.mujoco_warp import MujocoWarpEngine
    except ImportError as error:
        raise EngineError(
            f"MuJoCo Warp cannot be imported ({error}): it comes with the extra 'gpu', "
            "make install EXTRAS=gpu"
        ) from error
    if choice.budget is None:
        raise EngineError("MuJoCo Warp needs a budget of contacts; probed_budget() gives one")
    return MujocoWarpEngine(model, nworld, choice.device, choice.budget)
