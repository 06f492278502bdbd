"""The benchmark of kills: how it reads a run, told from one whose simulation is made up."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from benchmarks import kills
from benchmarks.kills import PHASES, Hunted, Undisturbed, phase_of, steps_of
from benchmarks.made_up import Forgetful, Silent, made_up
from benchmarks.tables import TABLES
from rewardgen import api
from rewardgen.config import RunConfig
from rewardgen.store.events import DATABASE_NAME, read_events
from rewardgen.store.fold import fold
from rewardgen.store.state import RunState


@pytest.fixture(scope="module")
def made_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = RunConfig(
        task="cartpole/swing-up",
        name="calm",
        runs_dir=tmp_path_factory.mktemp("kills"),
        iterations=2,
        samples=4,
        rungs=2,
        env_steps=8192,
        eval_episodes=2,
        confirm_seeds=2,
        confirm_episodes=2,
        render=False,
        writers=(),
    )
    with made_up():
        api.run(config, designer=Forgetful(), display=Silent())
    return config.runs_dir / "calm"


@pytest.fixture
def calm(made_run: Path, monkeypatch: pytest.MonkeyPatch) -> Undisturbed:
    monkeypatch.setattr(kills.subprocess, "run", lambda *arguments, **named: None)
    monkeypatch.setattr(kills, "answered", lambda path: {})
    return kills.undisturbed(made_run, kills.begin)


def test_an_undisturbed_run_has_a_time_and_a_phase_for_each_step(
    made_run: Path, calm: Undisturbed
) -> None:
    events = list(read_events(made_run / DATABASE_NAME))
    assert len(calm.times_s) == len(calm.phases) == len(steps_of(events)) < len(events)
    assert calm.times_s[0] == 0.0
    assert calm.times_s == sorted(calm.times_s)
    assert {"survey", "propose", "check", "train", "confirm", "report"} <= set(calm.phases)


def test_moments_are_after_steps_that_were_recorded_by_then(calm: Undisturbed) -> None:
    chance = random.Random(3)
    drawn = sorted(chance.uniform(0.0, calm.times_s[-1]) for _ in range(50))
    for at_s, moment in zip(drawn, calm.uniform(random.Random(3), 50), strict=True):
        assert calm.times_s[moment.steps - 1] + moment.delay_s == pytest.approx(at_s)
        assert moment.steps == len(calm.times_s) or calm.times_s[moment.steps] > at_s


@pytest.mark.parametrize("phase", ["propose", "check", "train", "confirm", "report"])
def test_aimed_moments_are_in_their_phase(calm: Undisturbed, phase: str) -> None:
    for moment in calm.within(random.Random(1), phase, 20):
        assert calm.phases[moment.steps - 1] == phase


def test_a_rung_trains_until_its_evaluation_has_a_folder(made_run: Path) -> None:
    state = RunState()
    met: set[str] = set()
    for event in read_events(made_run / DATABASE_NAME):
        fold(state, [event])
        met |= {phase_of(state), phase_of(state, evaluating=True)}
    assert set(PHASES) <= met


def test_the_events_of_a_hunted_run_can_be_read_again_and_again(
    made_run: Path, calm: Undisturbed
) -> None:
    hunted = Hunted(made_run, kills.begin, calm)
    seen = hunted._wait_for(_Ended(), steps=1, before=0)
    assert len(seen) == len(list(read_events(made_run / DATABASE_NAME)))


class _Ended:
    """A process that is over."""

    def poll(self) -> int:
        return 0


def test_the_table_adds_parts_up() -> None:
    part = {"runs": 6, "equal": 6, "late": 0, "lost": 0}
    counted = [{**part, "kills": dict.fromkeys(PHASES, 10)}] * 4
    aimed = {**part, "equal": 5, "kills": {"propose": 7}}
    text = TABLES["kills"]([*counted, aimed])
    assert "| kill -9 at moments drawn from all of a run's time | 240 | ≥ 200 |" in text
    assert "| runs that came to the undisturbed result | 29 | 30 |" in text
    assert "| propose | 47 |" in text
