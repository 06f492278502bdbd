"""Environments of a worker give the episodes that the project's own simulation gives."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from torch import Tensor

from rewardgen_envs.adapters.isaac.environment import IsaacVectorEnv
from rewardgen_envs.adapters.isaac.process import WORKER_FOLDER, WorkerDied, WorkerFailed
from rewardgen_envs.simulation import Simulation, Step
from rewardgen_envs.task import BoxAction, Task

FAKE = Path(__file__).with_name("fake_simulators.py")
COMMAND = [sys.executable, str(FAKE)]
WORLDS, STEPS, SEED = 4, 100, 11
KINDS = ["vec_task", "direct_env"]


def opened(kind: str, **options: bool) -> IsaacVectorEnv:
    return IsaacVectorEnv(
        COMMAND, WORLDS, seed=SEED, options={"kind": kind, **options}, start_s=240.0, step_s=120.0
    )


@pytest.fixture(scope="module", params=KINDS)
def env(request: pytest.FixtureRequest) -> Iterator[IsaacVectorEnv]:
    made = opened(request.param)
    yield made
    made.close()


@pytest.fixture(scope="module")
def task() -> Task:
    sys.path.insert(0, str(WORKER_FOLDER))
    try:
        from tests.envs.isaac.fake_simulators import ShortBalance
    finally:
        sys.path.remove(str(WORKER_FOLDER))
    return ShortBalance()


def acted(observation: Tensor) -> Tensor:
    """A policy without a memory, so that the same state is followed by the same."""
    return torch.sin(7.0 * observation.sum(dim=1, keepdim=True)).clamp(-1.0, 1.0)


def episodes(steps: list[tuple[Tensor, Tensor, Step]]) -> list[list[list[Tensor]]]:
    """Return the valid transitions of each world, in order."""
    worlds: list[list[list[Tensor]]] = [[] for _ in range(WORLDS)]
    for state, action, step in steps:
        for b in step.valid.nonzero()[:, 0].tolist():
            row = [state[b], action[b], step.next_state[b], step.terminated[b], step.truncated[b],
                   step.length[b]]  # fmt: skip
            worlds[b].append(row)
    return worlds


def test_its_transitions_are_those_of_the_native_simulation(
    env: IsaacVectorEnv, task: Task
) -> None:
    """Resets fall into other steps, and terminal states into other answers; episodes do not."""
    observation, _ = env.reset()
    theirs: list[tuple[Tensor, Tensor, Step]] = []
    for _ in range(STEPS):
        state, action = env.state, acted(torch.as_tensor(observation))
        observation, *_ = env.step(action.numpy())
        theirs.append((state, action, env.last_step))
    simulation = Simulation(task, [SEED], WORLDS, threads=1)
    ours: list[tuple[Tensor, Tensor, Step]] = []
    for _ in range(STEPS):
        state, action = simulation.state, acted(simulation.observation())
        ours.append((state, action, simulation.step(action)))
    simulation.close()
    terminated = truncated = 0
    for found, expected in zip(episodes(theirs), episodes(ours), strict=True):
        assert STEPS - 10 < len(found) <= len(expected)
        for their_row, our_row in zip(found, expected[: len(found)], strict=True):
            for theirs_part, ours_part in zip(their_row, our_row, strict=True):
                assert torch.equal(theirs_part, ours_part)
        terminated += sum(bool(row[3]) for row in found)
        truncated += sum(bool(row[4]) for row in found)
    assert terminated > 0 and truncated > 0


def test_it_is_a_vector_environment_with_features(env: IsaacVectorEnv, task: Task) -> None:
    assert isinstance(env, gymnasium.vector.VectorEnv)
    assert env.observation_space.shape == (WORLDS, 5)
    assert env.single_action_space == spaces.Box(-1.0, 1.0, (1,), np.float32)
    assert env.action == BoxAction(1)
    assert env.table.features == task.table.features
    assert env.control_dt_s == pytest.approx(0.04)
    assert env.episode_steps in (task.episode_steps, task.episode_steps + 1)
    observation, info = env.reset()
    np.testing.assert_array_equal(info["cart_position"], observation[:, 0])
    assert info["last_action"].shape == (WORLDS, 1)
    assert info["_last_action"].all() and info["valid"].all()
    same_step = env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    spans = np.zeros(WORLDS, bool)
    ends = 0
    for _ in range(60):
        before, state = observation, env.state
        action = acted(torch.as_tensor(observation)).numpy()
        observation, reward, terminated, truncated, info = env.step(action)
        step = env.last_step
        done = terminated | truncated
        ends += int(done.sum())
        # an observation shows the state of its feature row, before and after a reset
        np.testing.assert_array_equal(task.observation(task.table.view(env.state)), observation)
        if same_step:
            assert info["valid"].all()
            assert ("final_obs" in info) == bool(done.any())
            for b in np.flatnonzero(done):
                last = task.observation(task.table.view(step.next_state))[b]
                np.testing.assert_array_equal(info["final_obs"][b], last)
                assert info["final_info"]["pole_angle_cosine"][b] == last[2]
                assert not np.array_equal(observation[b], last)
                assert info["episode_time_s"][b] == 0.0
        else:
            np.testing.assert_array_equal(info["valid"], ~spans)
            assert not (done & spans).any() and not reward[spans].any()
            assert (info["episode_time_s"][spans] == 0.0).all()
            assert "final_obs" not in info
            spans = done
        assert torch.equal(step.ended, torch.as_tensor(done) | ~step.valid)
        assert torch.equal(env.state, step.state) and not torch.equal(env.state, state)
        assert not np.array_equal(before, observation)
    assert ends > 2


def test_actions_beyond_the_bounds_are_clipped(env: IsaacVectorEnv) -> None:
    env.reset()
    env.step(np.full((WORLDS, 1), 3.0))
    assert env.table.view(env.last_step.next_state).last_action.tolist() == [[1.0]] * WORLDS


def test_actions_of_another_shape_leave_the_worker_running(env: IsaacVectorEnv) -> None:
    env.reset()
    for wrong in (np.zeros((WORLDS, 2)), np.zeros((WORLDS - 1, 1)), np.zeros(WORLDS, np.int64)):
        shape = re.escape(str(wrong.shape))
        with pytest.raises(ValueError, match=rf"shape {shape}.*expected \({WORLDS}, 1\): 1 numb"):
            env.step(wrong)
    with pytest.raises(ValueError, match="not finite in environment 1"):
        env.step(np.array([[0.0], [np.nan], *[[0.0]] * (WORLDS - 2)]))
    assert env.worker.running
    env.step(np.zeros((WORLDS, 1)))


def test_resets_refuse_what_no_simulator_has(env: IsaacVectorEnv) -> None:
    with pytest.raises(ValueError, match="one seed for all"):
        env.reset(seed=[1, 2, 3, 4])
    with pytest.raises(ValueError, match="no options"):
        env.reset(options={"goal": 1})


def test_an_error_of_the_simulator_is_reported_with_its_text() -> None:
    with pytest.raises(WorkerFailed, match="RuntimeError: no GPU was found") as raised:
        opened("vec_task", broken=True)
    assert "Traceback" in str(raised.value), "what it printed last"


def test_after_its_end_it_says_so(task: Task) -> None:
    made = opened("direct_env")
    with pytest.raises(gymnasium.error.ResetNeeded):
        made.step(np.zeros((WORLDS, 1)))
    first, _ = made.reset(seed=5)
    simulation = Simulation(task, [5], WORLDS, threads=1)
    np.testing.assert_array_equal(first, simulation.observation())
    simulation.close()
    assert made.worker.running
    made.close()
    assert not made.worker.running
    with pytest.raises(WorkerDied, match="ended before: it was closed with status 0"):
        made.step(np.zeros((WORLDS, 1)))
