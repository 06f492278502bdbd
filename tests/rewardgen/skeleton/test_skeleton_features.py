"""Features of a new task: what there is, in which unit, how it is put together."""

from __future__ import annotations

from pathlib import Path

import mujoco
import pytest

from rewardgen.skeleton.motion import activation_parts, floating_parts, joint_parts
from rewardgen.skeleton.part import Part
from rewardgen.skeleton.robot import Robot, read_robot
from rewardgen.skeleton.sensors import sensor_parts
from rewardgen.skeleton.surroundings import contact_parts, place_parts, tip_parts
from rewardgen_envs.scene import gymnasium_scene
from tests.rewardgen.skeleton.scenes import ARM, GO1, NO_NAMES, TOUCHING, robot


@pytest.fixture(scope="module")
def go1() -> Robot:
    return read_robot(GO1)


@pytest.fixture(scope="module")
def arm() -> Robot:
    return read_robot(ARM)


def gymnasium_robot(name: str) -> Robot:
    return read_robot(Path(gymnasium_scene(name).modelfiledir) / name)


def table(parts: list[Part]) -> dict[str, tuple[tuple[int, ...], str]]:
    """Name → shape and unit."""
    return {part.feature.name: (part.feature.shape, part.feature.unit) for part in parts}


def observed(parts: list[Part]) -> set[str]:
    return {part.feature.name for part in parts if part.observed}


def test_a_floating_robot_has_a_place_and_velocities(go1: Robot) -> None:
    parts = list(floating_parts(go1))
    assert table(parts) == {
        "trunk_position": ((3,), "m"),
        "trunk_height": ((), "m"),
        "trunk_quaternion": ((4,), "1"),
        "trunk_up": ((), "1"),
        "trunk_velocity": ((3,), "m/s"),
        "trunk_angular_velocity": ((3,), "rad/s"),
    }
    # where on the floor a robot is does not matter to it
    assert observed(parts) == table(parts).keys() - {"trunk_position", "trunk_up"}


def test_of_a_thing_that_the_robot_handles_its_place_is_seen(arm: Robot) -> None:
    assert {"cube_position", "cube_quaternion", "cube_velocity"} <= observed(
        list(floating_parts(arm))
    )


def test_joints_of_one_kind_come_together_with_their_names(go1: Robot, arm: Robot) -> None:
    parts = list(joint_parts(go1))
    assert table(parts) == {"joint_angles": ((12,), "rad"), "joint_velocities": ((12,), "rad/s")}
    assert "FL_hip_joint, FL_thigh_joint" in parts[0].feature.description
    assert table(list(joint_parts(arm))) == {
        "joint_angles": ((7,), "rad"),
        "joint_velocities": ((7,), "rad/s"),
        "finger_joint1_position": ((), "m"),
        "finger_joint1_velocity": ((), "m/s"),
        "finger_joint2_position": ((), "m"),
        "finger_joint2_velocity": ((), "m/s"),
    }


def test_many_joints_are_told_apart_by_limb() -> None:
    shapes = {name: shape for name, (shape, _) in table(list(joint_parts(_humanoid()))).items()}
    assert {name: shape for name, shape in shapes.items() if name.endswith("angles")} == {
        "lwaist_joint_angles": (3,),
        "right_thigh_joint_angles": (4,),
        "left_thigh_joint_angles": (4,),
        "right_upper_arm_joint_angles": (3,),
        "left_upper_arm_joint_angles": (3,),
    }


def _humanoid() -> Robot:
    return gymnasium_robot("humanoid.xml")


def test_the_joints_that_a_planar_robot_floats_on_have_features_of_their_own() -> None:
    cheetah = gymnasium_robot("half_cheetah.xml")
    assert cheetah.roams
    parts = list(joint_parts(cheetah))
    assert [part.feature.name for part in parts] == [
        *("rootx_position", "rootx_velocity", "rootz_position", "rootz_velocity"),
        *("rooty_angle", "rooty_velocity", "joint_angles", "joint_velocities"),
    ]
    assert table(parts)["joint_angles"] == ((6,), "rad")
    assert observed(parts) == table(parts).keys() - {"rootx_position"}
    assert "along x" in parts[0].feature.description


