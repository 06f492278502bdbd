"""Worlds of a mapped task: Gymnasium environments that are stepped together.

They are stepped by ``gymnasium.vector.SyncVectorEnv`` with its autoreset switched off: what a step
returns is then always the true next state, also of an episode that ends, and each new episode gets
the seed that belongs to it. One process does it, because a population's members are spread over
processes already.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from jaxtyping import Float32, Int64
from numpy.typing import NDArray
from torch import Tensor

from rewardgen_envs.adapters.mapped.measuring import Seen
from rewardgen_envs.adapters.mapped.spaces import Batch, applied, see
from rewardgen_envs.adapters.mapped.task import ENV_REWARD, MappedTask
from rewardgen_envs.base_task import BoxAction, TaskError
from rewardgen_envs.finite import finite_rows
from rewardgen_envs.metrics import FitnessTracker
from rewardgen_envs.simulation import Step


def reset_seed(seed: int, world: int, episode: int) -> int:
    """Return what an environment is reset with: it depends on nothing but these."""
    digest = hashlib.blake2b(f"{seed}/{world}/{episode}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") >> 1


class MappedWorlds:
    """Worlds of P members, N each; world b is world b % N of member b // N.

    Args:
        task: the task.
        seeds: one per member; they key every reset.
        worlds_per_member: N.

    Attributes:
        state: features where the next step starts, (B, F).
        episode: number of the running episode of each world.
        t: control steps of it so far.
        last_observation: what is seen after the last step, before resets, (B, *shape).

    Raises:
        TaskError: an environment cannot be made, or does not give what the map says.
    """

    def __init__(
        self,
        task: MappedTask,
        seeds: Sequence[int],
        worlds_per_member: int,
    ) -> None:
        self.task = task
        self.nworld = len(seeds) * worlds_per_member
        self._interface = task.interface
        self._keys = [(seed, world) for seed in seeds for world in range(worlds_per_member)]
        self._envs = SyncVectorEnv(
            [task.make] * self.nworld,
            autoreset_mode=AutoresetMode.DISABLED,
            copy=False,
        )
        self.state = torch.zeros(self.nworld, task.table.width)
        self.episode = torch.full((self.nworld,), -1)
        self.t = torch.zeros(self.nworld, dtype=torch.int64)
        observed = self._interface.observed
        kind = torch.uint8 if observed.picture else torch.float32
        self._observation = torch.zeros(self.nworld, *observed.shape, dtype=kind)
        self.last_observation = self._observation
        self._metrics = FitnessTracker(task.metrics, self.nworld, task.episode_steps)
        self._restart(torch.arange(self.nworld))

    def observation(self) -> Tensor:
        """Return what the policies see now: float32 (B, O), or uint8 (B, C, H, W)."""
        return self._observation

    def step(self, action: Tensor) -> Step:
        """Advance every world by one control step.

        Args:
            action: float32 (B, A) in [-1, 1], or int64 (B,) if discrete.
        """
        task, view = self.task, self.task.table.view
        given = applied(self._interface.action_space, action)
        observation, reward, terminated, truncated, info = self._envs.step(given)
        self.t += 1
        over = torch.as_tensor(terminated)
        seen = Seen(self._envs.envs, observation, info, torch.as_tensor(reward))
        next_state = self._features(seen, action, self.t, over)
        self.last_observation = self._see(observation)
        valid = finite_rows(next_state) & finite_rows(self.last_observation.flatten(1).float())
        over = over & valid
        cut = (torch.as_tensor(truncated) | (self.t >= task.episode_steps)) & ~over & valid
        ended = over | cut | ~valid
        self._metrics.update(task.fitness(view(next_state)))
        length = self.t.clone()
        self.state, self._observation = next_state, self.last_observation
        fitness: dict[str, Tensor] = {}
        rows = ended.nonzero()[:, 0]
        if len(rows):
            fitness = self._metrics.result(length, over)
            self.state, self._observation = next_state.clone(), self.last_observation.clone()
            self._restart(rows)
        return Step(
            state=self.state,
            next_state=next_state,
            terminated=over,
            truncated=cut,
            valid=valid,
            ended=ended,
            length=length,
            fitness=fitness,
        )

    def picture(self, world: int) -> NDArray[np.uint8]:
        """Return a picture of a world now, (H, W, 3) uint8.

        Raises:
            TaskError: the environment draws none.
        """
        frame: object = self._envs.envs[world].render()
        if not isinstance(frame, np.ndarray) or frame.ndim != 3:
            raise TaskError(f"environment '{self.task.env}' draws no pictures (rgb_array)")
        return frame.astype(np.uint8)

    def check_contacts(self) -> None:
        """Say nothing: contacts are the environments' own business."""

    def close(self) -> None:
        """Close the environments."""
        self._envs.close()

    def _restart(self, rows: Int64[Tensor, " R"]) -> None:
        """Start new episodes in some worlds and write their rows of ``state``."""
        self.episode[rows] += 1
        self.t[rows] = 0
        self._metrics.reset(rows)
        mask = np.zeros(self.nworld, np.bool_)
        mask[rows.numpy()] = True
        seeds: list[int | None] = [
            reset_seed(*key, episode)
            for key, episode in zip(self._keys, self._episodes, strict=True)
        ]
        observation, info = self._envs.reset(seed=seeds, options={"reset_mask": mask})
        nothing = torch.zeros(self.nworld, dtype=torch.float64)
        seen = Seen(self._envs.envs, observation, info, nothing).of([int(row) for row in rows])
        idle = self._idle_action(len(rows))
        started = torch.zeros(len(rows), dtype=torch.int64)
        self.state[rows] = self._features(seen, idle, started, torch.zeros(len(rows)))
        self._observation[rows] = self._see(observation)[rows]

    @property
    def _episodes(self) -> list[int]:
        return [int(episode) for episode in self.episode]

    def _see(self, observation: Batch) -> Tensor:
        space, observed = self._interface.observation_space, self._interface.observed
        return see(space, observed, observation).clone()

    def _idle_action(self, rows: int) -> Tensor:
        action = self.task.action
        return torch.zeros((rows, action.size) if isinstance(action, BoxAction) else (rows,))

    def _features(
        self, seen: Seen, action: Tensor, t: Int64[Tensor, " R"], terminated: Tensor
    ) -> Float32[Tensor, "R F"]:
        """Return the features of some worlds."""
        table = self.task.table
        data = torch.zeros(len(action), table.width)
        values = self.task.measure(seen) | {
            ENV_REWARD.name: seen.reward,
            "terminated": terminated,
            "episode_time_s": t.to(torch.float64) * self.task.control_dt_s,
            "last_action": action,
        }
        for feature in table:
            value = values.get(feature.name)
            if value is None or value.shape != (len(action), *feature.shape):
                given = "nothing" if value is None else f"the shape {tuple(value.shape[1:])}"
                raise TaskError(
                    f"task '{self.task.name}': measure() gives {given} for feature "
                    f"'{feature.name}', which is declared with the shape {feature.shape}"
                )
            table.select(data, feature.name).copy_(value)
        return data
