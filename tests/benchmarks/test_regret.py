"""The regret benchmark: its MDPs are solved, its disguises change nothing, its figures add up."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import regret
from benchmarks.mdp import random_mdp, random_reward
from benchmarks.regret import combine, disguise, part
from benchmarks.tables import TABLES


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regret, "STATES", 8)
    monkeypatch.setattr(regret, "STEPS", 4)


def test_a_disguise_changes_no_regret() -> None:
    generator = np.random.default_rng(0)
    mdp = random_mdp(generator, 8, 3, 4, 0.9)
    first, second = random_reward(generator, mdp), random_reward(generator, mdp)
    hidden = second + disguise(generator, mdp)
    assert np.abs(hidden - second).max() > 0.1
    assert mdp.regret(first, hidden) == pytest.approx(mdp.regret(first, second), abs=1e-9)
    assert mdp.regret(hidden, first) == pytest.approx(mdp.regret(second, first), abs=1e-9)


def test_distances_that_see_through_the_disguise_give_the_same_figures() -> None:
    found = part(0, mdps=8)
    assert found["pairs"] == 32
    for name in ("val", "min_l2"):
        figures = found["methods"][name]
        assert figures["pearson"] == pytest.approx(figures["plain_pearson"], abs=1e-6)
        assert figures["spearman"] == pytest.approx(figures["plain_spearman"], abs=1e-6)
        assert figures["pearson"] > 0.8
    for name in ("none", "epic", "dard", "val_potential"):
        assert found["methods"][name]["pearson"] < found["methods"]["val"]["pearson"]


def test_seeds_are_averaged_and_their_ends_are_shown() -> None:
    kinds = ("pearson", "spearman", "plain_pearson", "plain_spearman")

    def made(value: float) -> dict[str, object]:
        return {"pairs": 768, "methods": {"val": dict.fromkeys(kinds, value)}}

    parts = [made(0.9), made(0.94)]
    assert combine(parts) == {"val": dict.fromkeys(kinds, 0.92)}
    assert "| val | 0.920 (0.900 to 0.940) | ≥ 0.90 |" in TABLES["regret"](parts)
