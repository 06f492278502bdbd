"""hopper/run, half-cheetah/run, ant/run and humanoid/run against Gymnasium's own classes.

Both sides start every transition from the same recorded state, on the same compiled scene.
Deliberate differences, each asserted below:

- Features are float32, the classes compute in float64: tolerance 1e-5.
- Scenes: implicitfast, Newton and elliptic cones on both sides here; the files that Gymnasium
  ships say otherwise. Nothing else differs but a sensor and names.
- Ant and humanoid: the classes take the position of the torso from ``xpos``, or of the centre of
  mass from ``xipos``, which are one physics substep old after a step; ours is where they are.
  Forward velocity and forward reward differ by that much.
- Humanoid: the class also observes what follows from positions and velocities; ours does not,
  and sees which feet stand instead. Its actions are torques up to 0.4; ours are shares of that.
- Ant: at a reset our contact forces are those of the state; on Gymnasium's own scene they are
  zero, for lack of a sensor that makes MuJoCo compute them.
- A state that is not finite is an invalid transition, not a termination.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import gymnasium
import mujoco
import numpy as np
import pytest
import torch
from gymnasium.envs.mujoco.ant_v5 import AntEnv
from gymnasium.envs.mujoco.half_cheetah_v5 import HalfCheetahEnv
from gymnasium.envs.mujoco.hopper_v5 import HopperEnv
from gymnasium.envs.mujoco.humanoid_v5 import HumanoidEnv
from gymnasium.envs.mujoco.mujoco_env import MujocoEnv
from torch import Tensor

from rewardgen.rewards.inline import InlineReward
from rewardgen.rewards.transitions import Transitions
from rewardgen_envs.draw import Draw
from rewardgen_envs.registry import load_task
from rewardgen_envs.simulation import Simulation, Step
from rewardgen_envs.task import BoxAction, Initial, Task

torch.set_num_threads(1)
TOLERANCE = 1e-5
RECORDINGS = Path(__file__).parent / "recordings"


def root_x(model: mujoco.MjModel, data: mujoco.MjData) -> float:
    return float(data.qpos[0])


def center_x(model: mujoco.MjModel, data: mujoco.MjData) -> float:
    mujoco.mj_kinematics(model, data)
    mujoco.mj_comPos(model, data)
    return float(data.subtree_com[1, 0])


@dataclass(frozen=True)
class Oracle:
    """A task and the class that it must equal, but for what observations have beyond ``shared``."""

    task: str
    env: type[MujocoEnv]
    feet: tuple[str, ...]
    terms: dict[str, str]
    least_terminations: int
    moves: Callable[[mujoco.MjModel, mujoco.MjData], float] = root_x
    late: bool = False
    forward_weight: float = 1.0
    shared: int | None = None


ALL_TERMS = {
    "forward": "reward_forward",
    "healthy": "reward_survive",
    "control": "reward_ctrl",
    "contact": "reward_contact",
}

ORACLES = [
    Oracle(
        "hopper/run",
        HopperEnv,
        ("foot_geom",),
        {"forward": "reward_forward", "healthy": "reward_survive", "control": "reward_ctrl"},
        50,
    ),
    Oracle(
        "half-cheetah/run",
        HalfCheetahEnv,
        ("bfoot", "ffoot"),
        {"forward": "reward_forward", "control": "reward_ctrl"},
        0,
    ),
    Oracle(
        "ant/run",
        AntEnv,
        ("left_ankle_geom", "right_ankle_geom", "third_ankle_geom", "fourth_ankle_geom"),
        ALL_TERMS,
        50,
        late=True,
    ),
    Oracle(
        "humanoid/run",
        HumanoidEnv,
        ("right_foot", "left_foot"),
        ALL_TERMS,
        50,
        moves=center_x,
        late=True,
        forward_weight=1.25,
        shared=45,
    ),
]


@dataclass(frozen=True)
class Transition:
    """Where transitions start and what is done, (n, ·)."""

    qpos: Tensor
    qvel: Tensor
    action: Tensor


@dataclass(frozen=True)
class Theirs:
    """What the Gymnasium class gave for the same transitions."""

    first_observation: np.ndarray
    observation: np.ndarray
    reward: np.ndarray
    terminated: np.ndarray
    info: dict[str, np.ndarray]
    moved: np.ndarray
    foot_contact: np.ndarray


@dataclass(frozen=True)
class Case:
    """One task's transitions as both sides see them."""

    oracle: Oracle
    task: Task
    state: Tensor
    step: Step
    action: Tensor
    theirs: Theirs


