"""``half-cheetah/run``: run forward. The task of Gymnasium's ``HalfCheetah-v5``."""

from __future__ import annotations

from pathlib import Path

import mujoco
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from rewardgen_envs.draw import Draw
from rewardgen_envs.features import Feature, FeatureView
from rewardgen_envs.metrics import Metric
from rewardgen_envs.physics import Physics
from rewardgen_envs.quantities import Quantities
from rewardgen_envs.scene import gymnasium_scene
from rewardgen_envs.task import Initial, Task
from rewardgen_envs.trackers import Rule, Tracker

RESET_NOISE = 0.1
_JOINTS = "back thigh, back shin, back foot, front thigh, front shin and front foot"


class Run(Task):
    """A trunk and two legs of three joints; 14 kg; 0.05 s per control step; never terminates."""

    name = "half-cheetah/run"
    description = "Make the two-legged cheetah run forward as fast as possible."
    decimation = 5
    episode_s = 50.0
    fitness_in_features = True
    features = (
        Feature("torso_x", (), "m", "Forward position of the torso; 0 is the start."),
        Feature("torso_z", (), "m", "Height of the torso above where it hangs at the start."),
        Feature(
            "torso_pitch",
            (),
            "rad",
            "Pitch of the torso, counted through full turns; 0 is level, positive dips the nose.",
        ),
        Feature("joint_angles", (6,), "rad", f"Angles of {_JOINTS}."),
        Feature("torso_velocity_x", (), "m/s", "Forward velocity of the torso at this instant."),
        Feature("torso_velocity_z", (), "m/s", "Upward velocity of the torso at this instant."),
        Feature("torso_pitch_rate", (), "rad/s", "Angular velocity of the torso, nose down."),
        Feature("joint_velocities", (6,), "rad/s", f"Velocities of {_JOINTS}."),
        Feature(
            "forward_velocity",
            (),
            "m/s",
            "Displacement of the torso in the last control step divided by its duration.",
        ),
        Feature("foot_heights", (2,), "m", "Lowest point of back and front foot over the floor."),
    )
    trackers = (
        Tracker(
            Feature("previous_torso_x", (), "m", "torso_x one control step ago.", private=True),
            source="torso_x",
            rule=Rule.PREVIOUS,
        ),
    )
    metrics = (
        Metric(
            name="speed",
            unit="m/s",
            description="Forward displacement of the torso divided by the full episode time.",
            success=3.0,
        ),
    )
    human_reward = Path(__file__).parent / "run_reward.py"

    def scene(self) -> mujoco.MjSpec:
        """Return Gymnasium's scene.

        Its ``settotalmass`` is a deprecated attribute: the densities are scaled instead.
        """
        spec = gymnasium_scene("half_cheetah.xml")
        mass_kg = spec.compiler.settotalmass
        spec.compiler.settotalmass = -1.0
        scale = mass_kg / float(spec.compile().body_mass.sum())
        for geom in spec.geoms:
            geom.density *= scale
        return spec

    def measure(self, physics: Physics, variables: Quantities) -> dict[str, Tensor]:
        """Name the generalized coordinates and velocities, and find the feet."""
        del variables
        qpos, qvel = physics.qpos, physics.qvel
        return {
            "torso_x": qpos[:, 0],
            "torso_z": qpos[:, 1],
            "torso_pitch": qpos[:, 2],
            "joint_angles": qpos[:, 3:],
            "torso_velocity_x": qvel[:, 0],
            "torso_velocity_z": qvel[:, 1],
            "torso_pitch_rate": qvel[:, 2],
            "joint_velocities": qvel[:, 3:],
            "foot_heights": torch.stack(
                [physics.lowest_point("bfoot"), physics.lowest_point("ffoot")], dim=1
            ),
        }

    def derive(self, quantities: Quantities) -> dict[str, Tensor]:
        """Compute the forward velocity from the displacement."""
        displacement = quantities.torso_x - quantities.previous_torso_x
        return {"forward_velocity": displacement / self.control_dt_s}

    def observation(self, features: FeatureView) -> Float[Tensor, "... 17"]:
        """Return Gymnasium's observation: positions but the forward one, and velocities."""
        return torch.cat(
            [
                features.torso_z.unsqueeze(-1),
                features.torso_pitch.unsqueeze(-1),
                features.joint_angles,
                features.torso_velocity_x.unsqueeze(-1),
                features.torso_velocity_z.unsqueeze(-1),
                features.torso_pitch_rate.unsqueeze(-1),
                features.joint_velocities,
            ],
            dim=-1,
        )

    def reset(self, mask: Bool[Tensor, " R"], draw: Draw) -> Initial:
        """Start level, every coordinate off by up to ±0.1, velocities normal with std 0.1."""
        del mask
        return Initial(
            qpos=draw.uniform("qpos", (9,), -RESET_NOISE, RESET_NOISE),
            qvel=draw.normal("qvel", (9,), std=RESET_NOISE),
        )

    def fitness(self, features: FeatureView) -> dict[str, Tensor]:
        """Return the forward velocity; its average over the episode is the fitness."""
        return {"speed": features.forward_velocity}
