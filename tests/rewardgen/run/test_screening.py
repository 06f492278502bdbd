"""What a reply says of itself counts only where it holds no reward."""

from __future__ import annotations

import pytest

from rewardgen.rewards.findings import Finding
from rewardgen.run.screening import Screening
from rewardgen_envs.registry import load_task

CODE = """\
def compute_reward(state, action, next_state):
    return next_state.pole_angle_cosine, {}
"""
FAULT = Finding("reply", "contract", "cut-off-reply", "error", None, "cut off", "be brief")


@pytest.mark.parametrize(
    ("source", "fault", "rules"),
    [
        (CODE, FAULT, []),
        (CODE[:40], FAULT, ["cut-off-reply"]),
        (CODE[:40], None, ["syntax"]),
        ("", FAULT, ["cut-off-reply"]),
    ],
)
def test_a_fault_of_the_reply_is_said_where_there_is_no_reward(
    source: str, fault: Finding | None, rules: list[str]
) -> None:
    with Screening(load_task("cartpole/balance"), "standard") as screening:
        checked = screening.check("c1-1", source, fault)
    assert [finding.rule for finding in checked.findings] == rules
    assert checked.verdict == ("refused" if rules else "accepted")
