"""Members that SB3 trains behind the seam: what plain SB3 gives, resumption, frozen members."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import gymnasium
import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv

from rewardgen.rewards.sparse import OriginalReward
from rewardgen_envs.adapters.mapped.task import MappedTask
from rewardgen_envs.adapters.mapped.worlds import reset_seed
from rewardgen_envs.features import Feature
from rewardgen_envs.metrics import Accumulation, Metric
from rewardgen_policies.checkpoint import CheckpointError, save_checkpoint
from rewardgen_policies.members import Member, TrainResult
from rewardgen_policies.recipe import Recipe, RecipeError
from rewardgen_policies.sb3.buffer import WeightedBuffer
from rewardgen_policies.sb3.state import Sb3State, load_sb3_state
from rewardgen_policies.sb3.training import episodes_seed, member_seed
from rewardgen_policies.seam import RewardFailure, Rollout, Scores, SourceSpec
from rewardgen_policies.train import train

WORLDS, STEPS, UPDATES, SEED = 3, 40, 3, 5
PLAIN = Recipe(
    worlds=WORLDS,
    steps=STEPS,
    epochs=2,
    minibatches=4,
    learning_rate=3e-4,
    schedule="fixed",
    max_grad_norm=0.5,
    min_std=1e-6,
    normalize_observations=False,
    normalize_values=False,
)


class Swing(MappedTask):
    """A pendulum whose torque is in [-2, 2], cut off after 25 steps, inside the rollouts."""

    name = "pendulum/swing-up"
    description = "Swing the pendulum up and hold it there."
    env = "Pendulum-v1"
    features = (
        Feature("height", (), "1", "Cosine of the angle: 1 is upright."),
        Feature("rate", (), "rad/s", "Angular velocity."),
    )
    sources: ClassVar = {"height": "observation[0]", "rate": "observation[2]"}
    metrics = (Metric("env_return", "1", "Sum of the rewards.", accumulation=Accumulation.TOTAL),)
    scores: ClassVar = {"env_return": "env_reward"}
    steps = 25


class Pole(MappedTask):
    """A cart-pole: choices, and terminations."""

    name = "pole/balance"
    description = "Keep the pole upright."
    env = "CartPole-v1"
    features = (Feature("angle", (), "rad", "Angle of the pole; 0 is upright."),)
    sources: ClassVar = {"angle": "observation[2]"}
    metrics = (Metric("env_return", "1", "Sum of the rewards.", accumulation=Accumulation.TOTAL),)
    scores: ClassVar = {"env_return": "env_reward"}
    steps = 25


class Large(Swing):
    """Observations far beyond 10, which nothing may cut off."""

    name = "pendulum/large"
    env = "tests/LargePendulum-v0"


def large_pendulum() -> gymnasium.Env[Any, Any]:
    env = gymnasium.make("Pendulum-v1").unwrapped
    space = gymnasium.spaces.Box(-np.inf, np.inf, (3,), np.float32)
    return gymnasium.wrappers.TransformObservation(env, lambda seen: 50.0 * seen, space)


gymnasium.register("tests/LargePendulum-v0", large_pendulum)


class Seeded(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Resets with the seeds that a world of ours has, whatever SB3 asks for."""

    def __init__(self, env: gymnasium.Env[Any, Any], world: int) -> None:
        super().__init__(env)
        self._world, self._episode = world, -1

    def reset(self, **_: object) -> tuple[Any, dict[str, Any]]:
        self._episode += 1
        key = episodes_seed(SEED, 0)
        return self.env.reset(seed=reset_seed(key, self._world, self._episode))


def plain_environment(task: MappedTask, world: int) -> gymnasium.Env[Any, Any]:
    env = gymnasium.make(task.env, max_episode_steps=task.steps)
    if isinstance(env.action_space, gymnasium.spaces.Box):
        env = gymnasium.wrappers.RescaleAction(env, np.float32(-1.0), np.float32(1.0))
    return Seeded(env, world)


def plain_sb3(task: MappedTask) -> PPO:
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    model = PPO(
        "MlpPolicy",
        DummyVecEnv([lambda i=i: plain_environment(task, i) for i in range(WORLDS)]),
        n_steps=STEPS,
        batch_size=WORLDS * STEPS // PLAIN.minibatches,
        n_epochs=PLAIN.epochs,
        learning_rate=PLAIN.learning_rate,
        policy_kwargs={"net_arch": list(PLAIN.hidden)},
        seed=member_seed(SEED, 0),
        device="cpu",
    )
    model.learn(UPDATES * WORLDS * STEPS)
    torch.set_flush_denormal(False)
    return model


def ours(
    task: MappedTask, recipe: Recipe = PLAIN, updates: int = UPDATES, checkpoint: Path | None = None
) -> Sb3State:
    result = trained(task, [Member(OriginalReward(task), SEED, checkpoint)], recipe, updates)
    assert result.failures == [None]
    state = result.states[0]
    assert isinstance(state, Sb3State)
    return state


