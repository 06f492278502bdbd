"""Wrappers at work: reward sources around other reward sources.

Whatever is inside keeps its place: generated code stays in its reward host, and what comes out of
that is composed here, once per rollout.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from jaxtyping import Float32
from torch import Tensor

from rewardgen.rewards.wrappers import formulas
from rewardgen.rewards.wrappers.catalogue import (
    DynamicPbrs,
    Gate,
    Multiplicative,
    Pbrs,
    Wrapper,
)
from rewardgen.rewards.wrappers.memory import EpisodeMemory
from rewardgen.rewards.wrappers.rowwise import composition, missing
from rewardgen_policies.seam import (
    Prefetching,
    RewardFailure,
    RewardSource,
    Rollout,
    Scores,
    SourceSpec,
)


def wrapped(source: RewardSource, wrapper: Wrapper | None) -> RewardSource:
    """Return a reward source with a wrapper around it; without one, the source itself."""
    match wrapper:
        case None:
            return source
        case Pbrs():
            return Shaped(source, wrapper)
        case DynamicPbrs():
            return DynamicallyShaped(source, wrapper)
        case Multiplicative():
            return Progressive(source, wrapper)
        case Gate(per="episode"):
            return EpisodeGate(source, wrapper)
        case _:
            return RowWise(source, wrapper)


def wrapped_sha256(sha256: str, wrapper: Wrapper | None) -> str:
    """Return what tells a wrapped reward from others, given the same of the reward inside."""
    if wrapper is None:
        return sha256
    return hashlib.sha256(f"{sha256} {wrapper.sha256}".encode()).hexdigest()


class Around(ABC):
    """What all wrappers share: who they are, and work that begins early.

    Args:
        source: the reward inside.
        wrapper: what is around it.
    """

    requires: frozenset[str] = frozenset()

    def __init__(self, source: RewardSource, wrapper: Wrapper) -> None:
        inside = source.spec
        self._source = source
        self._wrapper = wrapper
        self._spec = SourceSpec(
            name=inside.name,
            sha256=wrapped_sha256(inside.sha256, wrapper),
            placement=inside.placement,
            requires=inside.requires | self.requires,
        )

    @property
    def spec(self) -> SourceSpec:
        """What this source is."""
        return self._spec

    def prefetch(self, rollout: Rollout) -> None:
        """Let the reward inside begin to score a rollout."""
        if isinstance(self._source, Prefetching):
            self._source.prefetch(rollout)

    @abstractmethod
    def score(self, rollout: Rollout) -> Scores:
        """Score the transitions of the members given.

        Raises:
            RewardFailure: the reward inside failed for good, or lacks a term.
        """

    def terms_before(self, rollout: Rollout) -> Mapping[str, Float32[Tensor, "P T N"]]:
        """Return the terms that states would have as next states, without touching any memory.

        Raises:
            RewardFailure: the reward inside failed for good.
        """
        return terms_before(self._source, rollout)

    def _inside(self, rollout: Rollout) -> Scores:
        """Return the scores of the reward inside, all terms that are read among them."""
        scores = self._source.score(rollout)
        lacks = missing(self._wrapper, scores.terms)
        if lacks:
            raise RewardFailure(lacks)
        return scores


def terms_before(source: RewardSource, rollout: Rollout) -> Mapping[str, Tensor]:
    """Return the terms that the states before the actions would have as next states."""
    if isinstance(source, Around | Ensemble):
        return source.terms_before(rollout)
    return source.score(replace(rollout, next_state=rollout.state)).terms


class RowWise(Around):
    """A wrapper that a transition's own reward and terms suffice for."""

    def score(self, rollout: Rollout) -> Scores:
        """Score the transitions of the members given.

        Raises:
            RewardFailure: the reward inside failed for good, or lacks a term.
        """
        scores = self._inside(rollout)
        reward, terms = self._composed(scores.reward, scores.terms)
        return replace(scores, reward=torch.where(scores.valid, reward, 0.0), terms=terms)

    def terms_before(self, rollout: Rollout) -> Mapping[str, Float32[Tensor, "P T N"]]:
        """Return the terms that states would have as next states."""
        terms = terms_before(self._source, rollout)
        return self._composed(torch.zeros_like(rollout.state[..., 0]), terms)[1]

    def _composed(self, reward: Tensor, terms: Mapping[str, Tensor]) -> formulas.Composed:
        """Compose each member alone, so that not even its last bit depends on the others."""
        compose = composition(self._wrapper)
        parts = [
            compose(reward[member], {name: values[member] for name, values in terms.items()})
            for member in range(reward.shape[0])
        ]
        named = {name: torch.stack([part[1][name] for part in parts]) for name in parts[0][1]}
        return torch.stack([part[0] for part in parts]), named


