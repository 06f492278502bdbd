"""MuJoCo Warp on its CPU device against MuJoCo: one definition of a task, two engines."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import mujoco
import pytest
import torch
from torch import Tensor

pytest.importorskip("mujoco_warp")

from benchmarks.parity import align, step_errors
from rewardgen_envs.contacts import probed_budget
from rewardgen_envs.engines.base import ContactsOverflow, EngineError
from rewardgen_envs.engines.choice import Budget, EngineChoice, with_more_room
from rewardgen_envs.engines.mujoco_warp import MujocoWarpEngine, bytes_per_world, check_memory
from rewardgen_envs.registry import load_task
from rewardgen_envs.simulation import Simulation
from rewardgen_envs.task import BoxAction, Task

torch.set_num_threads(1)
WORLDS, STEPS, SEED = 16, 50, 3
PARITY = (
    "cartpole/swing-up",
    "half-cheetah/run",
    "ant/run",
    *(
        pytest.param(name, marks=pytest.mark.slow)
        for name in ("hopper/run", "ant/goal", "shadow-hand/rotate-cube", "shadow-hand/spin-pen")
    ),
)
TOLERANCE, FREE_FLIGHT = 1e-2, 1e-4


@contextmanager
def simulated(
    task: Task, worlds: int = WORLDS, engine: EngineChoice | None = None
) -> Generator[Simulation]:
    chosen = engine or EngineChoice("warp", "cpu", probed_budget(task))
    simulation = Simulation(task, [SEED], worlds, threads=1, engine=chosen)
    try:
        yield simulation
    finally:
        simulation.close()


@contextmanager
def both(task: Task) -> Generator[tuple[Simulation, Simulation]]:
    with (
        simulated(task, engine=EngineChoice()) as reference,
        simulated(task) as other,
    ):
        yield reference, other


def actions(task: Task, steps: int) -> Tensor:
    assert isinstance(task.action, BoxAction)
    generator = torch.Generator().manual_seed(1)
    return 2.0 * torch.rand(steps, WORLDS, task.action.size, generator=generator) - 1.0


@pytest.mark.parametrize("name", PARITY)
def test_a_control_step_is_the_same_on_both_engines(name: str) -> None:
    task = load_task(name)
    with both(task) as (reference, other):
        error = step_errors(reference, other, list(actions(task, STEPS)))
        assert not bool(other.engine.health().overflow)
    for feature in task.table:
        worst = error[..., task.table.columns(feature.name)].amax(-1)
        share = float((worst <= TOLERANCE).float().mean())
        assert share >= 0.99, f"{feature.name}: {share:.4f} of the worlds, worst {worst.max():.2e}"


def test_free_flight_is_the_same_to_rounding() -> None:
    task = load_task("ant/run")
    with both(task) as (reference, other):
        for simulation in (reference, other):
            raised = simulation.engine.field("qpos").clone()
            raised[:, 2] += 10.0
            simulation.engine.write("qpos", raised, None)
        for action in actions(task, 5):
            align(reference, other)
            for simulation in (reference, other):
                simulation.engine.write(
                    "ctrl", task.actuate(action, task.table.view(reference.state)), None
                )
                simulation.engine.step(task.decimation)
            for name in ("qpos", "qvel"):
                expected, given = reference.engine.field(name), other.engine.field(name)
                worst = (given - expected).abs() / expected.abs().clamp(min=1.0)
                assert float(worst.max()) <= FREE_FLIGHT


def test_open_loop_the_pole_stays_the_same() -> None:
    task = load_task("cartpole/swing-up")
    with both(task) as (reference, other):
        for action in actions(task, STEPS):
            expected, given = reference.step(action), other.step(action)
        torch.testing.assert_close(given.next_state, expected.next_state, atol=5e-3, rtol=5e-3)


@pytest.mark.parametrize("name", ["half-cheetah/run", "ant/run"])
def test_derived_fields_describe_the_state_after_a_step(name: str) -> None:
    task = load_task(name)
    with simulated(task) as simulation:
        for action in actions(task, 3):
            simulation.step(action)
        data = mujoco.MjData(task.model)
        for field in ("qpos", "qvel"):
            getattr(data, field)[:] = simulation.engine.field(field)[0].numpy()
        mujoco.mj_forward(task.model, data)
        for field in ("xpos", "xmat", "geom_xpos", "subtree_com", "cvel"):
            given = simulation.engine.field(field)[0]
            expected = torch.as_tensor(getattr(data, field)).to(torch.float32)
            torch.testing.assert_close(given, expected, atol=1e-4, rtol=1e-4, msg=field)


def test_worlds_are_reset_alone() -> None:
    task = load_task("hopper/run")
    with simulated(task) as simulation:
        for action in actions(task, 2):
            simulation.step(action)
        before = simulation.engine.field("qpos").clone()
        simulation.engine.reset(torch.tensor([1, 5]))
        after = simulation.engine.field("qpos")
        start = torch.as_tensor(task.model.qpos0).to(torch.float32)
        assert torch.equal(after[1], start)
        assert torch.equal(after[5], start)
        others = [i for i in range(WORLDS) if i not in (1, 5)]
        assert torch.equal(after[others], before[others])


def test_a_diverged_world_is_found_and_begins_anew_while_others_go_on() -> None:
    task = load_task("half-cheetah/run")
    with simulated(task) as simulation, simulated(task) as calm:
        simulation.engine.field("qvel")[2, 0] = torch.nan
        for action in actions(task, 3):
            step, expected = simulation.step(action), calm.step(action)
            others = [i for i in range(WORLDS) if i != 2]
            assert torch.equal(step.next_state[others], expected.next_state[others])
        assert bool(step.valid.all())
        assert int(simulation.episode[2]) == 1


def test_the_same_twice_in_populations_of_any_size() -> None:
    """On one thread of the CPU; a GPU adds contacts up in any order."""
    task = load_task("ant/run")
    given = actions(task, 10)
    with simulated(task) as whole, simulated(task, worlds=4) as part:
        for action in given:
            large, small = whole.step(action), part.step(action[:4])
        assert torch.equal(large.next_state[:4], small.next_state)


def test_room_that_runs_out_is_told_and_doubled_room_suffices() -> None:
    task = load_task("ant/run")
    scarce = EngineChoice("warp", "cpu", Budget(contacts=1, rows=1))
    with simulated(task, engine=scarce) as simulation:
        for action in actions(task, 20):
            simulation.step(action)
        with pytest.raises(ContactsOverflow, match="ant/run"):
            simulation.check_contacts()
    assert with_more_room(scarce).budget == Budget(contacts=2, rows=2)
    with simulated(task) as simulation:
        for action in actions(task, 20):
            simulation.step(action)
        simulation.check_contacts()


def test_worlds_may_differ_in_mass() -> None:
    task = load_task("hopper/run")
    own = torch.as_tensor(task.model.body_mass).repeat(2, 1) * torch.tensor([[2.0], [0.5]])
    errors: list[Tensor] = []
    moved: list[Tensor] = []
    with both(task) as (reference, other), simulated(task) as uniform:
        other.step(actions(task, 1)[0])  # records a graph that holds the shared masses
        for simulation in (reference, other):
            simulation.engine.randomize("body_mass", own, torch.tensor([0, 3]))
        for action in actions(task, 10):
            align(reference, other)
            align(reference, uniform)
            expected, given = reference.step(action), other.step(action)
            errors.append((given.next_state - expected.next_state).abs().amax(1))
            moved.append((uniform.step(action).next_state - expected.next_state).abs().amax(1))
    assert float((torch.stack(errors) <= TOLERANCE).float().mean()) >= 0.99
    farthest = torch.stack(moved).amax(0)
    assert [float(m) > 0.1 for m in farthest] == [i in (0, 3) for i in range(WORLDS)]


def test_a_field_in_which_worlds_cannot_differ_is_refused() -> None:
    with (
        simulated(load_task("hopper/run")) as simulation,
        pytest.raises(EngineError, match=r"'body_name' here; they can in .*body_mass"),
    ):
        simulation.engine.randomize("body_name", torch.zeros(1, 1), None)


def test_a_snapshot_can_be_rendered() -> None:
    task = load_task("hopper/run")
    with simulated(task) as simulation:
        simulation.step(actions(task, 1)[0])
        data = simulation.engine.snapshot(4)
        torch.testing.assert_close(
            torch.as_tensor(data.qpos).to(torch.float32), simulation.engine.field("qpos")[4]
        )


def test_what_fits_a_device_is_said() -> None:
    check_memory(nworld=900, per_world_bytes=10, free_bytes=10_000, total_bytes=20_000)
    with pytest.raises(EngineError, match=r"enough for 900\."):
        check_memory(nworld=901, per_world_bytes=10, free_bytes=10_000, total_bytes=20_000)


def test_more_room_takes_more_memory() -> None:
    model = load_task("ant/run").model
    little, much = (bytes_per_world(model, Budget(n, 4 * n)) for n in (16, 64))
    assert 5_000 < little < much < 200_000


def test_a_device_that_is_not_there_is_refused() -> None:
    model = load_task("hopper/run").model
    with pytest.raises(EngineError, match=r"no device 'cuda:7' here; there is cpu"):
        MujocoWarpEngine(model, 1, "cuda:7", Budget(8, 8))


def test_a_scene_that_warp_cannot_simulate_is_refused() -> None:
    spec = mujoco.MjSpec.from_string(
        "<mujoco><option solver='PGS'/><worldbody><body><freejoint/><geom size='.1'/></body>"
        "</worldbody></mujoco>"
    )
    with pytest.raises(EngineError, match=r"MuJoCo Warp cannot simulate this scene: .*PGS"):
        MujocoWarpEngine(spec.compile(), 1, "cpu", Budget(8, 8))
