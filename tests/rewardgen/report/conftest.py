from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rewardgen.report.render import Report, render
from rewardgen.store.records import ShowRecord
from rewardgen.store.run_directory import RunSnapshot, read_run
from rewardgen.store.show import show_record

# tests are no package, so what they share is loaded by its path
_SPEC = importlib.util.spec_from_file_location(
    "rewardgen_example_run", Path(__file__).with_name("example_run.py")
)
assert _SPEC is not None
assert _SPEC.loader is not None
_EXAMPLE = importlib.util.module_from_spec(_SPEC)
sys.modules[_SPEC.name] = _EXAMPLE
_SPEC.loader.exec_module(_EXAMPLE)


@pytest.fixture(scope="session")
def example_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run in which the winner beat the human-written reward; read only."""
    path = tmp_path_factory.mktemp("runs") / "demo"
    _EXAMPLE.write_example_run(path, video=b"not really a video")
    return path


@pytest.fixture(scope="session")
def example_run(example_path: Path) -> RunSnapshot:
    return read_run(example_path)


@pytest.fixture(scope="session")
def example_record(example_run: RunSnapshot) -> ShowRecord:
    return show_record(example_run)


@pytest.fixture(scope="session")
def example_report(example_record: ShowRecord, example_run: RunSnapshot) -> Report:
    """Its report; drawing all figures takes a second or two."""
    return render(example_record, example_run.artifacts)


@pytest.fixture
def write_example(tmp_path: Path) -> Callable[..., RunSnapshot]:
    """Write another example run, with changes."""

    def write(**changes: object) -> RunSnapshot:
        path = tmp_path / "demo"
        _EXAMPLE.write_example_run(path, **changes)
        return read_run(path)

    return write