def random_transitions(task: Task) -> Transition:
    """Record 700 transitions under random actions; up to 100 of them end an episode."""
    simulation = Simulation(task, [7], 64, threads=1)
    generator = torch.Generator().manual_seed(7)
    assert isinstance(task.action, BoxAction)
    kept: dict[bool, list[tuple[Tensor, ...]]] = {True: [], False: []}
    for _ in range(120):
        action = torch.rand(64, task.action.size, generator=generator) * 2.0 - 1.0
        before = [simulation.engine.field(name).clone() for name in ("qpos", "qvel")]
        step = simulation.step(action)
        for world in range(64):
            row = (before[0][world], before[1][world], action[world])
            kept[bool(step.terminated[world])].append(row)
    ended = kept[True][:100]
    order = torch.randperm(len(kept[False]), generator=generator)[: 700 - len(ended)]
    rows = ended + [kept[False][i] for i in order]
    return Transition(*(torch.stack(column) for column in zip(*rows, strict=True)))


def trained_transitions(task: Task) -> Transition:
    """Load the transitions that ``record_transitions.py`` recorded under trained policies."""
    with np.load(RECORDINGS / f"{task.name.replace('/', '_')}.npz") as data:
        return Transition(
            torch.from_numpy(data["qpos"]).double(),
            torch.from_numpy(data["qvel"]).double(),
            torch.from_numpy(data["action"]),
        )


def ours(task: Task, given: Transition) -> tuple[Task, Tensor, Step]:
    """Take the transitions in our simulation: each world resets to a recorded state."""

    class Replay(type(task)):
        def reset(self, mask: Tensor, draw: Draw) -> Initial:
            return Initial(qpos=given.qpos, qvel=given.qvel)

    replay = Replay()
    simulation = Simulation(replay, [0], len(given.qpos), threads=1)
    state = simulation.state.clone()
    simulation.engine.write("qacc_warmstart", torch.zeros_like(given.qvel), None)
    return replay, state, simulation.step(given.action)


def theirs(oracle: Oracle, task: Task, given: Transition) -> Theirs:
    """Take the transitions in Gymnasium's class, on our compiled scene."""

    class OnOurScene(oracle.env):
        def _initialize_simulation(self) -> tuple[mujoco.MjModel, mujoco.MjData]:
            model = copy.copy(task.model)
            return model, mujoco.MjData(model)

    env = OnOurScene()
    assert env.dt == pytest.approx(task.control_dt_s)
    feet = [mujoco.mj_name2id(env.model, mujoco.mjtObj.mjOBJ_GEOM, name) for name in oracle.feet]
    largest = env.action_space.high  # ours is 1
    rows: list[tuple[object, ...]] = []
    for qpos, qvel, action in zip(given.qpos, given.qvel, given.action, strict=True):
        mujoco.mj_resetData(env.model, env.data)
        env.set_state(qpos.numpy(), qvel.numpy())
        first = env._get_obs()
        env.data.qacc_warmstart[:] = 0.0
        start = oracle.moves(env.model, env.data)
        observation, reward, terminated, _, info = env.step(largest * action.numpy())
        contact = bool(np.isin(env.data.contact.geom, feet).any())
        moved = (oracle.moves(env.model, env.data) - start) / env.dt
        rows.append((first, observation, reward, terminated, info, moved, contact))
    first, observation, reward, terminated, infos, moved, contact = zip(*rows, strict=True)
    return Theirs(
        first_observation=np.stack(first),
        observation=np.stack(observation),
        reward=np.array(reward),
        terminated=np.array(terminated, dtype=bool),
        info={key: np.array([info[key] for info in infos]) for key in infos[0]},
        moved=np.array(moved),
        foot_contact=np.array(contact),
    )


