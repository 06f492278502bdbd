"""``RewardWrapper``: a task's features and a reward in Gymnasium's own MuJoCo environments."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import gymnasium
import mujoco
import numpy as np
import pytest
import torch
from gymnasium.envs.mujoco.ant_v5 import AntEnv
from gymnasium.envs.mujoco.half_cheetah_v5 import HalfCheetahEnv
from gymnasium.envs.mujoco.hopper_v5 import HopperEnv
from gymnasium.envs.mujoco.mujoco_env import MujocoEnv
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers import RescaleAction
from stable_baselines3 import PPO
from torch import Tensor

from rewardgen.export.gymnasium import RewardWrapper
from rewardgen.rewards.findings import RefusedRewardError
from rewardgen.rewards.format import parse_reward
from rewardgen_envs.adapters.environment import EnvironmentFeatures, UnsuitableEnvironmentError
from rewardgen_envs.draw import Draw
from rewardgen_envs.engines.mujoco_data import MujocoDataEngine
from rewardgen_envs.errors import UsageError
from rewardgen_envs.registry import load_task
from rewardgen_envs.simulation import Simulation
from rewardgen_envs.task import BoxAction, DiscreteAction, Initial, Task
from rewardgen_policies.seam import RewardFailure

torch.set_num_threads(1)
ROBOTS = [
    ("half-cheetah/run", HalfCheetahEnv, "HalfCheetah-v5"),
    ("hopper/run", HopperEnv, "Hopper-v5"),
    ("ant/run", AntEnv, "Ant-v5"),
]
BEGIN = "def compute_reward(state, action, next_state):\n"
THREE = parse_reward(
    BEGIN + "    x = next_state.torso_x\n    return 0.0 * x + 3.0, {'three': 0.0 * x + 3.0}\n"
)


def on_scene_of(task: Task, kind: type[MujocoEnv]) -> MujocoEnv:
    """Gymnasium's class on our compiled scene, which differs in the options of the solver."""

    class OnOurScene(kind):
        def _initialize_simulation(self) -> tuple[mujoco.MjModel, mujoco.MjData]:
            model = copy.copy(task.model)
            return model, mujoco.MjData(model)

    return OnOurScene()


def replaying(task: Task, states: list[tuple[np.ndarray, np.ndarray]]) -> Simulation:
    """Our simulation of a task, led through given positions and velocities."""
    data = mujoco.MjData(task.model)
    given = iter(states[1:])

    class Led(MujocoDataEngine):
        def step(self, substeps: int) -> None:
            data.qpos[:], data.qvel[:] = next(given)
            self.refresh()

    class FromTheFirst(type(task)):
        def reset(self, mask: Tensor, draw: Draw) -> Initial:
            qpos, qvel = (torch.as_tensor(part).unsqueeze(0) for part in states[0])
            return Initial(qpos=qpos, qvel=qvel)

    return Simulation(FromTheFirst(), [0], 1, engine=Led(task.model, data))


def test_features_of_half_cheetah_equal_our_tasks_in_the_same_states() -> None:
    task, env = load_task("half-cheetah/run"), gymnasium.make("HalfCheetah-v5")
    features, data = EnvironmentFeatures(env, task), env.unwrapped.data
    env.reset(seed=3)
    env.action_space.seed(3)
    seen = [features.restart()]
    states = [(data.qpos.copy(), data.qvel.copy())]
    actions = [env.action_space.sample() for _ in range(50)]
    for action in actions:
        env.step(action)
        states.append((data.qpos.copy(), data.qvel.copy()))
        seen.append(features.advance(features.applied(action), False))
    simulation = replaying(task, states)
    torch.testing.assert_close(seen[0], simulation.state, rtol=0.0, atol=1e-6)
    for action, found in zip(actions, seen[1:], strict=True):
        expected = simulation.step(torch.as_tensor(action).unsqueeze(0)).next_state
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    assert float(task.table.view(seen[-1]).forward_velocity.abs()) > 0.0


