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
_CURVES: TypeAdapter[list[dict[str, list[float | None]]]] = TypeAdapter(
    list[dict[str, list[float | None]]]
)


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
        self._read: dict[str, list[dict[str, list[float | None]]]] = {}

    def band(self, label: str, members: Sequence[MemberRecord], quantity: str) -> Band | None:
        """Return a quantity along training over all members; None if none has it."""
        curves = [self._member(member, quantity) for member in members]
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

    def _member(self, member: MemberRecord, quantity: str) -> tuple[Floats, Floats]:
        """Return env-steps and values of a member over its rungs, without missing entries."""
        steps: list[float] = []
        values: list[float] = []
        for artifact, place in member.curves:
            curve = self._artifact(artifact)[place]
            rung = curve.get("env_steps", [])
            for step, value in zip(rung, curve.get(quantity, []), strict=False):
                if step is not None and value is not None:
                    steps.append(step)
                    values.append(value)
        return np.array(steps, dtype=np.float64), np.array(values, dtype=np.float64)

    def _artifact(self, artifact: str) -> list[dict[str, list[float | None]]]:
        if artifact not in self._read:
            text = self._artifacts.read_text(artifact)
            self._read[artifact] = _CURVES.validate_python(json.loads(text))
        return self._read[artifact]
