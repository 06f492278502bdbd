"""From what environments say after a step to features, for all worlds at once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector.utils import batch_space, iterate
from jaxtyping import Float64
from torch import Tensor

from rewardgen_envs.adapters.mapped.formula import Formula, FormulaError
from rewardgen_envs.adapters.mapped.making import Environment
from rewardgen_envs.adapters.mapped.spaces import Batch, tensors
from rewardgen_envs.base_task import TaskError
from rewardgen_envs.features import Feature
from rewardgen_envs.names import nearest

NAMES = ("observation", "info", "env", "reward")
"""What the formula of a feature may speak of; ``reward`` only that of a private one."""

Function = Callable[[Environment, Any, Mapping[str, Any]], Any]
"""(environment, its observation, its info) of one world → a number or an array."""


@dataclass(frozen=True)
class Seen:
    """What some worlds say after a step or a reset.

    Attributes:
        envs: the environments, R.
        observation: a batch of their observations.
        info: key → (R, …), and ``_key`` → where an environment gave it, as Gymnasium batches it.
        reward: the environments' own, (R,); 0 after a reset.
    """

    envs: Sequence[Environment]
    observation: Batch
    info: Mapping[str, Any]
    reward: Float64[Tensor, " R"]

    def of(self, rows: Sequence[int]) -> Seen:
        """Return what the worlds of these rows say."""
        index = np.asarray(rows)
        return Seen(
            [self.envs[row] for row in rows],
            _taken(self.observation, index),
            {key: _taken(value, index) for key, value in self.info.items()},
            self.reward[torch.as_tensor(index)],
        )


class Measured:
    """How one feature is measured.

    Args:
        feature: what is declared.
        source: a formula or a function.
        absent: what holds where info lacks a key; None if it never may.

    Raises:
        TaskError: a public feature that reads the reward, or a formula that is none.
    """

    def __init__(self, feature: Feature, source: str | Function, absent: float | None) -> None:
        self.feature = feature
        self._absent = absent
        self._function = None if isinstance(source, str) else source
        self._formula: Formula | None = None
        if isinstance(source, str):
            names = NAMES if feature.private else NAMES[:-1]
            try:
                self._formula = Formula(source, names)
            except FormulaError as error:
                reason = str(error)
                if "'reward'" in reason and not feature.private:
                    reason += ". The environment's own reward is for private features only"
                raise TaskError(f"feature '{feature.name}': {reason}") from error

    @property
    def text(self) -> str:
        """What the feature is computed by, as text."""
        if self._formula is not None:
            return self._formula.text
        assert self._function is not None
        return inspect.getsource(self._function)

    def value(self, seen: Seen, space: spaces.Space[Any]) -> Tensor:
        """Return the feature of all worlds, (R, *shape).

        Raises:
            TaskError: it cannot be computed, or in another shape than declared.
        """
        try:
            if self._formula is not None:
                value = self._formula.evaluate(
                    {
                        "observation": lambda: _Parts.of(tensors(space, seen.observation)),
                        "info": lambda: _Info(seen, self._absent, self.feature.shape),
                        "env": lambda: _Attributes(seen.envs),
                        "reward": lambda: seen.reward,
                    }
                )
            else:
                value = self._called(seen, space)
        except FormulaError as error:
            raise TaskError(f"feature '{self.feature.name}': {error}") from error
        self._check(value, len(seen.envs))
        return value

    def _called(self, seen: Seen, space: spaces.Space[Any]) -> Tensor:
        assert self._function is not None
        batched = batch_space(space, len(seen.envs))
        values = [
            np.asarray(self._function(env, observation, _info_of(seen.info, row)))
            for row, (env, observation) in enumerate(
                zip(seen.envs, iterate(batched, seen.observation), strict=True)
            )
        ]
        return _numbers(np.stack(values), self.feature.name)

    def _check(self, value: Tensor, rows: int) -> None:
        feature = self.feature
        if value.shape != (rows, *feature.shape):
            raise TaskError(
                f"feature '{feature.name}' is declared with the shape {feature.shape}, but "
                f"'{self.text.strip()}' gives {tuple(value.shape[1:])}"
            )
        if value.dtype is torch.bool and feature.unit != "bool":
            raise TaskError(
                f"feature '{feature.name}' has the unit '{feature.unit}', but "
                f"'{self.text.strip()}' is true or false: its unit is 'bool'"
            )


class _Parts(dict[str, Any]):
    """The parts of an observation by key."""

    @staticmethod
    def of(value: Tensor | Mapping[str, Any] | None) -> Tensor | _Parts:
        if value is None:
            raise FormulaError("the observation holds no numbers; ask env or info")
        return value if isinstance(value, Tensor) else _Parts(value)

    def __getitem__(self, key: str) -> Tensor | _Parts:
        if key not in self:
            raise FormulaError(f"the observation has no part '{key}'{nearest(key, self)}")
        found = super().__getitem__(key)
        if found is None:
            raise FormulaError(f"part '{key}' of the observation holds no numbers")
        return _Parts.of(found)


class _Info:
    """What environments tell beside the observation, by key."""

    def __init__(self, seen: Seen, absent: float | None, shape: tuple[int, ...]) -> None:
        self._seen, self._absent, self._shape = seen, absent, shape

    def __getitem__(self, key: str) -> Tensor:
        rows, info = len(self._seen.envs), self._seen.info
        given = np.asarray(info.get(f"_{key}", np.zeros(rows, np.bool_)))
        if not given.all() and self._absent is None:
            known = [name for name in info if not name.startswith("_")]
            raise FormulaError(
                f"info has no key '{key}' {'here' if known else 'and no other'}"
                f"{nearest(key, known) if known else ''}; where it is only given now and then, "
                "after steps but not after a reset for example, say what holds else: 'absent: 0'"
            )
        if key not in info:
            return torch.full((rows, *self._shape), float(self._absent or 0.0), dtype=torch.float64)
        value = _numbers(np.asarray(info[key]), f"info key '{key}'")
        if given.all():
            return value
        mask = torch.as_tensor(given).reshape(-1, *[1] * (value.dim() - 1))
        return torch.where(mask, value.to(torch.float64), float(self._absent or 0.0))


class _Attributes:
    """Public attributes of environments, through all wrappers."""

    def __init__(self, owners: Sequence[Any], path: str = "env") -> None:
        self._owners, self._path = owners, path

    def attribute(self, name: str) -> object:
        """Return an attribute: numbers (R, …), or something that has further attributes."""
        found: list[Any] = []
        for owner in self._owners:
            getter = getattr(owner, "get_wrapper_attr", None)
            try:
                found.append(getattr(owner, name) if getter is None else getter(name))
            except AttributeError as error:
                names = [n for n in dir(getattr(owner, "unwrapped", owner)) if n[0] != "_"]
                raise FormulaError(f"{self._path} has no '{name}'{nearest(name, names)}") from error
        first = np.asarray(found[0])
        if first.dtype == object:
            return _Attributes(found, f"{self._path}.{name}")
        return _numbers(np.stack([np.asarray(value) for value in found]), f"{self._path}.{name}")


def _numbers(values: np.ndarray, what: str) -> Tensor:
    if values.dtype != np.bool_ and not np.issubdtype(values.dtype, np.number):
        raise FormulaError(f"{what} holds {values.dtype.name} values, no numbers")
    tensor = torch.as_tensor(values)
    return tensor if tensor.dtype is torch.bool else tensor.to(torch.float64)


def _taken(value: Batch, rows: np.ndarray) -> Batch:
    """Return some rows of a batch as Gymnasium makes it: arrays in dictionaries or tuples."""
    if isinstance(value, Mapping):
        parts = cast("Mapping[str, Any]", value)
        return {key: _taken(part, rows) for key, part in parts.items()}
    if isinstance(value, tuple):
        items = cast("tuple[Any, ...]", value)
        return tuple(items[row] for row in rows)
    return value[rows]


def _info_of(info: Mapping[str, Any], row: int) -> dict[str, Any]:
    """Return what one environment told."""
    return {
        key: value[row]
        for key, value in info.items()
        if f"_{key}" in info and bool(info[f"_{key}"][row])
    }