@pytest.mark.parametrize(("name", "kind", "_"), ROBOTS, ids=[r[0] for r in ROBOTS])
def test_features_equal_our_simulations_in_the_same_physics(
    name: str, kind: type[MujocoEnv], _: str
) -> None:
    """Contact forces too: on our scene both go through the same states bit for bit."""
    task = load_task(name)
    simulation = Simulation(task, [4], 1, threads=1)
    start = [simulation.engine.field(field)[0].numpy().copy() for field in ("qpos", "qvel")]
    env = on_scene_of(task, kind)
    env.reset(seed=0)
    mujoco.mj_resetData(env.model, env.data)
    env.set_state(*start)
    features = EnvironmentFeatures(env, task)
    torch.testing.assert_close(features.restart(), simulation.state, rtol=1e-6, atol=1e-6)
    env.action_space.seed(4)
    for _step in range(25):
        action = env.action_space.sample()
        *_rest, terminated, _truncated, _info = env.step(action)
        step = simulation.step(torch.as_tensor(action, dtype=torch.float32).unsqueeze(0))
        found = features.advance(features.applied(action), terminated)
        torch.testing.assert_close(found, step.next_state, rtol=1e-5, atol=1e-5)
        assert terminated == bool(step.terminated)
        if bool(step.ended):
            break
    assert _step > 5


class SilentAnt(AntEnv):
    """Its scene has no sensor that asks for contact forces, and its step does not either."""

    def _step_mujoco_simulation(self, ctrl: np.ndarray, n_frames: int) -> None:
        self.data.ctrl[:] = ctrl
        mujoco.mj_step(self.model, self.data, n_frames)


def test_contact_forces_are_found_where_the_environment_computes_none() -> None:
    task = load_task("ant/run")
    silent, telling = SilentAnt(), gymnasium.make("Ant-v5")
    features = EnvironmentFeatures(silent, task)
    silent.reset(seed=1)
    telling.reset(seed=1)
    features.restart()
    touched = 0.0
    for _ in range(30):
        action = np.zeros(8, dtype=np.float32)
        silent.step(action)
        telling.step(action)
        found = features.advance(features.applied(action), False)
        forces = task.table.view(found).contact_forces[0].numpy()
        np.testing.assert_allclose(forces, telling.unwrapped.data.cfrc_ext[1:, 3:], rtol=1e-6)
        touched += float(np.abs(forces).sum())
    assert touched > 0.0
    assert not silent.data.cfrc_ext.any(), "the environment's own data was changed"


@pytest.mark.parametrize(("name", "_", "env_id"), ROBOTS, ids=[r[0] for r in ROBOTS])
def test_the_physics_goes_on_as_if_nobody_looked(name: str, _: object, env_id: str) -> None:
    plain, wrapped = gymnasium.make(env_id), RewardWrapper(gymnasium.make(env_id), name, "human")
    plain.action_space.seed(2)
    first, other = plain.reset(seed=2)[0], wrapped.reset(seed=2)[0]
    np.testing.assert_array_equal(first, other)
    for _step in range(40):
        action = plain.action_space.sample()
        seen, reward, terminated, truncated, info = plain.step(action)
        ours = wrapped.step(action)
        np.testing.assert_array_equal(seen, ours[0])
        assert (terminated, truncated) == ours[2:4]
        assert ours[4]["original_reward"] == reward
        assert {k: v for k, v in ours[4].items() if k in info} == info
        for field in ("qacc_warmstart", "cfrc_ext", "xpos", "sensordata", "time"):
            np.testing.assert_array_equal(
                getattr(plain.unwrapped.data, field), getattr(wrapped.unwrapped.data, field)
            )
        if terminated:
            plain.reset(seed=5)
            wrapped.reset(seed=5)


def test_the_human_reward_is_gymnasiums_own() -> None:
    """The human reward of hopper/run is Hopper-v5's, so both numbers must agree."""
    env = RewardWrapper(gymnasium.make("Hopper-v5"), load_task("hopper/run"), "human")
    env.reset(seed=0)
    env.action_space.seed(0)
    ended = False
    while not ended:
        _, reward, ended, _, info = env.step(env.action_space.sample())
        assert reward == pytest.approx(info["original_reward"], abs=1e-5)
        assert info["reward_terms"].keys() == {"forward", "healthy", "control"}
    assert info["reward_terms"]["healthy"] == 0.0, "the end is seen with the state that ended it"


