"""What is a program's own and what was luck, of what its traits do not explain.

A policy or two say little about a reward. Programs that were tried several times tell how much
tests of one program have in common, children tell how much of it is passed on.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

# share of what traits do not explain that is the program's own, before any was tried twice, and as
# many pairs of tests as that first guess is worth
OWN, GUESSED_PAIRS = 0.5, 6
# nobody is sure that it is all luck or none of it
LEAST_OWN, MOST_OWN = 0.05, 0.95
# share of what the model cannot explain of a candidate that its children have as well, before any
# children are known, and as many of them as that first guess is worth
INHERITED, GUESSED_CHILDREN = 0.5, 4


@dataclass(frozen=True)
class Merit:
    """What a program has beyond what its traits say.

    Attributes:
        mean: the best guess.
        deviation: standard deviation of it.
    """

    mean: float
    deviation: float


def own_share(programs: Collection[Sequence[float]]) -> float:
    """Return which share of what traits do not explain is the program's own (repeatability).

    The correlation of two tests of one program, drawn to a first guess while few were tried twice.

    Args:
        programs: of each program, what the model cannot explain of each test of it.
    """
    size = fmean(rest**2 for tests in programs for rest in tests)
    if size <= 0.0:
        return OWN
    pairs = [one * other for tests in programs for one, other in combinations(tests, 2)]
    share = (OWN * GUESSED_PAIRS + sum(pairs) / size) / (GUESSED_PAIRS + len(pairs))
    return min(MOST_OWN, max(LEAST_OWN, share))


def merit(tests: Sequence[float], share: float, size: float) -> Merit:
    """Return what is a program's own of several tests of it.

    Best linear unbiased prediction with a random effect per program (Henderson, "Best linear
    unbiased estimation and prediction under a selection model", Biometrics, 1975).

    Args:
        tests: what the model cannot explain of each test.
        share: which share of that is the program's own, see ``own_share``.
        size: mean square of what is not explained, over all tests of all programs.
    """
    known = len(tests) * share / (1.0 + (len(tests) - 1) * share)
    return Merit(known * fmean(tests), (share * (1.0 - known) * size) ** 0.5)


def inherited(parents: Mapping[str, Sequence[str]], unexplained: Mapping[str, float]) -> float:
    """Return which share of what the model cannot explain of candidates their children have.

    The slope of children on parents (heritability), drawn to a first guess while there are few. It
    is small where luck decides: then the children of one lucky candidate get fewer places.

    Args:
        parents: candidate → whom it was made from.
        unexplained: candidate → its standing less what the model expects of its traits.

    Returns:
        from 0 to 1.
    """
    pairs = [
        (fmean(unexplained[name] for name in known), unexplained[child])
        for child, names in parents.items()
        if (known := [name for name in names if name in unexplained])
    ]
    guess = GUESSED_CHILDREN * fmean(rest**2 for rest in unexplained.values())
    together = INHERITED * guess + sum(parent * child for parent, child in pairs)
    alone = guess + sum(parent**2 for parent, _ in pairs)
    return min(1.0, max(0.0, together / alone)) if alone > 0.0 else INHERITED
