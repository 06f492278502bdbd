"""Learning curves: the stored curves of members, on one axis, with a band over seeds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import TypeAdapter

from rewardgen.analysis.statistics import Floats, mean_band
from rewardgen.store.artifacts import ArtifactReader
from rewardgen.store.records import MemberRecord

_GRID = 120
_STEPS = "env_steps"

Quantities = dict[str, list[float | None]]
_CURVES: TypeAdapter[list[Quantities]] = TypeAdapter(list[Quantities])


@dataclass(frozen=True)
class Band:
    """Mean and 95 % band over the members of one reward.

    Attributes:
        label: whose it is.
        env_steps: (S,).
        mean: (S,), NaN where no member was trained.
        low: (S,), NaN where fewer than two were.
        high: (S,).
        runs: (R, S), every member; NaN where it was not trained.
    """

    label: str
    env_steps: Floats
    mean: Floats
    low: Floats
    high: Floats
    runs: Floats


class CurveReader:
    """Reads stored curves, each artifact once."""

    def __init__(self, artifacts: ArtifactReader) -> None:
        self._artifacts = artifacts
        self._read: dict[str, list[Quantities]] = {}

    def band(self, label: str, members: Sequence[MemberRecord], quantity: str) -> Band | None:
        """Return a quantity along training over all members; None if none has it."""
        curves = [_points(self.member(member), quantity) for member in members]
        known = [(steps, values) for steps, values in curves if steps.size > 0]
        if not known:
            return None
        grid = np.linspace(
            min(float(steps[0]) for steps, _ in known),
            max(float(steps[-1]) for steps, _ in known),
            _GRID,
        )
        runs = np.array(
            [np.interp(grid, steps, values, left=np.nan, right=np.nan) for steps, values in known]
        )
        mean, low, high = mean_band(runs)
        return Band(label, grid, mean, low, high, runs)

    def member(self, member: MemberRecord) -> Quantities:
        """Return a member's curves over all its rungs; None where a rung lacks a quantity."""
        joined: Quantities = {}
        updates = 0
        for artifact, place in member.curves:
            rung = self._artifact(artifact)[place]
            length = len(rung.get(_STEPS, []))  # none of a member that failed at once
            for name in dict.fromkeys((*joined, *rung)):  # in their order
                before = joined.setdefault(name, [None] * updates)
                before += rung.get(name, [None] * length)
            updates += length
        return joined

    def _artifact(self, artifact: str) -> list[Quantities]:
        if artifact not in self._read:
            text = self._artifacts.read_text(artifact)
            self._read[artifact] = _CURVES.validate_python(json.loads(text))
        return self._read[artifact]


def _points(curve: Quantities, quantity: str) -> tuple[Floats, Floats]:
    """Return env-steps and values of a quantity, without missing entries."""
    values = curve.get(quantity)
    pairs = [
        (step, value)
        for step, value in zip(curve[_STEPS] if values else [], values or [], strict=True)
        if step is not None and value is not None
    ]
    table = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1]
