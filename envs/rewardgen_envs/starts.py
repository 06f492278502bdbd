"""The starts of the coming episodes, drawn for all worlds at once.

A start depends only on (member seed, world, episode), so it can be drawn ahead. One call for all
worlds costs little more than one for a single world, and worlds end at almost every step.
"""

from __future__ import annotations

import torch
from jaxtyping import Int64
from torch import Tensor

from rewardgen_envs.draw import Draw
from rewardgen_envs.task import Initial, Task, TaskError


class Starts:
    """Hands out the start of any world's next episode.

    Args:
        task: the task that draws them.
        seed: member seed of each world, (B,).
        world: number of each world within its member, (B,).
    """

    def __init__(self, task: Task, seed: Int64[Tensor, " B"], world: Int64[Tensor, " B"]) -> None:
        self._task = task
        self._seed = seed
        self._world = world
        self._stock: Initial | None = None
        self._episode = torch.zeros_like(world)

    def take(self, rows: Int64[Tensor, " R"], episode: Int64[Tensor, " B"]) -> Initial:
        """Return the starts of ``rows``, (R, ...) each.

        Args:
            rows: the worlds that begin an episode.
            episode: the number of each world's episode, (B,), the new one for ``rows``.

        Raises:
            TaskError: the task's reset() does not give what it should.
        """
        stock = self._stock
        if stock is None or not torch.equal(self._episode[rows], episode[rows]):
            # the others will need their next one
            self._episode = (episode + 1).index_copy(0, rows, episode[rows])
            stock = self._stock = self._drawn()
        return Initial(
            qpos=stock.qpos[rows],
            qvel=stock.qvel[rows],
            variables={name: values[rows] for name, values in stock.variables.items()},
            mocap={body: values[rows] for body, values in stock.mocap.items()},
        )

    def _drawn(self) -> Initial:
        task, draw = self._task, Draw(self._seed, self._world, self._episode)
        initial = task.reset(torch.ones_like(self._world, dtype=torch.bool), draw)
        count, model = len(self._world), task.model
        expected: dict[str, tuple[int, ...]] = {
            "qpos": (count, model.nq),
            "qvel": (count, model.nv),
        }
        given = {"qpos": initial.qpos, "qvel": initial.qvel}
        for variable in task.variables:
            if variable.name not in initial.variables:
                raise TaskError(f"task '{task.name}': reset() draws no '{variable.name}'")
            expected[variable.name] = (count, *variable.shape)
            given[variable.name] = initial.variables[variable.name]
        for body, position in initial.mocap.items():
            expected[f"mocap body {body}"] = (count, 3)
            given[f"mocap body {body}"] = position
        for name, shape in expected.items():
            if tuple(given[name].shape) != shape:
                raise TaskError(
                    f"task '{task.name}': reset() gives '{name}' of shape "
                    f"{tuple(given[name].shape)}, expected {shape}"
                )
        return initial