def test_a_driven_cart_does_not_float() -> None:
    cart = gymnasium_robot("inverted_pendulum.xml")
    assert not cart.roams and not cart.root_joints
    assert "slider_position" in observed(list(joint_parts(cart)))


def test_two_robots_are_told_apart(tmp_path: Path) -> None:
    limbs = "".join(
        f'<body name="{side}" pos="{x} 0 0"><joint name="{side}0"/><geom size="0.1"/>'
        + "".join(
            f'<body pos="0 0 0.3"><joint name="{side}{i}"/><geom size="0.1"/>' for i in range(1, 4)
        )
        + "</body>" * 4
        for side, x in (("left", 1), ("right", -1))
    )
    motors = '<motor joint="left0" ctrlrange="-1 1"/><motor joint="right0" ctrlrange="-1 1"/>'
    scene = f"<mujoco><worldbody>{limbs}</worldbody><actuator>{motors}</actuator></mujoco>"
    parts = list(joint_parts(robot(scene, tmp_path)))
    assert table(parts).keys() == {
        *("left_joint_angles", "left_joint_velocities"),
        *("right_joint_angles", "right_joint_velocities"),
    }


def test_what_has_no_name_is_found_by_its_place(tmp_path: Path) -> None:
    nameless = robot(NO_NAMES, tmp_path)
    parts = [*floating_parts(nameless), *joint_parts(nameless), *sensor_parts(nameless)]
    code = {part.feature.name: part.expression for part in parts}
    assert code["body_1_position"] == "physics.qpos[:, 0:3]"
    assert code["joint_2_position"] == "physics.qpos[:, 8]"
    assert code["joint_3_angular_velocity"] == "physics.qvel[:, 8:11]"
    assert code["gyro"] == 'physics.field("sensordata")[:, 3:6]'
    assert code["clock"] == 'physics.field("sensordata")[:, 6]'


def test_a_muscle_has_a_state(tmp_path: Path) -> None:
    parts = list(activation_parts(robot(TOUCHING, tmp_path)))
    assert table(parts) == {"activations": ((1,), "1")}
    assert observed(parts) == {"activations"}


