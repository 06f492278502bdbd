"""One rung of mapped tasks: members one after another, each a PPO of SB3 behind the seam.

Collect, score once, put the scores in place of the rewards, compute returns anew, learn. SB3 draws
from the random numbers of the process; each member's begin anew from its own seed.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from rewardgen_envs.adapters.mapped.task import MappedTask
from rewardgen_envs.adapters.mapped.worlds import MappedWorlds
from rewardgen_policies.checkpoint import Origin
from rewardgen_policies.curves import Curve, CurveRecorder
from rewardgen_policies.gae import episode_returns
from rewardgen_policies.learner import LearnStats
from rewardgen_policies.members import Failure, Member, Progress, TrainResult
from rewardgen_policies.normalizer import Moments
from rewardgen_policies.recipe import Recipe, with_overrides
from rewardgen_policies.sb3.model import (
    Sight,
    load_optimizer,
    load_weights,
    make_model,
    network_of,
    shapes_of,
    tensors_of,
)
from rewardgen_policies.sb3.recorded import Played, RecordedWorlds
from rewardgen_policies.sb3.settings import check_settings
from rewardgen_policies.sb3.state import Sb3Counters, Sb3State, load_sb3_state
from rewardgen_policies.scoring import Scored, Scorer, Trouble
from rewardgen_policies.streams import stream_seed
from rewardgen_policies.update import UpdateStats

_MOST_REWARD = 10.0
"""Limit of a reward in units of the returns' standard deviation, as in SB3's VecNormalize."""


def member_seed(seed: int, rung: int) -> int:
    """Return what SB3 is seeded with for a rung of a member."""
    return stream_seed("sb3", seed, rung) % 2**32


def episodes_seed(seed: int, rung: int) -> int:
    """Return the key of a member's training episodes in a rung."""
    return stream_seed("training episodes", seed, rung)


def train_members(
    task: MappedTask,
    members: Sequence[Member],
    recipe: Recipe,
    env_steps: int,
    rung: int,
    progress: Callable[[Progress], None] | None,
) -> TrainResult:
    """Train members for one rung; see ``rewardgen_policies.train.train``.

    Raises:
        CheckpointError: a checkpoint cannot be used for this task and recipe.
        RecipeError: a member overrides what it may not, or SB3 does not know a setting.
    """
    check_settings(recipe)
    states: list[Sb3State] = []
    curves: list[Curve] = []
    failures: list[Failure | None] = []
    updates = recipe.updates(env_steps)
    for index, member in enumerate(members):
        with _own_random_numbers():
            training = Sb3Member(task, member, with_overrides(recipe, member.overrides), rung)
            try:
                for update in range(updates):
                    training.update()
                    if progress is not None:
                        failed = sum(f is not None for f in (*failures, training.failure))
                        done = index * updates + update + 1
                        progress(_progress(done, updates, recipe, training, members, index, failed))
                    if training.failure is not None:
                        break
                states.append(training.state())
            finally:
                training.close()
        curves.append(training.curve())
        failures.append(training.failure)
    return TrainResult(states, curves, failures)