def test_terminated_is_what_the_environment_says() -> None:
    """An environment that goes on after a fall has not terminated; the cause is seen still."""
    code = parse_reward(
        BEGIN + "    t, low = next_state.terminated, next_state.torso_tilted\n"
        "    return t, {'terminated': t, 'tilted': low}\n"
    )
    env = gymnasium.make("Hopper-v5", terminate_when_unhealthy=False)
    env = RewardWrapper(env, "hopper/run", code)
    env.reset(seed=0)
    for _ in range(150):
        _, _, terminated, _, info = env.step(np.ones(3, dtype=np.float32))
    assert not terminated
    assert info["reward_terms"] == {"terminated": 0.0, "tilted": 1.0}


@pytest.mark.parametrize("given", ["path", "text path", "code", "exported function"])
def test_a_reward_can_be_given_in_any_form(given: str, tmp_path: Path) -> None:
    path = tmp_path / "three.py"
    path.write_text(THREE.source)

    def exported(
        state: dict[str, Tensor], action: Tensor, next_state: dict[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        assert next_state.keys() == set(load_task("half-cheetah/run").table.public().names)
        three = 0.0 * next_state["torso_x"] + 3.0
        return three, {"three": three}

    reward = {"path": path, "text path": str(path), "code": THREE, "exported function": exported}
    env = RewardWrapper(gymnasium.make("HalfCheetah-v5"), "half-cheetah/run", reward[given])
    env.reset(seed=0)
    _, reward, _, _, info = env.step(np.zeros(6, dtype=np.float32))
    assert (reward, info["reward_terms"]) == (3.0, {"three": 3.0})


@pytest.mark.filterwarnings("ignore:.*(infinity|unwrapped|render).*:UserWarning")
@pytest.mark.parametrize(("name", "_", "env_id"), ROBOTS, ids=[r[0] for r in ROBOTS])
def test_wrapped_environments_pass_gymnasiums_checker(name: str, _: object, env_id: str) -> None:
    check_env(RewardWrapper(gymnasium.make(env_id), name, "human"), skip_render_check=True)


def test_it_can_be_made_again_from_its_spec() -> None:
    env = RewardWrapper(gymnasium.make("HalfCheetah-v5"), "half-cheetah/run", THREE)
    again = gymnasium.make(env.spec)
    again.reset(seed=0)
    assert again.step(np.zeros(6, dtype=np.float32))[1] == 3.0


def test_stable_baselines_trains_on_the_new_reward() -> None:
    env = RewardWrapper(gymnasium.make("HalfCheetah-v5"), "half-cheetah/run", THREE)
    model = PPO("MlpPolicy", env, n_steps=64, batch_size=32, n_epochs=1, seed=0, device="cpu")
    model.learn(128)
    assert model.num_timesteps == 128
    np.testing.assert_array_equal(model.rollout_buffer.rewards, np.full((64, 1), 3.0))


def test_actions_are_scaled_from_the_environments_bounds_and_clipped() -> None:
    code = parse_reward(
        BEGIN + "    a = action[:, 0]\n    return a, {'a': next_state.last_action[:, 0]}\n"
    )
    env = RescaleAction(gymnasium.make("HalfCheetah-v5"), np.float32(0.0), np.float32(10.0))
    env = RewardWrapper(env, "half-cheetah/run", code)
    env.reset(seed=0)
    for given, applied in ((0.0, -1.0), (2.5, -0.5), (10.0, 1.0)):
        _, reward, _, _, info = env.step(np.full(6, given, dtype=np.float32))
        assert (reward, info["reward_terms"]["a"]) == (applied, applied)
    features = EnvironmentFeatures(gymnasium.make("HalfCheetah-v5"), load_task("half-cheetah/run"))
    assert features.applied(np.full(6, 7.0)).tolist() == [[1.0] * 6]


def test_time_and_displacements_go_by_the_environments_control_step() -> None:
    code = parse_reward(
        BEGIN + "    v = next_state.forward_velocity\n"
        "    return v, {'v': v, 't': next_state.episode_time_s}\n"
    )
    env = gymnasium.make("HalfCheetah-v5", frame_skip=10)
    wrapped = RewardWrapper(env, "half-cheetah/run", code)
    wrapped.reset(seed=0)
    before = float(env.unwrapped.data.qpos[0])
    _, speed, _, _, info = wrapped.step(np.ones(6, dtype=np.float32))
    moved = float(env.unwrapped.data.qpos[0]) - before
    assert env.unwrapped.dt == pytest.approx(0.1)
    assert info["reward_terms"]["t"] == pytest.approx(0.1)
    assert speed == pytest.approx(moved / 0.1, rel=1e-5)


def test_variables_of_a_task_are_given_by_the_user() -> None:
    env = gymnasium.make("Ant-v5")
    goals = np.tile([3.0, 4.0], (5, 1))
    with pytest.raises(UnsuitableEnvironmentError, match=r"draws goals per episode.*variables="):
        RewardWrapper(env, "ant/goal", "human")
    code = parse_reward(
        BEGIN + "    d = next_state.goal_distance\n    return -d, {'distance': d}\n"
    )
    wrapped = RewardWrapper(env, "ant/goal", code, variables=lambda _: {"goals": goals})
    wrapped.reset(seed=0)
    reward = wrapped.step(np.zeros(8, dtype=np.float32))[1]
    x, y = env.unwrapped.data.qpos[:2]
    assert reward == pytest.approx(-np.hypot(3.0 - x, 4.0 - y), rel=1e-5)
    for given in ({"goals": goals[0]}, {}, None):
        bad = RewardWrapper(env, "ant/goal", code, variables=lambda _, g=given: g)
        with pytest.raises(UnsuitableEnvironmentError, match=r"'goals' of shape \(5, 2\)"):
            bad.reset(seed=0)


def test_a_step_that_diverged_pays_nothing() -> None:
    env = RewardWrapper(gymnasium.make("HalfCheetah-v5"), "half-cheetah/run", THREE)
    env.reset(seed=0)
    real = env.env.step

    def diverging(action: np.ndarray) -> tuple[object, ...]:
        result = real(action)
        env.unwrapped.data.qvel[0] = np.nan
        return result

    env.env.step = diverging
    _, reward, _, _, info = env.step(np.zeros(6, dtype=np.float32))
    assert (reward, info["reward_terms"]) == (0.0, {})


def test_a_reward_that_is_not_finite_is_an_error() -> None:
    code = parse_reward(
        BEGIN + "    x = next_state.torso_x\n    return x, {'bad': 1.0 / (0.0 * x)}\n"
    )
    env = RewardWrapper(gymnasium.make("HalfCheetah-v5"), "half-cheetah/run", code)
    env.reset(seed=0)
    with pytest.raises(RewardFailure, match="bad is"):
        env.step(np.zeros(6, dtype=np.float32))


def test_code_that_breaks_a_rule_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "bad.py"
    path.write_text("import os\n" + THREE.source.replace("torso_x", "torso_y"))
    with pytest.raises(RefusedRewardError, match=r"bad\.py is refused(.|\n)*line 1(.|\n)*torso_y"):
        RewardWrapper(gymnasium.make("HalfCheetah-v5"), "half-cheetah/run", path)
    with pytest.raises(UsageError, match=r"cannot read reward file nowhere\.py"):
        RewardWrapper(gymnasium.make("HalfCheetah-v5"), "half-cheetah/run", "nowhere.py")


class Bare(gymnasium.Env[np.ndarray, np.ndarray]):
    """Any MuJoCo model as an environment."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (1,), np.float32)

    def __init__(self, xml: str, actions: gymnasium.Space[Any], dt: float | None = 0.01) -> None:
        self.model = mujoco.MjModel.from_xml_string(xml)
        self.data = mujoco.MjData(self.model)
        self.action_space = actions
        if dt is not None:
            self.dt = dt


SLIDER = """<mujoco><worldbody><body name="cart"><joint name="slider" type="slide"/>
<geom name="g" size="0.1"/></body></worldbody></mujoco>"""
ONE = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)


def test_environments_that_do_not_fit_are_refused_by_what_they_lack() -> None:
    balance = load_task("cartpole/balance")
    with pytest.raises(UnsuitableEnvironmentError, match=r"CartPole-v1 has no mujoco\.MjModel"):
        EnvironmentFeatures(gymnasium.make("CartPole-v1"), balance)
    with pytest.raises(UnsuitableEnvironmentError, match="joint 'hinge' is missing"):
        EnvironmentFeatures(Bare(SLIDER, ONE), balance)
    two = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)
    with pytest.raises(UnsuitableEnvironmentError, match="those of task 'cartpole/balance' 1"):
        EnvironmentFeatures(Bare(SLIDER, two), balance)
    with pytest.raises(UnsuitableEnvironmentError, match=r"actions of Bare are Discrete\(2\)"):
        EnvironmentFeatures(Bare(SLIDER, gymnasium.spaces.Discrete(2)), balance)
    endless = gymnasium.spaces.Box(-np.inf, np.inf, (1,), np.float32)
    with pytest.raises(UnsuitableEnvironmentError, match="no finite bounds"):
        EnvironmentFeatures(Bare(SLIDER, endless), balance)
    with pytest.raises(UnsuitableEnvironmentError, match=r"control step: unwrapped\.dt"):
        EnvironmentFeatures(Bare(SLIDER, ONE, dt=None), balance)


def test_everything_that_a_model_lacks_is_listed() -> None:
    with pytest.raises(UnsuitableEnvironmentError) as refusal:
        EnvironmentFeatures(gymnasium.make("Hopper-v5"), three_actions("half-cheetah/run"))
    message = str(refusal.value)
    assert "geom 'bfoot' is missing; geom 'ffoot' is missing" in message
    assert "it has 6 of kind joint, the task's scene has 9" in message


def three_actions(name: str) -> Task:
    class Three(type(load_task(name))):
        @property
        def action(self) -> BoxAction:
            return BoxAction(3)

    return Three()


def test_joints_in_another_order_are_refused() -> None:
    task = load_task("hopper/run")
    xml = task.scene().to_xml().replace('"thigh_joint"', '"x"').replace('"leg_joint"', '"y"')
    xml = xml.replace('"x"', '"leg_joint"').replace('"y"', '"thigh_joint"')
    env = Bare(xml, gymnasium.spaces.Box(-1.0, 1.0, (3,), np.float32), dt=0.008)
    with pytest.raises(UnsuitableEnvironmentError, match="joint 3 is 'leg_joint', in the task's"):
        EnvironmentFeatures(env, task)


def test_discrete_tasks_and_repeated_actions_are_refused() -> None:
    class Bang(type(load_task("cartpole/balance"))):
        @property
        def action(self) -> DiscreteAction:
            return DiscreteAction(2)

    with pytest.raises(UnsuitableEnvironmentError, match="discrete actions"):
        EnvironmentFeatures(Bare(SLIDER, ONE), Bang())

    class Twice(gymnasium.ActionWrapper[Any, Any, Any]):
        def step(self, action: np.ndarray) -> tuple[Any, ...]:
            self.env.step(action)
            return self.env.step(action)

    env = RewardWrapper(Twice(gymnasium.make("HalfCheetah-v5")), "half-cheetah/run", THREE)
    env.reset(seed=0)
    with pytest.raises(UnsuitableEnvironmentError, match=r"took 0\.1 s.*control step is 0\.05 s"):
        env.step(np.zeros(6, dtype=np.float32))


def test_step_before_reset_is_refused() -> None:
    env = RewardWrapper(HalfCheetahEnv(), "half-cheetah/run", THREE)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(np.zeros(6, dtype=np.float32))
