"""What a robot did in an episode, as true state: bodies, forces, contacts. Plain arrays.

One sample per physics step, so that an impact between two control steps is not missed. All of a
sample describes one instant: forces are those that this instant's positions and velocities give.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Touched(IntEnum):
    """What a contact of the robot is with."""

    GROUND = 0  # whatever is fixed to the world
    ITSELF = 1
    OBJECT = 2  # what can move and is no part of the robot


@dataclass(frozen=True)
class Robot:
    """The part of a scene that the actuators move, and what of it sets the scale.

    Attributes:
        bodies: ids of its bodies, the base first, (b,).
        falls: whether its base is free to fall; else it is mounted, or slides on a plane.
        mass_kg: of all its bodies.
        length_m: the longest side of the box around it in the scene's default pose.
        gravity_m_s2: of the scene.
        joint_low: lower limits of its limited hinges and slides, (J,) rad or m.
        joint_high: their upper limits.
        joint_names: their names.
        force_limit: largest force or torque of each actuator, (nu,); infinite where there is none.
    """

    bodies: Int[np.ndarray, " b"]
    falls: bool
    mass_kg: float
    length_m: float
    gravity_m_s2: float
    joint_low: Float[np.ndarray, " J"]
    joint_high: Float[np.ndarray, " J"]
    joint_names: tuple[str, ...]
    force_limit: Float[np.ndarray, " nu"]

    @property
    def weight_n(self) -> float:
        """Its weight."""
        return self.mass_kg * self.gravity_m_s2


@dataclass(frozen=True)
class Contacts:
    """Contacts of the robot that carry load, K of them over all samples, in order of time.

    Attributes:
        sample: the sample that each belongs to, (K,).
        touched: a ``Touched`` each, (K,).
        position: where, world frame, m.
        force: on the robot (of a contact with itself on one of its bodies), world frame, N.
        normal_n: part of the force along the contact's normal, never negative.
        velocity: of the robot's material at the point, world frame, m/s.
        slip_m_s: speed of the two materials along each other.
        depth_m: how deep they are in each other.
        soft_m: how deep they are made to go: within it a contact grows stiff (``solimp``'s width).
    """

    sample: Int[np.ndarray, " K"]
    touched: Int[np.ndarray, " K"]
    position: Float[np.ndarray, "K 3"]
    force: Float[np.ndarray, "K 3"]
    normal_n: Float[np.ndarray, " K"]
    velocity: Float[np.ndarray, "K 3"]
    slip_m_s: Float[np.ndarray, " K"]
    depth_m: Float[np.ndarray, " K"]
    soft_m: Float[np.ndarray, " K"]

    def of(self, kept: Bool[np.ndarray, " K"]) -> Contacts:
        """Return some of them."""
        return Contacts(**{name: values[kept] for name, values in vars(self).items()})


@dataclass(frozen=True)
class Motion:
    """One episode of a robot in S samples.

    Attributes:
        robot: who moved.
        dt_s: time between samples.
        position: of the robot's bodies, world frame, m; the base is the first.
        rotation: of its base, columns are its axes.
        velocity: of its bodies at their positions, world frame, m/s.
        com: its centre of mass, m.
        force: of each actuator, N or N·m.
        speed: at which each actuator moves what it acts on, m/s or rad/s.
        joint: positions of its limited hinges and slides, rad or m.
        contacts: what it touched.
        drift: how far, at most, a repeated control step ended from where the recorded one did, in
            generalized positions (m or rad); near 0 unless the scene does more than MuJoCo repeats.
    """

    robot: Robot
    dt_s: float
    position: Float[np.ndarray, "S b 3"]
    rotation: Float[np.ndarray, "S 3 3"]
    velocity: Float[np.ndarray, "S b 3"]
    com: Float[np.ndarray, "S 3"]
    force: Float[np.ndarray, "S nu"]
    speed: Float[np.ndarray, "S nu"]
    joint: Float[np.ndarray, "S J"]
    contacts: Contacts
    drift: float

    @property
    def samples(self) -> int:
        """S."""
        return len(self.com)

    @property
    def power_w(self) -> Float[np.ndarray, " S"]:
        """What all actuators do or brake, without sign."""
        return np.abs(self.force * self.speed).sum(axis=1)
