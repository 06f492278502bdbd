"""The data stage on a double integrator: what it must find, and what nothing may change."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from rewardgen.compare.data_stage import (
    Compared,
    PaidReward,
    RankedLog,
    compare_on,
    data_record,
    matrices,
    verdicts,
)
from rewardgen.compare.features import curved_features
from rewardgen.compare.sampled import shaping
from rewardgen.compare.standing import Target
from tests.rewardgen.compare.logs import double_integrator

Floats = NDArray[np.float64]
HIGHER = Target(sign=1.0, success=None)


def ranked(episodes: int = 60) -> RankedLog:
    """A log whose fitness is nearness to the middle over the nominal episode."""
    data = double_integrator(episodes, 50, seed=3)
    near = np.exp(-np.square(data.next_state[:, 0] / 0.5))
    fitness = np.add.reduceat(near, data.starts) / 50.0
    return RankedLog(data, np.ones(episodes, dtype=bool), fitness)


def paid(name: str, terms: Floats) -> PaidReward:
    names = tuple(f"t{i}" for i in range(terms.shape[1]))
    return PaidReward(name, terms.sum(axis=1), terms, names)


def population(log: RankedLog) -> list[PaidReward]:
    after = log.data.next_state
    near, slow = np.exp(-np.square(after[:, 0] / 0.5)), -0.2 * np.square(after[:, 1])
    good = np.stack([near, slow], axis=1)

    def potential(states: Floats) -> Floats:
        return (2.0 * np.abs(states[:, 0]) + np.square(states[:, 1]))[:, None]

    return [
        paid("good", good),
        paid("scaled", 7.0 * good),
        paid("shaped", np.concatenate([good, shaping(log.data, potential)], axis=1)),
        paid("negated", -good),
        paid("speed", np.abs(after[:, 1:])),
        paid("nothing", np.zeros((len(after), 1))),
    ]


@pytest.fixture(scope="module")
def compared() -> tuple[RankedLog, Compared]:
    log = ranked()
    return log, compare_on(log, population(log), HIGHER, seed=0)


def test_planted_copies_and_negations_are_found(compared: tuple[RankedLog, Compared]) -> None:
    found = verdicts(compared[1], "good")
    decided = dict(zip(compared[1].names, found, strict=True))
    assert decided["good"].decision == "race"
    assert decided["scaled"].duplicate_of == "good"
    assert decided["shaped"].duplicate_of == "good"
    assert decided["negated"].decision == "sign_error"
    assert decided["nothing"].decision == "constant"
    assert decided["speed"].decision not in ("duplicate", "sign_error", "constant")


def test_copies_of_a_wrong_reward_are_told_what_is_wrong_with_them() -> None:
    log = ranked()
    good, *_, negated, _speed, _nothing = population(log)
    louder = paid("louder", 3.0 * negated.terms)
    found = compare_on(log, [good, negated, louder], HIGHER, seed=0)
    assert [v.decision for v in verdicts(found, "good")] == ["race", "sign_error", "sign_error"]
    assert [v.decision for v in verdicts(found, None)] == ["race", "misranks", "misranks"]


def test_without_a_reference_there_is_no_sign_to_be_wrong(
    compared: tuple[RankedLog, Compared],
) -> None:
    decided = dict(zip(compared[1].names, verdicts(compared[1], None), strict=True))
    assert decided["scaled"].duplicate_of == "good"
    assert decided["negated"].decision == "misranks"


def test_shaping_and_scale_change_neither_ranking_nor_shares(
    compared: tuple[RankedLog, Compared],
) -> None:
    good, scaled, shaped = compared[1].readings[:3]
    assert scaled.standing.tau == pytest.approx(good.standing.tau)
    assert shaped.standing.tau == pytest.approx(good.standing.tau, abs=0.02)
    of = {term.term: term.share for term in shaped.terms}
    assert sum(share or 0.0 for share in of.values()) == pytest.approx(1.0)
    assert abs(of["t2"] or 0.0) < 0.02  # the shaping


def test_wrong_rankings_come_with_the_pairs_that_show_it(
    compared: tuple[RankedLog, Compared],
) -> None:
    log, found = compared
    standing = found.readings[found.place("negated")].standing
    assert standing.auc is not None and standing.auc < 0.2
    assert standing.violations
    for pair in standing.violations:
        assert pair.better.fitness > pair.worse.fitness
        assert pair.better.value < pair.worse.value
        assert pair.better.fitness == log.fitness[pair.better.number]
    numbers = [pair.better.number for pair in standing.violations]
    assert len(set(numbers)) == len(numbers)


def test_lower_is_better_turns_rankings_around(compared: tuple[RankedLog, Compared]) -> None:
    log = compared[0]
    low = compare_on(log, population(log)[:1], Target(sign=-1.0, success=None), seed=0)
    high = compared[1].readings[0].standing
    assert low.readings[0].standing.tau == pytest.approx(-(high.tau or 0.0))


def test_a_threshold_names_successes(compared: tuple[RankedLog, Compared]) -> None:
    log = compared[0]
    threshold = float(np.quantile(log.fitness, 0.6))
    found = compare_on(log, population(log)[:1], Target(1.0, threshold), seed=0)
    assert found.readings[0].standing.auc_of == "success against failure"
    never = compare_on(log, population(log)[:1], Target(1.0, 1e9), seed=0).readings[0].standing
    assert never.auc is None
    assert any("needs 5 of each, there are 0 and 60" in remark for remark in never.remarks)


def test_too_few_episodes_are_told_with_how_many_are_needed() -> None:
    log = ranked()
    few = np.zeros(60, dtype=bool)
    few[:9] = True
    found = compare_on(RankedLog(log.data, few, log.fitness), population(log)[:1], HIGHER, seed=0)
    standing = found.readings[0].standing
    assert standing.tau is None
    assert "a rank correlation needs 10 whole episodes, there are 9" in standing.remarks


def test_too_few_transitions_are_told_with_how_many_are_needed() -> None:
    log = ranked(4)
    with pytest.raises(ValueError, match=r"need at least \d+ transitions, there are"):
        compare_on(log, population(log)[:1], HIGHER, seed=0)


def test_dead_and_saturated_terms() -> None:
    log = ranked()
    after = log.data.next_state
    saturated = np.where(np.arange(len(after)) % 50 == 0, 0.0, 1.0)
    terms = np.stack([after[:, 0], 1e-5 * after[:, 1], saturated], axis=1)
    reading = compare_on(log, [paid("mine", terms)], HIGHER, seed=0).readings[0]
    status = {term.term: term.status for term in reading.terms}
    assert status == {"t0": "ok", "t1": "dead", "t2": "saturated"}


def test_matrices_are_plain_data(compared: tuple[RankedLog, Compared]) -> None:
    log, found = compared
    lstd, least = matrices(found, log.data.sources)
    assert (lstd.method, least.method) == ("lstd_val", "min_l2")
    place = found.place("nothing")
    assert set(lstd.values[place]) == {None}
    assert lstd.values[0][1] == pytest.approx(0.0, abs=1e-6)
    assert set(lstd.by_source) == {"random", "controller"}
    record = data_record(log, "0" * 64, found.features)
    assert record.transitions == len(log.data)
    assert sum(source.episodes for source in record.sources) == 60


def test_more_columns_get_fewer_curves() -> None:
    data = double_integrator(80, 50, seed=1)
    features = curved_features(data, 0)
    assert features(data.state).shape == (len(data), features.count)
    small = double_integrator(6, 50, seed=1)
    assert curved_features(small, 0).count < features.count