# sensor → its unit; those with two apply to a hinge and to a slide
UNITS = {
    '<accelerometer site="s"/>': "m/s²",
    '<velocimeter site="s"/>': "m/s",
    '<gyro site="s"/>': "rad/s",
    '<force site="s"/>': "N",
    '<torque site="s"/>': "N·m",
    '<touch site="s"/>': "N",
    '<magnetometer site="s"/>': "1",
    '<rangefinder site="s"/>': "m",
    '<camprojection site="s" camera="c"/>': "px",
    '<jointpos joint="hinge"/>': "rad",
    '<jointpos joint="slide"/>': "m",
    '<jointvel joint="hinge"/>': "rad/s",
    '<jointvel joint="slide"/>': "m/s",
    '<jointactuatorfrc joint="hinge"/>': "N·m",
    '<jointactuatorfrc joint="slide"/>': "N",
    '<jointlimitpos joint="hinge"/>': "rad",
    '<jointlimitvel joint="slide"/>': "m/s",
    '<jointlimitfrc joint="hinge"/>': "N·m",
    '<ballquat joint="ball"/>': "1",
    '<ballangvel joint="ball"/>': "rad/s",
    '<actuatorpos actuator="turn"/>': "rad",
    '<actuatorpos actuator="push"/>': "m",
    '<actuatorvel actuator="turn"/>': "rad/s",
    '<actuatorfrc actuator="turn"/>': "N·m",
    '<actuatorfrc actuator="push"/>': "N",
    '<actuatorfrc actuator="pull"/>': "N",
    '<actuatorfrc actuator="both"/>': "N·m",
    '<tendonpos tendon="string"/>': "m",
    '<tendonpos tendon="sum"/>': "rad",
    '<tendonvel tendon="string"/>': "m/s",
    '<tendonactuatorfrc tendon="string"/>': "N",
    '<tendonlimitpos tendon="string"/>': "m",
    '<tendonlimitvel tendon="string"/>': "m/s",
    '<tendonlimitfrc tendon="string"/>': "N",
    '<framepos objtype="body" objname="b"/>': "m",
    '<framequat objtype="site" objname="s"/>': "1",
    '<framexaxis objtype="geom" objname="g"/>': "1",
    '<frameyaxis objtype="geom" objname="g"/>': "1",
    '<framezaxis objtype="body" objname="b"/>': "1",
    '<framelinvel objtype="xbody" objname="b"/>': "m/s",
    '<frameangvel objtype="site" objname="s"/>': "rad/s",
    '<framelinacc objtype="site" objname="s"/>': "m/s²",
    '<frameangacc objtype="site" objname="s"/>': "rad/s²",
    '<subtreecom body="b"/>': "m",
    '<subtreelinvel body="b"/>': "m/s",
    '<subtreeangmom body="b"/>': "kg·m²/s",
    '<insidesite site="s" objtype="body" objname="b"/>': "bool",
    '<distance geom1="g" geom2="h"/>': "m",
    '<normal geom1="g" geom2="h"/>': "1",
    '<fromto geom1="g" geom2="h"/>': "m",
    "<e_potential/>": "J",
    "<e_kinetic/>": "J",
    "<clock/>": "s",
    '<contact geom1="g"/>': "1",
    '<contact geom1="g" data="force"/>': "N",
    '<contact geom1="g" data="dist"/>': "m",
    '<contact geom1="g" data="found force"/>': "1",
    '<user dim="2"/>': "1",
}
AT_ACCELERATION = (
    *("accelerometer", "force", "torque", "touch", "frameangacc", "framelinacc"),
    *("actuatorfrc", "jointactuatorfrc", "jointlimitfrc", "tendonactuatorfrc", "tendonlimitfrc"),
    "user",  # unless it says otherwise
)
WORKSHOP = """
<mujoco><worldbody><geom name="h" size="0.1"/><camera name="c"/><site name="t"/>
  <body name="b" pos="0 0 1"><joint name="hinge" range="-1 1" limited="true"/>
    <geom name="g" size="0.1"/><site name="s"/></body>
  <body pos="1 0 1"><joint name="slide" type="slide" range="-1 1" limited="true"/>
    <geom size="0.1"/><site name="u"/></body>
  <body pos="2 0 1"><joint name="ball" type="ball"/><geom size="0.1"/></body></worldbody>
<tendon><spatial name="string" range="0 9" limited="true"><site site="t"/><site site="u"/></spatial>
  <fixed name="sum"><joint joint="hinge" coef="1"/></fixed></tendon>
<actuator><motor name="turn" joint="hinge"/><motor name="push" joint="slide"/>
  <motor name="pull" tendon="string"/><motor name="both" tendon="sum"/></actuator>
<sensor>{}</sensor></mujoco>
"""


def test_every_sensor_has_its_unit(tmp_path: Path) -> None:
    parts = list(sensor_parts(robot(WORKSHOP.format("".join(UNITS)), tmp_path)))
    units = list(UNITS.items())
    for sensor, unit in units:
        (part,) = sensor_parts(robot(WORKSHOP.format(sensor), tmp_path))
        assert part.feature.unit == unit, sensor
        needs = sensor[1:].split()[0].rstrip("/>") in AT_ACCELERATION or "force" in sensor
        assert part.feature.needs_acceleration == needs, sensor
        assert ("last physics step" in part.feature.description) == needs
    assert sorted(part.feature.unit for part in parts) == sorted(UNITS.values())
    # none was forgotten but those that need an engine plugin or a mesh
    everything = robot(WORKSHOP.format("".join(UNITS)), tmp_path).model.sensor_type
    known = {mujoco.mjtSensor(int(kind)).name for kind in everything}
    assert set(mujoco.mjtSensor.__members__) - known == {"mjSENS_PLUGIN", "mjSENS_TACTILE"}


