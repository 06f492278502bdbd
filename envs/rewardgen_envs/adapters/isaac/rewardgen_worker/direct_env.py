"""Environments of Isaac Lab: a ``DirectRLEnv`` resets an environment in the step that ends it.

What it returns is the first observation of the next episode. The true end is read in between,
right before ``_reset_idx``; for this ``_get_observations`` is called once more, so it must not
change anything that a second call would notice.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional

import numpy as np

from .serve import (
    SAME_STEP,
    Array,
    Description,
    Feature,
    Simulator,
    State,
    Stepped,
    as_array,
    columns,
)

Features = Callable[[Any], Dict[str, Any]]
"""The environment after a step → (B, *shape) of each feature, by name."""


class DirectEnvSimulator(Simulator):
    """Drives a ``DirectRLEnv`` with continuous actions.

    Args:
        env: it, without wrappers: ``gymnasium.make(...).unwrapped``.
        table: the features.
        features: computes them.
    """

    def __init__(self, env: Any, table: List[Feature], features: Features) -> None:
        self._env = env
        self._table = list(table)
        self._features = features
        self._stepping = False
        self._end: Optional[State] = None
        self._reset_rows = env._reset_idx
        env._reset_idx = self._reset_idx

    @property
    def description(self) -> Description:
        """What it offers."""
        env = self._env
        return Description(
            features=self._table,
            observation_size=int(env.single_observation_space["policy"].shape[0]),
            action_size=int(env.single_action_space.shape[0]),
            action_count=0,
            control_dt_s=float(env.step_dt),
            episode_steps=int(env.max_episode_length),
            autoreset=SAME_STEP,
        )

    def reset(self, seed: Optional[int]) -> State:
        """Begin an episode everywhere."""
        observations, _ = self._env.reset(seed=seed)
        self._like = observations["policy"]
        return self._state(observations)

    def step(self, action: Array) -> Stepped:
        """Take one step."""
        self._end, self._stepping = None, True
        try:
            given = self._like.new_tensor(action)
            observations, reward, terminated, truncated, _ = self._env.step(given)
        finally:
            self._stepping = False
        start = self._state(observations)
        ends = as_array(terminated).astype(np.bool_)
        late = as_array(truncated).astype(np.bool_) & ~ends
        rows = (ends | late)[:, None]
        after = start
        if self._end is not None:
            after = State(
                np.where(rows, self._end.observation, start.observation),
                np.where(rows, self._end.features, start.features),
            )
        return Stepped(
            after=after,
            reward=as_array(reward),
            terminated=ends,
            truncated=late,
            valid=np.ones(len(ends), np.bool_),
            start=start if rows.any() else None,
        )

    def close(self) -> None:
        """Close the environment."""
        self._env.close()

    def _reset_idx(self, env_ids: Any) -> None:
        if self._stepping and self._end is None:
            self._end = self._state(self._env._get_observations())
        self._reset_rows(env_ids)

    def _state(self, observations: Dict[str, Any]) -> State:
        # copies: tensors of the environment's own are overwritten by its resets
        seen = np.array(as_array(observations["policy"]), np.float32)
        return State(seen, columns(self._table, self._features(self._env), len(seen)))
