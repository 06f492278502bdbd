"""Wrappers around reward sources: episodes that end, rollouts that go on, members that differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from rewardgen.rewards.wrappers.catalogue import (
    WRAPPERS,
    DynamicPbrs,
    Gate,
    Krc,
    Level,
    Multiplicative,
    Par,
    Pbrs,
    Uwo,
    Wco,
    WeightedSum,
    Wrapper,
)
from rewardgen.rewards.wrappers.sources import Ensemble, wrapped, wrapped_sha256
from rewardgen_policies.seam import Prefetching, RewardFailure, RewardSource, Rollout
from tests.rewardgen.rewards.wrappers.walks import (
    GAMMA,
    SOURCE,
    TABLE,
    cut,
    discounted,
    episodes,
    walk,
    walker,
)

LEVELS = (Level(term="forward", least=0.1), Level(term="care", least=0.3), Level(term="effort"))
EVERY: tuple[Wrapper, ...] = (
    Pbrs(potential="place"),
    DynamicPbrs(potential="place", fade_env_steps=1000),
    WeightedSum(weights={"forward": 1.0, "effort": 0.5}),
    Multiplicative(progress="place", factors=("care",), end="fall"),
    Krc(),
    Gate(levels=LEVELS),
    Gate(levels=LEVELS, per="episode"),
    Par(),
    Wco(terms=("forward", "effort")),
    Uwo(),
)


def named(wrapper: Wrapper) -> str:
    return "gate-episode" if wrapper.memory and isinstance(wrapper, Gate) else wrapper.name


def test_every_wrapper_is_among_them() -> None:
    assert {wrapper.name for wrapper in EVERY} == set(WRAPPERS)


# ---- what holds for all


@pytest.mark.parametrize("wrapper", EVERY, ids=named)
def test_a_wrapped_reward_is_a_reward_source(wrapper: Wrapper) -> None:
    source, rollout = wrapped(walker(), wrapper), walk()
    assert isinstance(source, RewardSource) and isinstance(source, Prefetching)
    source.prefetch(rollout)
    scores = source.score(rollout)
    assert torch.isfinite(scores.reward).all()
    assert torch.equal(scores.valid, rollout.valid)
    assert bool((scores.reward[~rollout.valid] == 0.0).all())
    assert {name: value.shape for name, value in scores.terms.items()} == dict.fromkeys(
        scores.terms, rollout.valid.shape
    )
    assert set(wrapper.adds) <= scores.terms.keys()
    assert bool((scores.reward != walker().score(rollout).reward).any())


@pytest.mark.parametrize("wrapper", EVERY, ids=named)
def test_rollouts_may_be_cut_anywhere(wrapper: Wrapper) -> None:
    rollout = walk(60)
    whole = wrapped(walker(), wrapper).score(rollout)
    parts = wrapped(walker(), wrapper)
    pieces = [parts.score(cut(rollout, a, b)) for a, b in ((0, 1), (1, 17), (17, 40), (40, 60))]
    # a sigmoid may be rounded by where in a batch its number stands
    exact = 1e-6 if isinstance(wrapper, Par) else 0.0
    joined = torch.cat([piece.reward for piece in pieces], dim=1)
    assert torch.allclose(joined, whole.reward, rtol=exact, atol=0.0)
    for name, values in whole.terms.items():
        assert torch.equal(torch.cat([piece.terms[name] for piece in pieces], dim=1), values)


@pytest.mark.parametrize("wrapper", EVERY, ids=named)
def test_a_member_scores_the_same_whoever_its_neighbours_are(wrapper: Wrapper) -> None:
    rollout = walk(members=3, worlds=7)
    together = wrapped(walker(), wrapper).score(rollout)
    for member in range(3):
        alone = wrapped(walker(), wrapper).score(rollout.members(member, member + 1))
        assert torch.equal(alone.reward[0], together.reward[member])


@pytest.mark.parametrize("wrapper", EVERY, ids=named)
def test_a_rung_that_begins_again_remembers_nothing(wrapper: Wrapper) -> None:
    first, other = walk(seed=1), walk(seed=2)
    expected = wrapped(walker(), wrapper).score(other)
    used = wrapped(walker(), wrapper)
    used.score(first)
    assert torch.equal(used.score(other).reward, expected.reward)


@pytest.mark.parametrize("wrapper", EVERY, ids=named)
def test_what_follows_a_reset_does_not_depend_on_what_came_before_it(wrapper: Wrapper) -> None:
    rollout = walk()
    other = replace(rollout, state=rollout.state.clone(), next_state=rollout.next_state.clone())
    first = rollout.episode == 0
    for data in (other.state, other.next_state):
        data[first] += 3.0
    before = wrapped(walker(), wrapper).score(rollout)
    after = wrapped(walker(), wrapper).score(other)
    assert torch.equal(before.reward[~first], after.reward[~first])


@pytest.mark.parametrize("wrapper", EVERY, ids=named)
def test_a_wrapped_reward_is_told_apart_from_others(wrapper: Wrapper) -> None:
    inside = walker()
    source = wrapped(inside, wrapper)
    assert source.spec.name == inside.spec.name
    assert source.spec.placement == inside.spec.placement
    shas = {wrapped(inside, each).spec.sha256 for each in EVERY} | {inside.spec.sha256}
    assert len(shas) == len(EVERY) + 1
    assert source.spec.sha256 == wrapped_sha256(inside.spec.sha256, wrapper)


def test_nothing_around_a_reward_is_the_reward() -> None:
    inside = walker()
    assert wrapped(inside, None) is inside
    assert wrapped_sha256(inside.spec.sha256, None) == inside.spec.sha256


@pytest.mark.parametrize("wrapper", [w for w in EVERY if w.reads], ids=named)
def test_a_term_that_is_not_returned_is_named_with_what_there_is(wrapper: Wrapper) -> None:
    misspelt = SOURCE.replace(f'"{wrapper.reads[0]}"', f'"{wrapper.reads[0]}s"')
    with pytest.raises(RewardFailure, match=f"'{wrapper.reads[0]}'.*did you mean.*Valid: "):
        wrapped(walker(misspelt), wrapper).score(walk())


def test_a_term_that_a_wrapper_reports_cannot_be_the_rewards_own() -> None:
    source = walker(SOURCE.replace('"care"', '"shaping"'))
    with pytest.raises(RewardFailure, match="'shaping' itself: give yours another name"):
        wrapped(source, Pbrs(potential="place")).score(walk())


def test_an_ensemble_needs_several_terms() -> None:
    source = walker("def compute_reward(s, a, n):\n    return n.x, {'x': n.x}\n")
    with pytest.raises(RewardFailure, match="takes 2 terms or more; returned are x"):
        wrapped(source, Wco()).score(walk())


# ---- potentials


def shaping_of(source: RewardSource, rollout: Rollout) -> Tensor:
    return source.score(rollout).terms["shaping"]


def place(rollout: Rollout) -> tuple[Tensor, Tensor]:
    return TABLE.view(rollout.state).x, TABLE.view(rollout.next_state).x


@pytest.mark.parametrize("seed", range(3))
def test_shaping_telescopes_over_every_episode(seed: int) -> None:
    rollout = walk(80, seed=seed)
    source = wrapped(walker(), Pbrs(potential="place"))
    scores, plain = source.score(rollout), walker().score(rollout)
    before, after = place(rollout)
    ways: set[str] = set()
    for member, world, steps in episodes(rollout):
        at, last = (member, steps, world), (member, steps.stop - 1, world)
        terminated = bool(rollout.terminated[last])
        ways.add("terminated" if terminated else "kept")
        length = steps.stop - steps.start
        end = 0.0 if terminated else GAMMA**length * float(after[last])
        expected = end - float(before[member, steps.start, world])
        assert discounted(scores.terms["shaping"][at]) == pytest.approx(expected, abs=1e-5)
        assert torch.equal(scores.reward[at], plain.reward[at] + scores.terms["shaping"][at])
    assert ways == {"terminated", "kept"}


def test_a_truncation_keeps_the_potential_and_a_termination_does_not() -> None:
    rollout = walk()
    shaping = shaping_of(wrapped(walker(), Pbrs(potential="place")), rollout)
    before, after = place(rollout)
    cut_off, fallen = rollout.truncated & rollout.valid, rollout.terminated & rollout.valid
    assert bool(cut_off.any()) and bool(fallen.any())
    assert torch.equal(shaping[cut_off], GAMMA * after[cut_off] - before[cut_off])
    assert torch.equal(shaping[fallen], -before[fallen])


def faded(rollout: Rollout, fade: int, per_rollout: int, steps: int) -> tuple[list[Tensor], int]:
    """Return the shaping of a potential that fades, rollout by rollout."""
    source = wrapped(walker(), DynamicPbrs(potential="place", fade_env_steps=fade))
    count = rollout.valid.shape[1] // steps
    parts = [cut(rollout, i * steps, (i + 1) * steps, i * per_rollout) for i in range(count)]
    return [shaping_of(source, part) for part in parts], count


def test_a_fading_potential_telescopes_with_each_state_as_it_was_when_met() -> None:
    rollout, steps, per_rollout, fade = walk(90, seed=5), 15, 30, 240
    parts, count = faded(rollout, fade, per_rollout, steps)
    shaping = torch.cat(parts, dim=1)
    left = torch.tensor([max(0.0, 1.0 - i * per_rollout / fade) for i in range(count)])
    weight = left.repeat_interleave(steps)
    before, after = place(rollout)
    over_rollouts = 0
    for member, world, span in episodes(rollout):
        first, last = span.start, span.stop - 1
        over_rollouts += first // steps != last // steps
        length = span.stop - first
        terminated = bool(rollout.terminated[member, last, world])
        end = 0.0 if terminated else float(weight[last] * after[member, last, world])
        expected = GAMMA**length * end - float(weight[first] * before[member, first, world])
        paid = discounted(shaping[member, span, world])
        assert paid == pytest.approx(expected, abs=1e-5)
    assert over_rollouts > 5


def test_potentials_computed_anew_would_not_telescope() -> None:
    rollout, steps, per_rollout, fade = walk(90, seed=5), 15, 30, 240
    parts, count = faded(rollout, fade, per_rollout, steps)
    before, after = place(rollout)
    stored, anew = torch.cat(parts, dim=1), torch.empty(rollout.valid.shape)
    for i in range(count):  # what a state is worth now, not when it was met
        part, left = slice(i * steps, (i + 1) * steps), 1.0 - i * per_rollout / fade
        end = torch.where(rollout.terminated[:, part], 0.0, after[:, part])
        anew[:, part] = GAMMA * left * end - left * before[:, part]
    errors: dict[str, list[float]] = {"stored": [], "anew": []}
    for member, world, span in episodes(rollout):
        first, last = span.start, span.stop - 1
        if first // steps == last // steps:
            continue
        left = [max(0.0, 1.0 - (s // steps) * per_rollout / fade) for s in (first, last)]
        terminated = bool(rollout.terminated[member, last, world])
        end = 0.0 if terminated else left[1] * float(after[member, last, world])
        expected = GAMMA ** (span.stop - first) * end
        expected -= left[0] * float(before[member, first, world])
        for name, values in (("stored", stored), ("anew", anew)):
            errors[name].append(abs(discounted(values[member, span, world]) - expected))
    assert max(errors["stored"]) < 1e-5
    assert sum(error > 1e-3 for error in errors["anew"]) > len(errors["anew"]) / 2


def test_a_potential_that_hardly_fades_is_one_that_does_not() -> None:
    rollout = walk()
    slow = wrapped(walker(), DynamicPbrs(potential="place", fade_env_steps=10**12))
    steady = wrapped(walker(), Pbrs(potential="place"))
    for part in (cut(rollout, 0, 20), cut(rollout, 20, 40, 100)):
        assert torch.allclose(shaping_of(slow, part), shaping_of(steady, part), atol=1e-6)


def test_a_faded_potential_pays_nothing() -> None:
    source = wrapped(walker(), DynamicPbrs(potential="place", fade_env_steps=50))
    assert not shaping_of(source, cut(walk(), 0, 20, 50)).any()


def test_members_fade_by_what_each_has_learned() -> None:
    source = wrapped(walker(), DynamicPbrs(potential="place", fade_env_steps=100))
    rollout = replace(walk(), env_steps=torch.tensor([0, 100]))
    shaping = shaping_of(source, rollout)
    assert bool(shaping[0].any()) and not bool(shaping[1].any())
    assert source.spec.requires == {"env_steps"}


def test_a_trainer_that_counts_nothing_is_named() -> None:
    source = wrapped(walker(), DynamicPbrs(potential="place", fade_env_steps=100))
    with pytest.raises(RewardFailure, match="does not count"):
        source.score(replace(walk(), env_steps=None))


# ---- progress


def chain(values: Sequence[float], care: Sequence[float], *, start: float = 0.0) -> Rollout:
    """Return an episode of one world that goes through places; the last step truncates it."""
    rollout = cut(walk(len(values), members=1, worlds=1), 0, len(values))
    places = torch.tensor([start, *values])
    after = TABLE.view(rollout.next_state)
    TABLE.view(rollout.state).x.copy_(places[:-1].view(1, -1, 1))
    after.x.copy_(places[1:].view(1, -1, 1))
    after.care.copy_(torch.tensor(care).view(1, -1, 1))
    after.terminated.zero_()
    shape = rollout.valid.shape
    return replace(
        rollout,
        terminated=torch.zeros(shape, dtype=torch.bool),
        truncated=torch.zeros(shape, dtype=torch.bool).index_fill(1, torch.tensor([-1]), True),
        valid=torch.ones(shape, dtype=torch.bool),
        episode=torch.zeros(shape, dtype=torch.int64),
        t=torch.arange(shape[1]).view(shape),
    )


def test_only_progress_beyond_the_largest_so_far_pays() -> None:
    rollout = chain([30.0, 10.0, 25.0, 50.0, 100.0], [1.0, 1.0, 0.5, 0.5, 1.0])
    source = wrapped(walker(), Multiplicative(progress="place", factors=("care",)))
    scores = source.score(rollout)
    assert scores.terms["gain"].flatten().tolist() == [30.0, 0.0, 0.0, 20.0, 50.0]
    assert scores.reward.flatten().tolist() == [30.0, 0.0, 0.0, 10.0, 50.0]


def test_falling_behind_with_little_care_is_no_bonus() -> None:
    """Back and forth: a loss cut down by a factor is smaller than the gain it makes room for."""
    places, care = [1.0, 0.0] * 20, [1.0, 0.1] * 20
    naive = sum((b - a) * p for a, b, p in zip([0.0, *places], places, care, strict=False))
    assert naive > 15.0
    source = wrapped(walker(), Multiplicative(progress="place", factors=("care",)))
    assert float(source.score(chain(places, care)).reward.sum()) == 1.0


def test_an_episode_pays_no_more_than_the_way_it_went() -> None:
    rollout = walk(100, seed=8)
    source = wrapped(walker(), Multiplicative(progress="place", factors=("care",)))
    reward = source.score(rollout).reward
    before, after = place(rollout)
    for member, world, steps in episodes(rollout):
        start = before[member, steps.start, world]
        way = float((after[member, steps, world].amax() - start).clamp(min=0.0))
        paid = float(reward[member, steps, world].sum())
        assert 0.0 <= paid <= way + 1e-4


def test_factors_are_cut_off_at_0_and_1_and_the_end_is_added_as_it_is() -> None:
    rollout = chain([1.0, 2.0, 3.0], [7.0, -2.0, 0.25])
    TABLE.view(rollout.next_state).terminated[0, -1] = 1.0
    wrapper = Multiplicative(progress="place", factors=("care",), end="fall")
    assert wrapped(walker(), wrapper).score(rollout).reward.flatten().tolist() == [1.0, 0.0, -4.75]


# ---- gates over episodes


def test_an_episode_is_judged_and_paid_at_its_end() -> None:
    levels = (Level(term="forward", least=2.0), Level(term="care"))
    gate = Gate(levels=levels, per="episode")
    far = chain([1.0, 0.5, 2.5], [0.25, 0.5, 0.75])
    assert wrapped(walker(), gate).score(far).reward.flatten().tolist() == [0.0, 0.0, 2.5 + 1.5]
    near = chain([1.0, 0.5, 1.5], [0.25, 0.5, 0.75])
    assert wrapped(walker(), gate).score(near).reward.flatten().tolist() == [0.0, 0.0, 1.5]


def test_an_episode_gate_judges_sums_and_not_steps() -> None:
    levels = (Level(term="forward", least=0.5), Level(term="care"))
    rollout = chain([0.25, 0.5, 0.75], [0.25, 0.25, 0.25])  # no step reaches 0.5, the episode does
    step, episode = (
        wrapped(walker(), Gate(levels=levels, per=per)).score(rollout).reward.sum()
        for per in ("step", "episode")
    )
    assert (float(step), float(episode)) == (0.75, 1.5)


# ---- several rewards


def test_rewards_of_an_ensemble_are_its_terms() -> None:
    rollout = walk()
    one = walker()
    other = walker(SOURCE.replace("return forward", "return 3.0 * forward"))
    other._spec = replace(other.spec, name="other")
    ensemble = Ensemble([one, other])
    scores = ensemble.score(rollout)
    first, second = one.score(rollout).reward, other.score(rollout).reward
    assert list(scores.terms) == ["walker", "other"]
    assert torch.allclose(scores.reward, (first + second) / 2.0)
    least = wrapped(ensemble, Wco()).score(rollout)
    assert torch.equal(least.reward, torch.minimum(first, second))
    cautious = wrapped(ensemble, Uwo(weight=0.5)).score(rollout)
    variance = ((first - second) / 2.0) ** 2
    assert torch.allclose(cautious.reward, (first + second) / 2.0 - 0.5 * variance, atol=1e-5)


def test_an_ensemble_of_one_reward_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="names of their own"):
        Ensemble([walker(), walker()])


def test_the_reward_of_a_transition_is_no_potential() -> None:
    other = walker()
    other._spec = replace(other.spec, name="other")
    source = wrapped(Ensemble([walker(), other]), Pbrs(potential="other"))
    with pytest.raises(RewardFailure, match="none of them is a potential"):
        source.score(walk())


def test_wrappers_within_wrappers() -> None:
    """Looking back for a potential leaves the memory of the wrapper inside alone."""
    rollout = walk(60)
    inner = Multiplicative(progress="place", factors=("care",))
    alone = wrapped(walker(), inner).score(rollout).reward
    nested = wrapped(wrapped(walker(), inner), Pbrs(potential="care"))
    for start in (0, 20, 40):
        scores = nested.score(cut(rollout, start, start + 20))
        expected = alone[:, start : start + 20] + scores.terms["shaping"]
        assert torch.equal(scores.reward, expected)


def test_a_potential_that_is_weighted_inside_is_weighted_in_both_states() -> None:
    rollout = walk()
    weighted = wrapped(walker(), WeightedSum(weights={"place": 2.0, "forward": 1.0}))
    doubled = shaping_of(wrapped(weighted, Pbrs(potential="place")), rollout)
    single = shaping_of(wrapped(walker(), Pbrs(potential="place")), rollout)
    assert torch.allclose(doubled, 2.0 * single, atol=1e-5)
