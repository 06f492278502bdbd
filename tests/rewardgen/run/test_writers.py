"""Curves for other viewers: they are whole, none leaves the machine, no failure costs a run."""

from __future__ import annotations

import json
import os
import pty
import shutil
import socket
import struct
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from wandb.proto.wandb_internal_pb2 import Record

from rewardgen.cli.main import main
from rewardgen.config import WriterName
from rewardgen.run.writers import weights_and_biases as wb
from rewardgen.run.writers.write import write_scalars
from rewardgen.store.errors import StoreCorruptError
from rewardgen.store.run_directory import RunDirectory, RunSnapshot, read_run

KEY = "a" * 40  # of the right form, known to nobody
WRITE = (
    "import sys\nfrom pathlib import Path\n"
    "from rewardgen.run.writers.write import write_scalars\n"
    "from rewardgen.store.run_directory import RunDirectory\n"
    "with RunDirectory.resume(Path(sys.argv[1])) as directory:\n"
    "    write_scalars(directory, ('wandb',), print)\n"
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which nobody has set W&B up."""
    for name in [name for name in os.environ if name.startswith("WANDB")]:
        monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    return home


@pytest.fixture
def run(calm_run: Path, tmp_path: Path) -> Path:
    """A finished run that a test may write into, without what was written before."""
    path = Path(shutil.copytree(calm_run, tmp_path / "copy"))
    shutil.rmtree(path / "tensorboard")
    return path


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Whom anybody called over HTTP, who keeps to the proxy."""
    called: list[str] = []
    server = socket.create_server(("127.0.0.1", 0))

    def listen() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                called.append(connection.recv(4096).decode(errors="replace").partition("\r")[0])

    thread = threading.Thread(target=listen)
    thread.start()
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{server.getsockname()[1]}")
    yield called
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join()


def write(run: Path, *writers: WriterName) -> list[str]:
    """Write a run's curves; return what the user was told."""
    said: list[str] = []
    with RunDirectory.resume(run) as directory:
        write_scalars(directory, writers, said.append)
    return said


def records(path: Path) -> list[Record]:
    """Read a W&B file: LevelDB's log format behind a header of seven bytes."""
    data, found, parts = path.read_bytes(), [], b""
    assert data[:4] == b":W&B"
    place = 7
    while place + 7 <= len(data):
        if 32768 - place % 32768 < 7:  # a block's end too short for another header
            place += 32768 - place % 32768
            continue
        _, length, kind = struct.unpack("<IHB", data[place : place + 7])
        parts += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            record = Record()
            record.ParseFromString(parts)
            found.append(record)
            parts = b""
    return found


def policies(run: RunSnapshot) -> dict[str, int]:
    """How many policies each source has."""
    counts = {name: len(c.members) for name, c in run.state.candidates.items()}
    for name, trial in run.state.trials.items():
        counts |= {f"{name}-{arm}": len(members) for arm, members in trial.members.items()}
    return {name: count for name, count in counts.items() if count}


def curve(run: RunSnapshot, quantity: str) -> list[tuple[int, float]]:
    """A quantity of the winner's first confirmed policy, from the run's own files."""
    member = next(iter(run.state.trials["confirm"].members["winner"].values()))
    ((artifact, place),) = member.curves
    stored = json.loads(run.artifacts.read_text(artifact))[place]
    pairs = zip(stored["env_steps"], stored[quantity], strict=True)
    return [(int(step), value) for step, value in pairs if value is not None]


def test_wandb_offline_holds_every_policy_and_nothing_leaves(
    run: Path, proxy: list[str], home: Path
) -> None:
    # W&B's helper calls, if at all, when the process ends
    done = subprocess.run(
        [sys.executable, "-c", WRITE, str(run)],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    assert proxy == []
    upload = f"wandb sync {run}/wandb/offline-run-*"
    assert done.stdout == f"Weights & Biases: written offline; upload with: {upload}\n"
    assert done.stderr == ""
    snapshot = read_run(run)
    groups: dict[str, list[dict[str, list[tuple[int, float]]]]] = defaultdict(list)
    for path in run.glob("wandb/offline-run-*/*.wandb"):
        history: dict[str, list[tuple[int, float]]] = defaultdict(list)
        about = None
        for record in records(path):
            if record.HasField("run"):
                about = record.run
            if record.HasField("history"):
                row = {i.key or i.nested_key[0]: i.value_json for i in record.history.item}
                step = int(row["_step"])
                for name, value in row.items():
                    history[name].append((step, json.loads(value)))
        assert about is not None
        assert (about.project, about.run_group) == ("rewardgen", "copy")
        assert about.display_name.startswith(f"copy/{about.job_type}/seed-")
        config = {item.key: json.loads(item.value_json) for item in about.config.update}
        assert (config["task"], config["reward"]) == ("cartpole/balance", about.job_type)
        assert config["config"]["samples"] == 4
        if about.display_name == "copy/confirm-winner/seed-0":
            winner = history
        groups[about.job_type].append(history)
    assert {name: len(histories) for name, histories in groups.items()} == policies(snapshot)
    term = next(name for name in winner if name.startswith("term/"))
    for quantity in ("reward", term):
        assert winner[quantity] == [
            (step, pytest.approx(value)) for step, value in curve(snapshot, quantity)
        ]
    member = next(iter(snapshot.state.trials["confirm"].members["winner"].values()))
    mean = sum(member.fitness["balanced_share"]) / len(member.fitness["balanced_share"])
    assert winner["evaluation/balanced_share"] == [(member.env_steps, pytest.approx(mean))]
    assert not list(home.rglob("*.wandb")), "curves lie in the run's folder"


@pytest.mark.slow
def test_writing_again_replaces_what_was_written(run: Path) -> None:
    write(run, "wandb", "tensorboard")
    first = {f.name for f in run.glob("wandb/offline-run-*/*.wandb")}
    logs = len(list(run.glob("tensorboard/*/*/events*")))
    write(run, "wandb", "tensorboard")
    assert {f.name for f in run.glob("wandb/offline-run-*/*.wandb")} == first
    assert len(list(run.glob("tensorboard/*/*/events*"))) == logs


def test_tensorboard_has_curves_and_evaluations(run: Path) -> None:
    assert write(run, "tensorboard") == []
    snapshot = read_run(run)
    scalars: Any = EventAccumulator(str(run / "tensorboard" / "confirm-winner" / "seed-0"))
    scalars.Reload()
    found = [(event.step, event.value) for event in scalars.Scalars("reward")]
    assert found == [(step, pytest.approx(value)) for step, value in curve(snapshot, "reward")]
    (evaluated,) = scalars.Scalars("evaluation/balanced_share")
    assert evaluated.step == found[-1][0]
    written = {f.parent.parent.name for f in run.glob("tensorboard/*/seed-*/events*")}
    assert written == set(policies(snapshot))


def test_wandb_never_asks_for_a_login(run: Path, proxy: list[str]) -> None:
    terminal, end = pty.openpty()  # somebody who could be asked
    done = subprocess.run(
        [sys.executable, "-c", WRITE, str(run)],
        stdin=end,
        stdout=end,
        stderr=end,
        env={**os.environ, "WANDB_MODE": "online"},
        timeout=100,
        check=False,
    )
    os.close(end)
    said = os.read(terminal, 10_000).decode()
    os.close(terminal)
    assert done.returncode == 0, said
    assert "written offline" in said
    assert "API key" not in said
    assert list(run.glob("wandb/offline-run-*/*.wandb"))
    assert proxy == []


def test_wandb_can_be_turned_off_by_its_own_setting(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert write(run, "wandb") == []
    assert not list(run.glob("wandb/**/*.wandb"))


def test_a_server_that_is_not_there_costs_the_log_and_not_the_run(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(wb, "_INIT_TIMEOUT_S", 1.0)
    (said,) = write(run, "wandb", "tensorboard")
    assert said.startswith("the curves were not written for wandb: ")
    assert said in read_run(run).state.notes
    assert list(run.glob("tensorboard/confirm-winner/seed-*/events*")), "the next writer works"
    assert "WANDB_ERROR_REPORTING" not in os.environ


def test_a_writer_that_cannot_write_is_noted(run: Path) -> None:
    (run / "tensorboard").write_text("a file where the folder should be")
    (said,) = write(run, "tensorboard")
    assert said.startswith("the curves were not written for tensorboard: ")
    assert write(run, "tensorboard") == [said]
    assert read_run(run).state.notes.count(said) == 1


def test_a_damaged_curve_is_no_fault_of_a_writer(run: Path) -> None:
    artifact = next(iter(read_run(run).state.rungs.values())).finished
    assert artifact is not None
    (run / "artifacts" / artifact.curves).write_text("[]")
    with pytest.raises(StoreCorruptError):
        write(run, "tensorboard")


@pytest.mark.parametrize("more", [[], ["--dry-run"]])
@pytest.mark.parametrize("verb", ["run", "train"])
def test_a_missing_package_is_said_before_anything_starts(
    verb: str,
    more: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)  # as if it were not installed
    monkeypatch.chdir(tmp_path)
    flags = ["--task=cartpole/balance", "--writers", "tensorboard", "wandb", "--env-steps=1000"]
    assert main([verb, *flags, *more]) == 2
    said = capsys.readouterr().err
    assert "writers: wandb is not installed" in said
    assert "install the extra 'wandb'" in said
    assert not Path("runs").exists()


def test_writers_are_chosen_from_a_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("preset.yaml").write_text("task: cartpole/balance\nwriters: [tensorboard, wandbb]\n")
    assert main(["run", "preset.yaml"]) == 2
    assert main(["train", "--task=cartpole/balance", "--writers", "wandbb", "tensorboard"]) == 2
    for line in capsys.readouterr().err.splitlines():
        assert "writers: unknown value 'wandbb'; did you mean 'wandb'?" in line
        assert "Valid: tensorboard, wandb" in line
