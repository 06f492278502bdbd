"""What is to be done with a reward, by what is known of it before training.

Distances decide near 0 and near 1 only: in between they do not rank rewards, so nothing is ever
held back for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rewardgen.store.compare_records import Decision

EQUIVALENT = 0.05
"""Rewards nearer than this rank policies alike; the floor where it is higher."""
NEVER_FROM, NEVER_TO = 0.1, 0.9
"""Distances between which nothing is decided."""
LEAST_AUC = 0.8


@dataclass(frozen=True)
class Pair:
    """How far apart two rewards are, by two estimators; None where one of both is trivial.

    Attributes:
        distance: by LSTD-VAL.
        floor: of it, the higher one of both rewards.
        second: distance by MIN-L2.
        second_floor: of it.
    """

    distance: float | None
    floor: float
    second: float | None
    second_floor: float

    @property
    def equivalent(self) -> bool:
        """Whether both estimators take the two for one reward."""
        if self.distance is None or self.second is None:
            return False
        return self.distance < duplicate_below(self.floor) and self.second < max(
            EQUIVALENT, self.second_floor
        )

    @property
    def opposite(self) -> bool:
        """Whether both estimators take one for the other's negation."""
        if self.distance is None or self.second is None:
            return False
        return self.distance > NEVER_TO and self.second > NEVER_TO


@dataclass(frozen=True)
class Evidence:
    """What is known of one reward.

    Attributes:
        name: of the reward.
        constant: whether it paid the same everywhere, and nothing is left of it.
        pairs: it and each reward before it that is kept, and it and the reference.
        reference: name of the reference, or None.
        auc: probability that it ranks a success above a failure, or None.
    """

    name: str
    constant: bool
    pairs: dict[str, Pair]
    reference: str | None
    auc: float | None


@dataclass(frozen=True)
class Verdict:
    """A decision with its reason; ``duplicate_of`` names what is trained instead."""

    decision: Decision
    reason: str
    duplicate_of: str | None = None


def decide(evidence: Evidence) -> Verdict:
    """Return what is to be done with a reward."""
    if evidence.constant:
        return Verdict("constant", "it pays the same on every transition")
    same = _duplicate(evidence)
    if same is not None:
        return same
    pair = None if evidence.reference is None else evidence.pairs.get(evidence.reference)
    if pair is not None and pair.opposite:
        return Verdict(
            "sign_error",
            f"it ranks policies almost opposite to {evidence.reference}, d = {pair.distance:.3f}: "
            "look for a wrong sign",
        )
    if evidence.auc is not None and evidence.auc < LEAST_AUC:
        return Verdict(
            "misranks",
            f"it ranks a success above a failure with probability {evidence.auc:.2f}, below "
            f"{LEAST_AUC}",
        )
    return Verdict("race", _why_train(evidence))


def _why_train(evidence: Evidence) -> str:
    known = evidence.pairs
    if evidence.reference in known and known[evidence.reference].distance is None:
        return "it is almost pure shaping, which ranks no policies; nothing else speaks against it"
    for other, pair in known.items():
        if pair.distance is not None and pair.distance < duplicate_below(pair.floor):
            second = "unknown" if pair.second is None else f"{pair.second:.3f}"
            return (
                f"by LSTD-VAL it is near {other}, d = {pair.distance:.3f}, by MIN-L2 it is not, "
                f"d = {second}: no duplicate while they disagree"
            )
    return "nothing speaks against training it"


def duplicate_below(floor: float) -> float:
    """Return the distance below which two rewards count as one, given the higher floor of both."""
    return min(NEVER_FROM, max(EQUIVALENT, floor))


def _duplicate(evidence: Evidence) -> Verdict | None:
    near = [
        (pair.distance, name)
        for name, pair in evidence.pairs.items()
        if pair.equivalent and pair.distance is not None
    ]
    if not near:
        return None
    distance, name = min(near)
    return Verdict(
        "duplicate",
        f"it ranks policies as {name} does, d = {distance:.3f}: train one of them",
        duplicate_of=name,
    )


def kept(names: Sequence[str], verdicts: Sequence[Verdict]) -> list[str]:
    """Return the names of rewards that later ones may be duplicates of: those that are trained.

    A copy of one that is held back is held back for what is wrong with it, or else not at all.
    """
    return [
        name for name, verdict in zip(names, verdicts, strict=True) if verdict.decision == "race"
    ]
