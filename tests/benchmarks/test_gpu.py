"""The GPU benchmark's parts on Warp's CPU device, at sizes that say nothing of speed."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("mujoco_warp")
pytestmark = pytest.mark.slow

from benchmarks import gpu  # noqa: E402


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "SLICE_S", 0.01)
    monkeypatch.setattr(gpu, "UPDATES", 3)
    monkeypatch.setattr(gpu, "MEMBERS", 2)
    monkeypatch.setattr(gpu, "PARITY_STEPS", 10)


def test_parity() -> None:
    figures = gpu.part_parity("cpu", worlds=4)
    assert set(figures) == set(gpu.PARITY)
    assert all(row["within"] >= 0.99 for row in figures.values()), figures


@pytest.mark.parametrize("task", gpu.WIDE)
def test_width(task: str) -> None:
    figures = gpu.part_width(task, "cpu", widths=(4, 8))
    assert [row["worlds"] for row in figures["rows"]] == [4, 8]
    for row in figures["rows"]:
        assert len(row) == 6
        assert all(value > 0 for value in row.values())


def test_population() -> None:
    figures = gpu.part_population("cpu", worlds=16)
    assert len(figures["together"]) == len(figures["alone"]) == 3
    assert figures["times_faster"] > 0.0


def test_without_a_gpu_it_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    gpu.main()
    assert capsys.readouterr().out == "no NVIDIA GPU here: nothing is measured\n"
