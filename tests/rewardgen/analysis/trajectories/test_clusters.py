"""Planted groups are found again, one cloud is one group, medoids are typical."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from jaxtyping import Int

from rewardgen.analysis.trajectories.clusters import (
    FEWEST,
    cluster,
    failed_episodes,
    failures,
    silhouette,
)
from rewardgen.analysis.trajectories.episodes import Episodes, Floats
from tests.rewardgen.analysis.trajectories.planted import episodes


def adjusted_rand_index(first: Int[np.ndarray, " N"], second: Int[np.ndarray, " N"]) -> float:
    """Agreement of two groupings over pairs, 1 if they are the same (Hubert and Arabie, 1985)."""
    pairs = list(combinations(range(len(first)), 2))
    a = np.array([first[i] == first[j] for i, j in pairs])
    b = np.array([second[i] == second[j] for i, j in pairs])
    both, expected = float((a & b).sum()), float(a.sum() * b.sum() / len(pairs))
    return (both - expected) / ((a.sum() + b.sum()) / 2 - expected)


def clouds(count: int, size: int, apart: float, seed: int = 0) -> tuple[Floats, np.ndarray]:
    random = np.random.default_rng(seed)
    truth = np.repeat(np.arange(count), size)
    centres = apart * np.eye(count, 5)
    return centres[truth] + 0.1 * random.normal(size=(len(truth), 5)), truth


@pytest.mark.parametrize("count", [2, 3, 5])
def test_planted_clusters_are_found(count: int) -> None:
    points, truth = clouds(count, 12, apart=2.0)
    order = np.random.default_rng(1).permutation(len(points))
    found = cluster(points[order])
    assert adjusted_rand_index(found.label, truth[order]) == 1.0
    assert found.silhouette is not None and found.silhouette > 0.8


def test_the_index_itself() -> None:
    truth = np.array([0, 0, 1, 1])
    assert adjusted_rand_index(truth, 1 - truth) == 1.0
    # of 6 pairs each grouping joins 2, none in common: (0 - 4/6) / (2 - 4/6)
    assert adjusted_rand_index(truth, np.array([0, 1, 0, 1])) == pytest.approx(-0.5)


@pytest.mark.parametrize("seed", range(5))
def test_one_cloud_is_one_group(seed: int) -> None:
    found = cluster(np.random.default_rng(seed).normal(size=(40, 6)))
    assert set(found.label) == {0} and found.silhouette is None and len(found.medoids) == 1


def test_equal_points_are_one_group() -> None:
    found = cluster(np.ones((8, 3)))
    assert set(found.label) == {0} and found.silhouette is None


def test_a_medoid_is_nearest_to_all_others() -> None:
    points = np.array([[0.0], [1.0], [2.0], [3.0], [50.0], [51.0], [52.0], [60.0]])
    found = cluster(points)
    distances = [
        np.abs(points[found.label == g] - points[m]).sum() for g, m in enumerate(found.medoids)
    ]
    best = [
        min(np.abs(points[found.label == g] - p).sum() for p in points[found.label == g])
        for g in range(len(found.medoids))
    ]
    assert distances == best


def test_silhouette_by_hand() -> None:
    points = np.array([0.0, 1.0, 10.0])
    distance = np.abs(points[:, None] - points)
    # of 0: (10 - 1) / 10, of 1: (9 - 1) / 9, of 10, alone: 0
    value = silhouette(distance, np.array([0, 0, 1]))
    assert value == pytest.approx((0.9 + 8 / 9) / 3)


def planted_failures() -> tuple[Episodes, np.ndarray]:
    """Ten successes; eight that fall at once with a low term; seven that wander off to x1 = 5."""
    random = np.random.default_rng(3)
    length = [100] * 10 + [20, 21, 19, 20, 22, 18, 20, 21] + [100] * 7
    count = len(length)
    features = 0.05 * random.normal(size=(count, 100, 2))
    features[18:, 60:, 1] += 5.0
    speed = np.ones((count, 100)) + 0.05 * random.normal(size=(count, 100))
    speed[10:18] = 0.1
    made = episodes(
        length,
        terms={"speed": speed},
        success=[True] * 10 + [False] * 15,
        features=features,
        policy=[0] * 12 + [1] * 13,
    )
    return made, np.array([0] * 8 + [1] * 7)


def test_planted_failures_are_found_with_their_medoids() -> None:
    made, truth = planted_failures()
    record = failures(made, train_seeds=(7, 8))
    assert record.basis == "episodes without success" and record.episodes == 15
    assert [c.episodes for c in record.clusters] == [8, 7]
    assert [c.cause for c in record.clusters] == ["fallen", "time limit"]
    fallen, wandered = record.clusters
    assert fallen.length_s == pytest.approx(0.02 * np.mean([20, 21, 19, 20, 22, 18, 20, 21]))
    assert 110 <= fallen.eval_seed < 118 and 118 <= wandered.eval_seed < 125
    assert wandered.train_seed == 8
    assert fallen.sentence.startswith("end by fallen after 0.4")
    assert "x1" in wandered.sentence or "speed" in wandered.sentence
    del truth


def test_too_few_failures_say_how_many_it_takes() -> None:
    made = episodes([100] * 12, success=[True] * 8 + [False] * 4)
    record = failures(made, train_seeds=(1,))
    assert record.clusters == () and record.silhouette is None
    assert f"at least {FEWEST} failed episodes, has 4" in record.reason


def test_failures_without_a_threshold_are_early_ends_else_the_weakest() -> None:
    failed, basis = failed_episodes(episodes([100, 30, 100]))
    assert list(failed) == [False, True, False] and "early" in basis
    made = episodes([100] * 8, fitness=[5.0, 1.0, 2.0, 9.0, 8.0, 7.0, 6.0, 4.0])
    failed, basis = failed_episodes(made)
    assert list(np.flatnonzero(failed)) == [1, 2] and "weakest quarter" in basis
