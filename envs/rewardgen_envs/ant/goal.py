"""``ant/goal``: reach one random goal after another, each within its time window."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from rewardgen_envs.ant.ant import ANT_FEATURES, HERE, Ant
from rewardgen_envs.draw import Draw
from rewardgen_envs.features import Feature, FeatureView
from rewardgen_envs.free_root import PREVIOUS_TORSO_POSITION, along_heading, proprioception
from rewardgen_envs.metrics import Accumulation, Metric
from rewardgen_envs.quantities import Quantities
from rewardgen_envs.task import Initial
from rewardgen_envs.trackers import Rule, Tracker

GOALS = 5
WINDOW_S = 5.0
REACH_M = 0.5
NEAREST_GOAL_M = 1.0
FARTHEST_GOAL_M = 2.5
ROUNDING_S = 1e-6  # so that a window's first instant, a sum of rounded steps, lies in it


def _active(quantities: Quantities) -> Bool[Tensor, "R goals"]:
    """Mark the goal whose time window is now."""
    window = ((quantities.episode_time_s + ROUNDING_S) / WINDOW_S).long().clamp(max=GOALS - 1)
    return window.unsqueeze(1) == torch.arange(GOALS, device=window.device)


def _reached_now(quantities: Quantities) -> Bool[Tensor, "R goals"]:
    """Mark the active goal where the torso is within reach of it."""
    away = quantities.goals - quantities.torso_position[:, None, :2]
    return (torch.hypot(away[..., 0], away[..., 1]) < REACH_M) & _active(quantities)


class Goal(Ant):
    """Five goals around the start, 1 m to 2.5 m from it, active for five seconds each."""

    name = "ant/goal"
    description = (
        "Make the four-legged ant walk to the active goal and wait there for the next one. A goal "
        f"counts as reached if the torso comes within {REACH_M} m of it in its {WINDOW_S:.0f} s."
    )
    episode_s = GOALS * WINDOW_S
    features = (
        *ANT_FEATURES,
        Feature("goal_position", (2,), "m", "Position of the active goal, x and y."),
        Feature(
            "goal_vector",
            (2,),
            "m",
            "From the torso to the active goal, seen along the torso's heading: ahead, left.",
        ),
        Feature("goal_distance", (), "m", "Horizontal distance from the torso to the active goal."),
        Feature(
            "heading_error",
            (),
            "rad",
            "Angle from the torso's heading to the direction of the goal, in (-pi, pi].",
        ),
        Feature(
            "approach_velocity",
            (),
            "m/s",
            "How fast the distance to the active goal shrank in the last control step.",
        ),
        Feature("at_goal", (), "bool", f"1 within {REACH_M} m of the active goal."),
        Feature("goal_time_left_s", (), "s", "Time until the next goal becomes active."),
    )
    variables = (
        Feature("goals", (GOALS, 2), "m", "Positions of all goals, in their order.", private=True),
    )
    trackers = (
        PREVIOUS_TORSO_POSITION,
        Tracker(
            Feature("goals_reached", (GOALS,), "bool", "1 for each goal reached.", private=True),
            source=_reached_now,
            rule=Rule.MAXIMUM,
        ),
    )
    metrics = (
        Metric(
            name="goals_in_time",
            unit="1",
            description="Share of the goals that were reached while they were active.",
            accumulation=Accumulation.BEST,
            success=0.8,
        ),
    )
    human_reward = HERE / "goal_reward.py"

    def derive(self, quantities: Quantities) -> dict[str, Tensor]:
        """Compute velocities, and where the active goal is."""
        goal = (quantities.goals * _active(quantities).unsqueeze(2)).sum(1)
        away = goal - quantities.torso_position[:, :2]
        before = goal - quantities.previous_torso_position[:, :2]
        distance = torch.hypot(away[:, 0], away[:, 1])
        distance_before = torch.hypot(before[:, 0], before[:, 1])
        vector = along_heading(away, quantities.torso_quaternion)
        return super().derive(quantities) | {
            "goal_position": goal,
            "goal_vector": vector,
            "goal_distance": distance,
            "heading_error": torch.atan2(vector[:, 1], vector[:, 0]),
            "approach_velocity": (distance_before - distance) / self.control_dt_s,
            "at_goal": distance < REACH_M,
            "goal_time_left_s": WINDOW_S - (quantities.episode_time_s + ROUNDING_S) % WINDOW_S,
        }

    def observation(self, features: FeatureView) -> Float[Tensor, "... 30"]:
        """Return proprioception, the vector to the goal and the time left for it."""
        return torch.cat(
            [
                proprioception(features),
                features.goal_vector,
                features.goal_time_left_s.unsqueeze(-1),
            ],
            dim=-1,
        )

    def reset(self, mask: Bool[Tensor, " R"], draw: Draw) -> Initial:
        """Start like every ant, with new goals in a ring around the start, uniform in area."""
        start = super().reset(mask, draw)
        squared = draw.uniform("goal_distance", (GOALS,), NEAREST_GOAL_M**2, FARTHEST_GOAL_M**2)
        direction = draw.uniform("goal_direction", (GOALS,), -math.pi, math.pi)
        ring = torch.stack([torch.cos(direction), torch.sin(direction)], dim=2)
        goals = squared.sqrt().unsqueeze(2) * ring
        return Initial(qpos=start.qpos, qvel=start.qvel, variables={"goals": goals})

    def fitness(self, features: FeatureView) -> dict[str, Tensor]:
        """Return the share of goals reached so far."""
        return {"goals_in_time": features.goals_reached.mean(-1)}

    def sparse_reward(
        self, state: FeatureView, action: Tensor, next_state: FeatureView
    ) -> Float[Tensor, "..."]:
        """Return 1 where a goal has just been reached."""
        del action
        return next_state.goals_reached.sum(-1) - state.goals_reached.sum(-1)
