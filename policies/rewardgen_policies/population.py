"""All members of a population as stacked tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from rewardgen_policies.checkpoint import Counters, MemberState, Origin
from rewardgen_policies.networks import Layout, NetworkSpec, initial_parameters, layers
from rewardgen_policies.normalizer import Moments
from rewardgen_policies.recipe import Recipe


def initial_state(spec: NetworkSpec, origin: Origin, recipe: Recipe) -> MemberState:
    """Return a member that has not learned yet; its weights follow from its seed."""
    parameters = initial_parameters(spec, origin.seed, recipe.init_std)
    tensors = {f"parameters.{k}": v for k, v in parameters.items()}
    for stack in ("adam_first", "adam_second"):
        tensors |= {f"{stack}.{k}": torch.zeros_like(v) for k, v in parameters.items()}
    for name, size in (("observation", spec.observation_size), ("return", 1)):
        tensors[f"{name}_mean"] = torch.zeros(size, dtype=torch.float64)
        tensors[f"{name}_variance"] = torch.ones(size, dtype=torch.float64)
    counters = Counters(0, 0, 0, recipe.learning_rate, 0.0, 0.0)
    return MemberState(spec, origin, counters, tensors)


@dataclass(frozen=True)
class Population:
    """P members of equal network sizes; learning changes the tensors in place.

    Attributes:
        layout: where parameters lie in a row.
        origins: where each member comes from.
        parameters: one row per member.
        adam_first: Adam's mean of the gradients.
        adam_second: Adam's mean of their squares.
        adam_steps: gradient steps.
        learning_rate: current rate of each member.
        observation: moments of the observations, (P, O).
        returns: moments of the critic's targets, (P, 1).
        env_steps: control steps that entered updates.
        updates: PPO updates.
        active: False for members that failed; they no longer change.
    """

    layout: Layout
    origins: tuple[Origin, ...]
    parameters: Float[Tensor, "P K"]
    adam_first: Float[Tensor, "P K"]
    adam_second: Float[Tensor, "P K"]
    adam_steps: Int64[Tensor, " P"]
    learning_rate: Float[Tensor, " P"]
    observation: Moments
    returns: Moments
    env_steps: Int64[Tensor, " P"]
    updates: Int64[Tensor, " P"]
    active: Bool[Tensor, " P"]

    @property
    def size(self) -> int:
        """Number of members P."""
        return self.parameters.shape[0]

    @staticmethod
    def of(
        states: Sequence[MemberState],
        dtype: torch.dtype = torch.float32,
        device: torch.device | None = None,
    ) -> Population:
        """Stack members of equal spec (copies) on a device, by default the CPU."""
        layout = Layout(states[0].spec)
        device = device or torch.device("cpu")

        def rows(name: str) -> Tensor:
            result = torch.zeros(len(states), layout.size, dtype=dtype, device=device)
            for row, state in zip(result, states, strict=True):
                layout.pack(state.stack(name), row)
            return result

        def moments(name: str, counts: list[float]) -> Moments:
            return Moments(
                torch.stack([s.tensors[f"{name}_mean"] for s in states]).to(device),
                torch.stack([s.tensors[f"{name}_variance"] for s in states]).to(device),
                torch.tensor(counts, dtype=torch.float64, device=device).unsqueeze(1),
            )

        counters = [s.counters for s in states]
        return Population(
            layout=layout,
            origins=tuple(s.origin for s in states),
            parameters=rows("parameters"),
            adam_first=rows("adam_first"),
            adam_second=rows("adam_second"),
            adam_steps=torch.tensor([c.adam_steps for c in counters], device=device),
            learning_rate=torch.tensor(
                [c.learning_rate for c in counters], dtype=torch.float64, device=device
            ),
            observation=moments("observation", [c.observations for c in counters]),
            returns=moments("return", [c.returns for c in counters]),
            env_steps=torch.tensor([c.env_steps for c in counters], device=device),
            updates=torch.tensor([c.updates for c in counters], device=device),
            active=torch.ones(len(states), dtype=torch.bool, device=device),
        )

    def part(self, start: int, stop: int) -> Population:
        """Return members ``start`` to ``stop``; its tensors are views of these."""
        rows = slice(start, stop)
        return Population(
            layout=self.layout,
            origins=self.origins[rows],
            parameters=self.parameters[rows],
            adam_first=self.adam_first[rows],
            adam_second=self.adam_second[rows],
            adam_steps=self.adam_steps[rows],
            learning_rate=self.learning_rate[rows],
            observation=self.observation.part(start, stop),
            returns=self.returns.part(start, stop),
            env_steps=self.env_steps[rows],
            updates=self.updates[rows],
            active=self.active[rows],
        )

    def network(self, net: str) -> list[tuple[Tensor, Tensor]]:
        """Return (weight, bias) views of each layer of ``actor`` or ``critic``."""
        return layers(self.layout.views(self.parameters), net)

    def state(self, member: int) -> MemberState:
        """Copy one member out."""
        stacks = {
            "parameters": self.parameters,
            "adam_first": self.adam_first,
            "adam_second": self.adam_second,
        }
        tensors = {
            f"{stack}.{name}": value.to(torch.float32)
            for stack, rows in stacks.items()
            for name, value in self.layout.unpack(rows[member].cpu()).items()
        }
        for name, moments in (("observation", self.observation), ("return", self.returns)):
            tensors[f"{name}_mean"] = moments.mean[member].cpu().clone()
            tensors[f"{name}_variance"] = moments.variance[member].cpu().clone()
        counters = Counters(
            env_steps=int(self.env_steps[member]),
            updates=int(self.updates[member]),
            adam_steps=int(self.adam_steps[member]),
            learning_rate=float(self.learning_rate[member]),
            observations=float(self.observation.count[member, 0]),
            returns=float(self.returns.count[member, 0]),
        )
        return MemberState(self.layout.spec, self.origins[member], counters, tensors)
