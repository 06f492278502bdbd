"""What both cart-pole tasks share: scene, features, observation."""

from __future__ import annotations

import math
from pathlib import Path

import mujoco
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from rewardgen_envs.features import Feature, FeatureView
from rewardgen_envs.physics import Physics
from rewardgen_envs.quantities import Quantities
from rewardgen_envs.scene import load_scene
from rewardgen_envs.task import Task

HERE = Path(__file__).parent
UPRIGHT_COSINE = math.cos(math.radians(12.0))


def upright(features: FeatureView) -> Bool[Tensor, "..."]:
    """Return where the pole is within 12° of upright."""
    return features.pole_angle_cosine >= UPRIGHT_COSINE


class Cartpole(Task):
    """A cart on a rail of ±1.8 m with a pole of 1 m; one motor pushes the cart with ±10 N."""

    decimation = 4
    episode_s = 10.0
    features = (
        Feature("cart_position", (), "m", "Position of the cart on the rail; 0 is the middle."),
        Feature("cart_velocity", (), "m/s", "Velocity of the cart."),
        Feature("pole_angle", (), "rad", "Angle of the pole from upright, in (-pi, pi]."),
        Feature("pole_angle_cosine", (), "1", "Cosine of the pole's angle; 1 is upright."),
        Feature("pole_angle_sine", (), "1", "Sine of the pole's angle."),
        Feature("pole_angular_velocity", (), "rad/s", "Angular velocity of the pole."),
        Feature("pole_tip_height", (), "m", "Height of the pole's tip above the rail."),
    )

    def scene(self) -> mujoco.MjSpec:
        """Return the scene."""
        return load_scene(HERE / "cartpole.xml")

    def measure(self, physics: Physics, variables: Quantities) -> dict[str, Tensor]:
        """Compute all features from slider and hinge."""
        del variables
        angle = physics.joint_position("hinge")
        cosine, sine = torch.cos(angle), torch.sin(angle)
        return {
            "cart_position": physics.joint_position("slider"),
            "cart_velocity": physics.joint_velocity("slider"),
            "pole_angle": torch.atan2(sine, cosine),
            "pole_angle_cosine": cosine,
            "pole_angle_sine": sine,
            "pole_angular_velocity": physics.joint_velocity("hinge"),
            "pole_tip_height": cosine,  # the pole is 1 m long
        }

    def observation(self, features: FeatureView) -> Float[Tensor, "... 5"]:
        """Return cart position and velocity, the pole's angle as (cos, sin), its velocity."""
        return torch.stack(
            [
                features.cart_position,
                features.cart_velocity,
                features.pole_angle_cosine,
                features.pole_angle_sine,
                features.pole_angular_velocity,
            ],
            dim=-1,
        )