class Shaped(Around):
    """Potential-based shaping."""

    def __init__(self, source: RewardSource, wrapper: Pbrs) -> None:
        super().__init__(source, wrapper)
        self._potential = wrapper.potential

    def score(self, rollout: Rollout) -> Scores:
        """Score the transitions of the members given.

        Raises:
            RewardFailure: the reward inside failed for good, or lacks the potential.
        """
        scores = self._inside(rollout)
        before = terms_before(self._source, rollout)[self._potential]
        reward, terms = formulas.pbrs(
            scores.reward,
            scores.terms,
            self._potential,
            before,
            rollout.terminated,
            rollout.gamma,
        )
        return replace(scores, reward=reward, terms=terms)


class DynamicallyShaped(Around):
    """Potential-based shaping with a potential that fades.

    The potential of a state is taken once, when the state is met: it is both what the step before
    earns and what the step after pays. Else the two would not cancel out over an episode, and best
    policies would change.
    """

    requires = frozenset({"env_steps"})

    def __init__(self, source: RewardSource, wrapper: DynamicPbrs) -> None:
        super().__init__(source, wrapper)
        self._potential = wrapper.potential
        self._fade = wrapper.fade_env_steps
        self._met = EpisodeMemory()

    def score(self, rollout: Rollout) -> Scores:
        """Score the transitions of the members given.

        Raises:
            RewardFailure: the reward inside failed for good or lacks the potential, or nobody says
                how long the policies have learned.
        """
        if rollout.env_steps is None:
            raise RewardFailure("wrapper dynamic_pbrs: this trainer does not count its steps")
        scores = self._inside(rollout)
        left = (1.0 - rollout.env_steps.to(torch.float32) / self._fade).clamp(min=0.0)[
            :, None, None
        ]
        after = left * scores.terms[self._potential]
        begun = left * terms_before(self._source, rollout)[self._potential]
        before = torch.empty_like(begun)
        for step in range(begun.shape[1]):
            before[:, step] = self._met.recall(rollout, step, begun[:, step])
            self._met.store(rollout, step, after[:, step])
        shaping = rollout.gamma * torch.where(rollout.terminated, 0.0, after) - before
        shaping = torch.where(scores.valid, shaping, 0.0)
        terms = {**scores.terms, "shaping": shaping}
        return replace(scores, reward=scores.reward + shaping, terms=terms)


class Progressive(Around):
    """Progress beyond the largest so far, times factors."""

    def __init__(self, source: RewardSource, wrapper: Multiplicative) -> None:
        super().__init__(source, wrapper)
        self._of = wrapper
        self._largest = EpisodeMemory()

    def score(self, rollout: Rollout) -> Scores:
        """Score the transitions of the members given.

        Raises:
            RewardFailure: the reward inside failed for good, or lacks a term.
        """
        scores = self._inside(rollout)
        progress = scores.terms[self._of.progress]
        begun = terms_before(self._source, rollout)[self._of.progress]
        gain = torch.empty_like(progress)
        for step in range(progress.shape[1]):
            largest = self._largest.recall(rollout, step, begun[:, step])
            # what falls behind is no loss: times a factor below 1 it would be a smaller one
            gain[:, step] = (progress[:, step] - largest).clamp(min=0.0)
            self._largest.store(rollout, step, torch.maximum(largest, progress[:, step]))
        reward = gain = torch.where(scores.valid, gain, 0.0)
        for name in self._of.factors:
            reward = reward * scores.terms[name].clamp(0.0, 1.0)
        if self._of.end is not None:
            reward = reward + scores.terms[self._of.end]
        return replace(scores, reward=reward, terms={**scores.terms, "gain": gain})