def trained(
    task: MappedTask, members: Sequence[Member], recipe: Recipe, updates: int, rung: int = 0
) -> TrainResult:
    return train(task, members, recipe, updates * recipe.samples, rung=rung)


@pytest.mark.parametrize("task", [Swing(), Pole(), Large()], ids=lambda task: task.name)
def test_weights_are_those_of_plain_sb3(task: MappedTask) -> None:
    model, state = plain_sb3(task), ours(task)
    found = state.stack("policy")
    for name, parameter in model.policy.named_parameters():
        assert torch.equal(found[name], parameter.detach()), name
        remembered = model.policy.optimizer.state[parameter]
        assert torch.equal(state.stack("adam_first")[name], remembered["exp_avg"])
        assert state.counters.adam_steps == remembered["step"]
    assert state.counters.env_steps == UPDATES * WORLDS * STEPS


def saved(state: Sb3State, path: Path) -> Path:
    save_checkpoint(state, path)
    return path


NORMALIZED = PLAIN.model_copy(update={"normalize_observations": True, "normalize_values": True})


def second_rung(task: MappedTask, checkpoint: Path) -> Sb3State:
    member = Member(OriginalReward(task), SEED, checkpoint)
    state = trained(task, [member], NORMALIZED, 1, rung=1).states[0]
    assert isinstance(state, Sb3State)
    return state


def test_a_repeated_rung_reaches_the_same_bytes(tmp_path: Path) -> None:
    first = saved(ours(Swing(), NORMALIZED, 1), tmp_path / "first.safetensors")
    again = saved(ours(Swing(), NORMALIZED, 1), tmp_path / "again.safetensors")
    assert first.read_bytes() == again.read_bytes()
    assert second_rung(Swing(), first).encode() == second_rung(Swing(), again).encode()


def test_a_rung_goes_on_where_the_one_before_ended(tmp_path: Path) -> None:
    before = ours(Swing(), NORMALIZED, 1)
    after = second_rung(Swing(), saved(before, tmp_path / "first.safetensors"))
    assert after.counters.env_steps == 2 * before.counters.env_steps
    assert after.counters.adam_steps == 2 * before.counters.adam_steps
    assert after.counters.observations == 2 * NORMALIZED.samples
    assert after.origin == before.origin
    fresh = ours(Swing(), NORMALIZED, 1)
    # one update moves weights by a little; another start would be elsewhere
    distance = [
        float((after.tensors[name] - fresh.tensors[name]).abs().max())
        for name in fresh.tensors
        if name.startswith("policy.")
    ]
    assert 0.0 < max(distance) < 0.05


def test_a_members_neighbours_do_not_matter() -> None:
    members = [Member(OriginalReward(Pole()), seed) for seed in (1, SEED)]
    state = trained(Pole(), members, PLAIN, 1).states[1]
    assert state.encode() == ours(Pole(), PLAIN, 1).encode()


def test_the_random_numbers_of_the_process_are_left_alone() -> None:
    torch.manual_seed(3)
    np.random.seed(3)
    expected = (torch.rand(1), np.random.rand())
    torch.manual_seed(3)
    np.random.seed(3)
    ours(Pole(), PLAIN, 1)
    assert (torch.rand(1), np.random.rand()) == expected


class Source:
    """Pays 1; fails, spoils or leaves out transitions from one call on."""

    def __init__(self, fault: str = "", start: int = 0) -> None:
        self._fault, self._start, self.calls = fault, start, 0
        self.rollouts: list[Rollout] = []

    @property
    def spec(self) -> SourceSpec:
        return SourceSpec(name="test", sha256="0" * 64, placement="inline")

    def score(self, rollout: Rollout) -> Scores:
        call, self.calls = self.calls, self.calls + 1
        fields = ("state", "next_state", "terminated", "truncated", "t", "episode")
        self.rollouts.append(replace(rollout, **{f: getattr(rollout, f).clone() for f in fields}))
        reward, valid = torch.ones(rollout.valid.shape), torch.ones_like(rollout.valid)
        if call >= self._start:
            if self._fault == "raises":
                raise RewardFailure("no answer")
            if self._fault == "nan":
                reward[:, 3, 1] = torch.nan
            if self._fault == "silent":
                valid[:] = False
            if self._fault == "gaps":
                valid[:, 5:9] = False
                reward[:, 5:9] = 1e6
        return Scores(reward, valid, {"one": reward})


@pytest.mark.parametrize(("fault", "kind"), [("raises", "source"), ("nan", "reward")])
def test_a_failed_member_keeps_its_last_state_and_harms_nobody(fault: str, kind: str) -> None:
    members = [Member(Source(fault, start=1), SEED), Member(OriginalReward(Pole()), SEED)]
    result = trained(Pole(), members, PLAIN, 3)
    failure = result.failures[0]
    assert failure is not None
    assert (failure.kind, failure.update, failure.env_steps) == (kind, 1, PLAIN.samples)
    assert result.failures[1] is None
    kept = trained(Pole(), [Member(Source(), SEED)], PLAIN, 1).states[0]
    assert result.states[0].encode() == kept.encode()
    assert len(result.curves[0].values["env_steps"]) == 1
    assert len(result.curves[1].values["env_steps"]) == 3


