"""``ant/isaac-run``: run to a far target. The task of IsaacGymEnvs' ``Ant``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import mujoco
from jaxtyping import Bool, Float
from torch import Tensor

from rewardgen_envs.ant.ant import ANT_FEATURES, HERE, JOINTS, SHINS, Ant
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
from rewardgen_envs.features import FeatureView
from rewardgen_envs.quantities import Quantities
from rewardgen_envs.task import Initial

FALLEN_M = 0.31
START_M = 0.44


class IsaacRun(Ant):
    """As the original: control, substeps, episode, starts, fall, observation and progress.

    Different: the robot is Gymnasium's in MuJoCo, with motors of 150 N·m over joints of armature 1
    and damping 1 (the original: 15 N·m, 0.01 and 0.1; PhysX). Contact torques are about the centre
    of mass, and clipped. The step of 1/60 s is not rounded to 0.0166 s. An episode that ends by
    time is a truncation. Fitness adds up the progress of an episode; Eureka averages it over steps.
    """

    name = "ant/isaac-run"
    description = (
        "Make the ant run to the target far ahead of it, at 60 control steps per second: get as "
        "much nearer as possible, torso upright and facing the target."
    )
    decimation = SUBSTEPS
    episode_s = EPISODE_S
    fitness_in_features = True
    features = (*ANT_FEATURES, *target_features(8, JOINTS))
    causes: ClassVar[Mapping[str, str]] = {"fallen": "The torso is lower than 0.31 m."}
    metrics = (distance_gained(success_m=25.0),)
    human_reward = HERE / "isaac_run_reward.py"

    def scene(self) -> mujoco.MjSpec:
        """Return the ant's scene, with shorter physics steps."""
        return at_sixty_hertz(super().scene())

    def derive(self, quantities: Quantities) -> dict[str, Tensor]:
        """Add where the target is."""
        return super().derive(quantities) | derive_target(quantities, self.model)

    def observation(self, features: FeatureView) -> Float[Tensor, "... 60"]:
        """Return the original's observation."""
        return target_observation(features, SHINS)

    def terminations(self, features: FeatureView) -> dict[str, Bool[Tensor, "..."]]:
        """End the episode where the original does; on its feet the torso stays above 0.36 m."""
        return {"fallen": features.torso_position[..., 2] < FALLEN_M}

    def reset(self, mask: Bool[Tensor, " R"], draw: Draw) -> Initial:
        """Start at 0.44 m on bent legs."""
        del mask
        return start_upright(self.model, draw, START_M)

    def fitness(self, features: FeatureView) -> dict[str, Tensor]:
        """Return the distance that this pace would gain; averaged over the episode, that gained."""
        return {"distance_gained": features.progress * self.episode_s}
