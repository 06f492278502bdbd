"""``ant/wave-leg``: stand on three legs and wave the fourth."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from rewardgen_envs.ant.ant import HERE
from rewardgen_envs.ant.behaviour import Behaviour
from rewardgen_envs.features import Feature, FeatureView
from rewardgen_envs.metrics import Metric
from rewardgen_envs.trackers import Rule, Tracker

HIGH_M, LOW_M, WINDOW_S = 0.25, 0.15, 1.0
ON_FLOOR_M, UPRIGHT = 0.05, 0.9
SINCE_HIGH = Feature("since_high_s", (), "s", "Time since the front left foot was above 0.25 m.")
SINCE_LOW = Feature("since_low_s", (), "s", "Time since the front left foot was below 0.15 m.")


class WaveLeg(Behaviour):
    """The leg that waves is the front left one."""

    name = "ant/wave-leg"
    description = (
        "Make the ant stand upright on three legs and wave its front left leg: foot off the floor, "
        "up and down between 0.15 m and 0.25 m, at least every second."
    )
    trackers = (
        *Behaviour.trackers,
        Tracker(SINCE_HIGH, lambda q: q.foot_heights[:, 0] > HIGH_M, Rule.TIME_SINCE),
        Tracker(SINCE_LOW, lambda q: q.foot_heights[:, 0] < LOW_M, Rule.TIME_SINCE),
    )
    metrics = (
        Metric(
            name="waving",
            unit="1",
            description=(
                "Share of the episode with the front left foot off the floor and the others on it, "
                "the torso upright, and that foot both high and low within the last second."
            ),
            success=0.5,
        ),
    )
    human_reward = HERE / "wave_leg_reward.py"

    def observation(self, features: FeatureView) -> Float[Tensor, "... 34"]:
        """Return what every behaviour does, and whether the leg has to go up or down."""
        due = torch.stack([features.since_high_s, features.since_low_s], dim=-1)
        return torch.cat([super().observation(features), due.clamp(max=WINDOW_S)], dim=-1)

    def fitness(self, features: FeatureView) -> dict[str, Tensor]:
        """Return 1 while waving; the average over the episode is the fitness."""
        feet, upright = features.foot_heights, features.torso_up > UPRIGHT
        balanced = upright & (feet[..., 0] > ON_FLOOR_M) & (feet[..., 1:].amax(-1) < ON_FLOOR_M)
        # what has not happened yet was not recent, though its time counts from the start
        recent = (features.episode_time_s - 0.5 * self.control_dt_s).clamp(max=WINDOW_S)
        waved = torch.maximum(features.since_high_s, features.since_low_s) < recent
        return {"waving": balanced & waved}
