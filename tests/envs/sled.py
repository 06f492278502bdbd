"""A sled on four feet with a swinging rod: a robot whose contacts can be worked out by hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import mujoco
import torch
from torch import Tensor

from rewardgen_envs.draw import Draw
from rewardgen_envs.features import Feature, FeatureView
from rewardgen_envs.metrics import Metric
from rewardgen_envs.physics import Physics
from rewardgen_envs.quantities import Quantities
from rewardgen_envs.task import Initial, Task

MASS_KG = 10.0
_SCENE = """
<mujoco>
  <option timestep="0.005"/>
  <worldbody>
    <geom name="floor" type="plane" size="20 20 1" friction="{friction}" condim="{condim}"/>
    <body name="sled" pos="0 0 0.1">
      <freejoint/>
      <geom type="box" size="0.4 0.3 0.05" mass="9.5" contype="0" conaffinity="0"/>
      <geom type="sphere" size="0.05" pos="0.3 0.2 -0.05" mass="0.1" friction="{friction}"
            condim="{condim}"/>
      <geom type="sphere" size="0.05" pos="0.3 -0.2 -0.05" mass="0.1" friction="{friction}"
            condim="{condim}"/>
      <geom type="sphere" size="0.05" pos="-0.3 0.2 -0.05" mass="0.1" friction="{friction}"
            condim="{condim}"/>
      <geom type="sphere" size="0.05" pos="-0.3 -0.2 -0.05" mass="0.1" friction="{friction}"
            condim="{condim}"/>
      <body name="rod" pos="0 0 0.1">
        <joint name="rod" type="hinge" axis="0 1 0" range="-30 30" limited="true" damping="1"
               stiffness="5"/>
        <geom type="capsule" size="0.02 0.1" mass="0.1" contype="0" conaffinity="0"/>
      </body>
    </body>
  </worldbody>
  <actuator><motor joint="rod" gear="2" ctrlrange="-1 1" ctrllimited="true"/></actuator>
  <sensor><framelinacc name="acceleration" objtype="xbody" objname="sled"/></sensor>
</mujoco>
"""


@dataclass(frozen=True)
class Begin:
    """How an episode begins: height over the floor, and velocity along x and z."""

    height_m: float = 0.0
    forward_m_s: float = 0.0
    upward_m_s: float = 0.0


class Sled(Task):
    """Stands on its feet."""

    name = "sled/stand"
    description = "Stand."
    decimation = 4
    episode_s = 1.0
    features = (
        Feature("position", (3,), "m", "Position of the sled."),
        Feature("rod_angle", (), "rad", "Angle of the rod."),
    )
    metrics = (Metric("height", "m", "Mean height."),)
    human_reward = Path("none.py")
    begin: ClassVar[Begin] = Begin()
    slippery: ClassVar[bool] = False

    def scene(self) -> mujoco.MjSpec:
        """A frictionless floor or a rough one."""
        friction, condim = ("0 0 0", 1) if self.slippery else ("1 0.005 0.0001", 3)
        return mujoco.MjSpec.from_string(_SCENE.format(friction=friction, condim=condim))

    def measure(self, physics: Physics, variables: Quantities) -> dict[str, Tensor]:
        """Name positions."""
        del variables
        return {"position": physics.qpos[:, :3], "rod_angle": physics.joint_position("rod")}

    def observation(self, features: FeatureView) -> Tensor:
        """Height and rod."""
        return torch.cat([features.position, features.rod_angle[..., None]], dim=-1)

    def fitness(self, features: FeatureView) -> dict[str, Tensor]:
        """Height."""
        return {"height": features.position[..., 2]}

    def reset(self, mask: Tensor, draw: Draw) -> Initial:
        """Begin as the class says."""
        del draw
        qpos = torch.as_tensor(self.model.qpos0).repeat(len(mask), 1)
        qvel = torch.zeros(len(mask), self.model.nv, dtype=torch.float64)
        qpos[:, 2] += self.begin.height_m
        qvel[:, 0], qvel[:, 2] = self.begin.forward_m_s, self.begin.upward_m_s
        return Initial(qpos=qpos, qvel=qvel)


class Sliding(Sled):
    """Slides over a frictionless floor at 0.5 m/s."""

    name = "sled/slide"
    begin = Begin(forward_m_s=0.5)
    slippery = True


class Flying(Sled):
    """Is thrown upwards, and in the air for the whole second."""

    name = "sled/fly"
    begin = Begin(height_m=0.2, forward_m_s=1.0, upward_m_s=6.0)


class Dropped(Sled):
    """Falls from half a metre."""

    name = "sled/drop"
    begin = Begin(height_m=0.5)
