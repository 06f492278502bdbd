"""The search benchmark: what its figures are made of, and a whole run at the smallest budgets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks import harness, references, search
from benchmarks.search import combine, winners
from benchmarks.tables import TABLES
from benchmarks.timeline import timeline
from rewardgen.store import parts
from rewardgen.store import payloads as p
from rewardgen.store.fold import Event

SHA = "0" * 64
BEGAN = 1_000.0


def log(*entries: tuple[float, p.Payload]) -> list[Event]:
    """Return events, each so many seconds after the start of the process."""
    return [Event(i, payload, BEGAN + at, 0.0) for i, (at, payload) in enumerate(entries, 1)]


def started_run() -> p.RunStarted:
    metric = parts.MetricFacts(name="speed", unit="m/s", higher_is_better=True, success=None)
    task = parts.TaskFacts(
        name="half-cheetah/run", version=1, description="", scene_sha256=SHA, metrics=(metric,)
    )
    manifest = parts.Manifest(
        python="", system="", machine="", cpu="", cpus=2, memory_bytes=1, packages={}
    )
    return p.RunStarted(
        verb="run",
        command=(),
        config={},
        task=task,
        recipe={},
        recipe_sha256=SHA,
        designer="evolve",
        seed=0,
        isolation=parts.Isolation(mode="standard"),
        manifest=manifest,
    )


def rung(name: str, members: int, train_s: float) -> tuple[p.RungStarted, p.RungFinished]:
    keys = tuple(parts.MemberKey(source=f"c{i}", seed=i) for i in range(members))
    outcomes = tuple(parts.MemberOutcome(source=k.source, seed=k.seed, env_steps=100) for k in keys)
    return (
        p.RungStarted(rung=name, trial=None, iteration=0, number=0, env_steps=100, members=keys),
        p.RungFinished(
            rung=name,
            members=outcomes,
            eval_seeds=(1,),
            curves=SHA,
            env_steps=120 * members,
            wall_s=train_s,
        ),
    )


def chosen() -> p.WinnerSelected:
    return p.WinnerSelected(candidate="c1-2", fitness=1.0, reason="")


class TestTimeline:
    def test_every_second_up_to_the_choice_is_accounted_for(self) -> None:
        first, second = rung("a", 2, 10.0), rung("playoff-rung-1", 4, 5.0)
        survey = p.JobFinished(job="survey", env_steps=7)
        entries = [(3.0, started_run()), (5.0, survey), (6.0, first[0]), (18.0, first[1])]
        entries += [(20.0, second[0]), (26.0, second[1]), (26.5, chosen())]
        later = rung("confirm-rung-1", 9, 100.0)
        found = timeline(log(*entries, (27.0, later[0]), (200.0, later[1])), BEGAN)
        assert found["wall_s"] == 26.5
        assert found["winner"] == "c1-2"
        assert found["env_steps"] == 7 + 120 * 2 + 120 * 4
        assert [(r["rung"], r["members"], r["train_s"], r["wall_s"]) for r in found["rungs"]] == [
            ("a", 2, 10.0, 12.0),
            ("playoff-rung-1", 4, 5.0, 6.0),
        ]
        assert found["start_s"] == 3.0
        assert found["other_s"] == pytest.approx(26.5 - 3.0 - 12.0 - 6.0)

    def test_a_run_without_a_winner_has_no_time(self) -> None:
        with pytest.raises(ValueError, match="chose no winner"):
            timeline(log((3.0, started_run())), BEGAN)
        nobody = p.WinnerSelected(candidate=None, fitness=None, reason="")
        with pytest.raises(ValueError, match="chose no winner"):
            timeline(log((3.0, started_run()), (9.0, nobody)), BEGAN)


def ours(count: int = 3) -> dict[str, Any]:
    candidates = [
        {"id": f"c{i}", "sha256": f"sha{i}", "fitness": float(i), "source": ""}
        for i in range(count)
    ]
    rungs = [{"rung": "iteration-1-rung-1", "members": 3, "wall_s": 30.0, "train_s": 25.0}]
    rungs += [{"rung": "playoff-rung-1", "members": 4, "wall_s": 50.0, "train_s": 45.0}]
    spent = {"wall_s": 100.0, "env_steps": 4_000_000, "start_s": 4.0, "other_s": 16.0}
    return {
        "side": "ours",
        "command": "rewardgen run",
        "longest_env_steps": 100,
        "winner": "c0",
        "candidates": candidates,
        "rungs": rungs,
        **spent,
    }


def sweep() -> dict[str, Any]:
    rates = {name: 100.0 * i for i, name in enumerate(search.SETTINGS, 1)}
    return {
        "side": "sweep",
        "rates": rates,
        "turns": {name: [rate] for name, rate in rates.items()},
        "start_s": dict.fromkeys(search.SETTINGS, 5.0),
        "setting": "gymnasium 2 x 16",
    }


def sb3(
    *numbers: int, setting: str = "gymnasium 2 x 16", prefix: str = "sha", steps: int = 100
) -> dict[str, Any]:
    trained = {
        f"c{i}": {
            "sha256": f"{prefix}{i}",
            "wall_s": 400.0 + i,
            "env_steps": steps,
            "fitness": float(i),
        }
        for i in numbers
    }
    return {"side": "sb3", "setting": setting, "trained": trained}


def confirm(a: Sequence[float], b: Sequence[float], against: str = "c2") -> dict[str, Any]:
    return {"side": "confirm", "ours": "c0", "sb3": against, "points": {"ours": a, "sb3": b}}


class TestCombine:
    def test_two_processes_share_the_trainings(self) -> None:
        figures = combine([ours(), sweep(), sb3(0, 1), sb3(2)])
        assert figures["sb3_wall_s"] == 5.0 + 3 * 400.0 / 2
        assert figures["sb3_mean_wall_s"] == 5.0 + (400.0 + 401.0 + 402.0) / 2
        assert figures["ratio"] == pytest.approx(6.05)
        assert figures["ratio_of_means"] == pytest.approx(6.065)
        assert (figures["winner"], figures["sb3_winner"]) == ("c0", "c2")

    def test_our_time_is_that_of_the_fastest_run(self) -> None:
        figures = combine([ours(), {"side": "again", "wall_s": 120.0, "winner": "c0"}])
        assert (figures["wall_s"], figures["mean_wall_s"]) == (100.0, 110.0)
        assert figures["walls"] == [100.0, 120.0]

    def test_there_is_no_ratio_while_rewards_are_missing(self) -> None:
        assert combine([ours()])["ratio"] is None
        figures = combine([ours(), sweep(), sb3(0, 1)])
        assert (figures["trained"], figures["rewards"], figures["ratio"]) == (2, 3, None)

    def test_trainings_of_other_rewards_or_settings_do_not_count(self) -> None:
        stale = combine([ours(), sweep(), sb3(0, 1), sb3(2, prefix="old")])
        assert stale["ratio"] is None
        other = combine([ours(), sweep(), sb3(0, 1), sb3(2, setting="gymnasium 1 x 128")])
        assert other["ratio"] is None
        shorter = combine([ours(), sweep(), sb3(0, 1), sb3(2, steps=50)])
        assert shorter["ratio"] is None

    def test_the_difference_is_a_share_of_the_rivals_winner(self) -> None:
        parts = [ours(), sweep(), sb3(0, 1, 2)]
        values = [4.0] * 8 + [4.2] * 8
        better = [confirm([2 * x for x in values], values)] * search.CONFIRM_PARTS
        figures = combine([*parts, *better])
        assert figures["difference"] == pytest.approx(1.0)
        assert figures["excludes_minus_10_percent"]
        worse = [confirm([0.8 * x for x in values], values)] * search.CONFIRM_PARTS
        figures = combine([*parts, *worse])
        assert figures["difference"] == pytest.approx(-0.2)
        assert not figures["excludes_minus_10_percent"]

    def test_a_confirmation_of_other_winners_does_not_count(self) -> None:
        parts = [ours(), sweep(), sb3(0, 1, 2)]
        old = [confirm([1.0] * 10, [1.0] * 10, against="c1")] * search.CONFIRM_PARTS
        assert "difference" not in combine([*parts, *old])

    def test_one_file_chosen_by_both_needs_no_confirmation(self) -> None:
        same = {**ours(), "winner": "c2"}
        figures = combine([same, sweep(), sb3(0, 1, 2)])
        assert (figures["difference"], figures["excludes_minus_10_percent"]) == (0.0, True)

    def test_a_rival_that_failed_cannot_win(self) -> None:
        trained = sb3(0, 1, 2)
        trained["trained"]["c2"]["fitness"] = None
        assert winners([ours(), sweep(), trained])[1]["id"] == "c1"


def test_references_are_found_by_everything_they_depend_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(references, "RESULTS", tmp_path)
    key = {"reward": "a", "env_steps": 10, "seeds": (1, 2)}
    assert references.find("bench", key) is None
    references.keep("bench", key, {"wall_s": 1.0})
    references.keep("bench", {**key, "env_steps": 11}, {"wall_s": 2.0})
    assert references.find("bench", key) == {"wall_s": 1.0}
    references.keep("bench", key, {"wall_s": 3.0})
    assert references.find("bench", key) == {"wall_s": 3.0}
    assert references.find("bench", {**key, "reward": "b"}) is None


@pytest.mark.slow
def test_all_parts_at_the_smallest_budgets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (harness, references):
        monkeypatch.setattr(module, "RESULTS", tmp_path)
    monkeypatch.setattr(search, "ENV_STEPS", 4_096)
    monkeypatch.setattr(search, "RUNGS", 2)
    budgets = {"env-steps": "4096", "rungs": "2", "samples": "4", "eval-episodes": "1"}
    monkeypatch.setattr(search, "FLAGS", {**search.FLAGS, **budgets})
    monkeypatch.setattr(search, "SETTINGS", {n: search.SETTINGS[n] for n in search.RIVALS})
    monkeypatch.setattr(search, "SLICE_S", 0.5)
    monkeypatch.setattr(search, "TURNS", 1)
    monkeypatch.setattr(search, "CONFIRM_SEEDS", 5)
    monkeypatch.setattr(search, "CONFIRM_EPISODES", 1)
    search.longest.cache_clear()
    for number, part in enumerate(search.BENCHMARK.parts, 1):
        search.BENCHMARK._record(number, part())
    search.longest.cache_clear()
    parts = harness.latest("search")
    figures = combine(parts)
    assert figures["rewards"] == figures["trained"] == 8
    assert figures["ratio"] == pytest.approx(figures["sb3_wall_s"] / figures["wall_s"])
    trained = [line for part in parts if part["side"] == "sb3" for line in part["trained"].values()]
    assert {line["env_steps"] for line in trained} == {6_144}
    assert figures["excludes_minus_10_percent"] in (True, False)
    assert "ratio" in TABLES["search"](parts)
