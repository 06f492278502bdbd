"""``humanoid/isaac-run``: run to a far target. The task of IsaacGymEnvs' ``Humanoid``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import mujoco
from jaxtyping import Bool, Float
from torch import Tensor

from rewardgen_envs.draw import Draw
from rewardgen_envs.far_target import (
    EPISODE_S,
    SUBSTEPS,
    at_sixty_hertz,
    derive_target,
    distance_gained,
    start_upright,
    target_features,
    target_observation,
)
from rewardgen_envs.features import Feature, FeatureView
from rewardgen_envs.free_root import PREVIOUS_TORSO_POSITION
from rewardgen_envs.humanoid.humanoid import FEET, HERE, JOINTS, Humanoid
from rewardgen_envs.quantities import Quantities
from rewardgen_envs.task import Initial

FALLEN_M = 0.8
START_M = 1.34


class IsaacRun(Humanoid):
    """As the original: control, substeps, episode, starts, fall, observation and progress.

    Different: the robot is Gymnasium's in MuJoCo, with 17 motors of 10 to 120 N·m and feet without
    joints (the original: 21 motors of 22.5 to 135 N·m with two ankle joints a leg; PhysX). So the
    observation has 17 joints; it leaves out the joints' torques, which the actions tell. Contact
    torques are about the centre of mass, and clipped. The step of 1/60 s is not rounded to
    0.0166 s. An episode that ends by time is a truncation. Fitness adds up the progress of an
    episode; Eureka averages it over steps.
    """

    name = "humanoid/isaac-run"
    description = (
        "Make the humanoid run upright to the target far ahead of it, at 60 control steps per "
        "second: get as much nearer as possible without falling."
    )
    decimation = SUBSTEPS
    episode_s = EPISODE_S
    fitness_in_features = True
    features: ClassVar[tuple[Feature, ...]] = (*Humanoid.features, *target_features(17, JOINTS))
    trackers = (*Humanoid.trackers, PREVIOUS_TORSO_POSITION)
    causes: ClassVar[Mapping[str, str]] = {"fallen": "The torso is lower than 0.8 m."}
    metrics = (distance_gained(success_m=10.0),)
    human_reward = HERE / "isaac_run_reward.py"

    def scene(self) -> mujoco.MjSpec:
        """Return the humanoid's scene, with shorter physics steps."""
        return at_sixty_hertz(super().scene())

    def derive(self, quantities: Quantities) -> dict[str, Tensor]:
        """Add where the target is."""
        return super().derive(quantities) | derive_target(quantities, self.model)

    def observation(self, features: FeatureView) -> Float[Tensor, "... 75"]:
        """Return the original's observation."""
        return target_observation(features, FEET)

    def terminations(self, features: FeatureView) -> dict[str, Bool[Tensor, "..."]]:
        """End the episode where the original does."""
        return {"fallen": features.torso_position[..., 2] < FALLEN_M}

    def reset(self, mask: Bool[Tensor, " R"], draw: Draw) -> Initial:
        """Start at 1.34 m, legs straight."""
        del mask
        return start_upright(self.model, draw, START_M)

    def fitness(self, features: FeatureView) -> dict[str, Tensor]:
        """Return the distance that this pace would gain; averaged over the episode, that gained."""
        return {"distance_gained": features.progress * self.episode_s}
