"""The play-off decides between the best candidates on seeds that none of them has seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rewardgen.analysis.feedback import Feedback
from rewardgen.run.budget import FINALISTS
from rewardgen.store.payloads import PLAYOFF
from rewardgen.store.run_directory import read_run

METRIC = "upright_share"


def test_the_best_candidates_meet_on_fresh_seeds_and_the_best_mean_wins(calm_run: Path) -> None:
    run = read_run(calm_run)
    state = run.state
    playoff = state.trials[PLAYOFF]
    scores = {}
    for name, candidate in state.candidates.items():
        if candidate.state in ("evaluated", "confirmed"):
            assert candidate.feedback is not None
            text = run.artifacts.read_text(candidate.feedback.feedback)
            scores[name] = Feedback.model_validate_json(text).score
    finalists = [arm.arm for arm in playoff.started.arms]
    assert 2 <= len(finalists) == min(FINALISTS, len(scores))
    assert set(finalists) <= set(scores)

    searched = {seed for c in state.candidates.values() for seed in c.members}
    confirmed = {seed for arm in state.trials["confirm"].members.values() for seed in arm}
    assert len(playoff.started.seeds) == 4
    assert searched.isdisjoint(playoff.started.seeds)
    assert confirmed.isdisjoint(playoff.started.seeds)

    means = {
        name: sum(sum(m.fitness[METRIC]) / len(m.fitness[METRIC]) for m in members.values())
        for name, members in playoff.members.items()
    }
    assert state.winner is not None
    assert state.winner.candidate == max(means, key=lambda name: means[name])


def test_the_play_off_is_no_part_of_the_final_comparison(
    undisturbed: tuple[dict[str, Any], int],
) -> None:
    record, _ = undisturbed
    assert [arm["arm"] for arm in record["arms"]] == ["winner", "human", "sparse"]
