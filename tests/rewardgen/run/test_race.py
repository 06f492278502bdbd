"""How a search races: who goes on is worked out anew from the scores that it recorded."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from statistics import fmean
from unittest.mock import patch

import pytest

from benchmarks.made_up import Forgetful, Silent, made_up
from rewardgen import api
from rewardgen.config import RunConfig
from rewardgen.run.session import InterruptedRunError
from rewardgen.store.run_directory import read_run

RUNGS, SAMPLES, ITERATIONS = 4, 12, 3


def _config(folder: Path, **given: object) -> RunConfig:
    settings = {
        "task": "cartpole/balance",
        "iterations": ITERATIONS,
        "samples": SAMPLES,
        "train_seeds": 2,
        "rungs": RUNGS,
        "env_steps": 4096,
        "eval_episodes": 2,
        "confirm_seeds": 2,
        "confirm_episodes": 2,
        "seed": 9300,
        "render": False,
        "writers": (),
        "runs_dir": folder,
        "name": "race",
    }
    return RunConfig.model_validate(settings | given)


def _scores(run: Path) -> list[list[dict[str, float]]]:
    """Return iteration → rung → candidate → mean fitness of its members."""
    state = read_run(run).state
    found: list[list[dict[str, float]]] = [[] for _ in range(ITERATIONS)]
    for name, rung in state.rungs.items():
        if name.startswith("iteration-") and rung.finished is not None:
            points: dict[str, list[float]] = {}
            for member in rung.finished.members:
                points.setdefault(member.source, []).extend(member.fitness["balanced_share"])
            means = {candidate: fmean(some) for candidate, some in points.items()}
            found[int(name.split("-")[1]) - 1].append(means)
    return found


def _raced(folder: Path, **given: object) -> list[list[dict[str, float]]]:
    with made_up(), patch.object(api, "write_report"):  # its figures take a while
        api.run(_config(folder, **given), designer=Forgetful(), display=Silent())
    return _scores(folder / "race")


def test_halving_keeps_a_share_of_each_rung(tmp_path: Path) -> None:
    for rungs in _raced(tmp_path, keep=0.5):
        assert [len(rung) for rung in rungs] == [12, 6, 3, 2]
        for earlier, later in pairwise(rungs):
            best = sorted(earlier, key=lambda name: -earlier[name])
            assert set(later) == set(best[: len(later)])


def test_a_wildcard_is_who_gained_most_of_those_left_behind(tmp_path: Path) -> None:
    by_gain = 0
    for rungs in _raced(tmp_path, samples=24, keep=0.5, wildcards=1):
        assert [len(rung) for rung in rungs] == [24, 13, 8, 5]
        for number in range(1, RUNGS - 1):
            before, now = rungs[number - 1], rungs[number]
            ranked = sorted(now, key=lambda name: -now[name])
            by_score = ranked[: len(rungs[number + 1]) - 1]
            behind = {name: now[name] - before[name] for name in now if name not in by_score}
            wildcard = max(behind, key=lambda name: behind[name])
            assert set(rungs[number + 1]) == {*by_score, wildcard}
            by_gain += wildcard != ranked[len(by_score)]
    assert by_gain  # it is not merely the next in rank


def test_asha_cuts_by_the_scores_of_earlier_iterations_too(tmp_path: Path) -> None:
    iterations = _raced(tmp_path, race="asha", keep=0.25)
    assert [len(rung) for rung in iterations[0]] == [12, 3]
    sizes: list[int] = []
    for number in range(1, ITERATIONS):
        now, going_on = iterations[number][0], set(iterations[number][1])
        pool = [score for some in iterations[: number + 1] for score in some[0].values()]
        cut = sorted(pool, reverse=True)[len(pool) // 4 - 1]
        above = {name for name, score in now.items() if score >= cut}
        assert going_on == (above or {max(now, key=lambda name: now[name])})
        sizes.append(len(going_on))
    assert any(size != 3 for size in sizes)  # the share is not of this iteration alone


@pytest.mark.parametrize("race", [pytest.param("halving", marks=pytest.mark.slow), "asha"])
def test_a_resumed_race_goes_on_as_it_would_have(tmp_path: Path, race: str) -> None:
    whole = _raced(tmp_path / "whole", race=race, wildcards=1)
    folder = tmp_path / "cut"
    with made_up(stop_at="iteration-2-rung-2-train"), pytest.raises(InterruptedRunError):
        api.run(_config(folder, race=race, wildcards=1), designer=Forgetful(), display=Silent())
    with made_up(), patch.object(api, "write_report"):
        api.resume("race", runs_dir=folder, designer=Forgetful(), display=Silent())
    assert _scores(folder / "race") == whole
