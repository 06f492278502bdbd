"""Kills, full disks, damaged files, races: nothing acknowledged is lost, errors are clear."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rewardgen.store import payloads as p
from rewardgen.store.artifacts import ARTIFACTS_NAME
from rewardgen.store.errors import (
    RunExistsError,
    RunNotFoundError,
    StoreCorruptError,
    StoreError,
    StoreFullError,
    StoreLockedError,
    StoreVersionError,
)
from rewardgen.store.events import DATABASE_NAME, FORMAT_VERSION
from rewardgen.store.run_directory import RunDirectory, RunSnapshot, read_run

_WRITER = Path(__file__).with_name("writer.py")


def start_writer(path: Path, count: int, *flags: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(_WRITER), str(path), str(count), *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def check_whole(path: Path, acknowledged: int) -> RunSnapshot:
    """Assert that a run holds at least what was acknowledged, in order, artifacts included."""
    run = read_run(path)
    assert len(run.state.notes) >= acknowledged
    for number, note in enumerate(run.state.notes):
        index, sha = note.split()
        assert int(index) == number
        assert int(run.artifacts.read_text(sha)) == number
    return run


def checked_count(path: Path) -> int:
    return len(check_whole(path, 0).state.notes)


# ---- kill -9


@pytest.mark.slow
def test_kill_at_random_moments_loses_nothing_acknowledged(run_path: Path) -> None:
    random_ = random.Random(0)
    acknowledged = 0
    for _ in range(8):
        writer = start_writer(run_path, 10_000)
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(random_.uniform(0.0, 0.3))
        writer.kill()
        rest = writer.communicate()[0].split()
        if rest:
            acknowledged = int(rest[-1]) + 1
        run = check_whole(run_path, acknowledged)
        assert not run.alive
        acknowledged = len(run.state.notes)
    assert acknowledged > 8


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True])
def test_kill_at_every_commit_leaves_a_run_that_goes_on(run_path: Path, after: bool) -> None:
    flags = ("--after",) if after else ()
    for commit in range(1, 5):
        before = checked_count(run_path)
        writer = start_writer(run_path, 4, "--die-at-commit", str(commit), *flags)
        printed = writer.communicate()[0].split()
        assert writer.returncode == -signal.SIGKILL
        check_whole(run_path, before + len(printed))
    before = checked_count(run_path)
    writer = start_writer(run_path, 1)
    assert writer.communicate()[0].split() == [str(before)]
    assert writer.returncode == 0


def test_kill_between_file_and_event_leaves_an_artifact_that_can_be_put_again(
    run_path: Path,
) -> None:
    writer = start_writer(run_path, 1, "--die-at-commit", "1")
    writer.communicate()
    known = read_run(run_path).state.artifacts
    orphans = [f for f in (run_path / ARTIFACTS_NAME).iterdir() if f.name not in known]
    assert len(orphans) == 1
    with RunDirectory.resume(run_path) as run:
        sha = run.artifacts.put_bytes(
            orphans[0].read_bytes(), name="again", media_type="text/plain"
        )
        assert sha == orphans[0].name
        run.append(p.Note(message="again"))
        assert sha in run.state.artifacts


def test_temporary_files_of_a_killed_writer_are_removed(run_path: Path) -> None:
    left = run_path / ARTIFACTS_NAME / ".tmp-1-x"
    left.write_bytes(b"half")
    RunDirectory.resume(run_path).close()
    assert not left.exists()


def test_a_hot_journal_is_rolled_back_by_whoever_reads(run_path: Path) -> None:
    child = (
        "import sqlite3, sys, os, signal\n"
        "c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "c.execute('PRAGMA cache_size = 1'); c.execute('PRAGMA cache_spill = 1')\n"
        "c.execute('BEGIN IMMEDIATE')\n"
        "for i in range(10, 2000):\n"
        "    c.execute('INSERT INTO events VALUES (?, ?, ?, 0, 0, ?)',\n"
        "              (i, 'note', 'x' * 900, b''))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", child, str(run_path / DATABASE_NAME)], check=False)
    assert (run_path / f"{DATABASE_NAME}-journal").exists()
    assert read_run(run_path).state.last_seq == 3


# ---- full disk


def test_a_file_size_limit_stops_the_writer_and_leaves_the_run_whole(run_path: Path) -> None:
    size = (run_path / DATABASE_NAME).stat().st_size
    writer = start_writer(run_path, 500, "--file-limit", str(size + 8192))
    printed, errors = writer.communicate()
    assert writer.returncode == 1
    assert "run.sqlite" in errors
    run = check_whole(run_path, len(printed.split()))
    with RunDirectory.resume(run_path) as again:
        again.append(p.Note(message=f"{len(run.state.notes)} {next(iter(run.state.artifacts))}"))


def test_an_artifact_beyond_the_limit_is_refused_and_nothing_remains(run_path: Path) -> None:
    writer = start_writer(run_path, 1, "--file-limit", "60000", "--size", "100000")
    _, errors = writer.communicate()
    assert "StoreFullError" in errors
    assert "free some space" in errors
    known = read_run(run_path).state.artifacts
    assert {f.name for f in (run_path / ARTIFACTS_NAME).iterdir()} == set(known)


def test_a_full_database_is_refused_and_can_be_continued(
    run_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Small(sqlite3.Connection):
        """A database that cannot grow, as on a full disk."""

        def execute(self, sql: str, *args: object) -> sqlite3.Cursor:
            if sql == "BEGIN IMMEDIATE":
                super().execute("PRAGMA max_page_count = 1")
            return super().execute(sql, *args)  # type: ignore[arg-type]

    plain = sqlite3.connect
    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", lambda *a, **k: plain(*a, factory=Small, **k))
        with RunDirectory.resume(run_path) as run:
            before = run.state.last_seq
            with pytest.raises(StoreFullError, match="disk is full"):
                run.append(p.Note(message="x" * 100_000))
            assert run.state.last_seq == before
    with RunDirectory.resume(run_path) as run:
        assert run.append(p.Note(message="x" * 100_000))[0].seq == before + 1


def _mount(path: Path) -> bool:
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(path)]
    return (
        shutil.which("mount") is not None
        and not subprocess.run(command, check=False, capture_output=True).returncode
    )


def test_a_full_file_system_stops_the_writer_and_freeing_space_continues(
    tmp_path: Path, run_path: Path
) -> None:
    small = tmp_path / "small"
    if not _mount(small):
        pytest.skip("mounting a small file system needs privileges")
    try:
        path = Path(shutil.copytree(run_path, small / "run"))
        ballast = small / "ballast"
        ballast.write_bytes(bytes(64 * 1024))
        writer = start_writer(path, 1000, "--size", "2000")
        printed, errors = writer.communicate()
        assert writer.returncode == 1
        assert "StoreFullError" in errors
        check_whole(path, len(printed.split()))
        ballast.unlink()
        assert start_writer(path, 1).wait() == 0
        with RunDirectory.resume(path) as run, pytest.raises(StoreFullError, match="MiB"):
            run.require_free_space(1 << 40)
    finally:
        subprocess.run(["umount", str(small)], check=True)


# ---- damaged files


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_truncated_log_is_refused(run_path: Path, share: float) -> None:
    database = run_path / DATABASE_NAME
    os.truncate(database, int(database.stat().st_size * share))
    refused_everywhere(run_path)


def test_an_emptied_log_is_not_taken_for_a_new_run(run_path: Path) -> None:
    os.truncate(run_path / DATABASE_NAME, 0)
    refused_everywhere(run_path)
    (run_path / DATABASE_NAME).unlink()
    with pytest.raises(StoreCorruptError, match="log was lost"):
        RunDirectory.create(run_path)


def test_garbage_is_refused_and_kept(run_path: Path) -> None:
    garbage = b"not a database" * 1000
    (run_path / DATABASE_NAME).write_bytes(garbage)
    refused_everywhere(run_path)
    assert (run_path / DATABASE_NAME).read_bytes() == garbage


def test_a_flipped_bit_is_found(run_path: Path) -> None:
    database = run_path / DATABASE_NAME
    data = database.read_bytes()
    assert data.count(b"Swing the pole up.") == 1
    database.write_bytes(data.replace(b"Swing the pole up.", b"Swing the pole us."))
    refused_everywhere(run_path)


def test_any_flipped_bit_is_found_or_harmless(run_path: Path) -> None:
    database = run_path / DATABASE_NAME
    data = database.read_bytes()
    expected = read_run(run_path).state
    random_ = random.Random(0)
    for _ in range(60):
        place = random_.randrange(len(data))
        flipped = data[place] ^ (1 << random_.randrange(8))
        database.write_bytes(data[:place] + bytes([flipped]) + data[place + 1 :])
        try:
            assert read_run(run_path).state == expected
        except StoreError:
            continue


def test_a_removed_row_is_found(run_path: Path) -> None:
    with sqlite3.connect(run_path / DATABASE_NAME) as connection:
        connection.execute("DROP TRIGGER events_remain")
        connection.execute("DELETE FROM events WHERE seq = 1")
    refused_everywhere(run_path)


def test_the_log_refuses_changes(run_path: Path) -> None:
    with sqlite3.connect(run_path / DATABASE_NAME) as connection:
        with pytest.raises(sqlite3.IntegrityError, match="never changed"):
            connection.execute("UPDATE events SET type = 'note'")
        with pytest.raises(sqlite3.IntegrityError, match="never removed"):
            connection.execute("DELETE FROM events")


def test_another_database_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / DATABASE_NAME) as connection:
        connection.execute("CREATE TABLE t(x)")
    with pytest.raises(StoreCorruptError, match="not the log of a run"):
        RunDirectory.create(tmp_path)


@pytest.mark.parametrize(("change", "age"), [(1, "newer"), (-1, "older")])
def test_another_format_is_refused(run_path: Path, change: int, age: str) -> None:
    with sqlite3.connect(run_path / DATABASE_NAME) as connection:
        connection.execute(f"PRAGMA user_version = {FORMAT_VERSION + change}")
    for opening in (RunDirectory.resume, RunDirectory.create, read_run):
        with pytest.raises(StoreVersionError, match=f"{age} version"):
            opening(run_path)


@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_a_damaged_artifact_is_found(run_path: Path, damage: str) -> None:
    run = read_run(run_path)
    (sha,) = run.state.artifacts
    file = run_path / ARTIFACTS_NAME / sha
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(b"two")
    with pytest.raises(StoreCorruptError, match="missing or was changed"):
        run.artifacts.read_text(sha)
    with pytest.raises(StoreCorruptError, match="missing or was changed"):
        run.artifacts.path(sha)


def refused_everywhere(path: Path) -> None:
    """Assert that every way of opening refuses, and that the file stays as it is."""
    before = (path / DATABASE_NAME).read_bytes()
    for opening in (RunDirectory.resume, RunDirectory.create, read_run):
        with pytest.raises(StoreCorruptError, match=r"damaged|lost"):
            opening(path)
    assert (path / DATABASE_NAME).read_bytes() == before


# ---- one writer


def test_a_second_writer_is_refused_at_once_and_told_who_writes(run_path: Path) -> None:
    with RunDirectory.resume(run_path):
        writer = start_writer(run_path, 1)
        _, errors = writer.communicate()
        assert writer.returncode == 1
        assert "StoreLockedError" in errors
        assert f"process {os.getpid()} on" in errors
        with pytest.raises(StoreLockedError):
            RunDirectory.create(run_path)
        assert read_run(run_path).alive
    assert not read_run(run_path).alive


def test_a_killed_writer_leaves_no_lock(run_path: Path) -> None:
    writer = start_writer(run_path, 10_000)
    assert writer.stdout is not None
    writer.stdout.readline()
    writer.kill()
    writer.communicate()
    RunDirectory.resume(run_path).close()


def test_of_many_writers_one_wins_at_a_time(run_path: Path) -> None:
    writers = [start_writer(run_path, 5) for _ in range(6)]
    printed = [w.communicate() for w in writers]
    done = sum(len(out.split()) for out, _ in printed)
    assert done >= 5
    assert checked_count(run_path) == done
    for writer, (_, errors) in zip(writers, printed, strict=True):
        assert (writer.returncode == 0) != ("StoreLockedError" in errors)


def test_a_lock_file_without_a_holder_means_nothing(run_path: Path) -> None:
    (run_path / "run.lock").write_text("{ half")
    RunDirectory.resume(run_path).close()


def test_a_file_system_without_locks_is_named(
    run_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(descriptor: int, operation: int) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", no_locks)
    with pytest.raises(StoreError, match=r"no file locks.*--runs-dir"):
        RunDirectory.resume(run_path)


def test_reading_goes_on_while_a_writer_writes(run_path: Path) -> None:
    writer = start_writer(run_path, 50)
    seen = [len(read_run(run_path).state.notes) for _ in range(10)]
    assert seen == sorted(seen)
    assert len(writer.communicate()[0].split()) == 50
    assert checked_count(run_path) == 50


# ---- opening


def test_an_existing_run_is_not_begun_again(run_path: Path) -> None:
    with pytest.raises(RunExistsError, match="rewardgen resume first"):
        RunDirectory.create(run_path)


@pytest.mark.parametrize("leftover", ["directory", "empty file", "schema"])
def test_a_directory_without_a_first_event_counts_as_new(
    tmp_path: Path, run_started: p.RunStarted, leftover: str
) -> None:
    path = tmp_path / "run"
    path.mkdir()
    if leftover == "empty file":
        (path / DATABASE_NAME).touch()
    elif leftover == "schema":
        RunDirectory.create(path).close()
    with pytest.raises(RunNotFoundError):
        RunDirectory.resume(path)
    with RunDirectory.create(path) as run:
        assert run.state.status == "new"
        run.append(run_started)


def test_a_missing_run_names_its_neighbours(run_path: Path) -> None:
    for opening in (RunDirectory.resume, read_run):
        with pytest.raises(RunNotFoundError, match="did you mean 'first'"):
            opening(run_path.with_name("firts"))


def test_a_moved_run_goes_on(run_path: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere ü" / "re named"
    moved.parent.mkdir()
    shutil.move(run_path, moved)
    with RunDirectory.resume(moved) as run:
        assert run.name == "re named"
        (sha,) = run.state.artifacts
        assert run.artifacts.read_text(sha) == "one"
        run.append(p.Note(message="moved"))
    assert str(tmp_path).encode() not in (moved / DATABASE_NAME).read_bytes()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_directory_can_be_read_but_not_written(run_path: Path) -> None:
    for file in run_path.iterdir():
        file.chmod(0o555 if file.is_dir() else 0o444)
    run_path.chmod(0o555)
    try:
        assert read_run(run_path).state.last_seq == 3
        with pytest.raises(StoreError, match="cannot write"):
            RunDirectory.resume(run_path)
    finally:
        run_path.chmod(0o755)
