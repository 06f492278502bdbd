"""Whether a locked process computes is tried out; what the doctor says of a GPU follows from it."""

from __future__ import annotations

import sys

import pytest
import torch

from rewardgen.isolation.computing import Trial, try_computing
from rewardgen.isolation.protection import ALWAYS, Mode, Protection
from rewardgen.run import machine

COMPLETE = Protection((*ALWAYS, "tried out"))
PARTIAL = Protection(ALWAYS, {"no network": "Operation not permitted"})


@pytest.mark.skipif(sys.platform != "linux", reason="locks exist on Linux only")
def test_the_cpu_computes_in_the_lock() -> None:
    trial = try_computing("cpu", "standard")
    assert trial.failure is None
    assert {"memory limit", "system calls filtered"} <= set(trial.protection.applied)


def test_a_device_that_is_not_there_is_named() -> None:
    trial = try_computing("meta:7", "none")
    assert trial.failure is not None
    assert trial.protection == Protection(ALWAYS)


@pytest.mark.parametrize(
    ("trials", "ok", "words"),
    [
        ({"standard": (COMPLETE, None)}, True, "A GPU: CUDA works in a locked process"),
        ({"standard": (PARTIAL, None)}, True, "not quite locked: 'no network' is missing"),
        (
            {"standard": (COMPLETE, "cuInit: 304"), "none": (Protection(), None)},
            True,
            "not in a locked process (cuInit: 304): rewards run in locked processes on the CPU",
        ),
        (
            {"standard": (COMPLETE, "x"), "none": (Protection(), "no kernel image")},
            False,
            "CUDA does not work here: no kernel image",
        ),
    ],
)
def test_the_doctor_says_what_a_gpu_is_good_for(
    monkeypatch: pytest.MonkeyPatch,
    trials: dict[Mode, tuple[Protection, str | None]],
    ok: bool,
    words: str,
) -> None:
    def tried(device: str, mode: Mode) -> Trial:
        assert device == "cuda"
        return Trial(*trials[mode])

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "A GPU")
    monkeypatch.setattr(machine, "try_computing", tried)
    monkeypatch.setattr(machine, "offered", lambda: "standard")
    fact = machine.examine_gpu()
    assert fact.ok == ok
    assert words in fact.text
