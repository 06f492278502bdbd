"""What a long search costs to take up again does not grow with what is over; nothing is timed."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.made_up import Forgetful, Silent, made_up, make_run
from rewardgen import api
from rewardgen.config import RunConfig
from rewardgen.run.journal import RunJournal
from rewardgen.run.session import InterruptedRunError
from rewardgen.store import events
from rewardgen.store.artifacts import ArtifactReader
from rewardgen.store.payloads import Payload, Resumed, RunInterrupted
from rewardgen.store.records import ShowRecord
from rewardgen.store.run_directory import RunDirectory

SHORT, LONG, SAMPLES = 2, 6, 4


def configuration(runs_dir: Path, name: str, iterations: int = 50) -> RunConfig:
    return RunConfig(
        task="cartpole/swing-up",
        name=name,
        runs_dir=runs_dir,
        iterations=iterations,
        samples=SAMPLES,
        train_seeds=1,
        rungs=2,
        env_steps=8192,
        eval_episodes=2,
        confirm_seeds=2,
        confirm_episodes=2,
        render=False,
        writers=(),
    )


@pytest.fixture(scope="module")
def made_runs(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Interrupted searches by the iterations that are over."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda descriptor: None)  # nothing is to survive a power cut
        return {
            finished: make_run(configuration(folder, f"over-{finished}"), finished)
            for finished in (SHORT, LONG)
        }


def counted(monkeypatch: pytest.MonkeyPatch, owner: object, name: str, count: Counter[str]) -> None:
    function: Callable[..., Any] = getattr(owner, name)

    def counting(*arguments: object, **named: object) -> object:
        count[name] += 1
        return function(*arguments, **named)

    monkeypatch.setattr(owner, name, counting)


def until_news(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Resume a copy of a run until its first new event; count files and events that were read."""
    copy = tmp_path / run.name
    shutil.copytree(run, copy)
    count: Counter[str] = Counter()
    append = RunDirectory.append

    def stop(self: RunDirectory, *payloads: Payload) -> object:
        added = append(self, *payloads)
        if isinstance(payloads[0], Resumed | RunInterrupted):
            return added
        count[added[0].type] += 1
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, made_up():
        counted(patch, ArtifactReader, "read_bytes", count)
        counted(patch, events, "_event", count)
        patch.setattr(RunDirectory, "append", stop)
        with pytest.raises(InterruptedRunError):
            api.resume(str(copy), display=Silent())
    return count


def test_resuming_reads_no_file_of_what_is_over(
    made_runs: dict[int, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short, long = (until_news(made_runs[n], tmp_path, monkeypatch) for n in (SHORT, LONG))
    assert short["rung_started"] == long["rung_started"] == 1
    # survey, proposals and the rung that is over, of the iteration at work
    assert short["read_bytes"] == long["read_bytes"] <= SAMPLES + 2


def test_resuming_reads_every_event_once(
    made_runs: dict[int, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RunDirectory.resume(made_runs[LONG]) as run:
        count = run.state.last_seq
    # and the two that say whether it is finished
    assert until_news(made_runs[LONG], tmp_path, monkeypatch)["_event"] == count + 2


def test_the_files_of_a_candidate_are_read_once_for_all_iterations(
    made_runs: dict[int, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    count: Counter[str] = Counter()
    with RunDirectory.resume(made_runs[LONG]) as run, monkeypatch.context() as patch:
        counted(patch, ArtifactReader, "read_bytes", count)
        journal = RunJournal(run)
        for iteration in range(LONG + 1):
            told = journal.history(before=iteration)
            assert [t.iteration for t in told] == sorted(list(range(iteration)) * SAMPLES)
        assert all(t.feedback.score is not None for t in told)
        assert count["read_bytes"] == 2 * len(told)
        assert journal.history(before=LONG) == RunJournal(run).history(before=LONG)


def test_a_candidate_is_told_anew_once_it_stands_elsewhere(
    made_runs: dict[int, Path], tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(made_runs[SHORT], copy)
    with RunDirectory.resume(copy) as run:
        journal = RunJournal(run)
        before = {t.candidate: t.state for t in journal.history()}
        best = next(name for name, state in before.items() if state == "evaluated")
        journal.confirm(best, "winner")
        after = {t.candidate: t.state for t in journal.history()}
    assert after == before | {best: "confirmed"}


def told(record: ShowRecord) -> dict[str, Any]:
    """What a run came to, without what may differ between two equal runs."""
    plain = record.model_dump(mode="json")
    for key in ("run", "wall_s", "started", "command", "resumes", "manifest", "notes", "config"):
        del plain[key]
    return plain


def test_a_search_that_skips_what_is_over_ends_like_one_that_was_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    monkeypatch.setattr(api, "write_report", lambda path, state: None)  # its figures take a while
    iterations = 4
    with made_up():
        calm = api.run(
            configuration(tmp_path, "calm", iterations), designer=Forgetful(), display=Silent()
        )
    stopped = configuration(tmp_path, "stopped", iterations)
    make_run(stopped, finished=2)
    with made_up():
        resumed = api.resume("stopped", tmp_path, designer=Forgetful(), display=Silent())
    assert resumed.state == "done"
    assert told(resumed) == told(calm)