class Sb3Member:
    """One member in training.

    Args:
        task: the task.
        member: source, seed, checkpoint.
        recipe: its settings.
        rung: keys its random numbers.

    Attributes:
        failure: why it was frozen, or None.
        metric: name of the ranking one.
        recorder: its curve so far.
    """

    def __init__(self, task: MappedTask, member: Member, recipe: Recipe, rung: int) -> None:
        self.failure: Failure | None = None
        self._updates = 0
        self.metric = task.metric.name
        self.recorder = CurveRecorder(task, recipe, 1)
        self._recipe = recipe
        self._scorer = Scorer([member.source])
        self._network = network_of(task, recipe.hidden)
        self._picture = task.interface.observed.picture
        self._origin = Origin(
            task=task.name,
            task_version=task.version,
            seed=member.seed,
            source_sha256=member.source.spec.sha256,
            recipe_sha256=recipe.sha256,
        )
        worlds = MappedWorlds(task, [episodes_seed(member.seed, rung)], recipe.worlds)
        self._env = RecordedWorlds(worlds, self._network, recipe)
        self._model = make_model(self._network, recipe, self._env, member_seed(member.seed, rung))
        self._counters = Sb3Counters(0, 0, 0, 0.0, 0.0)
        self._seen = Moments.empty(1, task.observation_size)
        self._returns = Moments.empty(1, 1)
        if member.checkpoint is not None:
            state = load_sb3_state(member.checkpoint)
            state.require(self._network, shapes_of(self._model.policy), str(member.checkpoint))
            load_weights(self._model.policy, state)
            load_optimizer(self._model.policy, state)
            self._counters = state.counters
            self._seen, self._returns = state.moments("observation"), state.moments("return")
        self._last_good = self.state()
        self._env.begin(Sight(self._seen, self._picture))
        self._model.begin(recipe.samples)
        self._discounted = np.zeros(recipe.worlds)
        self._carry = torch.zeros(1, recipe.worlds)

    def close(self) -> None:
        """Free the worlds."""
        self._env.close()

    def state(self) -> Sb3State:
        """Return the member as it is now; one that failed as it was before."""
        if self.failure is not None:
            return self._last_good
        return Sb3State(
            network=self._network,
            origin=self._origin,
            counters=self._counters,
            tensors=tensors_of(self._model.policy, self._seen, self._returns),
        )

    def curve(self) -> Curve:
        """Return what happened."""
        return self.recorder.curves()[0]

    def update(self) -> None:
        """Collect, score, learn, record."""
        sight = Sight(self._seen, self._picture)
        played = self._collect(sight)
        action = played.rollout.action.to(torch.float32)
        if not bool(torch.isfinite(action).all()):
            self._freeze(Trouble("policy", "the policy's actions are not finite"))
            return
        scored = self._scorer.score(played.rollout)
        if scored.troubles:
            self._freeze(scored.troubles[0])
            return
        advantage = self._pay(played, scored)
        stats = self._learn(played, scored, advantage)
        if not self._finite():
            message = "the policy's update is not finite; the reward may be too large"
            self._freeze(Trouble("policy", message))
            return
        if self._recipe.normalize_observations and not self._picture:
            self._seen.merge(*sight.batch_moments(torch.cat(self._env.raw)))
        self._count()
        self.recorder.add(played, scored, stats, _Learned(self._counters, self._recipe))
        self._last_good = self.state()
        self._updates += 1

    def _collect(self, sight: Sight) -> Played:
        self._env.begin(sight, self._counters.env_steps)
        # what was seen last was seen with the moments of before
        self._model.collect(self._env, self._env.seen())
        return self._env.played()

    def _pay(self, played: Played, scored: Scored) -> Tensor:
        """Put scores into SB3's buffer; return the advantages, (1, T, N)."""
        reward = scored.reward[0].numpy().astype(np.float32)
        if self._recipe.normalize_values:
            reward = self._scaled(reward, played.ended[0].numpy())
        self._model.pay(reward, scored.valid[0].numpy(), played.ended[0, -1])
        return torch.as_tensor(self._model.rollout_buffer.advantages.copy()).unsqueeze(0)

    def _scaled(self, reward: np.ndarray, ended: np.ndarray) -> np.ndarray:
        """Divide rewards by the standard deviation of the discounted returns so far."""
        returns = np.zeros(reward.shape)
        running = self._discounted
        for t, (paid, over) in enumerate(zip(reward, ended, strict=True)):
            running = running * self._recipe.gamma + paid
            returns[t] = running
            running = running * ~over
        self._discounted = running
        values = torch.as_tensor(returns).reshape(1, -1, 1)
        count = torch.tensor([[float(returns.size)]], dtype=torch.float64)
        self._returns.merge(values.mean(1), values.var(1, correction=0), count)
        scale = math.sqrt(float(self._returns.variance) + 1e-8)
        return np.clip(reward / scale, -_MOST_REWARD, _MOST_REWARD).astype(np.float32)

    def _learn(self, played: Played, scored: Scored, advantage: Tensor) -> LearnStats:
        """Let SB3 update the policy."""
        model, nan = self._model, torch.tensor([torch.nan])
        told: dict[str, float] = {}
        if bool(scored.valid.any()):
            model.train()
            told = {name: float(value) for name, value in model.logger.name_to_value.items()}
        if hasattr(model.policy, "log_std"):
            model.policy.log_std.data.clamp_(min=math.log(self._recipe.min_std))

        def number(name: str) -> Tensor:
            return torch.tensor([told[f"train/{name}"]]) if told else nan

        return LearnStats(
            update=UpdateStats(
                kl=number("approx_kl"),
                entropy=-number("entropy_loss"),
                value_loss=number("value_loss"),
                clip_share=number("clip_fraction"),
            ),
            explained_variance=number("explained_variance"),
            episode_return=episode_returns(scored.reward, played.ended, self._carry),
            advantage=advantage,
        )

    def _finite(self) -> bool:
        parameters = self._model.policy.parameters()
        return all(bool(torch.isfinite(value).all()) for value in parameters)

    def _count(self) -> None:
        remembered = list(self._model.policy.optimizer.state.values())
        self._counters = Sb3Counters(
            env_steps=self._counters.env_steps + self._recipe.samples,
            updates=self._counters.updates + 1,
            adam_steps=int(remembered[0]["step"]) if remembered else 0,
            observations=float(self._seen.count),
            returns=float(self._returns.count),
        )

    def _freeze(self, trouble: Trouble) -> None:
        self.failure = Failure(
            kind=trouble.kind,
            message=trouble.message,
            term=trouble.term,
            update=self._updates,
            env_steps=self._counters.env_steps,
        )


class _Learned:
    """What a curve says of a member's learning."""

    def __init__(self, counters: Sb3Counters, recipe: Recipe) -> None:
        self.active = torch.ones(1, dtype=torch.bool)
        self.env_steps = torch.tensor([counters.env_steps])
        self.learning_rate = torch.tensor([recipe.learning_rate], dtype=torch.float64)


def _progress(
    done: int,
    updates: int,
    recipe: Recipe,
    training: Sb3Member,
    members: Sequence[Member],
    index: int,
    failed: int,
) -> Progress:
    """Return how far the rung is: members train one after another, so on average."""
    count = len(members)

    def row(name: str) -> list[float]:
        latest = training.recorder.latest(name)[0]
        return [latest if i == index else math.nan for i in range(count)]

    return Progress(
        update=done // count,
        updates=updates,
        env_steps=done * recipe.samples // count,
        total_env_steps=updates * recipe.samples,
        episode_return=row("episode_return"),
        fitness=row(f"fitness/{training.metric}"),
        failed=failed,
    )


@contextmanager
def _own_random_numbers() -> Generator[None]:
    """Leave the random numbers of the process as they were."""
    before = (random.getstate(), np.random.get_state(), torch.get_rng_state())
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.set_rng_state(before[2])
