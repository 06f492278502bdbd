"""The contract of a task, and what its author writes.

A task is a stateless description: scene, features, resets, terminations, fitness. The
simulation (``simulation.py``) holds the state and the order of a step.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import mujoco
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from rewardgen_envs.base_task import (
    BaseTask,
    BoxAction,
    DiscreteAction,
    TaskError,
    standard_features,
)
from rewardgen_envs.cameras import Camera, views
from rewardgen_envs.draw import Draw
from rewardgen_envs.features import Feature, FeatureTable, FeatureView
from rewardgen_envs.physics import Physics
from rewardgen_envs.quantities import Quantities
from rewardgen_envs.scene import (
    SceneError,
    compile_scene,
    has_acceleration_sensor,
    scene_sha256,
)
from rewardgen_envs.trackers import Tracker

__all__ = ["BoxAction", "DiscreteAction", "Initial", "Task", "TaskError"]


@dataclass(frozen=True)
class Initial:
    """The start of an episode, row by row.

    Attributes:
        qpos: generalized positions (R, nq).
        qvel: generalized velocities (R, nv).
        variables: per-episode values (R, *shape), one entry per declared variable.
        mocap: where mocap bodies stand, (R, 3) m by the body's name; where the scene puts them if
            they are not named.
    """

    qpos: Tensor
    qvel: Tensor
    variables: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])
    mocap: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])


class Task(BaseTask):
    """One simulated task. Subclasses set the class attributes and write the methods.

    Attributes:
        name, description, version, causes, metrics, human_reward, fitness_in_features: see
            ``BaseTask``.
        decimation: physics substeps per control step.
        episode_s: nominal episode length in seconds.
        features: what ``measure`` and ``derive`` compute.
        variables: per-episode values drawn by ``reset``; they are features like any other.
        trackers: features with a memory.
        cameras: points of view by name, the usual one first; by default the scene's own and
            four around the robot.
        randomization: how far an episode's physics may be from the scene's, by what differs, as
            ``randomization.py`` adds it to a task.
    """

    decimation: ClassVar[int]
    episode_s: ClassVar[float]
    variables: ClassVar[tuple[Feature, ...]] = ()
    trackers: ClassVar[tuple[Tracker, ...]] = ()
    cameras: ClassVar[Mapping[str, Camera]] = {}
    randomization: ClassVar[Mapping[str, float]] = {}

    # ---- what an author writes

    @abstractmethod
    def scene(self) -> mujoco.MjSpec:
        """Return the scene, not yet compiled."""

    @abstractmethod
    def measure(self, physics: Physics, variables: Quantities) -> dict[str, Tensor]:
        """Compute, row by row, what follows from the physics alone; (R, *shape) each.

        Returns every declared feature that ``derive`` does not, and what trackers need;
        keys that are no declared feature serve trackers and ``derive`` only.
        """

    def derive(self, quantities: Quantities) -> dict[str, Tensor]:
        """Compute what needs trackers or time, row by row; (R, *shape) each.

        Sees what ``measure`` returned, the variables, ``episode_time_s`` and the trackers.
        """
        del quantities
        return {}

    @abstractmethod
    def observation(self, features: FeatureView) -> Float[Tensor, "... O"]:
        """Return what the policy sees; any leading dimensions."""

    def terminations(self, features: FeatureView) -> dict[str, Bool[Tensor, "..."]]:
        """Return each declared cause of termination."""
        del features
        return {}

    @abstractmethod
    def reset(self, mask: Bool[Tensor, " R"], draw: Draw) -> Initial:
        """Return the start of new episodes, row by row; rows outside ``mask`` are ignored."""

    @property
    def action(self) -> BoxAction | DiscreteAction:
        """The action space; by default one number in [-1, 1] per actuator."""
        return BoxAction(int(self.model.nu))

    def actuate(self, action: Tensor, features: FeatureView) -> Float[Tensor, "B nu"]:
        """Return actuator controls; by default affine from [-1, 1] to each actuator's range."""
        del features
        low, high = self._control_range(action.device)
        return low + (action.to(low.dtype) + 1.0) * (0.5 * (high - low))

    def move_mocap(self, action: Tensor, features: FeatureView) -> dict[str, Tensor]:
        """Return where mocap bodies go before the step, (B, 3) m by name; by default they stay."""
        del action, features
        return {}

    # ---- what follows from it

    @cached_property
    def table(self) -> FeatureTable:
        """All features and their columns."""
        causes = tuple(Feature(name, (), "bool", text) for name, text in self.causes.items())
        try:
            standard = standard_features(self.action)
            return FeatureTable((*self.declared, *causes, *standard))
        except ValueError as error:
            raise TaskError(f"task '{self.name}': {error}") from error

    @property
    def declared(self) -> tuple[Feature, ...]:
        """The features that the task's author describes."""
        return (*self.features, *self.variables, *(t.feature for t in self.trackers))

    @cached_property
    def _compiled(self) -> tuple[mujoco.MjModel, str]:
        spec = self.scene()
        model = compile_scene(spec, self.name)
        needing = [f.name for f in self.features if f.needs_acceleration]
        if needing and not has_acceleration_sensor(model):
            raise SceneError(
                f"task '{self.name}': feature '{needing[0]}' needs contact forces, but the scene "
                "holds no accelerometer, force or torque sensor, so they would silently be zero; "
                "add one, for example spec.add_sensor(type=mjSENS_ACCELEROMETER, …)"
            )
        return model, scene_sha256(spec)

    @property
    def model(self) -> mujoco.MjModel:
        """The compiled scene."""
        return self._compiled[0]

    @cached_property
    def scene_sha256(self) -> str:
        """Hash of the compiled scene."""
        return self._compiled[1]

    @cached_property
    def views(self) -> dict[str, mujoco.MjvCamera]:
        """All points of view by name, the usual one first."""
        return views(self.model, self.cameras)

    @cached_property
    def _control_ranges(self) -> dict[torch.device, tuple[Tensor, Tensor]]:
        return {}

    def _control_range(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return the limits of every actuator on a device, where they stay."""
        known = self._control_ranges.get(device)
        if known is not None:
            return known
        limited = torch.as_tensor(self.model.actuator_ctrllimited.astype(bool))
        if not bool(limited.all()):
            raise TaskError(
                f"task '{self.name}': an actuator has no control range, so actions in [-1, 1] "
                "have no meaning; set ctrlrange in the scene or override actuate()"
            )
        bounds = torch.as_tensor(self.model.actuator_ctrlrange.copy(), device=device)
        self._control_ranges[device] = bounds[:, 0], bounds[:, 1]
        return self._control_ranges[device]

    @cached_property
    def control_dt_s(self) -> float:
        """Length of a control step in seconds."""
        return float(self.model.opt.timestep) * self.decimation

    @cached_property
    def episode_steps(self) -> int:
        """Nominal episode length in control steps."""
        return max(1, round(self.episode_s / self.control_dt_s))

    @cached_property
    def observation_size(self) -> int:
        """Number of columns O of the observation."""
        return int(self.observation(self.table.view(torch.zeros(1, self.table.width))).shape[-1])
