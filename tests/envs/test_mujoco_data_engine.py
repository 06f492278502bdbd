"""One world in a caller's MjData against the batch engine: the same features for every task."""

from __future__ import annotations

import copy

import mujoco
import numpy as np
import pytest
import torch
from torch import Tensor

from rewardgen_envs.engines.mujoco_batch import MujocoBatchEngine
from rewardgen_envs.engines.mujoco_data import MujocoDataEngine
from rewardgen_envs.registry import load_task, task_names
from rewardgen_envs.scene import compile_scene
from rewardgen_envs.simulation import Simulation, Step
from rewardgen_envs.task import BoxAction, Task

torch.set_num_threads(1)
STEPS = 60


def actions(task: Task, steps: int = STEPS) -> Tensor:
    assert isinstance(task.action, BoxAction)
    generator = torch.Generator().manual_seed(5)
    return torch.rand(steps, 1, task.action.size, generator=generator) * 2.0 - 1.0


def plain(task: Task, seed: int = 3) -> tuple[Simulation, mujoco.MjData]:
    """Return a simulation on an MjData of ours, and that MjData."""
    data = mujoco.MjData(task.model)
    engine = MujocoDataEngine(task.model, data)
    return Simulation(task, [seed], 1, engine=engine), data


@pytest.mark.parametrize("name", task_names())
def test_features_and_fitness_equal_those_of_the_batch_engine(name: str) -> None:
    task = load_task(name)
    batch, (single, _) = Simulation(task, [3], 1, threads=1), plain(task)
    torch.testing.assert_close(single.state, batch.state, rtol=0.0, atol=1e-6)
    ends = 0
    for action in actions(task):
        ours: Step = single.step(action)
        theirs = batch.step(action)
        torch.testing.assert_close(ours.next_state, theirs.next_state, rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(ours.state, theirs.state, rtol=1e-6, atol=1e-6)
        assert bool(ours.ended) == bool(theirs.ended)
        if bool(ours.ended):
            ends += 1
            torch.testing.assert_close(ours.fitness, theirs.fitness, rtol=1e-6, atol=1e-6)
    if name == "hopper/run":
        assert ends > 0, "no episode ended: resets were not compared"


def test_every_field_is_as_fresh_as_the_batch_engines() -> None:
    """Velocity-level fields and sensors of all stages too, which no registered task reads."""
    spec = load_task("ant/run").scene()
    for kind in ("FRAMEPOS", "FRAMELINVEL", "FRAMEANGACC"):
        spec.add_sensor(
            name=kind.lower(),
            type=getattr(mujoco.mjtSensor, f"mjSENS_{kind}"),
            objtype=mujoco.mjtObj.mjOBJ_XBODY,
            objname="torso",
        )
    model = compile_scene(spec, "sensors")
    names = ("qpos", "qvel", "qacc_warmstart", "time", "xpos", "geom_xmat", "subtree_com", "cvel")
    names = (*names, "sensordata", "cfrc_ext", "ncon")
    engines = [MujocoBatchEngine(model, 1, 1), MujocoDataEngine(model, mujoco.MjData(model))]
    generator = torch.Generator().manual_seed(1)
    qvel = torch.randn(1, model.nv, generator=generator, dtype=torch.float64)
    control = torch.rand(1, model.nu, generator=generator, dtype=torch.float64)
    for steps in (0, 1, 3, 20, 0):
        for engine in engines:
            if steps:
                engine.write("ctrl", control, None)
                engine.step(steps)
            else:
                engine.reset(None)
                engine.write("qvel", qvel, None)
                engine.forward(None)
        batch, single = engines
        for name in names:
            assert torch.equal(batch.field(name), single.field(name)), (name, steps)


def test_the_callers_data_is_what_is_simulated() -> None:
    task = load_task("ant/run")
    simulation, data = plain(task)
    time = simulation.engine.field("time")
    for action in actions(task, 5):
        simulation.step(action)
    reference = mujoco.MjData(task.model)
    reference.qpos[:], reference.qvel[:] = data.qpos, data.qvel
    mujoco.mj_forward(task.model, reference)
    np.testing.assert_allclose(data.xpos, reference.xpos, rtol=0.0, atol=1e-12)
    assert data.time == pytest.approx(5 * task.control_dt_s)
    assert time.tolist() == [data.time]
    view = task.table.view(simulation.state)
    np.testing.assert_allclose(view.torso_position[0], data.qpos[:3], rtol=1e-6)


def test_refreshing_leaves_the_motion_as_it_was() -> None:
    """What is computed for features between steps must not change the next step."""
    task = load_task("ant/run")
    simulation, data = plain(task)
    bare = copy.copy(data)
    for action in actions(task, 20):
        bare.ctrl[:] = task.actuate(action, task.table.view(simulation.state))[0]
        mujoco.mj_step(task.model, bare, task.decimation)
        simulation.step(action)
        np.testing.assert_array_equal(data.qpos, bare.qpos)
        np.testing.assert_array_equal(data.cfrc_ext, bare.cfrc_ext)


def test_a_diverged_world_is_found_and_reset(capfd: pytest.CaptureFixture[str]) -> None:
    task = load_task("hopper/run")
    simulation, data = plain(task)
    data.qvel[0] = np.nan
    step = simulation.step(torch.zeros(1, 3))
    assert not bool(step.valid)
    assert bool(step.ended)
    assert np.isfinite(data.qpos).all()
    assert bool(simulation.step(torch.zeros(1, 3)).valid)
    assert capfd.readouterr() == ("", "")


def test_a_snapshot_is_a_copy() -> None:
    task = load_task("cartpole/balance")
    simulation, data = plain(task)
    kept = simulation.engine.snapshot(0)
    before = kept.qpos.copy()
    simulation.step(torch.ones(1, 1))
    np.testing.assert_array_equal(kept.qpos, before)
    assert not np.array_equal(data.qpos, before)


def test_a_model_field_can_be_changed() -> None:
    task = load_task("cartpole/balance")
    model = copy.copy(task.model)
    data = mujoco.MjData(model)
    engine = MujocoDataEngine(model, data)
    heavier = 2.0 * torch.as_tensor(model.body_mass).clone().unsqueeze(0)
    engine.randomize({"body_mass": heavier}, None)
    engine.reset(None)
    data.ctrl[:] = 1.0
    engine.step(1)
    light = mujoco.MjData(task.model)
    light.ctrl[:] = 1.0
    mujoco.mj_step(task.model, light)
    assert 0.0 < data.qvel[0] < light.qvel[0]
