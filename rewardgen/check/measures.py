"""Numbers about a reward that lint and critic judge: each says how large, none says how bad."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rewardgen.check.axes import exchanges
from rewardgen.check.review import TINY, Review, quantile, width
from rewardgen.check.samples import take
from rewardgen.rewards.transitions import Transitions
from rewardgen_envs.task import BoxAction

GOOD, BAD = 0.95, 0.5
"""States count as good from this quantile of fitness on, as bad up to that one."""
LEAST_ROWS = 20
"""So many good states, and bad ones, are needed to say anything."""
UNADDED = 1e-3
"""Weight below which a term is not in the total."""
_EXACT = 1e-4
_PART = 1e-3  # of a combination that is nothing
_NOTHING = 1e-12  # of the largest singular value of a square; float32 answers leave 1e-14


# ---- agreement with fitness


@dataclass(frozen=True)
class Split:
    """Good and bad states by fitness, as indices of the reviewed rows."""

    good: Tensor
    bad: Tensor


def split(review: Review) -> Split | None:
    """Return good and bad states; None if fitness does not tell enough of them apart.

    Most tasks reward a rare success: then the good ones are those that differ from the rest.
    """
    rows = review.alive.nonzero()[:, 0]
    value = review.rows.fitness[rows]
    low, high = quantile(value, BAD), quantile(value, GOOD)
    if high > low:
        good, bad = value >= high, value <= low
    elif float(value.max()) > low:
        good, bad = value > low, value <= low
    else:
        good, bad = value >= low, value < low
    if min(int(good.sum()), int(bad.sum())) < LEAST_ROWS:
        return None
    return Split(rows[good], rows[bad])


def agreement(values: Tensor, parts: Split) -> float:
    """Return the probability that a good state gets more than a bad one; ties count half."""
    good, bad = values[parts.good].contiguous(), values[parts.bad].sort().values
    below = torch.searchsorted(bad, good, right=False)
    not_above = torch.searchsorted(bad, good, right=True)
    return float((below + not_above).double().mean()) / (2.0 * len(bad))


def without_action(review: Review) -> Tensor:
    """Return the reward of the reviewed rows as if nothing had been done: costs of action apart."""
    transitions = review.rows.transitions
    if not isinstance(review.evidence.action, BoxAction):
        return review.answers.reward
    idle = torch.zeros_like(transitions.action)
    return review.reward(review.with_action(transitions, idle))


@dataclass(frozen=True)
class Exchanged:
    """Agreement with fitness after two axes were exchanged in what the reward is given."""

    words: str
    features: frozenset[str]
    agreement: float


def exchanged(review: Review, parts: Split) -> list[Exchanged]:
    """Return the agreement under every exchange of axes of the features that the total reads."""
    read = review.reading.features(*review.reading.totals)
    rows = torch.cat([parts.good, parts.bad])
    transitions = take(review.rows.transitions, rows)
    count = len(parts.good)
    places = Split(torch.arange(count), torch.arange(count, len(rows)))
    found: list[Exchanged] = []
    for exchange in exchanges(review.evidence.table, sorted(read)):
        left, right = list(exchange.left), list(exchange.right)
        state, next_state = transitions.state.clone(), transitions.next_state.clone()
        for values in (state, next_state):
            values[:, left + right] = values[:, right + left]
        reward = review.reward(Transitions(state, transitions.action, next_state))
        if bool(reward.isfinite().all()):
            value = agreement(reward, places)
            found.append(Exchanged(exchange.words, exchange.features, value))
    return found


# ---- effort, survival, distances


def effort_gain(review: Review) -> float | None:
    """Return how much of the ordinary states pay for any action beside none, minus those that cost.

    Only what is alike for an action and its opposite counts: a grip that closes is no effort.
    None for choices instead of numbers.
    """
    if not isinstance(review.evidence.action, BoxAction):
        return None
    base = review.base
    idle = torch.zeros_like(base.action)
    generator = torch.Generator().manual_seed(0)
    tried = torch.rand(idle.shape, generator=generator) * 2.0 - 1.0
    at_rest = review.reward(review.with_action(base, idle))
    either = [review.reward(review.with_action(base, a)) for a in (tried, -tried)]
    gain = either[0].double() + either[1].double() - 2.0 * at_rest.double()
    least = TINY * (1.0 + float(at_rest.abs().max()))
    return float((gain > least).double().mean() - (gain < -least).double().mean())


def ending_costs(review: Review) -> float:
    """Return what a step loses, at the median, if it ends the episode: flags alone are changed."""
    if not review.evidence.causes:
        return 0.0
    base = review.base
    living = review.reward(review.with_flags(base, ()))
    ended = [
        living - review.reward(review.with_flags(base, ("terminated", cause)))
        for cause in review.evidence.causes
    ]
    return min(quantile(cost, 0.5) for cost in ended)


def ordinary_spread(review: Review) -> float:
    """Return by how much the reward varies in random play and where fitness led to.

    Not where worlds were thrown: what that costs says nothing about what can be gained.
    """
    parts = [review.source(name) for name in ("random", "sought")]
    return width(torch.cat([part.reward for part in parts if part is not None]))


def living_pays(review: Review) -> float:
    """Return what a step pays, at the lower quartile of ordinary play, while nothing ends."""
    output = review.source("random")
    return 0.0 if output is None else quantile(output.reward, 0.25)


@dataclass(frozen=True)
class Slope:
    """What a reward does with a quantity that is an error.

    Attributes:
        feature: the quantity.
        rises: share of ordinary states in which more of it pays more, among those that care.
        gain: what that pays, as a share of how much the reward varies.
    """

    feature: str
    rises: float
    gain: float


def slopes(review: Review) -> Iterator[Slope]:
    """Yield what the reward does with distances to goals and with errors."""
    for name in sorted(review.reading.features(*review.reading.totals)):
        if name not in review.evidence.table or not _is_error(name):
            continue
        feature = review.evidence.table[name]
        column = review.rows.transitions.next_state[:, review.evidence.table.columns(name)]
        if feature.shape or not bool(column.isfinite().all()):
            continue
        size = column[:, 0].abs()
        near, far = quantile(size, 0.05), quantile(size, 0.95)
        base = review.base
        gain = _at(review, base, name, far) - _at(review, base, name, near)
        cares = gain.abs() > TINY * (1.0 + review.spread)
        if far > near and bool(cares.any()):
            rises = float((gain[cares] > 0.0).double().mean())
            size_of = float(gain.mean()) / max(review.spread, TINY)
            yield Slope(name, rises, size_of)


def _at(review: Review, base: Transitions, name: str, value: float) -> Tensor:
    changed = review.with_feature(base, name, torch.tensor(value), before=False)
    return review.reward(changed).double()


def _is_error(name: str) -> bool:
    words = name.split("_")
    return words[-1] in ("error", "distance") and not {"start", "obstacle"} & set(words)


# ---- terms


@dataclass(frozen=True)
class Penalty:
    """A term that takes away.

    Attributes:
        term: its name.
        usual: what it takes in random play, on average.
        most: what it takes at most there; of an event, what it takes anywhere.
        ordinary: by how much all else varies in random play.
        others: by how much all else varies over all states.
        least: what it takes at least, over all states.
        taken: what it takes in each of the reviewed rows.
    """

    term: str
    usual: float
    most: float
    ordinary: float
    others: float
    least: float
    taken: Tensor


def penalties(review: Review) -> Iterator[Penalty]:
    """Yield the terms that take away and never give, but for those of the episode's end."""
    ordinary = review.source("random")
    if ordinary is None:
        return
    for name, weight in weights(review).items():
        if abs(weight) < UNADDED or review.only_flags(name):
            continue
        everywhere = -weight * review.answers.terms[name]
        taken, usual = everywhere[review.alive], -weight * ordinary.terms[name].double()
        if float(taken.min()) < -TINY or float(taken.max()) <= TINY:
            continue
        yield Penalty(
            term=name,
            usual=float(usual.mean()),
            most=float(taken.max()) if _is_event(taken) else quantile(usual, 0.99),
            ordinary=width(ordinary.reward + usual),
            others=width(review.answers.reward[review.alive] + taken),
            least=quantile(taken, 0.005),
            taken=everywhere,
        )


