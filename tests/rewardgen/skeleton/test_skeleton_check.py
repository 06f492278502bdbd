"""A new task passes its check but for what it leaves to write, whatever the robot."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import mujoco
import numpy as np
import pytest
import torch

from rewardgen.skeleton.robot import read_robot
from rewardgen.skeleton.write import Written, write_skeleton
from rewardgen.tasks import check_task
from rewardgen_envs.errors import UsageError
from rewardgen_envs.registry import load_task, task_names
from rewardgen_envs.simulation import Simulation
from tests.rewardgen.skeleton.scenes import (
    ARM,
    GO1,
    NO_NAMES,
    ODD_NAMES,
    ROOT,
    STIFF,
    TOUCHING,
)

torch.set_num_threads(1)


def gaps(written: Written) -> list[tuple[str, str]]:
    return [(f.stage, f.rule) for f in check_task(written.reference).findings]


TWO_GAPS = [("fitness", "fitness-missing"), ("human-reward", "ignores-state")]


def new(text: str, folder: Path) -> Written:
    """Write a scene and a task for it."""
    path = folder / "robot.xml"
    path.write_text(text, encoding="utf-8")
    return write_skeleton(path, folder / "task.py", None)


@pytest.mark.parametrize(
    "scene",
    [ODD_NAMES, NO_NAMES, TOUCHING, STIFF],
    ids=["odd-names", "no-names", "touching", "stiff"],
)
def test_odd_scenes_leave_two_gaps(scene: str, tmp_path: Path) -> None:
    written = new(scene, tmp_path)
    assert gaps(written) == TWO_GAPS
    assert style_errors(tmp_path) == ""


def style_errors(folder: Path) -> str:
    """Return what the project's own linter says about files."""
    ruff = Path(sys.executable).with_name("ruff")
    command = [ruff, "check", "--no-cache", "--quiet", "--config", ROOT / "pyproject.toml", "."]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True).stdout


def test_what_never_changes_is_left_out_and_named(tmp_path: Path) -> None:
    written = new(TOUCHING, tmp_path)
    task = load_task(written.reference)
    assert "wall" not in task.table and "palm" in task.table
    assert any("wall" in note for note in written.notes)
    assert "left out, as it never changed in play: wall" in written.files[0].read_text()


def test_a_sensor_is_added_where_forces_would_silently_be_zero(tmp_path: Path) -> None:
    task = load_task(new(TOUCHING, tmp_path).reference)
    assert task.table["palm"].needs_acceleration
    simulation = Simulation(task, [0], 4, threads=1)
    for _ in range(100):  # the hand sinks to the floor
        step = simulation.step(torch.tensor([[-1.0, -1.0]]).expand(4, 2))
    assert float(task.table.view(step.next_state).palm.min()) > 5.0  # about 9.8 N


def test_stiff_physics_gets_shorter_steps(tmp_path: Path) -> None:
    written = new(STIFF, tmp_path)
    task = load_task(written.reference)
    assert task.model.opt.timestep == 0.005
    assert task.control_dt_s == pytest.approx(0.02)
    assert any("0.005 s" in note for note in written.notes)


def test_an_arm_keeps_its_posture_at_action_0(tmp_path: Path) -> None:
    written = write_skeleton(ARM, tmp_path / "reach.py", None)
    assert gaps(written) == TWO_GAPS
    task = load_task(written.reference)
    assert task.episode_s == 5.0
    simulation = Simulation(task, [0], 2, threads=1)
    start = task.table.view(simulation.state).joint_angles
    assert torch.allclose(start, torch.tensor([0, 0, 0, -1.57, 0, 1.57, -0.785]), atol=0.011)
    for _ in range(50):
        step = simulation.step(torch.zeros(2, 8))
    after = task.table.view(step.next_state)
    assert torch.allclose(after.joint_angles, start, atol=0.08)  # it sags a little
    assert torch.allclose(after.finger_joint1_position, torch.tensor(0.02), atol=0.002)


@pytest.mark.slow
def test_go1_with_its_meshes_stands_on_an_added_floor(tmp_path: Path) -> None:
    written = write_skeleton(GO1, tmp_path / "deep" / "er" / "walk.py", None)
    assert gaps(written) == TWO_GAPS
    assert style_errors(tmp_path) == ""
    task = load_task(written.reference)
    assert task.name == "go1/walk"
    simulation = Simulation(task, [0], 4, threads=1)
    state = task.table.view(simulation.state)
    # noise of 0.01 rad moves the end of a leg of 0.4 m by a few millimetres
    assert float(state.tip_heights.abs().max()) < 0.01
    for _ in range(50):
        step = simulation.step(torch.zeros(4, 12))
    after = task.table.view(step.next_state)
    assert float(after.trunk_up.min()) > 0.98
    assert bool(after.tips_on_floor.all())
    weight_n = 9.81 * float(task.model.body_subtreemass[1])
    assert torch.allclose(after.contact_forces[..., 2].sum(-1), torch.tensor(weight_n), rtol=0.2)


def test_a_scene_keeps_its_own_floor(tmp_path: Path) -> None:
    path = tmp_path / "robot.xml"
    path.write_text(ODD_NAMES, encoding="utf-8")
    machine = read_robot(path)
    assert machine.floor is None
    assert machine.floor_height_m == 0.5


