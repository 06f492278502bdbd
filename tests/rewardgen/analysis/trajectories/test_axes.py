"""The axes on planted motions: stance, dragged feet, flight; and what cannot be said."""

from __future__ import annotations

import numpy as np
import pytest

from rewardgen.analysis.trajectories.axes import (
    Scale,
    axes,
    contact,
    dynamic,
    kinematic,
    support_distance,
)
from rewardgen.analysis.trajectories.episodes import Floats
from rewardgen_envs.motion import Contacts, Motion, Robot, Touched
from rewardgen_envs.registry import load_task
from tests.envs.played import motion_of
from tests.envs.sled import Flying, Sled, Sliding

SAMPLES, DT_S = 300, 0.01
FEET = np.array([[0.1, 0.2, 0.0], [0.1, -0.2, 0.0], [-0.1, 0.2, 0.0], [-0.1, -0.2, 0.0]])
WEIGHT_N = 70.0 * 9.81


def person(*, falls: bool = True, gravity: float = 9.81) -> Robot:
    return Robot(
        bodies=np.array([1, 2]),
        falls=falls,
        mass_kg=70.0,
        length_m=1.7,
        gravity_m_s2=gravity,
        joint_low=np.zeros(0),
        joint_high=np.zeros(0),
        joint_names=(),
        force_limit=np.array([100.0, np.inf]),
    )


def feet(
    *,
    speed_m_s: float = 0.0,
    slip_m_s: float = 0.0,
    depth_m: float = 0.001,
    soft_m: float = 0.001,
    load: float = 1.0,
    samples: int = SAMPLES,
    touched: Touched = Touched.GROUND,
) -> Contacts:
    """Four feet on the ground that move and slip in x, sharing a load in robot weights."""
    count = 4 * samples
    one = np.tile([0.0, 0.0, load * WEIGHT_N / 4], (count, 1))
    return Contacts(
        sample=np.arange(samples).repeat(4),
        touched=np.full(count, int(touched)),
        position=np.tile(FEET, (samples, 1)),
        force=one,
        normal_n=one[:, 2],
        velocity=np.tile([speed_m_s, 0.0, 0.0], (count, 1)),
        slip_m_s=np.full(count, slip_m_s),
        depth_m=np.full(count, depth_m),
        soft_m=np.full(count, soft_m),
    )


def motion(
    contacts: Contacts,
    *,
    robot: Robot | None = None,
    base_speed_m_s: float = 0.0,
    com: tuple[float, float] = (0.0, 0.0),
    force: float = 0.0,
    position: Floats | None = None,
) -> Motion:
    time = DT_S * np.arange(SAMPLES)
    moved = np.zeros((SAMPLES, 2, 3)) if position is None else position
    velocity = np.tile([base_speed_m_s, 0.0, 0.0], (SAMPLES, 2, 1))
    return Motion(
        robot=robot or person(),
        dt_s=DT_S,
        position=moved + base_speed_m_s * time[:, None, None] * [1.0, 0.0, 0.0],
        rotation=np.tile(np.eye(3), (SAMPLES, 1, 1)),
        velocity=velocity,
        com=np.tile([*com, 1.0], (SAMPLES, 1)),
        force=np.full((SAMPLES, 2), force),
        speed=np.ones((SAMPLES, 2)),
        joint=np.zeros((SAMPLES, 0)),
        contacts=contacts,
        drift=0.0,
    )


NOTHING = feet(samples=0)


def test_static_stance_violates_nothing() -> None:
    stance = motion(feet())
    assert contact(stance) == {"slip": 0.0, "penetration": 0.0, "floating": 0.0, "balance": 0.0}
    assert {k: v for k, v in kinematic(stance).items() if k != "limb lengths"} == {
        "speed": 0.0,
        "jitter": 0.0,
        "self-collision": 0.0,
    }
    assert dynamic(stance) == {
        "torque limits": 0.0,
        "ground force": 0.0,
        "energy": 0.0,
        "balance": 0.0,
    }
    assert axes([stance]).overall == 1.0


