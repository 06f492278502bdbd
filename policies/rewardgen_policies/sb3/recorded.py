"""Worlds of a mapped task as SB3 steps them, with a record of what happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from rewardgen_envs.adapters.mapped.worlds import MappedWorlds
from rewardgen_policies.recipe import Recipe
from rewardgen_policies.sb3.model import Sight, spaces_of
from rewardgen_policies.sb3.state import Sb3Network
from rewardgen_policies.seam import Rollout


@dataclass(frozen=True)
class Played:
    """One rollout of a member; valid until the next one.

    Attributes:
        rollout: what reward sources see, P = 1.
        ended: terminated, truncated or diverged.
        counted: where a valid episode ended.
        length: control steps of it, meaningful where ``counted``.
        fitness: each metric, meaningful where ``counted``.
    """

    rollout: Rollout
    ended: Bool[Tensor, "1 T N"]
    counted: Bool[Tensor, "1 T N"]
    length: Int64[Tensor, "1 T N"]
    fitness: dict[str, Float[Tensor, "1 T N"]]


class RecordedWorlds(VecEnv):
    """Pays nothing, because rewards come after the rollout, and records T steps.

    Args:
        worlds: of one member, freshly made.
        network: sizes of its policy.
        recipe: for T and gamma.

    Attributes:
        sight: what the policy sees of observations; may be replaced between rollouts.
        raw: observations of the T states before the actions, not normalized.
    """

    def __init__(self, worlds: MappedWorlds, network: Sb3Network, recipe: Recipe) -> None:
        self._worlds = worlds
        cast(Any, super()).__init__(worlds.nworld, *spaces_of(network))  # not typed in full
        self.sight: Sight | None = None
        self.raw: list[Tensor] = []
        self._discrete = network.discrete
        self._gamma = recipe.gamma
        self._action = torch.zeros(0)
        self._at = 0
        self._learned = torch.zeros(1, dtype=torch.int64)
        task, steps = worlds.task, (1, recipe.steps, worlds.nworld)

        def zeros(*more: int, dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.zeros(*steps, *more, dtype=dtype)

        self._state, self._next_state = zeros(task.table.width), zeros(task.table.width)
        self._applied = zeros(dtype=torch.int64) if network.discrete else zeros(network.action_size)
        self._flags = {
            name: zeros(dtype=torch.bool) for name in ("terminated", "truncated", "valid", "ended")
        }
        self._episode, self._t = zeros(dtype=torch.int64), zeros(dtype=torch.int64)
        self._fitness = {metric.name: zeros() for metric in task.metrics}

    def begin(self, sight: Sight, env_steps: int = 0) -> None:
        """Record a new rollout.

        Args:
            sight: what the policy sees in it.
            env_steps: control steps that the policy has learned from.
        """
        self.sight, self.raw, self._at = sight, [], 0
        self._learned = torch.tensor([env_steps])

    def played(self) -> Played:
        """Return the recorded rollout."""
        flags = self._flags
        rollout = Rollout(
            table=self._worlds.task.table,
            state=self._state,
            next_state=self._next_state,
            action=self._applied,
            terminated=flags["terminated"],
            truncated=flags["truncated"],
            valid=flags["valid"],
            world=torch.arange(self.num_envs),
            episode=self._episode,
            t=self._t,
            gamma=self._gamma,
            env_steps=self._learned,
        )
        counted = (flags["terminated"] | flags["truncated"]) & flags["valid"]
        return Played(rollout, flags["ended"], counted, self._t + 1, self._fitness)

    def seen(self) -> np.ndarray:
        """Return what the policy sees now."""
        assert self.sight is not None
        return self.sight(self._worlds.observation()).numpy()

    # ---- what SB3 calls

    def reset(self) -> np.ndarray:
        """Return what is seen now; the worlds are fresh already."""
        return self.seen()

    def step_async(self, actions: np.ndarray) -> None:
        """Note the actions."""
        self._action = torch.as_tensor(actions.copy())

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Take one control step."""
        worlds, at = self._worlds, self._at
        self.raw.append(worlds.observation())
        self._state[0, at] = worlds.state
        self._applied[0, at] = self._action
        self._episode[0, at], self._t[0, at] = worlds.episode, worlds.t
        step = worlds.step(self._action)
        self._next_state[0, at] = step.next_state
        for name, flags in self._flags.items():
            flags[0, at] = getattr(step, name)
        for name, value in step.fitness.items():
            self._fitness[name][0, at] = value
        self._at += 1
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        assert self.sight is not None
        for world in (int(i) for i in step.truncated.nonzero()[:, 0]):
            last = worlds.last_observation[world : world + 1]
            infos[world] = {
                "TimeLimit.truncated": True,
                "terminal_observation": self.sight(last)[0].numpy(),
            }
        return self.seen(), np.zeros(self.num_envs, np.float32), step.ended.numpy(), infos

    def close(self) -> None:
        """Close the worlds."""
        self._worlds.close()

    def get_attr(self, attr_name: str, indices: object = None) -> list[Any]:
        """Return nothing for each world: nobody here asks for attributes."""
        del attr_name, indices
        return [None] * self.num_envs

    def set_attr(self, attr_name: str, value: object, indices: object = None) -> None:
        """Refuse: worlds are the task's."""
        raise AttributeError(attr_name)

    def env_method(
        self,
        method_name: str,
        *method_args: object,
        indices: object = None,
        **method_kwargs: object,
    ) -> list[Any]:
        """Refuse: worlds are the task's."""
        raise AttributeError(method_name)

    def env_is_wrapped(self, wrapper_class: type[Any], indices: object = None) -> list[bool]:
        """Say that no world is wrapped in anything SB3 knows."""
        del wrapper_class, indices
        return [False] * self.num_envs