@pytest.mark.parametrize(("contype", "conaffinity"), [(1, 1), (2, 0), (0, 4), (6, 8)])
def test_the_added_floor_carries_whatever_touches_anything(
    contype: int, conaffinity: int, tmp_path: Path
) -> None:
    geom = f'size="0.1 0.2 0.3" type="box" contype="{contype}" conaffinity="{conaffinity}"'
    scene = (
        '<mujoco><worldbody><body pos="0 0 9" quat="1 1 0 0"><freejoint/>'
        f'<geom {geom}/><geom size="5" mass="0" contype="0" conaffinity="0"/>'
        '<body><joint name="j"/><geom size="0.01" mass="1" contype="0" conaffinity="0"/></body>'
        '</body></worldbody><actuator><motor joint="j" ctrlrange="-1 1"/></actuator></mujoco>'
    )
    path = tmp_path / "robot.xml"
    path.write_text(scene, encoding="utf-8")
    machine = read_robot(path)
    assert machine.floor is not None
    # turned by 90° about x, the box stands on the side that is 0.2 m from its centre
    assert machine.data.qpos[2] == pytest.approx(0.2, abs=1e-4)
    data = mujoco.MjData(machine.model)
    data.qpos[:] = machine.data.qpos
    for _ in range(500):
        mujoco.mj_step(machine.model, data)
    assert np.isclose(data.qpos[2], 0.2, atol=0.01)


REFUSED = {
    "not XML": ("hello", "not valid MJCF"),
    "another XML": ("<html><body/></html>", "Unrecognized XML model type"),
    "empty": ("", "empty file"),
    "a joint that is none": (
        '<mujoco><worldbody><body><joint name="elbow"/><geom size="0.1"/></body></worldbody>'
        '<actuator><motor joint="elbwo"/></actuator></mujoco>',
        "did you mean 'elbow'?",
    ),
    "a mesh that is missing": (
        '<mujoco><asset><mesh name="m" file="gone/m.stl"/></asset><worldbody><body>'
        '<joint name="j"/><geom type="mesh" mesh="m"/></body></worldbody></mujoco>',
        "meshdir",
    ),
    "a body without mass": (
        '<mujoco><worldbody><body><joint name="j"/></body></worldbody></mujoco>',
        "robot.xml",
    ),
    "no joint": (
        '<mujoco><worldbody><body><geom size="0.1"/></body></worldbody></mujoco>',
        "no joint",
    ),
    "no actuator": (
        '<mujoco><worldbody><body><joint name="j"/><geom size="0.1"/></body></worldbody></mujoco>',
        "<actuator>",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_file_for_no_robot_is_refused(what: str, tmp_path: Path) -> None:
    text, words = REFUSED[what]
    with pytest.raises(UsageError) as refused:
        new(text, tmp_path)
    assert words in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["robot.xml"]


def test_a_urdf_is_told_how_to_become_one(tmp_path: Path) -> None:
    path = tmp_path / "robot.urdf"
    inertial = (
        '<inertial><mass value="1"/><inertia ixx="1" iyy="1" izz="1" ixy="0" ixz="0" iyz="0"/>'
        "</inertial>"
    )
    path.write_text(
        f'<robot name="r"><link name="a">{inertial}</link><link name="b">{inertial}</link>'
        '<joint name="j" type="revolute"><parent link="a"/><child link="b"/><axis xyz="0 1 0"/>'
        '<limit lower="-1" upper="1" effort="5" velocity="3"/></joint></robot>',
        encoding="utf-8",
    )
    with pytest.raises(UsageError) as refused:
        write_skeleton(path, tmp_path / "task.py", None)
    # what it says works
    command = str(refused.value).split('python -c "')[1].split('"')[0]
    subprocess.run([sys.executable, "-c", command], cwd=tmp_path, check=True)
    converted = (tmp_path / "robot.xml").read_text(encoding="utf-8")
    actuator = '<actuator><motor joint="j" ctrlrange="-5 5"/></actuator></mujoco>'
    assert gaps(new(converted.replace("</mujoco>", actuator), tmp_path)) == TWO_GAPS


def scene_files() -> list[Path]:
    """Return the MJCFs that the registered tasks are made of, and Gymnasium's others."""
    import gymnasium

    read: set[Path] = set()
    reading = mujoco.MjSpec.from_file

    def noted(filename: str) -> mujoco.MjSpec:
        read.add(Path(filename).resolve())
        return reading(filename)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mujoco.MjSpec, "from_file", staticmethod(noted))
        for name in task_names():
            load_task(name).scene()
    read.update((Path(gymnasium.__file__).parent / "envs" / "mujoco" / "assets").glob("*.xml"))
    return sorted(read)


@pytest.mark.slow
@pytest.mark.parametrize("path", scene_files(), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_scene_at_hand_leaves_two_gaps(path: Path, tmp_path: Path) -> None:
    try:
        written = write_skeleton(path, tmp_path / "task.py", None)
    except UsageError as error:
        if "no actuator" in str(error) or "no joint" in str(error):
            pytest.skip(str(error))  # a piece of a scene
        raise
    assert gaps(written) == TWO_GAPS
    assert style_errors(tmp_path) == ""
