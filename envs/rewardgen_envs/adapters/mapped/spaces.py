"""From Gymnasium's spaces to what policies see and do."""

# Gymnasium's spaces do not tell all their types.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor

from rewardgen_envs.base_task import BoxAction, DiscreteAction, TaskError
from rewardgen_envs.names import nearest

Batch = Any
"""Observations as Gymnasium batches them: arrays (B, …), in dictionaries or tuples."""

SMALLEST_PICTURE = 36
"""Below so many pixels a side the convolutions of SB3's ``CnnPolicy`` have nothing left."""


@dataclass(frozen=True)
class Observed:
    """What a policy sees of an observation.

    Attributes:
        parts: keys of a dictionary, in order; empty for an observation that is none.
        shape: of what it sees: (O,) numbers, or (C, H, W) of a picture.
        channels_last: whether the picture has to be turned.
    """

    parts: tuple[str, ...]
    shape: tuple[int, ...]
    channels_last: bool = False

    @property
    def picture(self) -> bool:
        """Whether it is a picture, uint8; else float32 numbers."""
        return len(self.shape) == 3


def action_of(space: spaces.Space[Any]) -> BoxAction | DiscreteAction:
    """Return the actions of an environment in the product's words.

    Raises:
        TaskError: it has others than a bounded box of numbers or a choice.
    """
    if isinstance(space, spaces.Discrete):
        return DiscreteAction(int(space.n))
    if isinstance(space, spaces.Box) and np.issubdtype(space.dtype or np.float32, np.floating):
        if not bool((np.isfinite(space.low) & np.isfinite(space.high)).all()):
            raise TaskError(
                f"its actions {space} have no finite bounds, so they cannot be scaled from "
                "[-1, 1]; name a wrapper that gives them some"
            )
        return BoxAction(int(np.prod(space.shape)))
    raise TaskError(
        f"its actions are {space}; PPO here needs a box of numbers or a Discrete choice. A wrapper "
        "can make it one"
    )


def applied(space: spaces.Space[Any], action: Tensor) -> NDArray[Any]:
    """Return actions (B, A) in [-1, 1] or int64 (B,) as the environment takes them."""
    if isinstance(space, spaces.Discrete):
        return action.numpy() + int(space.start)
    assert isinstance(space, spaces.Box)
    low, high = space.low.astype(np.float64), space.high.astype(np.float64)
    unit = action.numpy().astype(np.float64).reshape(-1, *space.shape)
    # about the middle, so that bounds of -1 and 1 change nothing
    scaled = 0.5 * (low + high) + unit * (0.5 * (high - low))
    return scaled.astype(space.dtype)


def observed_of(space: spaces.Space[Any], parts: Sequence[str] | None) -> Observed:
    """Return what a policy sees.

    Args:
        space: of the environment's observations.
        parts: the keys of a dictionary that it shall see; None for all that are numbers.

    Raises:
        TaskError: an unknown part, one that holds no numbers, or a picture beside others.
    """
    if not isinstance(space, spaces.Dict):
        if parts is not None:
            raise TaskError(f"observation: the environment's is one {space} and has no parts")
        return _whole(space, ())
    numeric = [key for key, part in space.spaces.items() if _size(part) is not None]
    chosen = tuple(numeric) if parts is None else tuple(parts)
    for key in chosen:
        if key not in space.spaces:
            raise TaskError(f"observation: no part '{key}'{nearest(key, space.spaces)}")
        if key not in numeric:
            raise TaskError(
                f"observation: part '{key}' is {space.spaces[key]}, no numbers; the others are "
                f"{', '.join(numeric)}"
            )
    if not chosen:
        raise TaskError("observation: no part is left that a policy could see")
    if len(chosen) == 1:
        return _whole(space.spaces[chosen[0]], chosen)
    pictures = [key for key in chosen if _turned(space.spaces[key]) is not None]
    if pictures:
        raise TaskError(
            f"observation: part '{pictures[0]}' is a picture, beside {', '.join(chosen)}: a policy "
            "sees one picture alone, or numbers. Name the parts that it shall see"
        )
    return Observed(chosen, (sum(_size(space.spaces[key]) or 0 for key in chosen),))


def see(space: spaces.Space[Any], observed: Observed, observation: Batch) -> Tensor:
    """Return what policies see of a batch of observations, (B, *shape)."""
    if not observed.parts:
        return _seen(space, observed, observation)
    assert isinstance(space, spaces.Dict)
    seen = [_seen(space.spaces[key], observed, observation[key]) for key in observed.parts]
    return seen[0] if len(seen) == 1 else torch.cat(seen, dim=1)


def tensors(space: spaces.Space[Any], observation: Batch) -> Tensor | Mapping[str, Any] | None:
    """Return a batch of observations as float64 tensors (B, …), by key where they are parts.

    Parts that are no numbers, such as texts, are None.
    """
    if isinstance(space, spaces.Dict):
        return {key: tensors(part, observation[key]) for key, part in space.spaces.items()}
    if isinstance(space, spaces.Box | spaces.Discrete | spaces.MultiBinary | spaces.MultiDiscrete):
        return torch.as_tensor(np.asarray(observation)).to(torch.float64)
    return None


def _whole(space: spaces.Space[Any], parts: tuple[str, ...]) -> Observed:
    turned = _turned(space)
    if turned is not None:
        shape: tuple[int, ...] = tuple(space.shape or ())
        return Observed(parts, (shape[2], shape[0], shape[1]) if turned else shape, turned)
    size = _size(space)
    if size is None:
        raise TaskError(
            f"its observation is {space}, which no policy here can see; a wrapper such as "
            "gymnasium.wrappers:FlattenObservation can make numbers of it"
        )
    return Observed(parts, (size,))


def _size(space: spaces.Space[Any]) -> int | None:
    """Return how many numbers a policy sees of a space; None if it holds none."""
    match space:
        case spaces.Box() | spaces.MultiBinary():
            return int(np.prod(space.shape))
        case spaces.Discrete():
            return int(space.n)
        case spaces.MultiDiscrete():
            return int(space.nvec.sum())
        case _:
            return None


def _turned(space: spaces.Space[Any]) -> bool | None:
    """Return whether a space is a picture with its channels last; None if it is no picture."""
    if not isinstance(space, spaces.Box) or space.dtype != np.uint8 or len(space.shape) != 3:
        return None
    last = int(np.argmin(space.shape)) != 0
    sides = space.shape[:2] if last else space.shape[1:]
    return last if min(sides) >= SMALLEST_PICTURE else None


def _seen(space: spaces.Space[Any], observed: Observed, observation: Batch) -> Tensor:
    values = torch.as_tensor(np.asarray(observation))
    if observed.picture:
        return values.permute(0, 3, 1, 2).contiguous() if observed.channels_last else values
    if isinstance(space, spaces.Discrete):
        return torch.nn.functional.one_hot(values - int(space.start), int(space.n)).float()
    if isinstance(space, spaces.MultiDiscrete):
        counts = [int(count) for count in space.nvec.flatten()]
        columns = values.flatten(1).unbind(1)
        hot = [
            torch.nn.functional.one_hot(column, count)
            for column, count in zip(columns, counts, strict=True)
        ]
        return torch.cat(hot, dim=1).float()
    return values.flatten(1).to(torch.float32)
