"""Scoring a rollout: every source once for all its members; failures stay with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from rewardgen_policies.seam import Prefetching, RewardFailure, RewardSource, Rollout, Scores


@dataclass(frozen=True)
class Trouble:
    """Why a member cannot go on.

    Attributes:
        kind: ``source`` failed as a whole, ``reward`` or ``policy`` turned non-finite.
        message: for people and designers.
        term: the term of the reward at fault, if one is.
    """

    kind: str
    message: str
    term: str | None = None


@dataclass(frozen=True)
class Scored:
    """The scores of a whole population.

    Attributes:
        reward: 0 where not valid.
        valid: transitions that count.
        terms: of each member's source, (T, N) each.
        troubles: members that cannot go on, by index.
    """

    reward: Float[Tensor, "P T N"]
    valid: Bool[Tensor, "P T N"]
    terms: list[dict[str, Float[Tensor, "T N"]]]
    troubles: dict[int, Trouble]


class Scorer:
    """Calls each member's source.

    Args:
        sources: one per member; the members of one source lie side by side.

    Raises:
        ValueError: the members of a source do not lie side by side.
    """

    def __init__(self, sources: Sequence[RewardSource]) -> None:
        self._groups: list[tuple[RewardSource, int, int]] = []
        start = 0
        for stop in range(1, len(sources) + 1):
            if stop == len(sources) or sources[stop] is not sources[start]:
                self._groups.append((sources[start], start, stop))
                start = stop
        seen: set[int] = set()
        for source, first, _ in self._groups:
            if id(source) in seen:
                raise ValueError(
                    f"member {first}: the members of source '{source.spec.name}' must lie side "
                    "by side, so that they are scored in one call"
                )
            seen.add(id(source))

    def score(self, rollout: Rollout) -> Scored:
        """Score the rollout; sources whose members have all failed are not called."""
        reward = torch.zeros(rollout.valid.shape, device=rollout.valid.device)
        valid = torch.zeros_like(rollout.valid)
        terms: list[dict[str, Tensor]] = [{} for _ in range(valid.shape[0])]
        troubles: dict[int, Trouble] = {}
        alive = rollout.valid.flatten(1).any(1)
        parts = [
            (source, start, stop, rollout.members(start, stop))
            for source, start, stop in self._groups
            if bool(alive[start:stop].any())
        ]
        for source, _, _, part in parts:
            if isinstance(source, Prefetching):
                source.prefetch(part)
        for source, start, stop, part in parts:
            try:
                scores = source.score(part)
                _check_shapes(scores, rollout.valid[start:stop].shape, source.spec.name)
            except RewardFailure as failure:
                for member in range(start, stop):
                    troubles[member] = Trouble("source", str(failure))
                continue
            counts = scores.valid & rollout.valid[start:stop]
            reward[start:stop] = torch.where(counts, scores.reward, 0.0)
            valid[start:stop] = counts
            for member in range(start, stop):
                mine = {name: value[member - start] for name, value in scores.terms.items()}
                terms[member] = mine
        finite = torch.isfinite(reward)
        for member in members_where(~finite.flatten(1).all(1)):
            own = rollout.members(member, member + 1)
            troubles[member] = _describe(reward[member], terms[member], own)
        return Scored(reward, valid, terms, troubles)


def members_where(mask: Bool[Tensor, " P"]) -> list[int]:
    """Return the indices of the members for which the mask holds."""
    return [int(i) for i in mask.nonzero()[:, 0]]


def _check_shapes(scores: Scores, shape: torch.Size, name: str) -> None:
    """Refuse scores that do not fit the rollout."""
    for what, value in (("reward", scores.reward), ("valid", scores.valid), *scores.terms.items()):
        if value.shape != shape:
            raise RewardFailure(
                f"source '{name}': {what} has shape {tuple(value.shape)}, expected {tuple(shape)}"
            )


def _describe(reward: Float[Tensor, "T N"], terms: dict[str, Tensor], rollout: Rollout) -> Trouble:
    """Say where a member's reward is not finite first, and which term is to blame."""
    t, world = (int(i) for i in (~torch.isfinite(reward)).nonzero()[0])
    bad = [name for name, value in terms.items() if not bool(torch.isfinite(value[t, world]))]
    value = float(reward[t, world])
    what = f"term '{bad[0]}' is {float(terms[bad[0]][t, world])}" if bad else f"the sum is {value}"
    episode, step = int(rollout.episode[0, t, world]), int(rollout.t[0, t, world])
    return Trouble(
        kind="reward",
        message=(
            f"the reward is not finite: {what} at control step {step} of episode {episode} "
            f"in world {world}"
        ),
        term=bad[0] if bad else None,
    )
