from __future__ import annotations

import re
import sys

import pytest

from rewardgen.isolation import doctor
from rewardgen.isolation.doctor import examine
from rewardgen.isolation.host import HostPool
from rewardgen.isolation.protection import ALWAYS, Protection


@pytest.mark.skipif(sys.platform != "linux", reason="mode strict needs Linux")
def test_doctor_reports_what_was_applied() -> None:
    offer = examine()
    assert offer.mode == "strict"
    assert "memory limit" in offer.protection.applied
    assert offer.start_ms is not None
    assert offer.sentence.startswith("Isolation: STRICT.")
    assert "system calls filtered. Tried out in a worker just now" in offer.sentence


@pytest.mark.skipif(sys.platform != "linux", reason="mode standard needs Linux")
@pytest.mark.parametrize(
    ("protection", "words"),
    [
        (Protection((*ALWAYS, "tried out"), {"no network": "EPERM"}), "closed by the filter"),
        (
            Protection(ALWAYS, {"files closed by Landlock": "ENOSYS"}, ("read a file",)),
            "can read the files that you can read; tried out just now, it could read a file",
        ),
        (Protection((*ALWAYS, "tried out"), {"memory limit": "EPERM"}), r"limit' is missing \(EPE"),
    ],
)
def test_doctor_explains_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, protection: Protection, words: str
) -> None:
    monkeypatch.setattr(HostPool, "protection", protection)
    offer = examine()
    assert offer.mode == "standard"
    assert offer.sentence.startswith("Isolation: PARTIAL.")
    assert re.search(words, offer.sentence)


def test_doctor_says_what_protects_where_nothing_is_offered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(doctor, "offered", lambda: "none")
    offer = examine()
    assert offer.mode == "none"
    assert offer.sentence.startswith("Isolation: NONE on this system")


def test_doctor_says_why_no_host_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent")
    offer = examine()
    assert offer.start_ms is None
    assert "BROKEN" in offer.sentence
    assert "/nonexistent" in offer.sentence
