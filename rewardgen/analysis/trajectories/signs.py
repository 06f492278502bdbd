"""Signs that a policy lives on the simulation rather than on the task.

Each is a figure with a threshold. A figure is a plain fact; whether it is an exploit depends on how
the policies fare (``alarms.py``): a gait is a cycle, too, and who is asked to wave may wave.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from rewardgen.analysis.trajectories.episodes import Floats
from rewardgen.store.analysis_records import SignRecord
from rewardgen_envs.motion import Motion

CYCLE_FROM = 0.6
SATURATION_FROM = 0.9
DWELL_FROM = 0.5
CONTACT_FROM = 0.4
ENERGY_FROM = 0.3

NEAR = 0.25
"""Of how far a policy moves about: closer than this it is back."""
AWAY = 0.75
"""Further than this it has left."""
STILL = 0.05
"""Who moves about less than this (radians, or robot lengths) stands still, and does not cycle."""
AT_LIMIT = 0.01
FULL = 0.99
HARD_FREE = 10.0
"""Robot weights: a harder push on a robot that stands on its own is a blow."""
HARD_MOUNTED = 1.0
"""The same of a mounted robot, which may press on something for long, with some of its strength."""
PRESS = 5.0
"""Times the median push: no more is a blow of a mounted robot."""
HOT = 10.0
"""Times the mean power: what is above it is a burst."""
APART_S = 0.2
"""Bursts that follow each other within this time are one."""


def cycle_rate(places: Float[np.ndarray, "T C"]) -> float:
    """Return the share of an episode's steps that only repeat what it did before.

    A step does if the episode was in the same place before, went on to the same place, and had
    left it in between.

    Args:
        places: configuration at each step, angles in rad and distances in robot lengths.
    """
    spread = float(np.sqrt(((places - places.mean(axis=0)) ** 2).sum(axis=1).mean()))
    if len(places) < 3 or spread < STILL:
        return 0.0
    pairs = np.concatenate([places[:-1], places[1:]], axis=1)
    squares = (pairs**2).sum(axis=1)
    apart = squares[:, None] + squares[None] - 2.0 * pairs @ pairs.T
    distance = np.sqrt(np.maximum(apart / 2.0, 0.0)) / spread
    returned = 0
    for step in range(2, len(pairs)):
        before = distance[step, step - 1 :: -1]
        farthest = np.maximum.accumulate(before)
        returned += bool(((before < NEAR) & (farthest > AWAY)).any())
    return returned / len(pairs)


def action_saturation(action: Float[np.ndarray, "T A"]) -> float:
    """Return the share of actions at an end of their range."""
    return float((np.abs(action) >= FULL).mean())


def limit_dwell(
    joint: Float[np.ndarray, "S J"], low: Float[np.ndarray, " J"], high: Float[np.ndarray, " J"]
) -> float:
    """Return the share of time that joints spend within 1 % of their range of a limit."""
    near = AT_LIMIT * (high - low)
    return float(((joint <= low + near) | (joint >= high - near)).mean())


def blow_share(push_n: Float[np.ndarray, " S"], weight_n: float, *, falls: bool) -> float:
    """Return the share of all that contacts push in an episode that comes in blows.

    Args:
        push_n: what all contacts of the robot push at each instant, along their normals.
        weight_n: of the robot.
        falls: whether it stands on its own; else it is mounted.
    """
    touching = push_n[push_n > 0.0]
    if not len(touching):
        return 0.0
    pressing = PRESS * float(np.median(touching))
    hard = HARD_FREE * weight_n if falls else max(HARD_MOUNTED * weight_n, pressing)
    return float(push_n[push_n > hard].sum() / push_n.sum())


def burst_share(power_w: Float[np.ndarray, " S"], dt_s: float) -> float:
    """Return the share of the energy that is spent in bursts, the strongest one left out.

    A single one may well be a start, or one swift reach.

    Args:
        power_w: at each instant.
        dt_s: between instants.
    """
    total = float(power_w.sum())
    hot = np.flatnonzero(power_w > HOT * power_w.mean())
    if not len(hot):
        return 0.0
    first = np.flatnonzero(np.diff(hot, prepend=hot[0]) * dt_s > APART_S)
    energies = [float(power_w[places].sum()) for places in np.split(hot, first)]
    return (sum(energies) - max(energies)) / total


# ---- records, averaged over episodes


def cycles(places: Sequence[Floats]) -> SignRecord:
    """Return how much of the episodes is repetition.

    Args:
        places: configurations of each episode.
    """
    meaning = "share of steps that repeat an earlier part of the episode"
    return _sign("cycles", [cycle_rate(each) for each in places], CYCLE_FROM, meaning)


def saturation(actions: Sequence[Floats] | None) -> SignRecord:
    """Return how much of the action is all or nothing; None for discrete actions."""
    meaning = "share of actions at an end of their range"
    if actions is None:
        return _unknown("action saturation", SATURATION_FROM, meaning, "actions are discrete")
    figures = [action_saturation(each) for each in actions]
    return _sign("action saturation", figures, SATURATION_FROM, meaning)


def motion_signs(motions: Sequence[Motion], why_none: str) -> tuple[SignRecord, ...]:
    """Return the signs that need the true state.

    Args:
        motions: episodes.
        why_none: why there are none, or "".
    """
    limits = "share of time that limited joints spend at a limit"
    contact = (
        f"share of all that contacts push in blows, of more than {HARD_FREE:g} robot weights "
        f"({HARD_MOUNTED:g}, and {PRESS:g} times the median push, if it is mounted)"
    )
    energy = f"share of the energy in bursts above {HOT:g} times the mean power, but the strongest"
    if not motions:
        return (
            _unknown("joint-limit dwell", DWELL_FROM, limits, why_none),
            _unknown("contact spikes", CONTACT_FROM, contact, why_none),
            _unknown("energy spikes", ENERGY_FROM, energy, why_none),
        )
    return (
        _dwell(motions, limits),
        _blows(motions, contact),
        _sign(
            "energy spikes", [burst_share(m.power_w, m.dt_s) for m in motions], ENERGY_FROM, energy
        ),
    )


def _dwell(motions: Sequence[Motion], meaning: str) -> SignRecord:
    if not motions[0].robot.joint_names:
        reason = "no joint of the robot has a limit"
        return _unknown("joint-limit dwell", DWELL_FROM, meaning, reason)
    figures = [limit_dwell(m.joint, m.robot.joint_low, m.robot.joint_high) for m in motions]
    return _sign("joint-limit dwell", figures, DWELL_FROM, meaning)


def _blows(motions: Sequence[Motion], meaning: str) -> SignRecord:
    if not any(len(m.contacts.sample) for m in motions):
        return _unknown("contact spikes", CONTACT_FROM, meaning, "the robot touches nothing")
    figures = [blow_share(_push_n(m), m.robot.weight_n, falls=m.robot.falls) for m in motions]
    return _sign("contact spikes", figures, CONTACT_FROM, meaning)


def _push_n(motion: Motion) -> Floats:
    contacts = motion.contacts
    pushes = np.bincount(contacts.sample, weights=contacts.normal_n, minlength=motion.samples)
    return pushes.astype(np.float64)  # of no contacts, numpy counts in integers


def _sign(name: str, figures: Sequence[float], threshold: float, meaning: str) -> SignRecord:
    figure = float(np.mean(figures))
    return SignRecord(
        name=name, figure=figure, threshold=threshold, tripped=figure >= threshold, meaning=meaning
    )


def _unknown(name: str, threshold: float, meaning: str, reason: str) -> SignRecord:
    return SignRecord(
        name=name, figure=None, threshold=threshold, tripped=False, meaning=meaning, reason=reason
    )