def test_what_no_answer_came_for_has_no_weight() -> None:
    def weights(source: Source) -> dict[str, torch.Tensor]:
        state = trained(Pole(), [Member(source, SEED)], PLAIN, 1).states[0]
        assert isinstance(state, Sb3State)
        return state.stack("policy")

    fresh = trained(Pole(), [Member(Source("raises"), SEED)], PLAIN, 1).states[0]
    assert isinstance(fresh, Sb3State)
    silent = weights(Source("silent"))
    assert all(torch.equal(silent[n], value) for n, value in fresh.stack("policy").items())
    gaps, whole = weights(Source("gaps")), weights(Source())
    moved = max(float((gaps[name] - whole[name]).abs().max()) for name in whole)
    assert 0.0 < moved < 0.01  # a reward of 1e6 that counted would move the critic at full rate


def test_advantages_stop_at_transitions_that_do_not_count() -> None:
    space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)
    buffer = WeightedBuffer(4, space, space, "cpu", gae_lambda=0.5, gamma=0.8, n_envs=1)
    for value in (1.0, 2.0, 3.0, 4.0):
        row = np.zeros((1, 1), np.float32)
        buffer.add(row, row, np.zeros(1), np.zeros(1), torch.tensor([value]), torch.zeros(1))
    valid = np.array([[True], [False], [True], [True]])
    buffer.pay(np.ones((4, 1), np.float32), valid, torch.tensor([5.0]), np.array([False]))
    last = 1 + 0.8 * 5 - 4
    third = 1 + 0.8 * 4 - 3 + 0.8 * 0.5 * last
    assert buffer.advantages[:, 0] == pytest.approx([1 + 0.8 * 2 - 1, 0.0, third, last])
    samples = [batch.old_values for batch in buffer.get(2)]
    assert sorted(torch.cat(samples).tolist()) == [1.0, 3.0, 4.0]


def test_the_source_sees_true_last_states_and_whole_episodes() -> None:
    source = Source()
    trained(Swing(), [Member(source, SEED)], PLAIN, 2)
    limit = Swing.steps
    for rollout in source.rollouts:
        view, after = rollout.table.view(rollout.state), rollout.table.view(rollout.next_state)
        dt = Swing().control_dt_s
        assert torch.equal(rollout.truncated, rollout.t == limit - 1)
        torch.testing.assert_close(after.episode_time_s, (rollout.t + 1) * dt)
        torch.testing.assert_close(view.episode_time_s, rollout.t * dt)
        # within an episode one step's next state is the next one's state, at its end it is not
        same = (rollout.next_state[:, :-1] == rollout.state[:, 1:]).all(-1)
        assert torch.equal(same, ~rollout.truncated[:, :-1])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda data: data[: len(data) // 2], "damaged"),
        (lambda data: data.replace(b"policy.action_net.bias", b"policy.action_net.bogu"), "lacks"),
        (lambda data: b"\x80\x04", "damaged"),
    ],
)
def test_a_damaged_checkpoint_is_refused(
    change: Callable[[bytes], bytes], reason: str, tmp_path: Path
) -> None:
    path = saved(ours(Pole(), PLAIN, 1), tmp_path / "member.safetensors")
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(CheckpointError, match=reason):
        ours_from(path)


def ours_from(path: Path) -> Sb3State:
    return ours(Pole(), PLAIN, 1, checkpoint=path)


def test_a_checkpoint_of_another_task_is_refused(tmp_path: Path) -> None:
    path = saved(ours(Swing(), PLAIN, 1), tmp_path / "member.safetensors")
    with pytest.raises(CheckpointError, match="pendulum/swing-up"):
        ours_from(path)
    assert load_sb3_state(path).origin.task == "pendulum/swing-up"


def test_a_schedule_that_sb3_does_not_know_is_refused() -> None:
    adaptive = PLAIN.model_copy(update={"schedule": "adaptive"})
    with pytest.raises(RecipeError, match="schedule: fixed"):
        trained(Pole(), [Member(Source(), SEED)], adaptive, 1)


def test_curves_name_what_populations_curves_name() -> None:
    curve = trained(Swing(), [Member(Source(), SEED)], NORMALIZED, 2).curves[0].values
    names = {"env_steps", "episodes", "episode_return", "fitness/env_return", "reward", "term/one"}
    assert names <= curve.keys()
    assert list(curve["env_steps"]) == [PLAIN.samples, 2 * PLAIN.samples]
    assert list(curve["reward"]) == [1.0, 1.0]
    assert curve["episode_return"][0] == Swing.steps
    assert "advantage_share/one" in curve
