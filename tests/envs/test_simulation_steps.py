from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from rewardgen_envs.draw import Draw
from rewardgen_envs.features import Feature
from rewardgen_envs.hopper.run import Run as HopperRun
from rewardgen_envs.physics import Physics
from rewardgen_envs.quantities import Quantities
from rewardgen_envs.registry import load_task
from rewardgen_envs.simulation import Simulation, Step
from rewardgen_envs.task import BoxAction, Initial, Task, TaskError
from tests.every_task import every_task

torch.set_num_threads(1)


def actions(task: Task, steps: int, worlds: int, seed: int = 0) -> Tensor:
    assert isinstance(task.action, BoxAction)
    generator = torch.Generator().manual_seed(seed)
    return 2.0 * torch.rand(steps, worlds, task.action.size, generator=generator) - 1.0


def first_end(simulation: Simulation, given: Tensor) -> tuple[Tensor, Step, int]:
    """Step until some episode ends; return the state before, the step, and a world that ended."""
    for action in given:
        before = simulation.state
        step = simulation.step(action)
        if bool(step.ended.any()):
            return before, step, int(step.ended.nonzero()[0, 0])
    raise AssertionError("no episode ended")


class ShortHopper(HopperRun):
    """Episodes of ten steps that hardly ever fall."""

    episode_s = 0.08


@pytest.mark.parametrize("name", every_task())
def test_a_members_episodes_do_not_depend_on_its_neighbours(name: str) -> None:
    """Members with seeds 5 and 9: alone, together, in another order, on two threads."""
    task = load_task(name)
    steps, worlds = 120, 3
    of_five, of_nine = actions(task, steps, worlds, 5), actions(task, steps, worlds, 9)
    populations = [([9], of_nine, 1, 0), ([5, 9], torch.cat([of_five, of_nine], 1), 2, 3)]
    populations += [([9, 5, 5], torch.cat([of_nine, of_five, of_five], 1), 1, 0)]
    histories: list[Tensor] = []
    for seeds, given, threads, first in populations:
        simulation = Simulation(task, seeds, worlds, threads=threads)
        seen = [simulation.state[first : first + worlds].clone()]
        for action in given:
            step = simulation.step(action)
            seen += [step.next_state[first : first + worlds], step.state[first : first + worlds]]
        histories.append(torch.stack(seen))
    assert torch.equal(histories[0], histories[1])
    assert torch.equal(histories[0], histories[2])


def test_worlds_seeds_and_episodes_begin_differently_and_repeat() -> None:
    task = load_task("ant/run")
    starts = Simulation(task, [1, 2], 2, threads=1).state
    assert len(torch.unique(starts, dim=0)) == 4
    later = Simulation(task, [1, 2], 2, threads=1, first_episode=1).state
    assert len(torch.unique(torch.cat([starts, later]), dim=0)) == 8
    assert torch.equal(starts, Simulation(task, [1, 2], 2, threads=1).state)


def test_an_episode_number_says_how_a_world_begins() -> None:
    task = load_task("hopper/run")
    simulation = Simulation(task, [3], 8, threads=1)
    seen = {(world, 0): simulation.state[world] for world in range(8)}
    for action in actions(task, 150, 8):
        step = simulation.step(action)
        for world in step.ended.nonzero()[:, 0].tolist():
            seen[world, int(simulation.episode[world])] = step.state[world]
    last = max(episode for _, episode in seen)
    assert last >= 2
    for episode in range(last + 1):
        fresh = Simulation(task, [3], 8, threads=1, first_episode=episode).state
        for world in range(8):
            if (world, episode) in seen:
                assert torch.equal(fresh[world], seen[world, episode])


