from __future__ import annotations

import sys

import pytest

from rewardgen.isolation.doctor import examine


@pytest.mark.skipif(sys.platform != "linux", reason="mode standard needs Linux")
def test_doctor_reports_what_was_applied() -> None:
    offer = examine()
    assert offer.mode == "standard"
    assert "memory limit" in offer.applied
    assert offer.start_ms is not None
    assert offer.sentence.startswith("Isolation: STANDARD.")


def test_doctor_says_why_no_host_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent")
    offer = examine()
    assert offer.start_ms is None
    assert "BROKEN" in offer.sentence
    assert "/nonexistent" in offer.sentence
