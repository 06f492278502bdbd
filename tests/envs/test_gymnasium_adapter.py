from __future__ import annotations

import mujoco
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import RecordEpisodeStatistics
from torch import Tensor

from rewardgen_envs.adapters.gymnasium import to_gymnasium, to_gymnasium_vector
from rewardgen_envs.features import FeatureView
from rewardgen_envs.registry import load_task
from rewardgen_envs.task import DiscreteAction, Task

torch.set_num_threads(1)
TASKS = ["cartpole/balance", "hopper/run", "ant/goal"]


def discrete_balance() -> Task:
    class Bang(type(load_task("cartpole/balance"))):
        """Push left or right with full force."""

        @property
        def action(self) -> DiscreteAction:
            return DiscreteAction(2)

        def actuate(self, action: Tensor, features: FeatureView) -> Tensor:
            return (2.0 * action.double() - 1.0).unsqueeze(1)

    return Bang()


def velocity_reward(state: FeatureView, action: Tensor, next_state: FeatureView) -> Tensor:
    return next_state.forward_velocity - 0.1 * action.square().sum(1)


@pytest.mark.filterwarnings("ignore:.*(infinity|render modes).*:UserWarning")
@pytest.mark.parametrize("name", TASKS)
def test_environment_passes_gymnasiums_checker(name: str) -> None:
    check_env(to_gymnasium(load_task(name)))


@pytest.mark.filterwarnings("ignore:.*(infinity|render modes).*:UserWarning")
def test_discrete_environment_passes_gymnasiums_checker() -> None:
    env = to_gymnasium(discrete_balance())
    check_env(env)
    assert env.action_space.n == 2


@pytest.mark.parametrize("make", [lambda: load_task("hopper/run"), discrete_balance])
def test_vector_environment_equals_single_ones_with_the_same_seeds(make: object) -> None:
    task = make()
    vector = to_gymnasium_vector(task, 3, threads=1)
    singles = [to_gymnasium(task) for _ in range(3)]
    vector.action_space.seed(5)
    seen, info = vector.reset(seed=11)
    firsts = [env.reset(seed=11 + i) for i, env in enumerate(singles)]
    np.testing.assert_array_equal(seen, np.stack([obs for obs, _ in firsts]))
    ends = 0
    for _ in range(120):
        actions = vector.action_space.sample()
        seen, reward, terminated, truncated, info = vector.step(actions)
        for i, env in enumerate(singles):
            obs, r, term, trunc, single_info = env.step(actions[i])
            assert (r, term, trunc) == (reward[i], terminated[i], truncated[i])
            if term or trunc:
                ends += 1
                assert info["_final_obs"][i]
                np.testing.assert_array_equal(info["final_obs"][i], obs)
                final = info["final_info"]
                for name in task.table.names:
                    np.testing.assert_array_equal(final[name][i], single_info[name])
                obs, single_info = env.reset()
            np.testing.assert_array_equal(seen[i], obs)
            for name in task.table.names:
                np.testing.assert_array_equal(info[name][i], single_info[name])
    assert ends > 3


def test_vector_environment_declares_how_it_resets() -> None:
    vector = to_gymnasium_vector(load_task("hopper/run"), 4, threads=1)
    assert vector.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    recorded = RecordEpisodeStatistics(vector)
    recorded.action_space.seed(0)
    recorded.reset(seed=0)
    lengths: list[int] = []
    for _ in range(100):
        *_, info = recorded.step(recorded.action_space.sample())
        if "episode" in info:
            lengths += info["episode"]["l"][info["_episode"]].tolist()
    assert lengths
    assert min(lengths) > 1