@pytest.mark.parametrize(("speed", "violation"), [(0.5, 1.0), (2.0, 1.0), (0.25, 0.5), (0.0, 0.0)])
def test_feet_dragged_under_load_slip(speed: float, violation: float) -> None:
    dragged = motion(feet(speed_m_s=speed, slip_m_s=speed), base_speed_m_s=speed)
    assert contact(dragged)["slip"] == pytest.approx(violation)


def test_dragged_with_the_base_is_floating_and_walking_over_planted_feet_is_not() -> None:
    assert contact(motion(feet(speed_m_s=1.0), base_speed_m_s=1.0))["floating"] == 1.0
    assert contact(motion(feet(), base_speed_m_s=1.0))["floating"] == 0.0
    # feet that run backwards twice as fast as the base moves forwards
    assert contact(motion(feet(speed_m_s=-1.0), base_speed_m_s=1.0))["floating"] == 1.0
    # a base that hardly moves says nothing, whatever the feet do
    assert contact(motion(feet(speed_m_s=0.1), base_speed_m_s=0.1))["floating"] == 0.0


def test_ballistic_flight_has_no_ground_force_and_no_balance() -> None:
    flying = motion(NOTHING, base_speed_m_s=2.0)
    found = dynamic(flying)
    assert found["ground force"] == 0.0 and found["balance"] == "it is in flight all the time"
    assert axes([flying]).dynamic.score == 1.0
    silent = axes([flying]).contact
    assert silent.score is None and silent.reason == "the robot touches nothing that is fixed"


