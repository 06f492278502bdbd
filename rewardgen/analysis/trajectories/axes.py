"""Three axes of how plausible a motion is: bodies, contacts, forces; from the simulator's state.

The axes are those of PhyMotion, which scores videos of people. Here forces and points of contact
are the true ones, and what they were compared with in people follows from the robot: lengths go
with its length, speeds with the square root of length times gravity, forces with its weight, power
with weight times speed (Froude's similarity). A reference person is 1.7 m long on Earth.

What a simulator cannot get wrong (lengths of limbs) or a robot cannot show (balance in flight, or
of a mounted arm) is no part of a score.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from rewardgen.analysis.trajectories.episodes import Floats
from rewardgen.store.analysis_records import AxesRecord, AxisRecord, PartRecord
from rewardgen_envs.motion import Contacts, Motion, Robot, Touched

PERSON_M = 1.7
EARTH_M_S2 = 9.81
# of a person
SPEED_M_S = 5.0
SLIP_M_S = 0.5  # 0.05 m in a tenth of a second
DEPTH_M = 0.05
OFF_BALANCE_M = 0.5
JITTER_FROM_M_S2, JITTER_RANGE_M_S2 = 4.5, 90.0
# of anybody
COLLIDING_FROM, COLLIDING_RANGE = 0.02, 0.18
ROOT_MOVES_M_S = 0.3
CARRIED_FROM, CARRIED_TO = 0.6, 1.75  # speed of the base over the ground contact, over the world
UPWARD_WEIGHTS, SIDEWAYS_WEIGHTS = 3.0, 0.5
SOFT = 0.1  # of the depth: every contact of a simulator gives a little
AT_LIMIT = 0.999
FRAMES_PER_S = 30.0
_DIRECTIONS = 180

Part = float | str
"""A violation from 0 to 1, or why there is none."""


@dataclass(frozen=True)
class Scale:
    """How a robot compares with the reference person.

    Attributes:
        length: ratio of lengths.
        speed: of speeds.
        acceleration: of accelerations.
        power_w: that a robot of this weight and size is not expected to exceed.
    """

    length: float
    speed: float
    acceleration: float
    power_w: float

    @classmethod
    def of(cls, robot: Robot) -> Scale:
        """Return the scale of a robot; without gravity, speeds are those of people."""
        length, gravity = robot.length_m / PERSON_M, robot.gravity_m_s2 / EARTH_M_S2
        still = gravity == 0.0
        return cls(
            length=length,
            speed=math.sqrt(length * (1.0 if still else gravity)),
            acceleration=1.0 if still else gravity,
            power_w=robot.weight_n * math.sqrt(robot.gravity_m_s2 * robot.length_m),
        )


def axes(motions: Sequence[Motion], why_none: str = "") -> AxesRecord:
    """Return the axes over some episodes.

    Args:
        motions: the episodes.
        why_none: why there are none.
    """
    if not motions:
        nothing = AxisRecord(score=None, parts=(), reason=why_none)
        return AxesRecord(
            kinematic=nothing, contact=nothing, dynamic=nothing, overall=None, episodes=0
        )
    found = [
        _axis([parts(motion) for motion in motions]) for parts in (kinematic, contact, dynamic)
    ]
    scores = [axis.score for axis in found if axis.score is not None]
    return AxesRecord(
        kinematic=found[0],
        contact=found[1],
        dynamic=found[2],
        overall=float(np.mean(scores)) if scores else None,
        episodes=len(motions),
    )


def kinematic(motion: Motion) -> dict[str, Part]:
    """Return speed, jitter and self-collision."""
    scale = Scale.of(motion.robot)
    fastest = np.linalg.norm(motion.velocity, axis=2).max(axis=1)
    itself = motion.contacts.of(motion.contacts.touched == Touched.ITSELF).sample
    colliding = len(np.unique(itself)) / motion.samples
    return {
        "limb lengths": "bodies of a simulator are rigid",
        "speed": float((fastest > SPEED_M_S * scale.speed).mean()),
        "jitter": _jitter(motion, scale),
        "self-collision": _clip((colliding - COLLIDING_FROM) / COLLIDING_RANGE),
    }


def contact(motion: Motion) -> dict[str, Part]:
    """Return slip, penetration, floating and balance."""
    scale, every = Scale.of(motion.robot), motion.contacts
    ground = every.of(every.touched == Touched.GROUND)
    outside = every.of(every.touched != Touched.ITSELF)
    untouched = "the robot touches nothing that is fixed"
    return {
        "slip": slip(ground, scale) if len(ground.sample) else untouched,
        "penetration": penetration(outside, scale)
        if len(outside.sample)
        else "the robot touches nothing",
        "floating": _supported(motion, ground, lambda: floating(motion, ground, scale)),
        "balance": _supported(motion, ground, lambda: balance(motion, ground, scale)),
    }


def dynamic(motion: Motion) -> dict[str, Part]:
    """Return torque limits, ground force, energy and balance."""
    robot, scale = motion.robot, Scale.of(motion.robot)
    ground = motion.contacts.of(motion.contacts.touched == Touched.GROUND)
    limited = np.isfinite(robot.force_limit)
    at_limit = np.abs(motion.force[:, limited]) >= AT_LIMIT * robot.force_limit[limited]
    weightless = "there is no gravity"
    return {
        "torque limits": float(at_limit.mean()) if limited.any() else "no actuator has a limit",
        "ground force": ground_force(motion, ground)
        if robot.falls and robot.weight_n > 0.0
        else _not_falling(robot),
        "energy": _clip(float(motion.power_w.mean()) / scale.power_w)
        if scale.power_w > 0.0
        else weightless,
        "balance": _supported(motion, ground, lambda: balance(motion, ground, scale)),
    }


def slip(ground: Contacts, scale: Scale) -> float:
    """Return how fast what carries load slides over the ground, weighed by the load."""
    violation = np.minimum(ground.slip_m_s / (SLIP_M_S * scale.speed), 1.0)
    return float((violation * ground.normal_n).sum() / ground.normal_n.sum())


def penetration(contacts: Contacts, scale: Scale) -> float:
    """Return how deep the robot is in what it touches, beyond what contacts are made to give."""
    limit = DEPTH_M * scale.length
    beyond = contacts.depth_m - np.maximum(contacts.soft_m, SOFT * limit)
    return float(np.clip(beyond / ((1.0 - SOFT) * limit), 0.0, 1.0).mean())


def floating(motion: Motion, ground: Contacts, scale: Scale) -> float:
    """Return the share of supported time in which the base moves, but not over its contacts.

    What stands on the ground moves backwards as seen from the base, as fast as the base moves.
    Below a speed of the base nothing can be said, and nothing is held against it.
    """
    samples, load = _by_sample(ground)
    at = _weighted(ground.velocity, ground, samples, load)[:, :2]
    base = motion.velocity[samples, 0, :2]
    speed = np.linalg.norm(base, axis=1)
    moves = speed > ROOT_MOVES_M_S * scale.speed
    ratio = np.linalg.norm(at - base, axis=1) / np.where(moves, speed, 1.0)
    off = moves & ((ratio < CARRIED_FROM) | (ratio > CARRIED_TO))
    return float(off.mean())


def balance(motion: Motion, ground: Contacts, scale: Scale) -> float:
    """Return how far the centre of mass is beside the support, while there is any."""
    samples, _ = _by_sample(ground)
    distance = support_distance(ground, motion.com)[samples]
    return float(np.minimum(distance / (OFF_BALANCE_M * scale.length), 1.0).mean())


def support_distance(ground: Contacts, com: Float[np.ndarray, "S 3"]) -> Float[np.ndarray, " S"]:
    """Return the horizontal distance of a point from the hull of the contacts; NaN in flight.

    It is the largest distance by which the point lies beyond all contacts in any direction. Of
    finitely many directions it comes out too small by less than 0.02 %.
    """
    angle = np.arange(_DIRECTIONS) * (2.0 * np.pi / _DIRECTIONS)
    directions = np.stack([np.cos(angle), np.sin(angle)])
    farthest = np.full((len(com), _DIRECTIONS), -np.inf)
    if len(ground.sample):
        starts = np.flatnonzero(np.diff(ground.sample, prepend=-1))
        reach = ground.position[:, :2] @ directions
        farthest[ground.sample[starts]] = np.maximum.reduceat(reach, starts, axis=0)
    beyond = (com[:, :2] @ directions - farthest).max(axis=1)
    return np.where(np.isfinite(beyond), np.maximum(beyond, 0.0), np.nan)


def ground_force(motion: Motion, ground: Contacts) -> float:
    """Return how often the ground pushes harder than a plausible gait needs, up or sideways."""
    total = np.zeros((motion.samples, 3))
    np.add.at(total, ground.sample, ground.force)
    in_weights = _frames(total, motion.dt_s).mean(axis=1) / motion.robot.weight_n
    up = in_weights[:, 2] > UPWARD_WEIGHTS
    sideways = np.linalg.norm(in_weights[:, :2], axis=1) > SIDEWAYS_WEIGHTS
    return float(0.5 * (up.mean() + sideways.mean()))


# ---- internals


def _jitter(motion: Motion, scale: Scale) -> Part:
    """Return the mean acceleration of bodies, in the world and as seen from the base."""
    stride = max(1, round(1.0 / FRAMES_PER_S / motion.dt_s))
    places, turned = motion.position[::stride], motion.rotation[::stride]
    if len(places) < 3:
        return "the episodes are shorter than three frames"
    # rows times the matrix of columns: coordinates along the base's axes
    local = (places - places[:, :1]) @ turned
    dt_s = stride * motion.dt_s
    means = [
        float(np.linalg.norm(np.diff(x, n=2, axis=0) / dt_s**2, axis=2).mean())
        for x in (places, local)
    ]
    return _clip((sum(means) / scale.acceleration - JITTER_FROM_M_S2) / JITTER_RANGE_M_S2)


def _frames(values: Float[np.ndarray, "S 3"], dt_s: float) -> Float[np.ndarray, "N W 3"]:
    """Cut samples into frames of a thirtieth of a second; a rest is left out."""
    width = min(len(values), max(1, round(1.0 / FRAMES_PER_S / dt_s)))
    count = len(values) // width
    return values[: count * width].reshape(count, width, 3)


def _by_sample(ground: Contacts) -> tuple[Int[np.ndarray, " N"], Float[np.ndarray, " N"]]:
    """Return the samples with support, and the load in each."""
    samples, place = np.unique(ground.sample, return_inverse=True)
    return samples, np.bincount(place, weights=ground.normal_n)


def _weighted(
    values: Floats, ground: Contacts, samples: Int[np.ndarray, " N"], load: Floats
) -> Floats:
    """Average values of contacts over each sample, weighed by load."""
    place = np.searchsorted(samples, ground.sample)
    total = np.zeros((len(samples), values.shape[1]))
    np.add.at(total, place, values * ground.normal_n[:, None])
    return total / load[:, None]


def _supported(motion: Motion, ground: Contacts, violation: Callable[[], float]) -> Part:
    """Return a violation of a robot that stands on the ground at times, or why there is none."""
    if not motion.robot.falls:
        return _not_falling(motion.robot)
    return violation() if len(ground.sample) else "it is in flight all the time"


def _not_falling(robot: Robot) -> str:
    return "there is no gravity" if robot.falls else "the robot's base cannot fall"


def _axis(episodes: Sequence[Mapping[str, Part]]) -> AxisRecord:
    """Average the parts over the episodes in which they can be told."""
    parts: list[PartRecord] = []
    for name in episodes[0]:
        told = [episode[name] for episode in episodes]
        known = [value for value in told if isinstance(value, float)]
        reasons = [value for value in told if isinstance(value, str)]
        parts.append(
            PartRecord(name=name, violation=float(np.mean(known)))
            if known
            else PartRecord(name=name, violation=None, reason=reasons[0])
        )
    known = [part.violation for part in parts if part.violation is not None]
    if not known:
        return AxisRecord(score=None, parts=tuple(parts), reason=parts[0].reason)
    return AxisRecord(score=1.0 - float(np.mean(known)), parts=tuple(parts))


def _clip(value: float) -> float:
    return min(max(value, 0.0), 1.0)
