"""Tasks of IsaacGymEnvs: a ``VecTask`` resets an environment in the step after its end.

What it returns together with ``reset_buf`` is the true end of the episode. The next call of
``step`` moves that environment on, resets it, and returns the first observation of the next
episode: that transition belongs to no episode and is marked as not valid.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional

import numpy as np

from .serve import (
    NEXT_STEP,
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
"""The task after a step → (B, *shape) of each feature, by name."""


class VecTaskSimulator(Simulator):
    """Drives a ``VecTask``.

    Args:
        task: it, as ``isaacgymenvs.make`` returns it.
        table: the features.
        features: computes them.
    """

    def __init__(self, task: Any, table: List[Feature], features: Features) -> None:
        self._task = task
        self._table = list(table)
        self._features = features
        self._ended = np.zeros(task.num_envs, np.bool_)

    @property
    def description(self) -> Description:
        """What it offers."""
        task = self._task
        return Description(
            features=self._table,
            observation_size=int(task.num_obs),
            action_size=int(task.num_actions),
            action_count=0,
            control_dt_s=float(task.sim_params.dt) * int(task.control_freq_inv),
            episode_steps=int(task.max_episode_length),
            autoreset=NEXT_STEP,
        )

    def reset(self, seed: Optional[int]) -> State:
        """Mark all environments for a reset, and take the step that does it."""
        del seed  # it was given when the task was made, and cannot be changed
        task = self._task
        task.reset_buf[:] = 1
        idle = task.obs_buf.new_zeros((task.num_envs, task.num_actions))
        observations, _, done, _ = task.step(idle)
        self._ended = as_array(done).astype(np.bool_)
        return self._state(observations)

    def step(self, action: Array) -> Stepped:
        """Take one step."""
        spans = self._ended.copy()
        task = self._task
        observations, reward, done, extras = task.step(task.obs_buf.new_tensor(action))
        self._ended = as_array(done).astype(np.bool_)
        # one that is done again right after its reset is reset again, and has no episode yet
        ended = self._ended & ~spans
        late = as_array(extras["time_outs"]).astype(np.bool_)
        return Stepped(
            after=self._state(observations),
            reward=as_array(reward) * ~spans,
            terminated=ended & ~late,
            truncated=ended & late,
            valid=~spans,
        )

    def _state(self, observations: Dict[str, Any]) -> State:
        features = columns(self._table, self._features(self._task), self._task.num_envs)
        return State(as_array(observations["obs"]), features)
