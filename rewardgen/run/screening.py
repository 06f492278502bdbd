"""Checks proposals before a second of simulation is spent on them."""

from __future__ import annotations

from rewardgen.rewards.findings import RewardCodeError
from rewardgen.rewards.format import parse_reward
from rewardgen.store import payloads as p


class Screening:
    def __init__(self, task, isolation): ...
    def __enter__(self): return self
    def __exit__(self, *a): ...
    def check(self, candidate: str, source: str) -> p.CandidateChecked:
        try:
            parse_reward(source)
        except RewardCodeError as e:
            return p.CandidateChecked(candidate=candidate, verdict="refused")
        return p.CandidateChecked(candidate=candidate, verdict="accepted")
