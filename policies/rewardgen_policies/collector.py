"""Rollouts of a population: one batched simulation, buffers that live as long as the rung."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from rewardgen_envs.simulation import Simulation
from rewardgen_policies.heads import make_head
from rewardgen_policies.networks import forward
from rewardgen_policies.normalizer import CLIP, ObservationScale
from rewardgen_policies.population import Population
from rewardgen_policies.recipe import Recipe
from rewardgen_policies.seam import Rollout


@dataclass(frozen=True)
class Collected:
    """One rollout of all members, before it is scored; valid until the next one.

    Attributes:
        rollout: what reward sources see.
        observation: raw, of the T states before the actions and of the last one.
        action: as drawn, not clipped; (P, T, N) if discrete.
        log_prob: of the action.
        ended: terminated, truncated or diverged.
        truncated_at: control steps at which an episode of some member was truncated.
        terminal_observation: raw, of the true next states at those steps.
        counted: where an episode ended that started at a reset and stayed valid.
        length: control steps of the episode, meaningful where ``counted``.
        fitness: each metric, meaningful where ``counted``.
    """

    rollout: Rollout
    observation: Float[Tensor, "P T1 N O"]
    action: Tensor
    log_prob: Float[Tensor, "P T N"]
    ended: Bool[Tensor, "P T N"]
    truncated_at: list[int]
    terminal_observation: list[Float[Tensor, "P N O"]]
    counted: Bool[Tensor, "P T N"]
    length: Int64[Tensor, "P T N"]
    fitness: dict[str, Float[Tensor, "P T N"]]


class Collector:
    """Steps a simulation with the members' policies.

    The first episodes of a member's worlds are cut short by different amounts, so that its
    worlds are spread over the episode instead of all being at the same step of it.

    Args:
        simulation: freshly made; P members of N worlds.
        population: the members; read, never written.
        recipe: for T and gamma.
        generators: one per member, for action noise.
    """

    def __init__(
        self,
        simulation: Simulation,
        population: Population,
        recipe: Recipe,
        generators: Sequence[torch.Generator],
    ) -> None:
        self._simulation = simulation
        self._population = population
        self._recipe = recipe
        self._generators = list(generators)
        parameters, layout = population.parameters, population.layout
        self._actor = population.network("actor")
        self._head = make_head(layout, parameters, torch.zeros_like(parameters))
        self._shape = (population.size, recipe.worlds)
        self._discrete = layout.spec.discrete
        task, spec = simulation.task, layout.spec
        steps = (population.size, recipe.steps, recipe.worlds)

        def zeros(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.zeros(shape, dtype=dtype, device=parameters.device)

        self._state = zeros(*steps, task.table.width)
        self._next_state = zeros(*steps, task.table.width)
        self._observation = zeros(
            population.size, recipe.steps + 1, recipe.worlds, spec.observation_size
        )
        self._normalized = zeros(population.size, recipe.worlds, spec.observation_size)
        self._action = (
            zeros(*steps, dtype=torch.int64) if spec.discrete else zeros(*steps, spec.action_size)
        )
        self._applied = torch.zeros_like(self._action)
        self._log_prob = zeros(*steps)
        self._terminated = zeros(*steps, dtype=torch.bool)
        self._truncated = torch.zeros_like(self._terminated)
        self._valid = torch.zeros_like(self._terminated)
        self._ended = torch.zeros_like(self._terminated)
        self._episode = zeros(*steps, dtype=torch.int64)
        self._t = zeros(*steps, dtype=torch.int64)
        self._fitness = {metric.name: zeros(*steps) for metric in task.metrics}

        self._world = torch.arange(recipe.worlds, device=parameters.device)
        self._head_start = self._world * task.episode_steps // recipe.worlds
        simulation.t.copy_(self._head_start.repeat(population.size))

    @torch.inference_mode()  # a fifth less time per operation than no_grad
    def collect(self) -> Collected:
        """Take T control steps in every world."""
        recipe, population, table = self._recipe, self._population, self._simulation.task.table
        scale = ObservationScale(population.observation, torch.float32)
        noise = self._head.noise(self._generators, recipe.steps, recipe.worlds)
        truncated_at: list[int] = []
        terminal_observation: list[Tensor] = []
        for t in range(recipe.steps):
            self._act(t, scale, noise[:, t])
            if self._step(t):
                truncated_at.append(t)
                next_state = table.view(self._next_state[:, t])
                terminal_observation.append(self._simulation.task.observation(next_state).clone())
        self._observe(recipe.steps)
        rollout = Rollout(
            table=table,
            state=self._state,
            next_state=self._next_state,
            action=self._applied,
            terminated=self._terminated,
            truncated=self._truncated,
            valid=self._valid,
            world=self._world,
            episode=self._episode,
            t=self._t,
            gamma=recipe.gamma,
            env_steps=population.env_steps.clone(),
        )
        whole = (self._episode > 0) | (self._head_start == 0)
        return Collected(
            rollout=rollout,
            observation=self._observation,
            action=self._action,
            log_prob=self._log_prob,
            ended=self._ended,
            truncated_at=truncated_at,
            terminal_observation=terminal_observation,
            counted=(self._terminated | self._truncated) & self._valid & whole,
            length=self._t + 1,
            fitness=self._fitness,
        )

    def _observe(self, t: int) -> Float[Tensor, "P N O"]:
        observation = self._simulation.observation().view(*self._shape, -1)
        self._observation[:, t] = observation
        return observation

    def _act(self, t: int, scale: ObservationScale, noise: Tensor) -> None:
        """Draw the actions of step t and note what they depend on."""
        simulation, active = self._simulation, self._population.active
        normalized = scale.apply(self._observe(t), self._normalized).clamp_(-CLIP, CLIP)
        action, log_prob = self._head.sample(forward(self._actor, normalized), noise)
        if not bool(active.all()):
            failed = ~active.view(-1, *[1] * (action.dim() - 1))
            action = action.masked_fill(failed, 0)
        self._action[:, t] = action
        self._applied[:, t] = action if self._discrete else action.clamp_(-1.0, 1.0)
        self._log_prob[:, t] = log_prob
        self._state[:, t] = simulation.state.view(*self._shape, -1)
        self._episode[:, t] = simulation.episode.view(self._shape)
        self._t[:, t] = simulation.t.view(self._shape)

    def _step(self, t: int) -> bool:
        """Advance the simulation by the actions of step t; say whether it truncated any."""
        step = self._simulation.step(self._applied[:, t].flatten(0, 1))
        self._next_state[:, t] = step.next_state.view(*self._shape, -1)
        self._terminated[:, t] = step.terminated.view(self._shape)
        self._truncated[:, t] = step.truncated.view(self._shape)
        self._ended[:, t] = step.ended.view(self._shape)
        self._valid[:, t] = step.valid.view(self._shape) & self._population.active.unsqueeze(1)
        for name, value in step.fitness.items():
            self._fitness[name][:, t] = value.view(self._shape)
        return bool(step.truncated.any())