class EpisodeGate(Around):
    """A gate that judges whole episodes.

    What an episode has earned on a level is known at its end only, so all of it is paid there.
    """

    def __init__(self, source: RewardSource, wrapper: Gate) -> None:
        super().__init__(source, wrapper)
        self._of = wrapper
        self._sums = EpisodeMemory()

    def score(self, rollout: Rollout) -> Scores:
        """Score the transitions of the members given.

        Raises:
            RewardFailure: the reward inside failed for good, or lacks a term.
        """
        scores = self._inside(rollout)
        names = self._of.reads
        parts = torch.stack([scores.terms[name] for name in names])
        ends = (rollout.terminated | rollout.truncated) & scores.valid
        reward = torch.zeros_like(scores.reward)
        for step in range(reward.shape[1]):
            so_far = self._sums.recall(rollout, step, torch.zeros_like(parts[:, :, step]))
            sums = so_far + parts[:, :, step]
            self._sums.store(rollout, step, sums)
            earned = dict(zip(names, sums, strict=True))
            paid, _ = formulas.gate(sums[0], earned, names, self._of.least)
            reward[:, step] = torch.where(ends[:, step], paid, 0.0)
        return replace(scores, reward=reward)


class Ensemble:
    """Several rewards as one: each is a term, and the reward is their mean.

    With a wrapper around it, ``Wco`` or ``Uwo``, it is what ensembles are for.

    Args:
        sources: two or more, whose names differ.

    Raises:
        ValueError: there are fewer, or two of them have one name.
    """

    def __init__(self, sources: Sequence[RewardSource]) -> None:
        names = [source.spec.name for source in sources]
        if len(set(names)) < max(2, len(names)):
            raise ValueError(
                f"an ensemble takes two rewards or more, with names of their own: {names}"
            )
        joined = " ".join(source.spec.sha256 for source in sources)
        self._sources = tuple(sources)
        self._spec = SourceSpec(
            name="+".join(names),
            sha256=hashlib.sha256(joined.encode()).hexdigest(),
            placement="inline",
            requires=frozenset[str]().union(*(source.spec.requires for source in sources)),
        )

    @property
    def spec(self) -> SourceSpec:
        """What this source is."""
        return self._spec

    def prefetch(self, rollout: Rollout) -> None:
        """Let all rewards begin to score a rollout, side by side."""
        for source in self._sources:
            if isinstance(source, Prefetching):
                source.prefetch(rollout)

    def score(self, rollout: Rollout) -> Scores:
        """Score the transitions of the members given; valid is what all rewards score.

        Raises:
            RewardFailure: one of the rewards failed for good.
        """
        parts = {source.spec.name: source.score(rollout) for source in self._sources}
        reward, valid = torch.zeros_like(rollout.state[..., 0]), rollout.valid.clone()
        for scores in parts.values():
            reward = reward + scores.reward / len(parts)
            valid = valid & scores.valid
        terms = {name: scores.reward for name, scores in parts.items()}
        return Scores(reward, valid, terms, max(scores.version for scores in parts.values()))

    def terms_before(self, rollout: Rollout) -> Mapping[str, Tensor]:
        """Refuse: what a reward pays for a transition says nothing of a state.

        Raises:
            RewardFailure: always.
        """
        del rollout
        raise RewardFailure(
            f"the terms of the ensemble {self._spec.name} are rewards of transitions, so none of "
            "them is a potential or a progress; put such a wrapper around one of its rewards"
        )