def test_half_a_flight_is_judged_by_the_other_half() -> None:
    half = feet(samples=SAMPLES // 2)
    assert contact(motion(half, com=(0.6, 0.0)))["balance"] == pytest.approx(1.0)
    assert contact(motion(half, com=(0.35, 0.0)))["balance"] == pytest.approx(0.5, rel=1e-3)


def test_depth_counts_beyond_what_soft_contacts_give() -> None:
    assert contact(motion(feet(depth_m=0.005)))["penetration"] == 0.0
    assert contact(motion(feet(depth_m=0.0275)))["penetration"] == pytest.approx(0.5)
    assert contact(motion(feet(depth_m=0.2)))["penetration"] == 1.0
    # feet of foam that are made to give 2 cm
    assert contact(motion(feet(depth_m=0.02, soft_m=0.02)))["penetration"] == 0.0
    assert contact(motion(feet(depth_m=0.0425, soft_m=0.02)))["penetration"] == pytest.approx(0.5)


def test_ground_force_up_and_sideways() -> None:
    assert dynamic(motion(feet(load=2.9)))["ground force"] == 0.0
    assert dynamic(motion(feet(load=3.1)))["ground force"] == 0.5
    pushed = feet(load=3.1)
    pushed.force[:, 0] = 0.15 * WEIGHT_N
    assert dynamic(motion(pushed))["ground force"] == 1.0


def test_torque_at_limits_counts_only_where_there_are_limits() -> None:
    assert dynamic(motion(feet(), force=100.0))["torque limits"] == 1.0
    assert dynamic(motion(feet(), force=50.0))["torque limits"] == 0.0


def test_energy_is_power_by_weight_and_size() -> None:
    power = Scale.of(person()).power_w
    assert power == pytest.approx(70.0 * 9.81 * (9.81 * 1.7) ** 0.5)
    assert dynamic(motion(feet(), force=power / 8))["energy"] == pytest.approx(0.25)


def test_a_smaller_robot_has_smaller_lengths_and_speeds() -> None:
    """Froude's similarity: at a quarter of the length, half of the speed is as fast."""
    scale = Scale(length=0.25, speed=0.5, acceleration=1.0, power_w=1.0)
    robot = person()
    small = Robot(**{**vars(robot), "length_m": 1.7 / 4})
    assert Scale.of(small).length == pytest.approx(scale.length)
    assert Scale.of(small).speed == pytest.approx(scale.speed)
    dragged = motion(feet(slip_m_s=0.25), robot=small)
    assert contact(dragged)["slip"] == pytest.approx(1.0)
    assert kinematic(motion(feet(), robot=small, base_speed_m_s=2.6))["speed"] == 1.0
    assert kinematic(motion(feet(), base_speed_m_s=2.6))["speed"] == 0.0


def test_jitter_is_acceleration_in_the_world_and_from_the_base() -> None:
    """A body that swings by A sin(wt): mean |acceleration| is A w² 2/pi, in both views."""
    amplitude, rate = 0.1, 4.0 * np.pi
    swing = np.zeros((SAMPLES, 2, 3))
    swing[:, 1, 0] = amplitude * np.sin(rate * DT_S * np.arange(SAMPLES))
    mean = amplitude * rate**2 * 2.0 / np.pi / 2  # the base, one of two bodies, stands still
    expected = (2.0 * mean - 4.5) / 90.0
    assert kinematic(motion(feet(), position=swing))["jitter"] == pytest.approx(expected, rel=0.05)


def test_self_collision_from_a_fiftieth_of_the_time_on() -> None:
    for share, violation in ((0.02, 0.0), (0.11, 0.5), (0.5, 1.0)):
        itself = feet(samples=round(share * SAMPLES), touched=Touched.ITSELF)
        assert kinematic(motion(itself))["self-collision"] == pytest.approx(violation)
    assert contact(motion(itself))["slip"] == "the robot touches nothing that is fixed"


def test_a_mounted_robot_has_no_balance_to_lose() -> None:
    arm = axes([motion(feet(), robot=person(falls=False))])
    reasons = {p.name: p.reason for p in arm.contact.parts if p.violation is None}
    assert reasons == dict.fromkeys(("floating", "balance"), "the robot's base cannot fall")
    assert {p.name for p in arm.dynamic.parts if p.violation is not None} == {
        "torque limits",
        "energy",
    }
    assert arm.contact.score == 1.0 and arm.dynamic.score == 1.0


def test_without_gravity_there_is_no_weight_to_compare_with() -> None:
    found = axes([motion(feet(), robot=person(gravity=0.0))])
    reasons = {p.name: p.reason for p in found.dynamic.parts if p.violation is None}
    assert reasons == {"ground force": "there is no gravity", "energy": "there is no gravity"}


def test_distance_from_the_support_by_hand() -> None:
    com = np.array([[0.0, 0.0, 1.0], [0.4, 0.0, 1.0], [0.4, 0.6, 1.0], [0.0, 0.0, 1.0]])
    found = support_distance(feet(samples=3), com)
    assert found[:2] == pytest.approx([0.0, 0.3], abs=1e-6)
    assert found[2] == pytest.approx(0.5, rel=2e-4)  # from the corner (0.1, 0.2)
    assert np.isnan(found[3])


def test_parts_are_averaged_over_the_episodes_that_tell_them() -> None:
    found = axes([motion(feet(slip_m_s=0.5)), motion(feet()), motion(NOTHING)])
    slip = next(p for p in found.contact.parts if p.name == "slip")
    assert slip.violation == pytest.approx(0.5) and found.episodes == 3
    assert found.contact.score == pytest.approx(1.0 - 0.5 / 4)


def test_no_motion_has_a_reason() -> None:
    found = axes([], "no scene")
    assert found.overall is None and found.dynamic.reason == "no scene" and found.episodes == 0


# ---- the same in a simulator


def test_a_sled_that_stands_slides_and_flies() -> None:
    standing, sliding, flying = (motion_of(task) for task in (Sled(), Sliding(), Flying()))
    assert set(contact(standing).values()) == {0.0}
    quadruped = contact(motion_of(load_task("go1/velocity"), steps=200))
    for violation in quadruped.values():
        assert violation == pytest.approx(0.0, abs=0.01)
    assert contact(sliding)["slip"] == pytest.approx(1.0, abs=1e-2)
    assert contact(sliding)["floating"] == pytest.approx(1.0, abs=0.05)
    assert dynamic(flying)["ground force"] == 0.0
    assert dynamic(flying)["balance"] == "it is in flight all the time"
