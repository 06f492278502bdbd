"""Between rollouts and reward code: rows of one member in, scores of all members out.

Reward code is called once per member, so that a member's scores do not depend, not even in the
last bit, on who else shares its reward.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float32
from torch import Tensor

from rewardgen_policies.seam import RewardFailure, Rollout, Scores


@dataclass(frozen=True)
class Transitions:
    """B transitions in no order.

    Attributes:
        state: features before the action; at least the public columns, which come first.
        action: float32 (B, A), or int64 (B,).
        next_state: features after it.
    """

    state: Float32[Tensor, "B F"]
    action: Tensor
    next_state: Float32[Tensor, "B F"]


def copy_member(rollout: Rollout, member: int, into: Transitions) -> None:
    """Copy one member's public features and actions, time-major, into T*N rows.

    Rows of invalid transitions become zero: a diverged simulation may not make the code raise.

    Args:
        rollout: P members.
        member: index of the member.
        into: contiguous rows of exactly the public columns.
    """
    steps, worlds, _ = rollout.state.shape[1:]
    width = into.state.shape[1]
    for given, copy in (
        (rollout.state[member, ..., :width], into.state),
        (rollout.action[member], into.action),
        (rollout.next_state[member, ..., :width], into.next_state),
    ):
        copy.view(steps, worlds, *copy.shape[1:]).copy_(given)
    valid = rollout.valid[member]
    if not bool(valid.all()):
        broken = ~valid.flatten()
        for copy in (into.state, into.action, into.next_state):
            copy[broken.to(copy.device)] = 0


def scores(rollout: Rollout, reward: Tensor, terms: dict[str, Tensor]) -> Scores:
    """Return scores from rewards and terms (P, T*N) in the order of ``copy_member``.

    Invalid transitions score 0.

    Raises:
        RewardFailure: a number is not finite; names the term and the first transition.
    """
    shape = rollout.valid.shape
    valid = rollout.valid.to(reward.device)
    whole = bool(valid.all())
    shaped: dict[str, Tensor] = {}
    for name, values in {"": reward, **terms}.items():
        part = values.view(shape)
        if not whole:
            part = part.masked_fill(~valid, 0.0)
        finite = torch.isfinite(part)
        if not bool(finite.all()):
            raise RewardFailure(_not_finite(name, part, finite, rollout))
        shaped[name] = part
    return Scores(reward=shaped.pop(""), valid=valid.clone(), terms=shaped)


def _not_finite(name: str, values: Tensor, finite: Tensor, rollout: Rollout) -> str:
    broken = (~finite).nonzero()
    member, step, world = (int(i) for i in broken[0])
    value = float(values[member, step, world])
    what = f"term '{name}'" if name else "the reward"
    return (
        f"{what} is {value} on {len(broken)} of {values.numel()} transitions, first in member "
        f"{member}, world {world}, {int(rollout.t[member, step, world])} steps into its episode"
    )


@contextmanager
def one_thread() -> Generator[None, None, None]:
    """Run torch with one intra-op thread, as reward hosts do; others round differently."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
