"""``ant/lie-down``: lie flat on the belly and keep still."""

from __future__ import annotations

import mujoco
from torch import Tensor

from rewardgen_envs.ant.ant import HERE
from rewardgen_envs.ant.behaviour import Behaviour
from rewardgen_envs.features import FeatureView
from rewardgen_envs.metrics import Metric

STRETCHED_DEG = 17.0
BELLY_DOWN_M, ON_FLOOR_M, STILL_RAD_S = 0.03, 0.05, 0.5


class LieDown(Behaviour):
    """Ankles here stretch to 17 degrees, where belly and feet are on the floor.

    With Gymnasium's 30 degrees the feet would keep the belly 11 cm above it. No low torso ends an
    episode; friction keeps an idle robot on its feet.
    """

    name = "ant/lie-down"
    description = (
        "Make the ant lie down flat on its belly, legs stretched out, and keep still there."
    )
    metrics = (
        Metric(
            name="lying",
            unit="1",
            description=(
                "Share of the episode with the belly and all four feet on the floor and no joint "
                "faster than 0.5 rad/s."
            ),
            success=0.7,
        ),
    )
    human_reward = HERE / "lie_down_reward.py"

    def scene(self) -> mujoco.MjSpec:
        """Return the ant with ankles that stretch."""
        spec = super().scene()
        for ankle in ("ankle_1", "ankle_2", "ankle_3", "ankle_4"):
            low, high = spec.joint(ankle).range
            spec.joint(ankle).range = (STRETCHED_DEG, high) if low > 0.0 else (low, -STRETCHED_DEG)
        return spec

    def fitness(self, features: FeatureView) -> dict[str, Tensor]:
        """Return 1 while lying still; the average over the episode is the fitness."""
        belly_down = features.torso_clearance < BELLY_DOWN_M
        feet_down = features.foot_heights.amax(-1) < ON_FLOOR_M
        still = features.joint_velocities.abs().amax(-1) < STILL_RAD_S
        return {"lying": belly_down & feet_down & still}
