"""``install.py``: which Python it takes, what it keeps, what it says before it fetches."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import install


def interpreter(folder: Path, version: str, body: str = "") -> Path:
    """A program that answers like a Python of some version."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "python"
    path.write_text(
        f'#!/bin/sh\ncase "$2" in *version_info*) echo {version};; *) {body or ":"};; esac\n'
    )
    path.chmod(0o755)
    return path


def test_old_python_in_the_active_environment_is_named(tmp_path: Path) -> None:
    interpreter(tmp_path / "bin", "3 9")
    command = [sys.executable, "install.py", "--environment", str(tmp_path)]
    done = subprocess.run(command, cwd=install.ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert f"the active environment {tmp_path} has 3.9" in done.stderr
    assert "Python 3.11 or newer" in done.stderr
    assert "Fetching" not in done.stdout


def test_environment_without_python_is_named(tmp_path: Path) -> None:
    with pytest.raises(install.InstallError, match="has none"):
        install.active_python(tmp_path)


def test_environment_without_pip_says_how_to_get_it(tmp_path: Path) -> None:
    interpreter(tmp_path / "bin", "3 12", "exit 1")
    with pytest.raises(install.InstallError, match=r"no pip.*ensurepip"):
        install.active_python(tmp_path)


def test_without_any_new_python_all_found_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = interpreter(tmp_path, "3 10")
    old.rename(tmp_path / "python3")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python3"))
    with pytest.raises(install.InstallError, match=r"found only: .*python3 \(3\.10\)\. Install"):
        install.suitable_python()


def test_a_newer_python_beside_an_old_one_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interpreter(tmp_path, "3 9").rename(tmp_path / "python3")
    interpreter(tmp_path, "3 12").rename(tmp_path / "python3.12")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python3"))
    assert install.suitable_python() == str(tmp_path / "python3.12")


@pytest.mark.parametrize(
    ("installed", "own", "cpu", "stays"),
    [
        (None, True, False, False),
        ("2.8.1 12.8", False, False, True),
        ("2.7.1 12.8", False, False, False),
        ("2.8.1 12.8", True, False, False),
        ("{pin} 13.0", True, False, True),
        ("{pin}+cpu None", True, True, True),
        ("{pin} 13.0", True, True, False),
        ("{pin} 13.0", False, True, True),
    ],
)
def test_which_torch_stays(
    tmp_path: Path, installed: str | None, own: bool, cpu: bool, stays: bool
) -> None:
    answer = installed and installed.format(pin=install.pinned_torch())
    python = interpreter(tmp_path, "3 12", f"echo {answer}" if answer else "exit 1")
    assert (install.usable_torch(str(python), own, cpu) is not None) == stays


def test_torch_that_stays_replaces_its_pin_only() -> None:
    pinned = install.constraints_text(None).splitlines()
    kept = install.constraints_text(install.Torch("2.9.1+cu128", cpu=False)).splitlines()
    assert [(a, b) for a, b in zip(pinned, kept, strict=True) if a != b] == [
        (f"torch=={install.pinned_torch()}", "torch==2.9.1+cu128")
    ]


def test_second_installation_does_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install.stamp(tmp_path).write_text(install.json.dumps(install.wanted(dev=True, cpu=False)))
    install.install(tmp_path, dev=False, cpu=False)
    install.install(tmp_path, dev=True, cpu=False)
    assert capsys.readouterr().out == ""
    assert not install.up_to_date(tmp_path, dev=True, cpu=True)
    (tmp_path / "constraints.txt").write_text("torch==2.99.0")
    monkeypatch.setattr(install, "CONSTRAINTS", tmp_path / "constraints.txt")
    assert not install.up_to_date(tmp_path, dev=True, cpu=False)


@pytest.mark.parametrize(
    ("system", "cpu", "kept", "said"),
    [
        ("Linux", False, None, "Fetching up to 2990 MB"),
        ("Linux", True, None, "Fetching up to 450 MB, with torch's CPU build"),
        ("Darwin", True, None, "Fetching up to 285 MB"),
        ("Linux", False, install.Torch("2.9.1", cpu=True), "Using the torch 2.9.1 that is there"),
    ],
)
def test_size_is_said_beforehand(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    system: str,
    cpu: bool,
    kept: install.Torch | None,
    said: str,
) -> None:
    monkeypatch.setattr(install.platform, "system", lambda: system)
    install.announce(Path("env"), own=True, dev=False, cpu=cpu, torch=kept)
    assert said in capsys.readouterr().out
