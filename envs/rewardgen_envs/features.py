"""Features: the named, batched quantities of a simulation.

Features are the only vocabulary of observation, termination, fitness, reward code, analysis
and prompts. All features of a task are columns of one float32 tensor (..., F): public ones
first, private ones last, so that what untrusted code may see is the prefix
``data[..., : table.public_width]``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from torch import Tensor

from rewardgen_envs.names import nearest


@dataclass(frozen=True)
class Feature:
    """One named quantity of the simulation.

    Attributes:
        name: identifier, as reward code writes it.
        shape: shape per world; ``()`` for a scalar.
        unit: SI unit as text, ``"1"`` for dimensionless, ``"bool"`` for 0/1.
        description: one sentence, shown to people and designers.
        private: True for what only scoring may read; never shown to reward code.
        needs_acceleration: True if it is computed from an acceleration-level field (contact
            forces, touch); the scene must then hold a sensor of that stage.
    """

    name: str
    shape: tuple[int, ...]
    unit: str
    description: str
    private: bool = False
    needs_acceleration: bool = False

    @property
    def size(self) -> int:
        """Number of columns."""
        return math.prod(self.shape)


class FeatureTable:
    """The ordered features of a task and their columns.

    Raises:
        ValueError: on construction, for a duplicate name or one that is not an identifier.
    """

    def __init__(self, features: Iterable[Feature]) -> None:
        given = list(features)
        self.features: tuple[Feature, ...] = tuple(
            [f for f in given if not f.private] + [f for f in given if f.private]
        )
        self._slices: dict[str, slice] = {}
        start = 0
        for feature in self.features:
            if not feature.name.isidentifier() or feature.name.startswith("_"):
                raise ValueError(f"feature name {feature.name!r} is not a public identifier")
            if feature.name in self._slices:
                raise ValueError(f"feature {feature.name!r} is declared twice")
            self._slices[feature.name] = slice(start, start + feature.size)
            start += feature.size
        self.width = start
        self.public_width = sum(f.size for f in self.features if not f.private)
        self._by_name = {f.name: f for f in self.features}

    def __iter__(self) -> Iterator[Feature]:
        return iter(self.features)

    def __len__(self) -> int:
        return len(self.features)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __getitem__(self, name: str) -> Feature:
        try:
            return self._by_name[name]
        except KeyError:
            raise KeyError(f"unknown feature '{name}'{nearest(name, self._by_name)}") from None

    @property
    def names(self) -> tuple[str, ...]:
        """All names, in column order."""
        return tuple(f.name for f in self.features)

    def columns(self, name: str) -> slice:
        """Return the columns of a feature."""
        feature = self[name]
        return self._slices[feature.name]

    def select(self, data: Tensor, name: str) -> Tensor:
        """Return the feature ``name`` of ``data`` (..., F) as a view (..., *shape).

        Raises:
            AttributeError: no such feature; lists what there is.
        """
        columns = self._slices.get(name)
        if columns is None:
            raise AttributeError(f"no feature '{name}'{nearest(name, self.names)}")
        shape = self._by_name[name].shape
        if not shape:
            return data[..., columns.start]
        part = data[..., columns]
        return part if len(shape) == 1 else part.view(*part.shape[:-1], *shape)

    def public(self) -> FeatureTable:
        """Return the table of the public features: the same columns, a prefix of this one."""
        return FeatureTable(f for f in self.features if not f.private)

    def view(self, data: Tensor) -> FeatureView:
        """Give named access to ``data`` (..., F)."""
        return FeatureView(self, data)


class FeatureView:
    """Named read access to a feature tensor (..., F): ``view.name`` is a view (..., *shape)."""

    __slots__ = ("_data", "_table")

    def __init__(self, table: FeatureTable, data: Tensor) -> None:
        if data.shape[-1] != table.width:
            raise ValueError(
                f"feature data has {data.shape[-1]} columns, the table has {table.width}"
            )
        self._table = table
        self._data = data

    def __getattr__(self, name: str) -> Tensor:
        return self._table.select(self._data, name)

    def __dir__(self) -> list[str]:
        return list(self._table.names)
