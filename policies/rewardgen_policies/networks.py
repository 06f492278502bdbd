"""P independent actor-critics as stacked weights.

All parameters of a member are one row of a (P, K) tensor, so that Adam, gradient clipping and
checkpoints see one tensor; layers are views (P, in, out) of it. Nothing reduces over P.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from rewardgen_envs.task import BoxAction, Task
from rewardgen_policies.streams import stream_seed

_ALIGNMENT = 64  # members' rows start at a cache line, in float32 and float64


@dataclass(frozen=True)
class NetworkSpec:
    """Sizes of an actor-critic.

    Attributes:
        observation_size: columns of the observation, O.
        action_size: number of continuous actions, or of choices.
        discrete: whether actions are choices.
        hidden: sizes of the hidden layers of actor and critic each.
    """

    observation_size: int
    action_size: int
    discrete: bool
    hidden: tuple[int, ...]

    @staticmethod
    def of(task: Task, hidden: tuple[int, ...]) -> NetworkSpec:
        """Return the spec for a task."""
        action = task.action
        box = isinstance(action, BoxAction)
        return NetworkSpec(
            observation_size=task.observation_size,
            action_size=action.size if box else action.count,
            discrete=not box,
            hidden=hidden,
        )


@dataclass(frozen=True)
class Block:
    """One parameter of a member: (rows, columns), stored as (rows, stored)."""

    name: str
    rows: int
    columns: int
    stored: int
    offset: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape outside the stack: weights (in, out), biases (out,)."""
        return (self.rows, self.columns) if self.name.endswith("weight") else (self.columns,)


class Layout:
    """Where each parameter lies in a member's row of K numbers.

    A head of one column is stored with two, the second always zero: BLAS multiplies a single
    column by another kernel when P = 1, and a member would then depend on the population's size.
    """

    def __init__(self, spec: NetworkSpec) -> None:
        self.spec = spec
        blocks: list[Block] = []
        offset = 0

        def add(name: str, rows: int, columns: int, stored: int) -> None:
            nonlocal offset
            blocks.append(Block(name, rows, columns, stored, offset))
            offset += rows * stored

        for net, outputs in (("actor", spec.action_size), ("critic", 1)):
            sizes = (spec.observation_size, *spec.hidden, outputs)
            for index, (rows, columns) in enumerate(pairwise(sizes)):
                stored = max(2, columns)
                add(f"{net}.{index}.weight", rows, columns, stored)
                add(f"{net}.{index}.bias", 1, columns, stored)
        if not spec.discrete:
            add("log_std", 1, spec.action_size, spec.action_size)
        self.blocks = tuple(blocks)
        self.size = -(-offset // _ALIGNMENT) * _ALIGNMENT

    def views(self, rows: Float[Tensor, "P K"]) -> dict[str, Float[Tensor, "P rows stored"]]:
        """Return the parameters of all members as views of their rows."""
        return {
            b.name: rows[:, b.offset : b.offset + b.rows * b.stored].view(-1, b.rows, b.stored)
            for b in self.blocks
        }

    def unpack(self, row: Float[Tensor, " K"]) -> dict[str, Tensor]:
        """Copy one member's parameters out of its row, by name."""
        views = self.views(row.unsqueeze(0))
        return {
            b.name: views[b.name][0, :, : b.columns].reshape(b.shape).clone() for b in self.blocks
        }

    def pack(self, parameters: Mapping[str, Tensor], row: Float[Tensor, " K"]) -> None:
        """Write one member's parameters into its row."""
        row.zero_()
        views = self.views(row.unsqueeze(0))
        for b in self.blocks:
            views[b.name][0, :, : b.columns] = parameters[b.name].reshape(b.rows, b.columns)


def layers(views: Mapping[str, Tensor], net: str) -> list[tuple[Tensor, Tensor]]:
    """Return (weight, bias) of each layer of ``actor`` or ``critic``, first to last."""
    count = sum(name.startswith(f"{net}.") for name in views) // 2
    return [(views[f"{net}.{i}.weight"], views[f"{net}.{i}.bias"]) for i in range(count)]


def forward(
    net: list[tuple[Tensor, Tensor]], x: Float[Tensor, "P M inputs"]
) -> Float[Tensor, "P M outputs"]:
    """Apply P multilayer perceptrons with tanh, member i to rows x[i]."""
    for weight, bias in net[:-1]:
        x = torch.baddbmm(bias, x, weight).tanh_()
    weight, bias = net[-1]
    return torch.baddbmm(bias, x, weight)


def initial_parameters(spec: NetworkSpec, seed: int, init_std: float) -> dict[str, Tensor]:
    """Draw the initial parameters of one member from a generator of its own.

    Orthogonal weights with the usual gains for PPO (Engstrom et al. 2020): √2 for hidden
    layers, 0.01 for the actor's head, 1 for the critic's.
    """
    generator = torch.Generator().manual_seed(stream_seed("initial weights", seed))
    last = len(spec.hidden)
    gains = {f"actor.{last}.weight": 0.01, f"critic.{last}.weight": 1.0}
    parameters: dict[str, Tensor] = {}
    for block in Layout(spec).blocks:
        value = torch.zeros(block.shape)
        if block.name.endswith("weight"):
            gain = gains.get(block.name, math.sqrt(2.0))
            torch.nn.init.orthogonal_(value, gain, generator=generator)
        elif block.name == "log_std":
            value.fill_(math.log(init_std))
        parameters[block.name] = value
    return parameters
