"""``car/follow-path``: drive along a winding path, around obstacles."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import mujoco
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import pad

from rewardgen_envs.car.path import (
    SPACING_M,
    WAY_POINTS,
    Place,
    draw_path,
    place_on,
    points_at,
    seen_from,
)
from rewardgen_envs.draw import Draw
from rewardgen_envs.features import Feature, FeatureView
from rewardgen_envs.metrics import Metric
from rewardgen_envs.physics import Physics
from rewardgen_envs.quantities import Quantities
from rewardgen_envs.scene import load_scene
from rewardgen_envs.task import BoxAction, Initial, Task
from rewardgen_envs.trackers import Rule, Tracker

HERE = Path(__file__).parent
START_ARC_M = 1.5 * SPACING_M  # amid a segment; the path also goes on behind the finish
ROUTE_M = 100.0
LANE_M = 3.0  # to each side of the path
POINTS_AHEAD = 4
LOOK_AHEAD_M = 4.0  # from each of them to the next
OBSTACLES = 4
OBSTACLE_SPACING_M = 20.0  # along the path, also from the start to the first
OBSTACLE_JITTER_M = 4.0
OBSTACLE_OFF_M = (0.2, 1.5)  # to either side of the path
OBSTACLE_RADIUS_M = 0.6
CAR_HALF_LENGTH_M = 2.0
CAR_HALF_WIDTH_M = 0.86
PASSED_M = CAR_HALF_LENGTH_M + OBSTACLE_RADIUS_M
MARK_EVERY = 2  # way points
START_LEFT_M = 0.5
START_TURN_RAD = 0.1
START_SPEED_M_S = 2.0
_OWN = "in the car's frame: ahead, left"


class FollowPath(Task):
    """A car of one ton that slides when it is steered harder than its tyres hold.

    It moves in the plane: actuators on its axles stand for the tyres and push against sideways
    motion, with up to 4500 N each. Obstacles and way points of the path are bodies that only show
    where they are; whether the car hits one is a matter of geometry. Leaving the lane and hitting
    an obstacle end the route, as infractions do in driving benchmarks.
    """

    name = "car/follow-path"
    description = (
        "Drive the car along the winding path to its end as fast as is safe. Stay in the lane, "
        f"within {LANE_M:.0f} m of the path, and drive around the obstacles: leaving the lane or "
        "touching an obstacle ends the drive."
    )
    decimation = 2
    episode_s = 20.0
    fitness_in_features = True
    features = (
        Feature("lateral_error", (), "m", "How far the car is to the left of the path."),
        Feature("heading_error", (), "rad", "Angle from the path's direction to the car's."),
        Feature("forward_speed", (), "m/s", "Speed of the car ahead."),
        Feature("sideways_speed", (), "m/s", "Speed of the car to the left: how it slides."),
        Feature("yaw_rate", (), "rad/s", "How fast the car turns to the left."),
        Feature("steering_angle", (), "rad", "Angle of the front wheels, positive to the left."),
        Feature(
            "path_ahead",
            (POINTS_AHEAD, 2),
            "m",
            f"Points of the path 4, 8, 12 and 16 m further on, {_OWN}.",
        ),
        Feature(
            "progress", (), "m", f"Way along the path from the start; {ROUTE_M:.0f} at its end."
        ),
        Feature(
            "progress_velocity",
            (),
            "m/s",
            "Way along the path in the last control step divided by its duration.",
        ),
        Feature("obstacles", (OBSTACLES, 2), "m", f"Centres of all obstacles, {_OWN}."),
        Feature(
            "next_obstacle_distance",
            (),
            "m",
            "Way along the path from the car to the next obstacle that it has not passed; negative "
            "while beside it, and behind the last one.",
        ),
        Feature(
            "next_obstacle_left",
            (),
            "m",
            "How far that obstacle's centre is to the left of the path.",
        ),
        Feature(
            "obstacle_clearance",
            (),
            "m",
            "Room between the car and the nearest obstacle; negative where they overlap.",
        ),
        Feature("finished", (), "bool", "1 at the end of the route.", private=True),
    )
    variables = (
        Feature("way_points", (WAY_POINTS, 2), "m", "The path, in the world.", private=True),
        Feature(
            "obstacle_arcs",
            (OBSTACLES,),
            "m",
            "Way along the path to each obstacle from the first way point.",
            private=True,
        ),
        Feature(
            "obstacle_lefts",
            (OBSTACLES,),
            "m",
            "How far each obstacle is to the left of the path.",
            private=True,
        ),
    )
    trackers = (
        Tracker(
            Feature("previous_progress", (), "m", "progress one control step ago.", private=True),
            source="progress",
            rule=Rule.PREVIOUS,
        ),
    )
    causes: ClassVar[Mapping[str, str]] = {
        "off_lane": f"The car's centre is more than {LANE_M:.0f} m to the side of the path.",
        "hit_obstacle": "The car touches an obstacle.",
    }
    metrics = (
        Metric(
            name="route_completion",
            unit="1",
            description="Share of the route driven, up to the first infraction.",
            success=0.95,
        ),
    )
    human_reward = HERE / "follow_path_reward.py"

    def scene(self) -> mujoco.MjSpec:
        """Return the car with marks for way points and obstacles; they have no contacts."""
        spec = load_scene(HERE / "follow_path.xml")
        for kind, count in (("mark", WAY_POINTS // MARK_EVERY), ("obstacle", OBSTACLES)):
            for number in range(count):
                body = spec.worldbody.add_body(name=f"{kind}_{number}")
                for axis in ([1, 0, 0], [0, 1, 0]):
                    body.add_joint(type=mujoco.mjtJoint.mjJNT_SLIDE, axis=axis)
                body.add_geom(spec.find_default(kind))
        return spec

    @property
    def action(self) -> BoxAction:
        """Steering and drive; the tyres need no controls."""
        return BoxAction(2)

    def actuate(self, action: Tensor, features: FeatureView) -> Float[Tensor, "B nu"]:
        """Steer and drive."""
        return super().actuate(pad(action, (0, self.model.nu - 2)), features)

    def measure(self, physics: Physics, variables: Quantities) -> dict[str, Tensor]:
        """Find the car's place on the path, and see path and obstacles from the car."""
        qpos, qvel = physics.qpos, physics.qvel
        car, yaw = qpos[:, :2], qpos[:, 2]
        path = variables.way_points
        place = place_on(path, car)
        turned = yaw - place.direction
        obstacles = qpos[:, -2 * OBSTACLES :].reshape(-1, OBSTACLES, 2)
        progress = (place.arc - START_ARC_M).clamp(max=ROUTE_M)
        number = torch.arange(1, POINTS_AHEAD + 1, device=car.device)
        ahead = points_at(path, place.arc.unsqueeze(1) + LOOK_AHEAD_M * number)
        points = torch.cat([obstacles, ahead], dim=1) - car.unsqueeze(1)
        own = seen_from(yaw, torch.cat([qvel[:, None, :2], points], dim=1))
        speed, seen, path_ahead = own[:, 0], own[:, 1 : 1 + OBSTACLES], own[:, 1 + OBSTACLES :]
        return {
            "lateral_error": place.left,
            "heading_error": torch.atan2(torch.sin(turned), torch.cos(turned)),
            "forward_speed": speed[:, 0],
            "sideways_speed": speed[:, 1],
            "yaw_rate": qvel[:, 2],
            "steering_angle": qpos[:, 3],
            "path_ahead": path_ahead,
            "progress": progress,
            "finished": progress >= ROUTE_M,
            "obstacles": seen,
            "obstacle_clearance": _clearance(seen),
            **_next_obstacle(place, variables),
        }

    def derive(self, quantities: Quantities) -> dict[str, Tensor]:
        """Compute the progress of the last step."""
        gained = quantities.progress - quantities.previous_progress
        return {"progress_velocity": gained / self.control_dt_s}

    def observation(self, features: FeatureView) -> Float[Tensor, "... 17"]:
        """Return how the car stands to the path, how it moves, and what comes next."""
        numbers = [
            features.lateral_error,
            features.heading_error,
            features.forward_speed,
            features.sideways_speed,
            features.yaw_rate,
            features.steering_angle,
            features.next_obstacle_distance,
            features.next_obstacle_left,
            features.obstacle_clearance,
        ]
        return torch.cat([torch.stack(numbers, dim=-1), features.path_ahead.flatten(-2)], dim=-1)

    def terminations(self, features: FeatureView) -> dict[str, Bool[Tensor, "..."]]:
        """End the episode at an infraction."""
        return {
            "off_lane": features.lateral_error.abs() > LANE_M,
            "hit_obstacle": features.obstacle_clearance < 0.0,
        }

    def reset(self, mask: Bool[Tensor, " R"], draw: Draw) -> Initial:
        """Start on a new path with new obstacles, a bit off and slowly."""
        path = draw_path(draw)
        jitter = draw.uniform("obstacle_arc", (OBSTACLES,), -OBSTACLE_JITTER_M, OBSTACLE_JITTER_M)
        number = torch.arange(1, OBSTACLES + 1, device=mask.device)
        arcs = START_ARC_M + OBSTACLE_SPACING_M * number + jitter
        side = draw.uniform("obstacle_side", (OBSTACLES,), -1.0, 1.0).sign()
        lefts = side * draw.uniform("obstacle_left", (OBSTACLES,), *OBSTACLE_OFF_M)
        left = draw.uniform("left", (1,), -START_LEFT_M, START_LEFT_M)
        car = points_at(path, torch.full_like(left, START_ARC_M), left)[:, 0]
        turn = draw.uniform("turn", (), -START_TURN_RAD, START_TURN_RAD)
        yaw = place_on(path, car).direction + turn
        speed = draw.uniform("speed", (), 0.0, START_SPEED_M_S)
        pose = torch.stack([*car.unbind(1), yaw, torch.zeros_like(yaw)], dim=1)
        marks = [path[:, ::MARK_EVERY], points_at(path, arcs, lefts)]
        moving = torch.stack([speed * torch.cos(yaw), speed * torch.sin(yaw)], dim=1)
        return Initial(
            qpos=torch.cat([pose, *(mark.flatten(1) for mark in marks)], dim=1),
            qvel=pad(moving, (0, int(self.model.nv) - 2)),
            variables={"way_points": path, "obstacle_arcs": arcs, "obstacle_lefts": lefts},
        )

    def fitness(self, features: FeatureView) -> dict[str, Tensor]:
        """Return the share of the route per step, times the steps: the average is the sum."""
        return {"route_completion": features.progress_velocity * (self.episode_s / ROUTE_M)}

    def sparse_reward(
        self, state: FeatureView, action: Tensor, next_state: FeatureView
    ) -> Float[Tensor, "..."]:
        """Return 1 where the end of the route has just been reached."""
        del action
        return next_state.finished * (1.0 - state.finished)


def _clearance(seen: Float[Tensor, "R obstacles 2"]) -> Float[Tensor, " R"]:
    """Return the room between the car, a rectangle, and the nearest of the discs."""
    x, y = seen.abs().unbind(2)
    beyond_x, beyond_y = x - CAR_HALF_LENGTH_M, y - CAR_HALF_WIDTH_M
    distance = torch.hypot(beyond_x.clamp(min=0.0), beyond_y.clamp(min=0.0))
    return distance.amin(1) - OBSTACLE_RADIUS_M


def _next_obstacle(place: Place, variables: Quantities) -> dict[str, Tensor]:
    """Find the first obstacle that the car has not passed; after all, the last."""
    passed = variables.obstacle_arcs + PASSED_M < place.arc.unsqueeze(1)
    following = passed.sum(1, keepdim=True).clamp(max=OBSTACLES - 1)
    arc = variables.obstacle_arcs.gather(1, following)[:, 0]
    return {
        "next_obstacle_distance": arc - place.arc,
        "next_obstacle_left": variables.obstacle_lefts.gather(1, following)[:, 0],
    }
