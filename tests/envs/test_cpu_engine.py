"""The CPU engine against plain MuJoCo, one MjData per world."""

from __future__ import annotations

import copy
from pathlib import Path

import mujoco
import numpy as np
import pytest
import torch
from torch import Tensor

from rewardgen_envs.engines.mujoco_batch import MujocoBatchEngine
from rewardgen_envs.registry import load_task

torch.set_num_threads(1)
WORLDS = 4
SUBSTEPS = 5
STATE = ("qpos", "qvel", "qacc_warmstart", "time")
FRESH = ("xpos", "xquat", "xmat", "geom_xpos", "geom_xmat", "subtree_com", "cvel", "sensordata")


@pytest.fixture(scope="module")
def model() -> mujoco.MjModel:
    """The ant with a sensor of each stage."""
    spec = load_task("ant/run").scene()
    for kind in ("FRAMEPOS", "FRAMELINVEL", "SUBTREECOM"):
        spec.add_sensor(
            name=kind.lower(),
            type=getattr(mujoco.mjtSensor, f"mjSENS_{kind}"),
            objtype=mujoco.mjtObj.mjOBJ_BODY if kind == "SUBTREECOM" else mujoco.mjtObj.mjOBJ_XBODY,
            objname="torso",
        )
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.disableflags |= mujoco.mjtDisableBit.mjDSBL_AUTORESET
    return spec.compile()


