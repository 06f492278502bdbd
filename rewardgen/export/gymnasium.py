"""A reward of this project in somebody else's Gymnasium MuJoCo environment."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, SupportsFloat

import gymnasium
import torch
from gymnasium.utils import RecordConstructorArgs
from numpy.typing import NDArray
from torch import Tensor

from rewardgen.check.gate import gate
from rewardgen.rewards.findings import RefusedRewardError
from rewardgen.rewards.format import RewardCode, read_reward
from rewardgen.rewards.inline import InlineReward
from rewardgen.rewards.transitions import Transitions
from rewardgen_envs.adapters.environment import Environment, EnvironmentFeatures, Variables
from rewardgen_envs.features import FeatureTable
from rewardgen_envs.registry import load_task
from rewardgen_envs.task import Task
from rewardgen_policies.seam import RewardFailure

Named = Mapping[str, Tensor]
ExportedReward = Callable[[Named, Tensor, Named], tuple[Tensor, dict[str, Tensor]]]
"""What an exported file offers as ``reward``: features by name, action, features by name."""

_Evaluate = Callable[[Transitions], tuple[Tensor, dict[str, Tensor]]]
_HUMAN = "human"


class RewardWrapper(gymnasium.Wrapper[Any, NDArray[Any], Any, NDArray[Any]], RecordConstructorArgs):
    """Replaces an environment's reward by one that is written in the features of a task.

    ``info["original_reward"]`` keeps the environment's own reward, ``info["reward_terms"]`` the
    new one's terms. Observations, physics and ends of episodes stay the environment's. Features
    come from a copy of its mjData; see ``EnvironmentFeatures`` for what they mean there. A step
    after which the physics is no longer finite pays 0 and has no terms.

    The wrapper belongs directly around the environment, below wrappers that clip actions, repeat
    them or reset by themselves.

    The reward runs in this process, with all that this process may do. Code given as a file or as
    ``RewardCode`` must pass the static gate first, which finds mistakes and is no protection
    against malice: read generated code before you use it here.

    Args:
        env: an environment whose ``unwrapped`` has ``model``, ``data`` and ``dt``.
        task: the task whose features the reward reads: itself, its name, or file:Class.
        reward: a reward file; ``"human"`` for the task's own; a parsed reward; or the function
            ``reward`` of an exported file.
        variables: for a task with per-episode variables: the environment after a reset → their
            values by name.

    Raises:
        UsageError: the task is unknown, or the reward cannot be read.
        RefusedRewardError: the reward does not pass the gate.
        UnsuitableEnvironmentError: the environment lacks what the task reads.
    """

    def __init__(
        self,
        env: Environment,
        task: Task | str,
        reward: Path | str | RewardCode | ExportedReward,
        *,
        variables: Variables | None = None,
    ) -> None:
        RecordConstructorArgs.__init__(
            self, _disable_deepcopy=True, task=task, reward=reward, variables=variables
        )
        gymnasium.Wrapper.__init__(self, env)
        found = load_task(task) if isinstance(task, str) else task
        self._table = found.table.public()
        self._evaluate = _evaluator(reward, found)
        self._features = EnvironmentFeatures(env, found, variables)
        self._state: Tensor | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode of the environment."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._state = self._features.restart()
        return observation, info

    def step(self, action: NDArray[Any]) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Take one step of the environment; return the new reward.

        Raises:
            EvaluationError: the reward's code raised, or its answer breaks the contract.
            RewardFailure: the reward or a term is not finite.
        """
        if self._state is None:
            raise gymnasium.error.ResetNeeded("call reset() before step()")
        observation, original, terminated, truncated, info = self.env.step(action)
        applied = self._features.applied(action)
        before = self._state
        self._state = self._features.advance(applied, terminated)
        reward, terms = 0.0, dict[str, float]()
        if bool(torch.isfinite(before).all() & torch.isfinite(self._state).all()):
            reward, terms = self._score(before, applied, self._state)
        info = {**info, "original_reward": original, "reward_terms": terms}
        return observation, reward, terminated, truncated, info

    def _score(
        self, state: Tensor, action: Tensor, next_state: Tensor
    ) -> tuple[float, dict[str, float]]:
        width = self._table.width
        # copies: reward code may overwrite what it is given
        transition = Transitions(
            state[:, :width].clone(), action.clone(), next_state[:, :width].clone()
        )
        reward, terms = self._evaluate(transition)
        paid, values = float(reward), {name: float(value) for name, value in terms.items()}
        for name, value in (("the reward", paid), *values.items()):
            if not math.isfinite(value):
                raise RewardFailure(f"{name} is {value} in a state whose features are finite")
        return paid, values


def _evaluator(reward: Path | str | RewardCode | ExportedReward, task: Task) -> _Evaluate:
    """Return what gives reward and terms of transitions, (B,) each."""
    if callable(reward):
        table = task.table.public()
        return lambda rows: reward(
            _named(table, rows.state), rows.action, _named(table, rows.next_state)
        )
    if isinstance(reward, RewardCode):
        code, name = reward, "the reward"
    else:
        path = task.human_reward if reward == _HUMAN else Path(reward)
        assert path is not None, "every task with a scene has a human reward"
        code, name = read_reward(path), str(path)
    errors = [str(f) for f in gate(code, task.table) if f.severity == "error"]
    if errors:
        raise RefusedRewardError("\n".join([f"{name} is refused", *errors]))
    source = InlineReward(code, task.table)

    def evaluate(rows: Transitions) -> tuple[Tensor, dict[str, Tensor]]:
        output = source.evaluate(rows)
        return output.reward, output.terms

    return evaluate


def _named(table: FeatureTable, data: Tensor) -> dict[str, Tensor]:
    return {name: table.select(data, name) for name in table.names}