def _is_event(values: Tensor) -> bool:
    """Whether values are either nothing or one number."""
    paid = values[values.abs() > TINY]
    return len(paid) < len(values) and width(paid) <= TINY * float(paid.abs().max())


def weights(review: Review) -> dict[str, float]:
    """Return the weight of each term in the total, if that is a weighted sum of them; else none.

    A term that is a combination of others on all rows has no weight of its own and is left out.
    """
    names = [name for name, values in review.answers.terms.items() if not _constant(values)]
    if not names:
        return {}
    columns = np.stack([review.answers.terms[name].double().numpy() for name in names], axis=1)
    scale = np.abs(columns).max(axis=0)
    matrix = np.concatenate([columns / scale, np.ones((len(columns), 1))], axis=1)
    total = review.answers.reward.double().numpy()
    solution = np.linalg.lstsq(matrix, total)[0]
    error = np.abs(matrix @ solution - total).max()
    if error > _EXACT * (1.0 + np.abs(total).max()):
        return {}
    kept = _independent(matrix)
    return {name: float(solution[i] / scale[i]) for i, name in enumerate(names) if bool(kept[i])}


def _independent(matrix: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which columns no others combine to."""
    _, values, right = np.linalg.svd(matrix.T @ matrix)
    null = right[values < _NOTHING * values[0]]
    return np.asarray((np.abs(null) < _PART).all(axis=0))


def _constant(values: Tensor) -> bool:
    return float(values.max() - values.min()) <= TINY * (1.0 + float(values.abs().max()))


# ---- differences of potentials


@dataclass(frozen=True)
class Difference:
    """A term that is a difference of one quantity after and before the step, not discounted.

    Attributes:
        term: its name.
        potential: by how much that quantity can rise above where it is in random play.
        lingers: what lasting there pays in each step.
        others: by how much all else varies.
    """

    term: str
    potential: float
    lingers: float
    others: float


def differences(review: Review) -> Iterator[Difference]:
    """Yield the terms that are Φ(s') - Φ(s) for all pairs of states."""
    base = review.base
    count = len(base.state) // 3
    first, second, third = (base.next_state[i * count : (i + 1) * count] for i in range(3))
    action = torch.zeros_like(base.action[:count])
    if count == 0:
        return

    def step(before: Tensor, after: Tensor) -> dict[str, Tensor]:
        terms = review.of(Transitions(before, action, after)).terms
        return {name: values.double() for name, values in terms.items()}

    still, there, on = step(first, first), step(first, second), step(second, third)
    back, across = step(second, first), step(first, third)
    for name, values in there.items():
        scale = float(values.abs().mean())
        allowed = 1e-3 * scale
        if scale <= TINY or not math.isfinite(scale):
            continue
        chained = values + on[name] - across[name]
        errors = (still[name], values + back[name], chained)
        if all(float(error.abs().mean()) <= allowed for error in errors):
            weight = weights(review).get(name, 1.0)
            rest = (review.answers.reward - weight * review.answers.terms[name])[review.alive]
            potential = _rise(review, name, weight)
            gamma = review.evidence.gamma
            yield Difference(name, potential, (1.0 - gamma) * potential, width(rest))


def _rise(review: Review, term: str, weight: float) -> float:
    """Return how far Φ can rise above its median in random play: what a step there would pay."""
    everywhere = review.rows.transitions.next_state
    ordinary = review.evidence.sources["random"].transitions.next_state
    zero = ordinary[:1]

    def potential(after: Tensor) -> Tensor:
        action = torch.zeros(len(after), *review.rows.transitions.action.shape[1:])
        action = action.to(review.rows.transitions.action.dtype)
        before = zero.expand_as(after)
        return weight * review.of(Transitions(before, action, after)).terms[term]

    return quantile(potential(everywhere), 0.995) - quantile(potential(ordinary), 0.5)
