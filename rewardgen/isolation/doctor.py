"""What this machine offers against reward code, tried out, and in words for people."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

import torch

from rewardgen.isolation.host import HostOptions, HostPool
from rewardgen.isolation.processes import HostUnavailable
from rewardgen.isolation.protection import (
    ALWAYS,
    TRIED,
    IsolationError,
    Mode,
    Protection,
    offered,
    require,
)
from rewardgen.rewards.format import parse_reward
from rewardgen.rewards.transitions import Transitions
from rewardgen_envs.features import Feature, FeatureTable
from rewardgen_policies.seam import RewardFailure

_CANARY = "def compute_reward(state, action, next_state):\n    return next_state.x + 1.0, {}\n"
# why a layer is usually missing, and what that means
_EXPLAINED = {
    "no network": (
        "no network namespace could be made (AppArmor on Ubuntu since 23.10, or a container's "
        "filter): the network is closed by the filter of system calls instead, nothing else is lost"
    ),
    "files closed by Landlock": (
        "Landlock is missing (Linux before 5.13, or switched off: it must be in the kernel's list "
        "lsm=): reward code can read the files that you can read"
    ),
    "system calls filtered": (
        "system calls cannot be filtered (a kernel without seccomp, or a processor other than "
        "x86-64 and arm64): reward code can start processes and change the modes of your files"
    ),
}


@dataclass(frozen=True)
class Offer:
    """What was found by starting two reward hosts just now.

    Attributes:
        mode: the strongest mode that this machine offers.
        protection: what was applied to the hosts, and what was missing.
        start_ms: time to start another host and get its first answer; None if none worked.
        sentence: the same for people.
    """

    mode: Mode
    protection: Protection
    start_ms: float | None
    sentence: str


def ensure(mode: Mode) -> None:
    """Check that this machine offers a mode; ``strict`` is tried out, which takes two seconds.

    Raises:
        IsolationError: it does not; says what is missing and what to do.
    """
    require(mode)
    if mode == "strict" and (offer := examine()).mode != "strict":
        raise IsolationError(
            f"isolation 'strict' is not to be had here. {offer.sentence} To go on with what there "
            "is: --isolation standard"
        )


def examine() -> Offer:
    """Start reward hosts and report."""
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
            protection = pool.protection
    except (HostUnavailable, RewardFailure) as error:
        sentence = f"Isolation: BROKEN. No reward host can be started: {error}"
        return Offer(mode, Protection(()), None, sentence)
    strongest: Mode = "strict" if protection.complete else mode
    return Offer(strongest, protection, start_ms, _sentence(strongest, protection))


def _sentence(mode: Mode, protection: Protection) -> str:
    layers = ", ".join(name for name in protection.applied if name != TRIED)
    if mode == "strict":
        return (
            f"Isolation: STRICT. Reward code gets: {layers}. Tried out in a worker just now: no "
            "attempt to get out of it succeeded."
        )
    if mode == "standard":
        missing = [
            _EXPLAINED.get(layer, f"'{layer}' is missing ({why})")
            for layer, why in protection.missing.items()
        ]
        if protection.escapes:
            missing.append(f"tried out just now, it could {', '.join(protection.escapes)}")
        return (
            f"Isolation: PARTIAL. {'; '.join(missing)}. Reward code gets: {layers}. Run code that "
            "you do not trust in a container or VM that offers more."
        )
    return (
        f"Isolation: NONE on this system ({sys.platform}). Reward code can read your files and "
        f"use the network as you. What still protects you: static checks, {', '.join(ALWAYS)}, and "
        "scoring in a separate process. Use Docker or Linux for untrusted prompts. To go on: "
        "--isolation none."
    )
