"""What an action means: in words, and in the physics."""

from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np
import pytest

from rewardgen.skeleton.drives import REACH_RAD, drives, meanings
from rewardgen.skeleton.robot import Robot, read_robot
from tests.rewardgen.skeleton.scenes import ARM, GO1, robot


def one(
    actuator: str, tmp_path: Path, joint: str = 'name="j" range="-3 3" limited="true"'
) -> Robot:
    """Compile a joint with one actuator."""
    return robot(
        f'<mujoco><worldbody><site name="s"/><body><joint {joint}/><geom size="0.1"/>'
        f'<site name="t"/></body></worldbody><actuator>{actuator}</actuator>'
        '<keyframe><key qpos="0.7"/></keyframe></mujoco>',
        tmp_path,
    )


SERVO = "servo, 0 keeps the joint as it starts, ±1 is 0.5 rad from there"


@pytest.mark.parametrize(
    ("actuator", "centre", "reach", "meaning"),
    [
        # a posture is what action 0 means to a servo, wherever the middle of its range is
        ('<position joint="j" kp="9" ctrlrange="-3 3"/>', 0.7, None, SERVO),
        ('<position joint="j" kp="9" ctrlrange="-3 9"/>', 0.7, None, SERVO),
        ('<position joint="j" kp="9"/>', 0.7, None, SERVO),
        ('<position joint="j" kp="9" gear="2" ctrlrange="-6 6"/>', 1.4, 1.0, SERVO),
        ('<position joint="j" kp="9" ctrlrange="-3 0.6"/>', 0.6, None, SERVO),
        # a joint that turns little uses all of it
        ('<position joint="j" kp="9" ctrlrange="0 0.8"/>', 0.4, 0.4, "servo, 0 to 0.8 rad"),
        ('<velocity joint="j" kv="2" ctrlrange="-5 5"/>', 0, 5, "servo, velocity -5 to 5 rad/s"),
        ('<motor joint="j" ctrlrange="-1 2" gear="50"/>', 0.5, 1.5, "-50 to 100 N·m"),
        ('<motor joint="j" ctrlrange="-1 2" gear="-50"/>', 0.5, 1.5, "50 to -100 N·m"),
        ('<motor joint="j" forcerange="-4 4" gear="5"/>', 0, 4, "-20 to 20 N·m"),
        ('<motor site="t" refsite="s" gear="1 0 0 0 0 0" ctrlrange="0 9"/>', 4.5, 4.5, "0 to 9"),
    ],
)
def test_actions_are_told(
    actuator: str, centre: float, reach: float | None, meaning: str, tmp_path: Path
) -> None:
    (drive,) = drives(one(actuator, tmp_path))
    assert (drive.centre, drive.reach) == (pytest.approx(centre), pytest.approx(reach))
    assert drive.meaning.removeprefix("control ") == meaning


def test_a_motor_is_as_strong_as_its_joint_allows(tmp_path: Path) -> None:
    joint = 'name="j" actuatorfrcrange="-7 7" actuatorfrclimited="true"'
    (drive,) = drives(one('<motor joint="j" gear="2"/>', tmp_path, joint))
    assert (drive.reach, drive.meaning) == (3.5, "-7 to 7 N·m")


def test_along_a_slide_it_is_newton_and_metre(tmp_path: Path) -> None:
    joint = 'name="j" type="slide"'
    pair = '<motor joint="j" ctrlrange="-1 1"/><position joint="j" kp="5" ctrlrange="0 2"/>'
    assert [drive.meaning for drive in drives(one(pair, tmp_path, joint))] == [
        "-1 to 1 N",
        "servo, 0 to 2 m",
    ]


def test_where_the_file_gives_no_range_it_says_so(tmp_path: Path) -> None:
    (drive,) = drives(one('<motor joint="j"/>', tmp_path))
    assert "a guess" in drive.meaning and "CONTROLS" in drive.meaning
    assert not drive.whole


@pytest.mark.parametrize("path", [GO1, ARM], ids=["go1", "arm"])
def test_action_0_pulls_no_servo_away_from_the_start(path: Path) -> None:
    # the oracle is MuJoCo: at these controls, at rest, the servos give no force
    machine = read_robot(path)
    model, data = machine.model, mujoco.MjData(machine.model)
    given = drives(machine)
    data.qpos[:] = machine.data.qpos
    data.ctrl[:] = [drive.centre for drive in given]
    mujoco.mj_forward(model, data)
    held = [number for number, drive in enumerate(given) if drive.reach is None]
    assert len(held) in (7, 12)
    assert np.abs(data.actuator_force[held]).max() < 1e-9
    # and an action of ±1 lies within the range of the joint's motion in either direction
    joints = model.actuator_trnid[held, 0]
    bent = data.ctrl[held][:, None] + np.array([-REACH_RAD, REACH_RAD])
    low, high = model.jnt_range[joints].T
    assert ((bent[:, 0] < high) & (bent[:, 1] > low)).all()


def test_equal_neighbours_are_told_once() -> None:
    rows = meanings(drives(read_robot(ARM)))
    assert [len(names) for _, names in rows] == [7, 1]
    assert rows[1] == ("servo, 0 to 255", ["gripper"])