@pytest.fixture(scope="module", params=ORACLES, ids=lambda oracle: oracle.task)
def case(request: pytest.FixtureRequest) -> Case:
    oracle: Oracle = request.param
    task = load_task(oracle.task)
    parts = [random_transitions(task), trained_transitions(task)]
    given = Transition(
        qpos=torch.cat([p.qpos for p in parts]),
        qvel=torch.cat([p.qvel for p in parts]),
        action=torch.cat([p.action for p in parts]),
    )
    replay, state, step = ours(task, given)
    return Case(oracle, replay, state, step, given.action, theirs(oracle, task, given))


def human_reward(case: Case) -> tuple[Tensor, dict[str, Tensor]]:
    table = case.task.table
    source = InlineReward.from_file(case.task.human_reward, table)
    width = table.public_width
    output = source.evaluate(
        Transitions(
            state=case.state[:, :width].clone(),
            action=case.action,
            next_state=case.step.next_state[:, :width].clone(),
        )
    )
    return output.reward, output.terms


def test_recordings_show_terminations_and_foot_contact(case: Case) -> None:
    assert len(case.action) >= 1000
    assert case.theirs.terminated.sum() >= case.oracle.least_terminations
    assert case.theirs.foot_contact.sum() >= 200
    assert bool(case.step.valid.all())


def test_observation_equals_gymnasiums(case: Case) -> None:
    table = case.task.table
    first = case.task.observation(table.view(case.state)).numpy()
    after = case.task.observation(table.view(case.step.next_state)).numpy()
    for found, expected in (
        (first, case.theirs.first_observation),
        (after, case.theirs.observation),
    ):
        columns = slice(case.oracle.shared)
        # float32 has seven digits, and a falling humanoid's joints move at 60 rad/s
        np.testing.assert_allclose(
            found[:, columns], expected[:, columns], rtol=1e-7, atol=TOLERANCE
        )


def test_termination_equals_gymnasiums(case: Case) -> None:
    np.testing.assert_array_equal(case.step.terminated.numpy(), case.theirs.terminated)


def test_human_reward_equals_gymnasiums(case: Case) -> None:
    reward, terms = human_reward(case)
    # some classes see the robot one substep late; for the others late is zero
    late = case.oracle.forward_weight * (case.theirs.moved - case.theirs.info["x_velocity"])
    np.testing.assert_allclose(reward, case.theirs.reward + late, rtol=0.0, atol=TOLERANCE)
    assert terms.keys() == case.oracle.terms.keys()
    for name, info in case.oracle.terms.items():
        expected = case.theirs.info[info] + (late if name == "forward" else 0.0)
        np.testing.assert_allclose(terms[name], expected, rtol=0.0, atol=TOLERANCE)


def test_which_forward_velocity_is_late_in_gymnasium(case: Case) -> None:
    late = np.abs(case.theirs.moved - case.theirs.info["x_velocity"]).max()
    assert late > 0.1 if case.oracle.late else late < TOLERANCE


def test_no_term_of_the_human_reward_is_constant(case: Case) -> None:
    _, terms = human_reward(case)
    for name, value in terms.items():
        assert value.std() > 0.0, name


def test_episode_length_equals_gymnasiums(case: Case) -> None:
    spec = gymnasium.spec(f"{case.oracle.env.__name__.removesuffix('Env')}-v5")
    assert case.task.episode_steps == spec.max_episode_steps