def test_terminal_features_are_kept_and_the_world_begins_anew() -> None:
    task = load_task("hopper/run")
    simulation = Simulation(task, [0], 16, threads=1)
    _, step, world = first_end(simulation, actions(task, 200, 16))
    last, new = task.table.view(step.next_state[world]), task.table.view(step.state[world])
    assert bool(step.terminated[world])
    assert float(last.terminated) == 1.0
    assert float(last.torso_low + last.torso_tilted + last.out_of_range) >= 1.0
    assert float(new.terminated) == 0.0
    assert float(new.episode_time_s) == 0.0
    assert not bool(new.last_action.any())
    assert float(new.forward_velocity) == 0.0
    assert abs(float(new.torso_height) - 1.25) < 0.01
    assert float(last.episode_time_s) == pytest.approx(int(step.length[world]) * 0.008)
    assert int(simulation.t[world]) == 0
    others = ~step.ended
    assert torch.equal(step.state[others], step.next_state[others])


def test_truncates_at_the_nominal_length_and_fitness_covers_the_episode() -> None:
    task = ShortHopper()
    simulation = Simulation(task, [0], 3, threads=1)
    start = task.table.view(simulation.state).torso_x.clone()
    given = actions(task, 10, 3) * 0.1
    for number, action in enumerate(given, 1):
        step = simulation.step(action)
        assert step.truncated.tolist() == [number == 10] * 3
        assert step.length.tolist() == [number] * 3
    assert not bool(step.terminated.any())
    moved = task.table.view(step.next_state).torso_x - start
    torch.testing.assert_close(step.fitness["speed"], moved / 0.08, rtol=1e-4, atol=1e-5)


def test_a_fallen_episode_is_rated_over_the_full_time() -> None:
    task = load_task("hopper/run")
    simulation = Simulation(task, [0], 16, threads=1)
    start = task.table.view(simulation.state).torso_x.clone()
    _, step, world = first_end(simulation, actions(task, 200, 16))
    moved = task.table.view(step.next_state).torso_x - start
    torch.testing.assert_close(
        step.fitness["speed"][world], moved[world] / 8.0, rtol=1e-4, atol=1e-6
    )


def test_a_termination_at_the_last_step_is_no_truncation() -> None:
    class Doomed(ShortHopper):
        def terminations(self, features: object) -> dict[str, Tensor]:
            judged = super().terminations(features)
            judged["torso_low"] = features.episode_time_s > 0.079
            return judged

    simulation = Simulation(Doomed(), [0], 2, threads=1)
    for action in actions(simulation.task, 10, 2) * 0.1:
        step = simulation.step(action)
    assert step.terminated.tolist() == [True, True]
    assert step.truncated.tolist() == [False, False]


def test_restart_breaks_off_the_masked_worlds_only() -> None:
    task = load_task("ant/run")
    simulation = Simulation(task, [0], 4, threads=1)
    for action in actions(task, 5, 4):
        simulation.step(action)
    before = simulation.state
    kept = before.clone()
    mask = torch.tensor([False, True, False, True])
    simulation.restart(mask)
    assert torch.equal(before, kept)
    assert torch.equal(simulation.state[~mask], kept[~mask])
    assert simulation.t.tolist() == [5, 0, 5, 0]
    assert simulation.episode.tolist() == [0, 1, 0, 1]
    fresh = Simulation(task, [0], 4, threads=1, first_episode=1).state
    assert torch.equal(simulation.state[mask], fresh[mask])


def test_results_of_a_step_stay_as_they_are() -> None:
    task = load_task("ant/goal")
    simulation = Simulation(task, [0], 8, threads=1)
    given = actions(task, 60, 8)
    steps = [simulation.step(action) for action in given[:2]]
    copies = [(s.state.clone(), s.next_state.clone(), s.length.clone()) for s in steps]
    for action in given[2:]:
        simulation.step(action)
    for step, (state, next_state, length) in zip(steps, copies, strict=True):
        assert torch.equal(step.state, state)
        assert torch.equal(step.next_state, next_state)
        assert torch.equal(step.length, length)