def start(model: mujoco.MjModel, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    qpos = torch.as_tensor(model.qpos0).repeat(WORLDS, 1)
    qpos += 0.1 * torch.rand(qpos.shape, generator=generator, dtype=torch.float64)
    return qpos, torch.randn(WORLDS, model.nv, generator=generator, dtype=torch.float64)


def controls(model: mujoco.MjModel, steps: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    unit = torch.rand(steps, WORLDS, model.nu, generator=generator, dtype=torch.float64)
    return 2.0 * unit - 1.0


def started(model: mujoco.MjModel, threads: int = 1) -> MujocoBatchEngine:
    engine = MujocoBatchEngine(model, WORLDS, threads)
    for name in (*STATE, *FRESH, "cfrc_ext"):
        engine.field(name)
    put(engine, *start(model))
    return engine


def put(engine: MujocoBatchEngine, qpos: Tensor, qvel: Tensor, rows: Tensor | None = None) -> None:
    engine.reset(rows)
    engine.write("qpos", qpos, rows)
    engine.write("qvel", qvel, rows)
    engine.forward(rows)


def plain(model: mujoco.MjModel) -> list[mujoco.MjData]:
    worlds: list[mujoco.MjData] = []
    for qpos, qvel in zip(*start(model), strict=True):
        data = mujoco.MjData(model)
        data.qpos[:], data.qvel[:] = qpos.numpy(), qvel.numpy()
        mujoco.mj_forward(model, data)
        worlds.append(data)
    return worlds


@pytest.mark.parametrize("threads", [1, 2])
def test_equals_plain_mj_step_bit_for_bit(model: mujoco.MjModel, threads: int) -> None:
    engine, worlds = started(model, threads), plain(model)
    for control in controls(model, 40):
        engine.write("ctrl", control, None)
        engine.step(SUBSTEPS)
        for i, data in enumerate(worlds):
            data.ctrl[:] = control[i].numpy()
            mujoco.mj_step(model, data, SUBSTEPS)
            for name in STATE:
                np.testing.assert_array_equal(engine.field(name)[i], getattr(data, name))


def test_positions_and_velocities_describe_the_new_state(model: mujoco.MjModel) -> None:
    engine = started(model)
    accelerations = [
        i for i in range(model.nsensor) if model.sensor_needstage[i] == mujoco.mjtStage.mjSTAGE_ACC
    ]
    late = [int(model.sensor_adr[i]) + k for i in accelerations for k in range(3)]
    early = [i for i in range(model.nsensordata) if i not in late]
    for control in controls(model, 10):
        engine.write("ctrl", control, None)
        engine.step(SUBSTEPS)
    for i in range(WORLDS):
        data = mujoco.MjData(model)
        data.qpos[:], data.qvel[:] = engine.field("qpos")[i], engine.field("qvel")[i]
        mujoco.mj_forward(model, data)
        for name in FRESH:
            ours, theirs = engine.field(name)[i].numpy(), getattr(data, name)
            if name == "sensordata":
                ours, theirs = ours[early], theirs[early]
            np.testing.assert_allclose(ours, theirs, rtol=0.0, atol=1e-12, err_msg=name)


def test_contact_forces_describe_the_last_substep(model: mujoco.MjModel) -> None:
    engine, worlds = started(model), plain(model)
    touched = 0.0
    for control in controls(model, 40):
        engine.write("ctrl", control, None)
        engine.step(SUBSTEPS)
        for i, data in enumerate(worlds):
            data.ctrl[:] = control[i].numpy()
            mujoco.mj_step(model, data, SUBSTEPS)
            np.testing.assert_array_equal(engine.field("cfrc_ext")[i], data.cfrc_ext)
            touched += np.abs(data.cfrc_ext).sum()
    assert touched > 0.0


def test_forward_and_reset_leave_the_other_worlds_alone(model: mujoco.MjModel) -> None:
    engine = started(model)
    engine.step(SUBSTEPS)
    names = (*STATE, *FRESH, "cfrc_ext")
    before = {name: engine.field(name).clone() for name in names}
    qpos, qvel = start(model, seed=5)
    put(engine, qpos[1:3], qvel[1:3], torch.tensor([1, 2]))
    for name in names:
        assert torch.equal(engine.field(name)[[0, 3]], before[name][[0, 3]]), name
        if name not in ("time", "qacc_warmstart", "cfrc_ext"):
            assert not torch.equal(engine.field(name)[[1, 2]], before[name][[1, 2]]), name


@pytest.mark.parametrize("broken", [0.0, torch.nan, torch.inf, 1e30])
def test_a_reset_leaves_nothing_of_the_past(model: mujoco.MjModel, broken: float) -> None:
    """After any history, also a diverged one, a world goes on like one of a new engine."""
    used, new = started(model), started(model)
    for control in controls(model, 10):
        used.write("ctrl", control, None)
        used.step(SUBSTEPS)
    if broken:
        qvel = used.field("qvel").clone()
        qvel[1, 3] = broken
        used.write("qvel", qvel, None)
        used.step(SUBSTEPS)
    put(used, *start(model))
    names = (*STATE, *FRESH, "cfrc_ext")
    for name in names:
        assert torch.equal(used.field(name), new.field(name)), name
    for control in controls(model, 5):
        for engine in (used, new):
            engine.write("ctrl", control, None)
            engine.step(SUBSTEPS)
        for name in names:
            assert torch.equal(used.field(name), new.field(name)), name


@pytest.mark.parametrize("broken", [torch.nan, torch.inf, 1e30])
def test_health_finds_the_diverged_world_and_its_neighbours_do_not_notice(
    model: mujoco.MjModel,
    broken: float,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    engine, calm = started(model), started(model)
    assert not bool(engine.health().diverged.any())
    qvel = engine.field("qvel").clone()
    qvel[2, 0] = broken
    engine.write("qvel", qvel, None)
    for _ in range(3):
        engine.step(SUBSTEPS)
        calm.step(SUBSTEPS)
    assert engine.health().diverged.tolist() == [False, False, True, False]
    for name in STATE:
        assert torch.equal(engine.field(name)[[0, 1, 3]], calm.field(name)[[0, 1, 3]]), name
    # MuJoCo's own warnings would spoil a live display and leave a file behind
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_a_model_field_can_differ_from_world_to_world(model: mujoco.MjModel) -> None:
    engine = started(model)
    masses = torch.as_tensor(model.body_mass).repeat(2, 1)
    masses[:, 1] *= torch.tensor([2.0, 3.0])
    engine.randomize({"body_mass": masses}, torch.tensor([1, 3]))
    put(engine, *start(model))
    engine.step(SUBSTEPS)
    for i, factor in enumerate([1.0, 2.0, 1.0, 3.0]):
        heavy = copy.copy(model)
        heavy.body_mass[1] *= factor
        mujoco.mj_setConst(heavy, mujoco.MjData(heavy))
        data = mujoco.MjData(heavy)
        data.qpos[:], data.qvel[:] = (part[i].numpy() for part in start(model))
        mujoco.mj_forward(heavy, data)
        mujoco.mj_step(heavy, data, SUBSTEPS)
        np.testing.assert_allclose(engine.field("qvel")[i], data.qvel, rtol=1e-12, atol=1e-12)


def test_snapshot_is_a_copy_of_one_world(model: mujoco.MjModel) -> None:
    engine = started(model)
    engine.step(SUBSTEPS)
    data = engine.snapshot(2)
    before = data.qpos.copy()
    np.testing.assert_array_equal(before, engine.field("qpos")[2])
    np.testing.assert_allclose(data.xpos, engine.field("xpos")[2], atol=1e-12)
    engine.step(SUBSTEPS)
    np.testing.assert_array_equal(data.qpos, before)


def test_says_how_many_worlds_and_where(model: mujoco.MjModel) -> None:
    engine = MujocoBatchEngine(model, 3, 1)
    assert (engine.nworld, engine.device, engine.model) == (3, torch.device("cpu"), model)
    engine.close()
