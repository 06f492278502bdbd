"""Points of view: the task's own, else the scene's and four around the robot."""

from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np
import pytest
from PIL import Image

from rewardgen.rungs.offscreen import RenderError, gl_backends
from rewardgen.rungs.picture import PictureJob, take
from rewardgen_envs.cameras import Camera, chosen, views
from rewardgen_envs.errors import UsageError
from rewardgen_envs.registry import load_task

AROUND = ["side", "front", "corner", "above"]
SCENE = """
<mujoco>
  <worldbody>
    <geom name="floor" type="plane" size="50 50 1"/>
    <camera name="door" pos="0 -3 1"/>
    <body name="pole" pos="9 0 0"><joint type="hinge"/><geom size="0.1"/></body>
    <body name="robot" pos="1 2 3">
      <freejoint/>
      <geom size="0.5"/>
      <body name="hand"><joint type="hinge"/><geom size="0.25" pos="4 0 0"/></body>
    </body>
  </worldbody>
</mujoco>
"""


def compiled(text: str) -> mujoco.MjModel:
    return mujoco.MjSpec.from_string(text).compile()


def test_cameras_of_the_scene_come_first_then_views_that_follow_the_robot() -> None:
    model = compiled(SCENE)
    found = views(model, {})
    assert list(found) == ["door", *AROUND]
    assert found["door"].type == mujoco.mjtCamera.mjCAMERA_FIXED
    assert found["side"].type == mujoco.mjtCamera.mjCAMERA_TRACKING
    assert found["side"].trackbodyid == mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, "robot")
    # geoms at x = 1 and 5: the middle is 3, and the larger ball reaches 2 + 0.5 from it
    assert found["side"].distance == pytest.approx(2.2 * 2.5)
    assert found["above"].elevation == -89.0


def test_a_robot_that_cannot_leave_is_looked_at_from_where_all_is_seen() -> None:
    arm = SCENE.replace("<freejoint/>", '<joint type="hinge"/>').replace(
        '<camera name="door"', "<!--"
    )
    model = compiled(arm.replace('pos="0 -3 1"/>', "-->"))
    found = views(model, {})
    assert list(found) == AROUND
    assert found["side"].type == mujoco.mjtCamera.mjCAMERA_FREE
    assert found["side"].lookat == pytest.approx(model.stat.center)


def test_cameras_of_a_task_replace_the_others() -> None:
    found = views(compiled(SCENE), {"close": Camera(45.0, -30.0, 1.5, at=(1.0, 2.0, 3.0))})
    assert list(found) == ["close"]
    close = found["close"]
    assert (close.azimuth, close.elevation, close.distance) == (45.0, -30.0, 1.5)
    assert close.lookat == pytest.approx([1.0, 2.0, 3.0])


def test_wrong_names_are_answered_with_the_right_ones() -> None:
    model = compiled(SCENE)
    with pytest.raises(UsageError, match="follows the body 'robt'; did you mean 'robot'"):
        views(model, {"close": Camera(0.0, 0.0, 1.0, follows="robt")})
    with pytest.raises(UsageError, match=r"no camera 'sidd'; did you mean 'side'\? Valid: above"):
        chosen(views(model, {}), "sidd")


@pytest.mark.skipif(not gl_backends(), reason="needs working GL")
def test_pictures_show_the_robot_and_differ_by_camera(tmp_path: Path) -> None:
    assert list(load_task("hopper/run").views) == ["track", *AROUND]
    pictures: dict[str, np.ndarray] = {}
    for camera in ("track", "above"):
        file = tmp_path / f"{camera}.png"
        take(PictureJob(task="hopper/run", policies=str(tmp_path), camera=camera, output=str(file)))
        pictures[camera] = np.asarray(Image.open(file)).astype(np.float64)
    for name, picture in pictures.items():
        assert picture.shape == (360, 480, 3)
        assert picture[:, 160:320].std() > 10.0, f"{name} shows nothing in its middle"
    assert np.abs(pictures["track"] - pictures["above"]).mean() > 1.0


@pytest.mark.skipif(not gl_backends(), reason="needs working GL")
def test_a_picture_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    job = PictureJob(
        task="hopper/run", policies=str(tmp_path), output=str(tmp_path / "no" / "x.png")
    )
    with pytest.raises(RenderError, match=r"no picture .*No such file or directory"):
        take(job)