@pytest.mark.parametrize("name", ["hopper/run", "ant/goal"])
def test_a_diverged_world_is_invalid_and_reset_and_its_neighbours_do_not_notice(name: str) -> None:
    task = load_task(name)
    broken, calm = (Simulation(task, [0], 4, threads=1) for _ in range(2))
    given = actions(task, 8, 4) * 0.1
    for number, action in enumerate(given):
        if number == 3:
            qvel = broken.engine.field("qvel").clone()
            qvel[2] = torch.nan
            broken.engine.write("qvel", qvel, None)
        ours, undisturbed = broken.step(action), calm.step(action)
        others = [0, 1, 3]
        assert torch.equal(ours.state[others], undisturbed.state[others])
        assert torch.equal(ours.next_state[others], undisturbed.next_state[others])
        assert ours.valid.tolist() == [True, True, number != 3, True]
        assert bool(ours.state.isfinite().all())
        if number == 3:
            assert ours.ended.tolist() == [False, False, True, False]
            assert not bool((ours.terminated | ours.truncated).any())
            begun = Simulation(task, [0], 4, threads=1, first_episode=1).state[2]
            assert torch.equal(ours.state[2], begun)


def test_position_features_describe_the_state_after_the_step() -> None:
    """The displacement in a step equals the difference of the positions that are shown."""
    task = load_task("ant/run")
    simulation = Simulation(task, [0], 4, threads=1)
    for action in actions(task, 20, 4):
        before = task.table.view(simulation.state).torso_position
        step = simulation.step(action)
        after = task.table.view(step.next_state)
        torch.testing.assert_close(
            after.forward_velocity,
            (after.torso_position - before)[:, 0] / task.control_dt_s,
            rtol=1e-3,
            atol=1e-4,
        )


def changed(
    measure: Callable[[dict[str, Tensor]], object] | None = None,
    reset: Callable[[Initial], Initial] | None = None,
) -> Task:
    class Changed(HopperRun):
        variables: ClassVar[tuple[Feature, ...]] = (Feature("goal", (), "m", "A goal."),)

        def measure(self, physics: Physics, variables: Quantities) -> dict[str, Tensor]:
            values = super().measure(physics, variables)
            if measure is not None:
                measure(values)
            return values

        def reset(self, mask: Tensor, draw: Draw) -> Initial:
            start = super().reset(mask, draw)
            start = Initial(start.qpos, start.qvel, {"goal": draw.uniform("goal")})
            return start if reset is None else reset(start)

    return Changed()


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize(
    ("task", "message"),
    [
        (changed(lambda v: v.pop("foot_height")), "'foot_height' is declared but neither"),
        (
            changed(lambda v: v.update(torso_height=v["torso_height"].unsqueeze(1))),
            r"'torso_height' has shape \(2, 1\), declared is \(B, \)",
        ),
        (changed(reset=lambda s: Initial(s.qpos, s.qvel)), r"reset\(\) draws no 'goal'"),
        (
            changed(reset=lambda s: Initial(s.qpos[:, 1:], s.qvel, s.variables)),
            r"'qpos' of shape \(2, 5\), expected \(2, 6\)",
        ),
        (
            changed(reset=lambda s: Initial(s.qpos, s.qvel, {"goal": s.qpos})),
            r"'goal' of shape \(2, 6\), expected \(2,\)",
        ),
    ],
)
def test_a_task_that_breaks_its_word_is_named_with_the_culprit(task: Task, message: str) -> None:
    with pytest.raises(TaskError, match=message):
        Simulation(task, [0], 2, threads=1)


def test_a_good_variable_is_a_feature() -> None:
    simulation = Simulation(changed(), [0], 2, threads=1)
    goal = simulation.task.table.view(simulation.state).goal
    for action in actions(simulation.task, 3, 2):
        step = simulation.step(action)
        assert torch.equal(simulation.task.table.view(step.next_state).goal, goal)