def test_scene_differs_in_solver_options_only(case: Case) -> None:
    file_name = f"{case.oracle.task.split('/')[0].replace('-', '_')}.xml"
    path = Path(gymnasium.__file__).parent / "envs" / "mujoco" / "assets" / file_name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a deprecated attribute of the cheetah's file
        shipped = mujoco.MjModel.from_xml_path(str(path))
    model = load_task(case.oracle.task).model
    # sizes and addresses of the sensor and of the names given to bodies
    sensor = ("_", "sensor_", "name_", "names", "nnames", "nsensor", "nbuffer", "signature")
    for name in dir(shipped):
        a, b = getattr(model, name), getattr(shipped, name)
        if name.startswith(sensor) or callable(a):
            continue
        if isinstance(a, int | float | np.ndarray):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12, err_msg=name)
    options = [name for name in dir(model.opt) if not name.startswith("_")]
    differ = {n for n in options if np.any(getattr(model.opt, n) != getattr(shipped.opt, n))}
    assert differ <= {"integrator", "cone", "disableflags", "solver"}


@pytest.mark.parametrize("oracle", ORACLES, ids=lambda oracle: oracle.task)
def test_resets_are_distributed_as_gymnasiums(oracle: Oracle) -> None:
    task, env = load_task(oracle.task), oracle.env()
    count = 2000
    world = torch.arange(count)
    draw = Draw(torch.full_like(world, 3), world, torch.zeros_like(world))
    initial = task.reset(torch.ones(count, dtype=torch.bool), draw)
    env.reset(seed=3)
    states: list[np.ndarray] = []
    for _ in range(count):
        env.reset()
        states.append(env.state_vector())
    expected = np.stack(states)
    found = torch.cat([initial.qpos, initial.qvel], dim=1).numpy()
    scale = expected.std(0)
    assert np.all(np.abs(found.mean(0) - expected.mean(0)) < 0.15 * scale)
    np.testing.assert_allclose(found.std(0), scale, rtol=0.1)
    nq = task.model.nq
    np.testing.assert_allclose(found[:, :nq].min(0), expected[:, :nq].min(0), atol=0.02 * 0.1)
    np.testing.assert_allclose(found[:, :nq].max(0), expected[:, :nq].max(0), atol=0.02 * 0.1)


def test_ants_contact_forces_at_a_reset_are_those_of_the_state(
    still_ant: Callable[[], Simulation],
) -> None:
    simulation = still_ant()
    view = simulation.task.table.view(simulation.state)
    assert bool((view.contact_forces[..., 2].sum(1) > 1.0).all())
    shipped = AntEnv()
    mujoco.mj_resetData(shipped.model, shipped.data)
    shipped.set_state(*(simulation.engine.field(f)[0].numpy() for f in ("qpos", "qvel")))
    assert not shipped.data.cfrc_ext.any()


@pytest.fixture
def still_ant() -> Callable[[], Simulation]:
    """An ant that a reset puts where it has come to rest on its feet."""

    def build() -> Simulation:
        task = load_task("ant/run")
        settled = Simulation(task, [1], 1, threads=1)
        for _ in range(60):
            settled.step(torch.zeros(1, 8))
        qpos, qvel = (settled.engine.field(name).clone() for name in ("qpos", "qvel"))

        class Still(type(task)):
            def reset(self, mask: Tensor, draw: Draw) -> Initial:
                return Initial(qpos=qpos, qvel=qvel)

        return Simulation(Still(), [0], 1, threads=1)

    return build


@pytest.mark.parametrize("oracle", ORACLES, ids=lambda oracle: oracle.task)
def test_a_state_that_is_not_finite_is_invalid_and_no_termination(oracle: Oracle) -> None:
    task = load_task(oracle.task)
    simulation = Simulation(task, [0], 2, threads=1)
    assert isinstance(task.action, BoxAction)
    broken = simulation.engine.field("qvel").clone()
    broken[1, -1] = torch.nan
    simulation.engine.write("qvel", broken, None)
    step = simulation.step(torch.zeros(2, task.action.size))
    assert step.valid.tolist() == [True, False]
    assert step.ended.tolist() == [False, True]
    assert not bool(step.terminated.any())
