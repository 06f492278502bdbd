"""SB3's side of the search sees the physics of Gymnasium and is paid what we would pay."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

from benchmarks.rivals import gymnasium_env
from benchmarks.sb3.rewarded import BatchWorlds, GymnasiumWorlds
from rewardgen.rewards.format import parse_reward
from rewardgen.rewards.inline import InlineReward
from rewardgen.rewards.transitions import Transitions
from rewardgen_envs.engines.mujoco_batch import MujocoBatchEngine
from rewardgen_envs.physics import Physics
from rewardgen_envs.quantities import Quantities
from rewardgen_envs.registry import load_task
from rewardgen_envs.simulation import Simulation
from rewardgen_envs.task import Task

COUNT, SEED = 3, 11

Array = NDArray[np.float64]


@pytest.fixture(scope="module")
def task() -> Task:
    return load_task("half-cheetah/run")


def every_feature(task: Task) -> str:
    """Return a reward that every public feature, before and after, has its own weight in."""
    terms: list[str] = []
    for number, feature in enumerate(task.table.public()):
        for weight, state in ((1.0 + 0.1 * number, "next_state"), (0.55 + 0.1 * number, "state")):
            value = f"{state}.{feature.name}" + (".sum(dim=1)" if feature.shape else "")
            terms.append(f"{weight:.2f} * {value}")
    body = " + ".join(["(action * action).sum(dim=1)", *terms])
    return (
        "def compute_reward(state, action, next_state):\n"
        f"    reward = {body}\n"
        "    next_state.torso_z.fill_(0.0)\n"  # what it is given is its own
        '    return reward, {"all": reward}\n'
    )


def actions(step: int) -> NDArray[np.float32]:
    generator = np.random.default_rng(step)
    return generator.uniform(-1.0, 1.0, (COUNT, 6)).astype(np.float32)


def paid(task: Task, source: str, state: Array, action: Array, next_state: Array) -> Array:
    def rows(values: Array) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.float32)  # a copy: the code writes into it

    reward = InlineReward(parse_reward(source), task.table)
    transitions = Transitions(rows(state), rows(action), rows(next_state))
    return reward.evaluate(transitions).reward.numpy()


class Observer:
    """Gymnasium's own environments, and the task's features of their mjData."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self.envs = [cast(Any, gymnasium_env(task).unwrapped) for _ in range(COUNT)]
        self._engine = MujocoBatchEngine(task.model, COUNT, 1)

    def reset(self) -> Array:
        return np.stack([env.reset(seed=SEED + i)[0] for i, env in enumerate(self.envs)])

    def step(self, action: NDArray[np.float32]) -> Array:
        return np.stack([e.step(a)[0] for e, a in zip(self.envs, action, strict=True)])

    def features(self, t: int, x_before: Array, last_action: NDArray[np.float32]) -> Array:
        """Return the public features, from ``Task.measure`` at the same coordinates."""
        task, table = self._task, self._task.table.public()
        for name in ("qpos", "qvel"):
            rows = np.stack([getattr(env.data, name) for env in self.envs])
            self._engine.write(name, torch.from_numpy(rows), None)
        self._engine.forward(None)
        known = task.measure(Physics(self._engine), Quantities({}))
        known["forward_velocity"] = (known["torso_x"] - torch.from_numpy(x_before)) / 0.05
        known["episode_time_s"] = torch.full((COUNT,), 0.05 * t)
        known["last_action"] = torch.from_numpy(last_action)
        known["terminated"] = torch.zeros(COUNT)
        data = torch.zeros(COUNT, table.width)
        for name in table.names:
            table.select(data, name).copy_(known[name])
        return data.numpy()

    @property
    def x(self) -> Array:
        return np.array([env.data.qpos[0] for env in self.envs])


def test_gymnasium_worlds_pay_by_the_features_of_gymnasiums_physics(task: Task) -> None:
    source, worlds, observer = every_feature(task), GymnasiumWorlds(task, COUNT), Observer(task)
    worlds.pay(source)
    worlds.seed(SEED)
    assert np.array_equal(worlds.reset(), observer.reset())
    state = observer.features(0, observer.x, np.zeros((COUNT, 6), np.float32))
    for step in range(1, 30):
        action, before = actions(step), observer.x
        observation, reward, done, _ = worlds.step(action)
        assert np.array_equal(observation, observer.step(action))  # its physics is not touched
        assert not done.any()
        next_state = observer.features(step, before, action)
        expected = paid(task, source, state, action, next_state)
        np.testing.assert_allclose(reward, expected, rtol=1e-5, atol=1e-4)
        state = next_state


def test_batch_worlds_pay_by_the_features_of_the_simulation(task: Task) -> None:
    source, worlds = every_feature(task), BatchWorlds(task, COUNT, threads=1)
    worlds.pay(source)
    worlds.seed(SEED)
    simulation = Simulation(task, [SEED], COUNT, threads=1)
    np.testing.assert_array_equal(worlds.reset(), simulation.observation().numpy())
    width = task.table.public().width
    for step in range(1, 30):
        action, state = actions(step), simulation.state[:, :width]
        after = simulation.step(torch.from_numpy(action))
        observation, reward, _, _ = worlds.step(action)
        np.testing.assert_array_equal(observation, simulation.observation().numpy())
        next_state = after.next_state[:, :width]
        expected = paid(task, source, state.numpy(), action, next_state.numpy())
        np.testing.assert_allclose(reward, expected, rtol=1e-6)


@pytest.mark.parametrize("kind", [GymnasiumWorlds, BatchWorlds])
def test_episodes_end_by_time_and_begin_anew(task: Task, kind: type[VecEnv]) -> None:
    worlds = GymnasiumWorlds(task, 1) if kind is GymnasiumWorlds else BatchWorlds(task, 1, 1)
    worlds.pay("def compute_reward(s, a, n):\n    return n.episode_time_s, {}\n")
    worlds.seed(SEED)
    first = worlds.reset()
    idle = np.zeros((1, 6), np.float32)
    rewards: list[float] = []
    for _ in range(1_000):
        observation, reward, done, infos = worlds.step(idle)
        rewards.append(float(reward[0]))
        if done[0]:
            break
    np.testing.assert_allclose(rewards, 0.05 * np.arange(1, 1_001), rtol=1e-5)
    assert infos[0]["TimeLimit.truncated"]
    assert not np.array_equal(infos[0]["terminal_observation"], observation[0])
    assert not np.array_equal(first, observation)
    assert float(worlds.step(idle)[1][0]) == pytest.approx(0.05)
