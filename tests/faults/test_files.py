"""Files that are cut, emptied or changed: found, named, and never taken for whole."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from rewardgen.store.events import DATABASE_NAME
from rewardgen.store.run_directory import read_run
from tests.faults.conftest import Scene, resume_arguments
from tests.faults.injection import Plan
from tests.faults.test_disk import check_told
from tests.faults.undisturbed import essence, fingerprint


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[random.Random(0).randrange(len(data))] ^= 1
    path.write_bytes(data)


def remove(path: Path) -> None:
    path.unlink()


DAMAGES = (cut, empty, flip, remove)
Damage = Callable[[Path], None]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_log_is_refused_and_left_alone(scene: Scene, damage: Damage) -> None:
    scene.begin(Plan("commit", 14, "kill after"))
    database = scene.run / DATABASE_NAME
    whole = database.read_bytes()
    damage(database)
    before = fingerprint(scene.run)
    arguments = resume_arguments(scene.run)
    done = scene.start(arguments).wait()
    if damage is remove:  # then nothing says that it was a run
        assert (done.status, "no run" in done.err) == (2, True)
        done = scene.begin()
    check_told(done, "is damaged", "log was lost")
    assert {k: v for k, v in fingerprint(scene.run).items() if k != "run.lock"} == {
        k: v for k, v in before.items() if k != "run.lock"
    }
    database.write_bytes(whole)
    scene.check_recovery()


@pytest.mark.parametrize(("kind", "damage"), [("checkpoint", cut), ("source", remove)])
def test_a_damaged_artifact_is_named_and_nothing_is_made_of_it(
    scene: Scene, kind: str, damage: Damage
) -> None:
    scene.begin(Plan("commit", 1, "kill after", event="iteration_finished"))
    state = read_run(scene.run).state
    winner = state.candidates["c1-1"]
    sha = winner.proposal.source
    if kind == "checkpoint":
        sha = next(m.checkpoint for m in winner.members.values() if m.checkpoint is not None)
    file = scene.run / "artifacts" / sha
    whole = file.read_bytes()
    damage(file)
    check_told(scene.resume(), f"{sha} is missing or was changed")
    file.write_bytes(whole)
    scene.check_recovery()


@pytest.mark.slow
def test_a_lost_journal_is_noticed_or_harmless(scene: Scene) -> None:
    """Killed within a commit, its rollback journal removed: whole, or refused."""
    if scene.nursery.shim is None:
        pytest.skip("no C compiler to make system calls fail with")
    for number in range(40, 120, 3):
        scene.resume(Plan("write", number, "tear"))
        journal = scene.run / f"{DATABASE_NAME}-journal"
        if not journal.exists():
            continue
        kept = journal.read_bytes()
        journal.unlink()
        done = scene.resume(Plan("commit", 2, "kill after"))
        if done.status == 1:
            check_told(done, "is damaged", "log was lost")
            journal.write_bytes(kept)
    scene.check_recovery()


def test_a_note_that_is_none_is_named(scene: Scene) -> None:
    scene.begin(Plan("commit", 1, "kill before", event="iteration_started"))
    note = scene.run / "feedback" / f"{1:020d}.json"
    note.parent.mkdir()
    note.write_text('{"id": "half')
    check_told(scene.resume(), f"{note} is no note")
    note.unlink()
    scene.check_recovery()


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_torn_transcript_is_refused(scene: Scene, tmp_path: Path, share: float) -> None:
    """The one file that a run exports for another run to read."""
    file = tmp_path / "sibling.json"
    where = [f"--runs-dir={scene.runs_dir}"]
    assert scene.start(["export", "sibling", f"--transcript={file}", *where]).wait().status == 0
    text = file.read_text()
    file.write_text(text[: int(len(text) * share)])
    replay = ["run", "--designer=replay", f"--from={file}", "--name=replayed", *where]
    done = scene.start(replay).wait()
    assert done.status == 2
    assert str(file) in done.err and "Traceback" not in done.err
    assert not (scene.runs_dir / "replayed").exists()


def test_what_is_left_beside_a_run_does_not_matter(scene: Scene) -> None:
    scene.begin(Plan("commit", 12, "kill after"))
    (scene.run / "jobs" / "old").mkdir(parents=True)
    (scene.run / "jobs" / "old" / "result.json").write_text("{ half")
    (scene.run / "artifacts" / ".tmp-1-a").write_bytes(b"half")
    (scene.run / "report.html").write_text("half")
    scene.check_recovery()
    assert essence(scene.run) == scene.reference.essence
    assert "<dd>done</dd>" in (scene.run / "report.html").read_text()
