"""The play-off decides between the best candidates on seeds that none of them has seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from rewardgen.analysis.feedback import Feedback, Fitness, Series
from rewardgen.design.designer import Tried
from rewardgen.run.journal import RunJournal
from rewardgen.run.playoff import nominated
from rewardgen.store.payloads import PLAYOFF
from rewardgen.store.run_directory import RunDirectory, read_run
from tests.rewardgen.run.tiny import SETTINGS, call, command

METRIC = "balanced_share"


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
    sources = {state.candidates[name].proposal.source for name in scores}
    assert 2 <= len(finalists) == min(4, len(sources))
    assert set(finalists) <= set(scores)
    assert len({state.candidates[name].proposal.source for name in finalists}) == len(finalists)

    searched = {seed for c in state.candidates.values() for seed in c.members}
    confirmed = {seed for arm in state.trials["confirm"].members.values() for seed in arm}
    assert len(playoff.started.seeds) == 2 * SETTINGS["train-seeds"]
    assert searched.isdisjoint(playoff.started.seeds)
    assert confirmed.isdisjoint(playoff.started.seeds)

    left = finalists
    for number in (1, 2, 3):
        rung = state.rungs[f"{PLAYOFF}-rung-{number}"].finished
        assert rung is not None
        scores = {name: 0.0 for name in left}
        for member in rung.members:
            scores[member.source] += sum(member.fitness[METRIC])
        assert set(scores) == set(left)
        left = sorted(scores, key=lambda name: -scores[name])[: (len(left) + 1) // 2]
    assert state.winner is not None
    assert [state.winner.candidate] == left


@pytest.mark.slow
def test_a_search_without_rungs_plays_off_seed_by_seed(tmp_path: Path) -> None:
    settings = SETTINGS | {"rungs": 1}
    flags = [f"--{key}={value}" for key, value in settings.items()]
    where = ("--no-render", "--name=seeds", f"--runs-dir={tmp_path}")
    done = call(command("run", *flags, *where))
    assert done.returncode == 0, done.stderr
    run = read_run(tmp_path / "seeds")
    state = run.state
    playoff = state.trials[PLAYOFF]
    left = [arm.arm for arm in playoff.started.arms]
    assert len(left) == 4
    seeds = iter(playoff.started.seeds)
    # what the search saw counts as well
    with RunDirectory.resume(tmp_path / "seeds") as directory:
        history = RunJournal(directory).history()
    fitness = {f.candidate: list(f.seen) for f in nominated(history) if f.candidate in left}
    assert all(len(values) >= 3 for values in fitness.values())
    for number, count in ((1, 2), (2, 2), (3, 4)):
        if number > 1 and len(left) == 1:
            assert f"{PLAYOFF}-rung-{number}" not in state.rungs
            break
        rung = state.rungs[f"{PLAYOFF}-rung-{number}"].finished
        assert rung is not None
        mine = [next(seeds) for _ in range(count)]
        assert [(m.source, m.seed) for m in rung.members] == [(x, s) for x in left for s in mine]
        for member in rung.members:
            fitness[member.source].append(fmean(member.fitness[METRIC]))
        best = sorted(left, key=lambda name: -fmean(fitness[name]))
        left = [name for name in left if name in best[: (len(left) + 1) // 2] or number == 3]
    assert state.winner is not None
    assert state.winner.candidate in left
    assert fmean(fitness[state.winner.candidate]) == max(fmean(fitness[name]) for name in left)


def view(candidate: str, score: float | None, late: float, *, higher: bool = True) -> Tried:
    """A candidate with one policy; its training fitness is 0 but for the last third."""
    if score is None:
        return Tried(candidate, 0, candidate, "evaluated", Feedback())
    fitness = Fitness(
        metric=METRIC,
        unit="1",
        higher_is_better=higher,
        mean=score,
        low=score,
        high=score,
        members=(score,),
        episodes=2,
    )
    series = Series(values=(0.0, 0.0, late), maximum=late, mean=late / 3, minimum=0.0)
    feedback = Feedback(fitness=(fitness,), training_fitness={METRIC: series})
    return Tried(candidate, 0, candidate, "evaluated", feedback)


def test_finalists_are_good_at_the_end_and_in_late_training() -> None:
    # places: lucky 0 + 3, steady 1 + 0, slow 2 + 2, poor 3 + 1
    candidates = [
        view("lucky", 0.9, 0.1),
        view("poor", 0.1, 0.3),
        view("steady", 0.8, 0.5),
        view("slow", 0.5, 0.2),
        view("failed", None, 0.0),
    ]
    assert [t.candidate for t in nominated(candidates)] == ["steady", "lucky", "slow", "poor"]
    costs = [view("dear", 2.0, 3.0, higher=False), view("cheap", 1.0, 1.0, higher=False)]
    assert [t.candidate for t in nominated(costs)] == ["cheap", "dear"]


def test_equal_sources_count_once_by_all_their_tests() -> None:
    # the level is 0.5: twice 0.75 and twice the level are 0.625, once 0.8 and so 0.6
    again = [replace(view(name, 0.75, 0.75), source="steady") for name in ("first", "second")]
    lucky, poor, worst = view("lucky", 0.8, 0.8), view("poor", 0.2, 0.2), view("worst", 0.0, 0.0)
    found = nominated([worst, again[0], lucky, again[1], poor])
    assert [t.candidate for t in found] == ["first", "lucky", "poor", "worst"]
    assert found[0].seen == pytest.approx((0.75, 0.75, 0.5, 0.5))
    assert found[1].seen == pytest.approx((0.8, 0.5, 0.5))


def test_costs_are_seen_in_their_unit() -> None:
    found = nominated([view("dear", 2.0, 3.0, higher=False), view("cheap", 1.0, 1.0, higher=False)])
    assert [(f.candidate, f.seen) for f in found] == [
        ("cheap", (1.0, 1.5, 1.5)),
        ("dear", (2.0, 1.5, 1.5)),
    ]


def test_the_play_off_is_no_part_of_the_final_comparison(
    undisturbed: tuple[dict[str, Any], int],
) -> None:
    record, _ = undisturbed
    assert [arm["arm"] for arm in record["arms"]] == ["winner", "human", "sparse"]
