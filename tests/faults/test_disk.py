"""Disks that fill up, fail or cannot be written: the run stops, says why, and goes on later."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.children import Ended, Surroundings
from tests.faults.conftest import Scene
from tests.faults.injection import Plan, Site
from tests.faults.undisturbed import check_nothing_lost, event_types, fingerprint

_PAGE = 4096
ERRORS = ("ENOSPC", "EDQUOT", "EIO")
_SYSTEM_CALLS: tuple[Site, ...] = ("write", "sync", "rename", "open")
# of a run that is taken up where its first rung was begun: calls in the folder of a job
JOB_CALLS: tuple[tuple[Site, int], ...] = (("open", 4), ("open", 5), ("open", 6), ("open", 7))


def check_told(done: Ended, *words: str) -> None:
    """Assert that a command stopped with a message of its own that holds the words."""
    assert done.status == 1, done
    assert "Traceback" not in done.err, done.err
    last = done.err.rstrip().splitlines()[-1]
    assert last.startswith("rewardgen: "), done.err
    assert re.search("|".join(words), last), done.err


def fail_at(scene: Scene, site: Site, error: str, number: int, *, lasting: bool) -> Ended:
    if scene.nursery.shim is None:
        pytest.skip("no C compiler to make system calls fail with")
    done = scene.resume(Plan(site, number, "fail", error=error, lasting=lasting))
    if done.status:
        cause = os.strerror(getattr(errno, error))
        check_told(done, cause, "disk is full", "disk I/O error", "unable to open database")
    check_nothing_lost(scene.run, scene.acknowledged)
    return done


@pytest.mark.parametrize("site", _SYSTEM_CALLS)
def test_a_call_that_fails(scene: Scene, site: Site) -> None:
    for number, error in zip((2, 7, 12), ERRORS, strict=True):
        fail_at(scene, site, error, number, lasting=error == "EDQUOT")
    scene.check_recovery()


def test_a_call_that_fails_in_a_jobs_folder(scene: Scene) -> None:
    """Workers' files lie outside the store."""
    scene.begin(Plan("commit", 1, "kill after", event="rung_started"))
    told = [fail_at(scene, site, "ENOSPC", n, lasting=False).err for site, n in JOB_CALLS]
    assert any("jobs/iteration-1-rung-1" in err for err in told)
    scene.check_recovery()


@pytest.mark.slow
@pytest.mark.parametrize("lasting", [False, True])
@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("site", _SYSTEM_CALLS)
def test_every_call_fails_once(scene: Scene, site: Site, error: str, lasting: bool) -> None:
    """Each time a little further from where the run was taken up, until it is done."""
    number = 1
    while fail_at(scene, site, error, number, lasting=lasting).status:
        number += 1
    scene.check_recovery()


# ---- real file systems


@contextmanager
def mounted(path: Path, options: str) -> Generator[Callable[[str], None]]:
    """Mount a file system in memory; yield what changes its options."""
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o"]
    try:
        subprocess.run([*mount, options, "tmpfs", path], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting a small file system needs privileges")

    def remount(changed: str) -> None:
        subprocess.run([*mount, f"remount,{changed}", "tmpfs", path], check=True)

    try:
        yield remount
    finally:
        subprocess.run(["umount", path], check=True)


def on_file_system(scene: Scene, place: Path) -> Scene:
    """Return a scene whose runs lie elsewhere."""
    runs_dir = place / "runs"
    shutil.copytree(scene.runs_dir, runs_dir)
    return replace(scene, runs_dir=runs_dir)


def used(path: Path) -> int:
    return shutil.disk_usage(path).used


def fill(path: Path, free: int) -> None:
    """Leave so many bytes free."""
    path.write_bytes(bytes(max(0, shutil.disk_usage(path.parent).free - free)))


def test_a_disk_that_fills_up_at_some_writes(scene: Scene, tmp_path: Path) -> None:
    fill_up(scene, tmp_path, step=40)


@pytest.mark.slow
def test_a_disk_that_fills_up_at_every_write(scene: Scene, tmp_path: Path) -> None:
    fill_up(scene, tmp_path, step=1)


def fill_up(scene: Scene, tmp_path: Path, step: int) -> None:
    """Give a run ever more room, page by page, until it gets to its end."""
    with mounted(tmp_path / "small", "size=16m"):
        small = on_file_system(scene, tmp_path / "small")
        ballast, stops = small.runs_dir.parent / "ballast", 0
        while True:
            fill(ballast, free=(stops + 1) * step * _PAGE)
            done = small.resume()
            ballast.unlink()
            if small.run.exists():
                check_nothing_lost(small.run, small.acknowledged)
            if done.status == 0:
                break
            check_told(done, "free some space", "disk is full", "No space left")
            stops += 1
        assert stops
        small.check_recovery()


def test_a_disk_that_is_nearly_full_stops_before_it_trains(scene: Scene, tmp_path: Path) -> None:
    with mounted(tmp_path / "small", "size=16m"):
        small = on_file_system(scene, tmp_path / "small")
        done = small.begin(around=Surroundings(reserve=True))
        check_told(done, "MiB are free at .* Free some space; once that is mended")
        assert "rung_started" not in event_types(small.run)
        small.check_recovery()


def test_a_directory_that_cannot_be_written(scene: Scene, tmp_path: Path) -> None:
    with mounted(tmp_path / "small", "size=16m") as remount:
        small = on_file_system(scene, tmp_path / "small")
        small.begin(Plan("commit", 12, "kill after"))
        before = fingerprint(small.run)
        remount("ro")
        check_told(small.resume(), os.strerror(errno.EROFS))
        shown = small.start(["show", small.run.name, f"--runs-dir={small.runs_dir}"]).wait()
        assert shown.status == 0, "it can still be read"
        assert fingerprint(small.run) == before
        remount("rw")
        small.check_recovery()
