"""Mazes of square cells: walls, and tables of shortest paths worked out once for lookup."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

CELL_M = 1.0
_DIRECTIONS = ((0, 1), (-1, 0), (0, -1), (1, 0))  # rows and columns to the east, north, west, south


class Wall(NamedTuple):
    """A box of wall cells in one row: its centre and half sizes along x and y, in metres."""

    x: float
    y: float
    half_x: float
    half_y: float


@dataclass(frozen=True)
class Tables:
    """What is known about the n free cells of a maze, as tensors on one device.

    Attributes:
        nearest: number of the free cell nearest to each cell of the grid, row by row.
        center: x and y of each cell's centre, m.
        distance: length of the shortest path through cell centres between two cells, m.
        next_cell: the cell after the first one on the shortest path to the second.
        free_way: from each cell's centre to the wall in the east, north, west and south, m.
        goals: all cells, for each start those first that are far enough from it.
        goal_count: how many these are.
    """

    nearest: Int64[Tensor, " cells"]
    center: Float[Tensor, "n 2"]
    distance: Float[Tensor, "n n"]
    next_cell: Int64[Tensor, "n n"]
    free_way: Float[Tensor, "n 4"]
    goals: Int64[Tensor, "n n"]
    goal_count: Int64[Tensor, " n"]

    def to(self, device: torch.device) -> Tables:
        """Return the same on a device."""
        return Tables(**{name: values.to(device) for name, values in vars(self).items()})


class Grid:
    """A maze around the origin; x points to the east, y to the north.

    Args:
        rows: one string per row, the northern one first; ``#`` is wall, all else is free. The
            border is wall, and every free cell can be reached from every other.
    """

    def __init__(self, rows: tuple[str, ...]) -> None:
        self._rows = rows
        self.height, self.width = len(rows), len(rows[0])

    @cached_property
    def free(self) -> tuple[tuple[int, int], ...]:
        """Row and column of each free cell; their order numbers them."""
        grid = itertools.product(range(self.height), range(self.width))
        return tuple((r, c) for r, c in grid if self._rows[r][c] != "#")

    def center(self, row: float, column: float) -> tuple[float, float]:
        """Return x and y of a cell's centre, m."""
        x = (column + 0.5 - 0.5 * self.width) * CELL_M
        return x, (0.5 * self.height - row - 0.5) * CELL_M

    def walls(self) -> list[Wall]:
        """Return the walls, a box for each run of wall cells in a row."""
        found: list[Wall] = []
        for r, row in enumerate(self._rows):
            for kind, run in itertools.groupby(range(self.width), key=row.__getitem__):
                if kind == "#":
                    cells = list(run)
                    x, y = self.center(r, (cells[0] + cells[-1]) / 2.0)
                    found.append(Wall(x, y, 0.5 * CELL_M * len(cells), 0.5 * CELL_M))
        return found

    def cell_number(
        self, position: Float[Tensor, "R 2"], nearest: Int64[Tensor, " cells"]
    ) -> Int64[Tensor, " R"]:
        """Return the free cell in which each position is, or the nearest to it."""
        x, y = position.unbind(1)
        column = (x / CELL_M + 0.5 * self.width).floor().long().clamp(0, self.width - 1)
        row = (0.5 * self.height - y / CELL_M).floor().long().clamp(0, self.height - 1)
        return nearest[row * self.width + column]

    def tables(self, least_path_m: float) -> Tables:
        """Work out the tables.

        Args:
            least_path_m: length of path from which a cell is far enough to be a goal.
        """
        free = torch.tensor(self.free)
        grid = torch.cartesian_prod(torch.arange(self.height), torch.arange(self.width))
        away = (grid[:, None] - free).double().square().sum(2)
        between = (free[:, None] - free).abs().sum(2)
        distance = _shortest(between == 1)
        far = distance >= least_path_m
        return Tables(
            nearest=away.argmin(1),
            center=torch.tensor([self.center(r, c) for r, c in self.free], dtype=torch.float64),
            distance=distance,
            next_cell=_next_cell(between == 1, distance),
            free_way=torch.tensor(
                [[self._free_way(r, c, *way) for way in _DIRECTIONS] for r, c in self.free],
                dtype=torch.float64,
            ),
            goals=torch.argsort((~far).long(), dim=1, stable=True),
            goal_count=far.sum(1),
        )

    def _free_way(self, row: int, column: int, down: int, right: int) -> float:
        """Return how far it is from a cell's centre to the wall in one direction, m."""
        cells = 0
        while self._rows[row + down * (cells + 1)][column + right * (cells + 1)] != "#":
            cells += 1
        return (cells + 0.5) * CELL_M


def _shortest(adjacent: Bool[Tensor, "n n"]) -> Float[Tensor, "n n"]:
    """Return the lengths of the shortest paths (Floyd 1962), m."""
    distance = torch.where(adjacent, CELL_M, torch.inf).double().fill_diagonal_(0.0)
    for via in range(len(distance)):
        distance = torch.minimum(distance, distance[:, via, None] + distance[via])
    return distance


def _next_cell(
    adjacent: Bool[Tensor, "n n"], distance: Float[Tensor, "n n"]
) -> Int64[Tensor, "n n"]:
    """Return the neighbour through which the way to each cell is shortest."""
    through = torch.where(adjacent.unsqueeze(2), distance, torch.inf)  # start, neighbour, goal
    return through.argmin(1).where(distance > 0.0, torch.arange(len(distance)).unsqueeze(1))
