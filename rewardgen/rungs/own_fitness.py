"""Accumulates a person's own fitness over evaluation episodes, in the evaluating process."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from rewardgen.rewards.fitness import FitnessCode, FitnessError, StepFitness
from rewardgen_envs.base_task import BaseTask
from rewardgen_envs.simulation import Step
from rewardgen_envs.worlds import Worlds


class OwnFitness:
    """Watches an evaluation and scores the first episode of every world.

    A number that is not finite counts as the worst of its episode, like a step that was left out.

    Args:
        code: the fitness file.
        task: the task.

    Raises:
        FitnessError: the module's code raised.
    """

    def __init__(self, code: FitnessCode, task: BaseTask) -> None:
        self._fitness = StepFitness(code, task.table)
        self._nominal = task.episode_steps
        self._total = torch.zeros(0)
        self._counted = torch.zeros(0)
        self._worst = torch.zeros(0)
        self._open = torch.zeros(0, dtype=torch.bool)

    def start(self, simulation: Worlds) -> None:
        """See the start of all episodes."""
        self._total = torch.zeros(simulation.nworld)
        self._counted = torch.zeros(simulation.nworld)
        self._worst = torch.zeros(simulation.nworld)
        self._open = torch.ones(simulation.nworld, dtype=torch.bool)

    def step(self, state: Tensor, action: Tensor, step: Step, simulation: Worlds) -> None:
        """Add one control step of the episodes that still run.

        Raises:
            FitnessError: the function raised, or returned no tensor (B,).
        """
        del simulation
        value = self._fitness(state, action, step.next_state)
        good = self._open & step.valid & value.isfinite()
        value = torch.where(good, value, 0.0)
        self._total += value
        self._counted += good
        self._worst = torch.minimum(self._worst, value)
        self._open = self._open & ~step.ended

    def require_finite(self) -> None:
        """Refuse a fitness that has not given a single finite number.

        Raises:
            FitnessError: it has given none; episodes would all count as 0.
        """
        if not bool(self._counted.any()):
            raise FitnessError(
                "the fitness file gave no finite number in whole episodes of random actions: "
                "look for divisions, roots and logarithms"
            )

    def result(self, members: int) -> Float[Tensor, "P E"]:
        """Return the fitness of every member's episodes: an average over the nominal length."""
        missing = self._nominal - self._counted
        # an episode without a finite number must not do better than one with bad numbers
        worst = torch.where(self._counted > 0, self._worst, self._worst.min())
        return ((self._total + missing * worst) / self._nominal).view(members, -1)