def test_terminal_observation_is_the_true_last_one() -> None:
    task = load_task("hopper/run")
    env = to_gymnasium(task)
    env.action_space.seed(1)
    env.reset(seed=1)
    for _ in range(500):
        observation, _, terminated, _, info = env.step(env.action_space.sample())
        if terminated:
            break
    assert terminated
    assert info["terminated"] == 1.0
    assert observation[0] == info["torso_height"]
    assert info["torso_low"] or info["torso_tilted"] or info["out_of_range"]
    assert info["episode_time_s"] > 0.0


def test_truncates_at_the_nominal_length() -> None:
    env = to_gymnasium(load_task("half-cheetah/run"))
    env.reset(seed=0)
    for step in range(1, 1001):
        *_, terminated, truncated, _ = env.step(np.zeros(6, dtype=np.float32))
        assert not terminated
        assert truncated == (step == 1000)


def test_reset_goes_on_to_another_episode_and_a_seed_begins_anew() -> None:
    env = to_gymnasium(load_task("ant/run"))
    first, _ = env.reset(seed=4)
    second, _ = env.reset()
    third, _ = env.reset()
    again, _ = env.reset(seed=4)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, second)
    assert not np.array_equal(second, third)


def test_pays_the_given_reward_for_clipped_actions() -> None:
    env = to_gymnasium(load_task("half-cheetah/run"), reward=velocity_reward)
    env.reset(seed=0)
    _, reward, _, _, info = env.step(np.full(6, 3.0, dtype=np.float32))
    np.testing.assert_array_equal(info["last_action"], np.ones(6, dtype=np.float32))
    assert reward == pytest.approx(float(info["forward_velocity"]) - 0.6, rel=1e-6)


def test_pays_the_sparse_reward_by_default() -> None:
    env = to_gymnasium(load_task("cartpole/balance"))
    env.reset(seed=0)
    _, reward, *_ = env.step(np.zeros(1, dtype=np.float32))
    assert reward == 1.0


def test_diverged_world_is_truncated_with_a_finite_observation() -> None:
    task = load_task("hopper/run")
    vector = to_gymnasium_vector(task, 2, threads=1)
    before, _ = vector.reset(seed=0)
    simulation = vector._worlds.simulation
    qvel = simulation.engine.field("qvel").clone()
    qvel[1] = torch.nan
    simulation.engine.write("qvel", qvel, None)
    seen, reward, terminated, truncated, info = vector.step(np.zeros((2, 3), dtype=np.float32))
    assert terminated.tolist() == [False, False]
    assert truncated.tolist() == [False, True]
    assert info["final_info"]["diverged"].tolist() == [False, True]
    assert reward[1] == 0.0
    np.testing.assert_array_equal(info["final_obs"][1], before[1])
    assert np.isfinite(seen).all()


def test_step_before_reset_is_refused() -> None:
    with pytest.raises(Exception, match="reset"):
        to_gymnasium(load_task("hopper/run")).step(np.zeros(3, dtype=np.float32))
    with pytest.raises(Exception, match="reset"):
        to_gymnasium_vector(load_task("hopper/run"), 2).step(np.zeros((2, 3), dtype=np.float32))


def test_bad_arguments_name_the_culprit() -> None:
    with pytest.raises(ValueError, match="rgb_array"):
        to_gymnasium(load_task("hopper/run"), render_mode="human")
    vector = to_gymnasium_vector(load_task("hopper/run"), 2, threads=1)
    with pytest.raises(ValueError, match="3 seeds for 2"):
        vector.reset(seed=[1, 2, 3])
    with pytest.raises(ValueError, match="reset_mask"):
        vector.reset(options={"reset_mask": np.ones(2, dtype=bool)})


def test_renders_frames_where_there_is_opengl() -> None:
    env = to_gymnasium(load_task("hopper/run"), render_mode="rgb_array")
    env.reset(seed=0)
    try:
        frame = env.render()
    except (mujoco.FatalError, ImportError, AttributeError, RuntimeError):
        pytest.skip("no OpenGL here")
    assert frame.shape == (480, 640, 3)
    assert frame.std() > 0
    env.close()
