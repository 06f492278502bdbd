"""Kills and interrupts at chosen moments: nothing acknowledged is lost, the result is the same."""

from __future__ import annotations

import signal

import pytest

from tests.faults.conftest import Reference, Scene
from tests.faults.injection import Act, Plan, Site
from tests.faults.undisturbed import check_nothing_lost, event_types

# what a commit ends in; artifacts and feedback share the commit of the event that follows them
EVENTS = (
    "run_started",
    "inputs_stored",
    "job_finished",
    "iteration_started",
    "candidate_proposed",
    "candidate_checked",
    "rung_started",
    "rung_finished",
    "candidate_settled",
    "iteration_finished",
    "trial_started",
    "trial_finished",
    "winner_selected",
    "run_finished",
)
_KILLS: tuple[Act, ...] = ("kill before", "kill after")


def test_all_types_of_events_are_met(reference: Reference) -> None:
    assert set(EVENTS) == set(reference.types) - {"artifacts_stored", "feedback_stored"}


@pytest.mark.parametrize("event", EVENTS)
def test_a_kill_at_each_type_of_event(scene: Scene, event: str) -> None:
    """Killed before its commit, then, taken up again, after it."""
    done = scene.begin(Plan("commit", 1, "kill before", event=event))
    assert done.status == -signal.SIGKILL, done.err
    assert event not in event_types(scene.run)
    done = scene.resume(Plan("commit", 1, "kill after", event=event))
    assert done.status == -signal.SIGKILL, done.err
    assert event_types(scene.run)[-1] == event
    scene.check_recovery()


@pytest.mark.parametrize("act", _KILLS)
def test_a_kill_where_a_run_is_taken_up(scene: Scene, act: Act) -> None:
    scene.begin(Plan("commit", 12, act))
    for _ in range(2):  # and where that is taken up
        done = scene.resume(Plan("commit", 1, act, event="resumed"))
        assert done.status == -signal.SIGKILL, done.err
    scene.check_recovery()


@pytest.mark.slow
@pytest.mark.parametrize("act", _KILLS)
def test_a_kill_at_every_commit(scene: Scene, reference: Reference, act: Act) -> None:
    """The same run, killed again at its second, third, fourth, second, ... commit until it is done.

    A rung is begun in the second, and done in the third.
    """
    kills = 0
    while scene.resume(Plan("commit", 2 + kills % 3, act)).status != 0:
        kills += 1
        check_nothing_lost(scene.run, scene.acknowledged)
        assert kills <= 3 * reference.commits, "it gets no further"
    assert kills >= reference.commits // 3
    scene.check_recovery()


# ---- between a file and its event


def at_calls(scene: Scene, site: Site, act: Act, numbers: range | tuple[int, ...]) -> None:
    """Kill a run at some system calls of a kind, one after the other, then let it go on."""
    if scene.nursery.shim is None:
        pytest.skip("no C compiler to make system calls fail with")
    for number in numbers:
        done = scene.resume(Plan(site, number, act))
        assert done.status in (0, -signal.SIGKILL), done.err
        check_nothing_lost(scene.run, scene.acknowledged)
    scene.check_recovery()


@pytest.mark.parametrize("act", _KILLS)
def test_a_kill_between_an_artifact_and_its_event(scene: Scene, act: Act) -> None:
    at_calls(scene, "rename", act, (1, 3, 7))


def test_a_kill_in_the_middle_of_a_write(scene: Scene) -> None:
    at_calls(scene, "write", "tear", (4, 30, 31, 60))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("site", "act"),
    [
        ("rename", "kill before"),
        ("rename", "kill after"),
        ("write", "tear"),
        ("sync", "kill before"),
        ("unlink", "kill before"),
        ("unlink", "kill after"),
        ("open", "kill after"),
    ],
)
def test_a_kill_at_every_system_call(scene: Scene, site: Site, act: Act) -> None:
    """Each time a little further from where the run was taken up."""
    at_calls(scene, site, act, range(1, 60))


# ---- signals


@pytest.mark.parametrize("act", ["SIGINT", "SIGTERM"])
def test_a_signal_is_recorded_and_says_how_to_go_on(scene: Scene, act: Act) -> None:
    done = scene.begin(Plan("commit", 1, act, event="rung_finished"))
    assert done.status == 130
    assert f"go on with: rewardgen resume {scene.run.name}" in done.err
    assert event_types(scene.run)[-1] == "run_interrupted"
    scene.check_recovery()


@pytest.mark.parametrize("act", ["SIGINT", "SIGTERM"])
def test_signals_that_come_again_while_the_first_is_recorded(scene: Scene, act: Act) -> None:
    done = scene.begin(Plan("commit", 12, act, lasting=True))
    assert done.status == 130
    assert "Traceback" not in done.err
    assert f"go on with: rewardgen resume {scene.run.name}" in done.err
    assert event_types(scene.run)[-1] == "run_interrupted"
    assert not (scene.run / "jobs").exists()
    scene.check_recovery()
