"""What this machine offers against reward code, in words for ``rewardgen doctor``."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

import torch

from rewardgen.isolation.host import HostOptions, HostPool
from rewardgen.isolation.processes import HostUnavailable
from rewardgen.isolation.protection import Mode, offered
from rewardgen.rewards.format import parse_reward
from rewardgen.rewards.transitions import Transitions
from rewardgen_envs.features import Feature, FeatureTable
from rewardgen_policies.seam import RewardFailure

_CANARY = "def compute_reward(state, action, next_state):\n    return next_state.x + 1.0, {}\n"


@dataclass(frozen=True)
class Offer:
    """What was found by starting two reward hosts just now.

    Attributes:
        mode: the strongest mode that this system offers.
        applied: what was applied to the hosts.
        start_ms: time to start another host and get its first answer; None if none worked.
        sentence: the same for people.
    """

    mode: Mode
    applied: tuple[str, ...]
    start_ms: float | None
    sentence: str


def examine() -> Offer:
    """Start reward hosts in the strongest mode on offer and report."""
    mode = offered()
    table = FeatureTable([Feature("x", (), "1", "")])
    rows = Transitions(torch.zeros(8, 1), torch.zeros(8, 1), torch.zeros(8, 1))
    try:
        with HostPool(HostOptions(mode)) as pool:
            started = 0.0
            for _ in range(2):  # the first also starts what later ones share
                started = time.monotonic()
                pool.open(parse_reward(_CANARY), table).evaluate(rows)
            start_ms = 1e3 * (time.monotonic() - started)
            applied = pool.applied
    except (HostUnavailable, RewardFailure) as error:
        return Offer(mode, (), None, f"Isolation: BROKEN. No reward host can be started: {error}")
    return Offer(mode, applied, start_ms, _sentence(mode, applied))


def _sentence(mode: Mode, applied: tuple[str, ...]) -> str:
    listed = ", ".join(applied)
    if mode == "standard":
        return (
            f"Isolation: STANDARD. Reward code gets: {listed}. It can still read files and use "
            "the network as you: run code that you do not trust in a container or VM."
        )
    return (
        f"Isolation: NONE on this system ({sys.platform}). Reward code can read your files and "
        f"use the network as you. What still protects you: static checks, {listed}, and scoring "
        "in a separate process. Use Docker or Linux for untrusted prompts. To go on: "
        "--isolation none."
    )