@pytest.mark.parametrize(
    ("sensor", "sentence"),
    [
        (
            '<accelerometer site="s"/>',
            "Acceleration of s, gravity included, in the last physics step.",
        ),
        (
            '<framepos objtype="site" objname="s" reftype="site" refname="t"/>',
            "Position of s in the frame of t.",
        ),
        ('<insidesite site="s" objtype="body" objname="b"/>', "1 while b is inside s."),
        ('<distance geom1="g" geom2="h"/>', "Distance between g and h."),
        ('<contact geom1="g" geom2="h" data="normal"/>', "Normal of contacts of g and h."),
        ("<e_kinetic/>", "Kinetic energy of the scene."),
    ],
)
def test_a_sensor_is_described_by_what_it_is_on(sensor: str, sentence: str, tmp_path: Path) -> None:
    (part,) = sensor_parts(robot(WORKSHOP.format(sensor), tmp_path))
    assert part.feature.description == sentence


def test_many_sensors_of_a_kind_come_together(tmp_path: Path) -> None:
    gyros = "".join(f'<gyro name="gyro{i}" site="s"/>' for i in range(5))
    (part,) = sensor_parts(robot(WORKSHOP.format(gyros), tmp_path))
    assert (part.feature.name, part.feature.shape) == ("gyro_sensors", (5, 3))
    assert part.names == ("GYRO_SENSORS", tuple(f"gyro{i}" for i in range(5)))


def test_sites_that_move_are_places(go1: Robot, arm: Robot) -> None:
    assert table(list(place_parts(arm))) == {"grasp_position": ((3,), "m")}  # not the base's
    assert "fl_position" in table(list(place_parts(go1)))


def test_a_robot_without_sites_has_the_places_of_its_ends() -> None:
    assert table(list(place_parts(gymnasium_robot("reacher.xml")))).keys() == {"fingertip_position"}


def test_many_sites_come_together(tmp_path: Path) -> None:
    sites = "".join(f'<site name="s{i}"/>' for i in range(9))
    scene = (
        f'<mujoco><worldbody><body><joint name="j"/><geom size="0.1"/>{sites}</body></worldbody>'
        '<actuator><motor joint="j"/></actuator></mujoco>'
    )
    (part,) = place_parts(robot(scene, tmp_path))
    assert table([part]) == {"site_positions": ((9, 3), "m")}


def test_feet_are_what_reaches_farthest(go1: Robot, arm: Robot) -> None:
    parts = list(tip_parts(go1))
    assert table(parts) == {"tip_heights": ((4,), "m"), "tips_on_floor": ((4,), "bool")}
    assert parts[0].names == ("TIPS", ("FL", "FR", "RL", "RR"))
    assert list(tip_parts(arm)) == []  # it walks nowhere
    assert table(list(tip_parts(gymnasium_robot("hopper.xml")))) == {
        "tip_height": ((), "m"),
        "tip_on_floor": ((), "bool"),
    }


def test_contact_forces_are_offered_where_they_are_computed(go1: Robot, tmp_path: Path) -> None:
    parts = list(contact_parts(go1))
    assert table(parts) == {"contact_forces": ((17, 3), "N"), "touching": ((17,), "bool")}
    assert all(part.feature.needs_acceleration for part in parts)
    assert list(contact_parts(robot(TOUCHING, tmp_path))) == []  # a touch sensor does not suffice


def test_a_weld_pulls_too_so_a_force_is_no_touch(tmp_path: Path) -> None:
    welded = NO_NAMES.replace(
        "<sensor>", '<equality><connect site1="a" site2="b"/></equality><sensor>'
    ).replace("<site/>", '<site name="b"/>')
    parts = list(contact_parts(robot(welded, tmp_path)))
    assert table(parts).keys() == {"contact_forces"}
    assert "welds" in parts[0].feature.description
