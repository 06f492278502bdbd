"""A reward under review: its answers on the evidence, and on states that were changed on purpose.

Reward code is a pure function of one transition, so it can be asked about transitions that no
physics gives: the same state with another action, with one feature raised, with two axes exchanged.
That tells what it pays for, term by term, without training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Bool, Float32
from torch import Tensor

from rewardgen.check.evidence import Evidence, Rows
from rewardgen.check.reading import Reading, telling
from rewardgen.check.samples import take
from rewardgen.rewards.code import MAX_TERMS, Output
from rewardgen.rewards.findings import Finding, RewardCodeError, Severity
from rewardgen.rewards.format import RewardCode
from rewardgen.rewards.transitions import Transitions
from rewardgen_envs.task import BoxAction
from rewardgen_policies.seam import RewardFailure

BASE_ROWS = 400
"""Transitions that are asked about again and again, each time changed otherwise."""
TINY = 1e-6
_LOW, _HIGH = 0.005, 0.995

Ask = Callable[[RewardCode, Transitions], Output]
"""Evaluates a reward on transitions, wherever it runs."""


@dataclass(frozen=True)
class Review:
    """One reward beside what is known of its task.

    Attributes:
        code: the reward.
        evidence: the task.
        ask: evaluates a reward.
    """

    code: RewardCode
    evidence: Evidence
    ask: Ask

    @cached_property
    def reading(self) -> Reading:
        """What its text says."""
        return Reading(self.code)

    @cached_property
    def rows(self) -> Rows:
        """The transitions of the evidence on which everything that it gives is finite."""
        rows = self.evidence.all
        output = self.of(rows.transitions)
        finite = output.reward.isfinite()
        for values in output.terms.values():
            finite &= values.isfinite()
        return rows if bool(finite.all()) else chosen(rows, finite)

    @cached_property
    def answers(self) -> Output:
        """Its answers on them."""
        return self.of(self.rows.transitions)

    @cached_property
    def intermediates(self) -> dict[str, Tensor]:
        """What the names within its function stand for on the reviewed rows, one number each.

        Empty if the reward does not work once it tells of them.
        """
        told = telling(self.code, MAX_TERMS)
        if told is None:
            return {}
        try:
            terms = self.ask(told, _copied(self.rows.transitions)).terms
        except (RewardFailure, RewardCodeError):
            return {}
        return {name: values for name, values in terms.items() if bool(values.isfinite().all())}

    @cached_property
    def alive(self) -> Bool[Tensor, " R"]:
        """The transitions that do not end an episode."""
        return ~self.rows.terminated

    @cached_property
    def base(self) -> Transitions:
        """Some of them, evenly spread."""
        rows = self.alive.nonzero()[:, 0]
        places = torch.linspace(0, len(rows) - 1, min(BASE_ROWS, len(rows))).long()
        return take(self.rows.transitions, rows[places])

    @cached_property
    def flags(self) -> frozenset[str]:
        """Names of the features that say that an episode ended."""
        return frozenset(("terminated", *self.evidence.causes))

    @cached_property
    def spread(self) -> float:
        """By how much the reward varies while nothing ends."""
        return width(self.answers.reward[self.alive])

    def of(self, transitions: Transitions) -> Output:
        """Return its answers; the code may change its inputs."""
        return self.ask(self.code, _copied(transitions))

    def reward(self, transitions: Transitions) -> Float32[Tensor, " R"]:
        """Return the total alone."""
        return self.of(transitions).reward

    def source(self, name: str) -> Output | None:
        """Return its answers on the transitions of one source, None if there is no such source."""
        rows = self.evidence.sources.get(name)
        return None if rows is None else self.of(chosen(rows, ~rows.terminated).transitions)

    def only_flags(self, term: str) -> bool:
        """Whether a term says nothing but that the episode ended: elsewhere it never varies."""
        values = self.answers.terms[term][self.alive]
        return len(values) > 0 and width(values) <= TINY * (1.0 + float(values.abs().max()))

    def with_feature(
        self, transitions: Transitions, name: str, values: Tensor, *, before: bool = True
    ) -> Transitions:
        """Return transitions with other values of a feature in the next state, and the state.

        Args:
            transitions: to be changed.
            name: the feature.
            values: (R, size), or one number for all.
            before: whether it has the same values in the state before.
        """
        columns = self.evidence.table.columns(name)
        state, next_state = transitions.state.clone(), transitions.next_state.clone()
        next_state[:, columns] = values
        if before:
            state[:, columns] = values
        return Transitions(state, transitions.action, next_state)

    def with_flags(self, transitions: Transitions, names: Iterable[str]) -> Transitions:
        """Return transitions that end the episode by some of the flags, and no other."""
        changed = transitions
        for flag in self.flags:
            value = torch.tensor(float(flag in names))
            changed = self.with_feature(changed, flag, value, before=False)
        return changed

    def with_action(self, transitions: Transitions, action: Tensor) -> Transitions:
        """Return transitions with another action, and no action before it.

        Args:
            transitions: to be changed.
            action: (R, A).
        """
        assert isinstance(self.evidence.action, BoxAction)
        columns = self.evidence.table.columns("last_action")
        state, next_state = transitions.state.clone(), transitions.next_state.clone()
        state[:, columns] = 0.0
        next_state[:, columns] = action
        return Transitions(state, action, next_state)

    def line(self, term: str) -> int | None:
        """Return the line in which a term is computed, None if the text does not tell."""
        reported = self.reading.terms.get(term)
        return None if reported is None else reported.line


def chosen(rows: Rows, which: Tensor) -> Rows:
    """Return some rows, by mask or index."""
    index = which.nonzero()[:, 0] if which.dtype == torch.bool else which
    return Rows(take(rows.transitions, index), rows.fitness[index], rows.terminated[index])


def width(values: Tensor) -> float:
    """Return by how much values differ, the rarest left out."""
    if len(values) == 0:
        return 0.0
    ordered = values.double().sort().values
    low, high = (ordered[round((len(ordered) - 1) * share)] for share in (_LOW, _HIGH))
    return float(high - low)


def quantile(values: Tensor, share: float) -> float:
    """Return a quantile; 0 of nothing."""
    if len(values) == 0:
        return 0.0
    return float(values.double().sort().values[round((len(values) - 1) * share)])


def finding(
    stage: str, rule: str, severity: Severity, line: int | None, message: str, remedy: str
) -> Finding:
    """Return a remark of lint or critic."""
    return Finding(stage, "contract", rule, severity, line, message, remedy)


def _copied(transitions: Transitions) -> Transitions:
    return replace(
        transitions,
        state=transitions.state.clone(),
        action=transitions.action.clone(),
        next_state=transitions.next_state.clone(),
    )
