"""Columns: every feature as scalar numbers with a name, and their statistics over data.

``x`` is a scalar feature, ``x[1]`` a component of a vector, ``x[0,2]`` one of a matrix,
``norm(x)`` the Euclidean norm of a vector. Designers use the statistics to choose bounds and
scales; they are physical data and say nothing about fitness.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from rewardgen_envs.features import Feature, FeatureTable

# a quantile of more rows costs time and gains no digit that anybody uses
MAX_ROWS = 20_000


@dataclass(frozen=True)
class ColumnStatistics:
    """Distribution of one column over some transitions, in the feature's unit.

    Attributes:
        mean: average.
        low: 5 % quantile.
        median: 50 % quantile.
        high: 95 % quantile.
    """

    mean: float
    low: float
    median: float
    high: float


def column_name(feature: str, index: tuple[int, ...]) -> str:
    """Return ``x`` for an empty index, else ``x[i]`` or ``x[i,j]``."""
    return f"{feature}[{','.join(map(str, index))}]" if index else feature


def norm_name(feature: str) -> str:
    """Return the name of the column that holds a vector's norm."""
    return f"norm({feature})"


def column_names(feature: Feature) -> list[str]:
    """Return the names of a feature's columns, in the order of its data, without its norm."""
    return [column_name(feature.name, index) for index in product(*map(range, feature.shape))]


def column_statistics(table: FeatureTable, data: Tensor) -> dict[str, ColumnStatistics]:
    """Return statistics of every public column, and of the norm of every public vector.

    Args:
        table: the features; private ones are left out.
        data: features (..., F), any number of rows; rows that are not finite are ignored.

    Raises:
        ValueError: no row is finite.
    """
    rows = data.reshape(-1, data.shape[-1])[:, : table.public_width]
    rows = rows[torch.isfinite(rows).all(dim=1)]
    if not len(rows):
        raise ValueError("no row of the data is finite, so it has no statistics")
    rows = rows[:: math.ceil(len(rows) / MAX_ROWS)].to(torch.float64)
    names: list[str] = []
    columns: list[Tensor] = []
    for feature in table.public():
        part = rows[:, table.columns(feature.name)]
        names += column_names(feature)
        columns += list(part.T)
        if len(feature.shape) == 1:
            names.append(norm_name(feature.name))
            columns.append(part.square().sum(dim=1).sqrt())
    stacked = torch.stack(columns)
    wanted = torch.tensor([0.05, 0.5, 0.95], dtype=torch.float64)
    quantiles = torch.quantile(stacked, wanted, dim=1).T
    statistics = torch.cat([stacked.mean(dim=1, keepdim=True), quantiles], dim=1)
    return {
        name: ColumnStatistics(*(float(value) for value in row.unbind()))
        for name, row in zip(names, statistics.unbind(), strict=True)
    }
