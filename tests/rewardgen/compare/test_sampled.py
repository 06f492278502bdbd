"""Distances on logged transitions: against exact ones, and on a double integrator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from benchmarks.mdp import random_mdp, random_reward
from rewardgen.compare.features import Features, fourier_features
from rewardgen.compare.logged import LoggedTransitions
from rewardgen.compare.ranking import kendall_tau
from rewardgen.compare.sampled import (
    TRIVIAL,
    Canonicalizer,
    advantage_shares,
    distances,
    episode_returns,
    estimator_floor,
    fit_lstd_val,
    fit_min_l2,
    shaping,
    triviality,
)
from rewardgen.compare.tabular import distance, uniform_value, val
from rewardgen_policies.gae import advantages
from tests.rewardgen.compare.logs import counted_out, double_integrator, one_hot, rounded_mdp

Floats = NDArray[np.float64]
FITS = [fit_min_l2, fit_lstd_val]
Fit = Callable[[LoggedTransitions, Features], Canonicalizer]


def of_states(states: int) -> Features:
    table = one_hot(states)
    return lambda rows: table[rows[:, 0].astype(np.int64)]


class TestAgainstExact:
    """With one feature per state a log that lists everything gives the exact answers."""

    @pytest.mark.parametrize("seed", range(5))
    def test_min_l2_distance(self, seed: int) -> None:
        generator = np.random.default_rng(seed)
        mdp = rounded_mdp(generator, random_mdp(generator, 8, 3, 4, 0.9), 1)
        first, second = random_reward(generator, mdp), random_reward(generator, mdp)
        data = counted_out(mdp.transition, 0.9, 1)
        rows = (*data.state.T.astype(int), data.next_state[:, 0].astype(int))
        rewards = np.stack([first[rows], second[rows]], axis=1)
        canonicalize = fit_min_l2(data, of_states(8))
        expected = distance(first, second, mdp.transition, 0.9, "min_l2")
        found = distances(data, rewards, canonicalize, seed=0).value
        assert found[0, 1] == pytest.approx(expected, abs=1e-9)

    @pytest.mark.parametrize("seed", range(5))
    def test_lstd_val_is_the_advantage_of_the_uniform_policy(self, seed: int) -> None:
        """The last state is terminal: in the log episodes end there, the MDP stays there."""
        generator = np.random.default_rng(seed)
        mdp = rounded_mdp(generator, random_mdp(generator, 8, 3, 4, 0.9), 1)
        mdp.transition[7] = 0.0
        mdp.transition[7, :, 7] = 1.0
        reward = random_reward(generator, mdp)
        reward[7] = 0.0
        logged = counted_out(mdp.transition, 0.9, 1)
        kept = logged.state[:, 0] != 7
        ends = logged.next_state[kept, 0] == 7
        data = LoggedTransitions(
            state=logged.state[kept],
            next_state=logged.next_state[kept],
            terminated=ends,
            truncated=~ends,
            episode=logged.episode[kept],
            source=logged.source[kept],
            sources=logged.sources,
            discount=0.9,
        )
        state, action = data.state.T.astype(int)
        after = data.next_state[:, 0].astype(int)
        canonicalize = fit_lstd_val(data, of_states(8))
        expected = val(reward, mdp.transition, 0.9)[state, action, after]
        assert canonicalize(reward[state, action, after]) == pytest.approx(expected, abs=1e-9)

    def test_chance_in_next_states_makes_distances_larger_not_other(self) -> None:
        """The advantage is right in the mean over next states; what is around it is noise."""
        generator = np.random.default_rng(0)
        mdp = rounded_mdp(generator, random_mdp(generator, 6, 3, 4, 0.9), 8)
        reward = random_reward(generator, mdp)
        data = counted_out(mdp.transition, 0.9, 8)
        state, action = data.state.T.astype(int)
        after = data.next_state[:, 0].astype(int)
        canonical = fit_lstd_val(data, of_states(6))(reward[state, action, after])
        v = uniform_value(reward, mdp.transition, 0.9)
        assert canonical == pytest.approx(
            reward[state, action, after] + 0.9 * v[after] - v[state], abs=1e-9
        )


@pytest.fixture(scope="module")
def data() -> LoggedTransitions:
    return double_integrator(40, 50, seed=0)


@pytest.fixture(scope="module")
def endless() -> LoggedTransitions:
    return double_integrator(40, 50, seed=0, limit_m=100.0)


def goal(data: LoggedTransitions) -> Floats:
    return -np.square(data.next_state).sum(axis=1)


def random_in_span(data: LoggedTransitions, features: Features, seed: int) -> Floats:
    theta = np.random.default_rng(seed).normal(size=features(data.state[:1]).shape[1])
    return shaping(data, lambda rows: (features(rows) @ theta)[:, None])[:, 0]


@pytest.mark.parametrize("fit", FITS)
class TestDoubleIntegrator:
    @pytest.mark.parametrize("episodes", [10, 40, 200])
    def test_what_ranks_alike_at_any_number_of_transitions(self, fit: Fit, episodes: int) -> None:
        data = double_integrator(episodes, 60, seed=episodes)
        features = fourier_features(data, seed=1, count=64)
        reward, in_span = goal(data), random_in_span(data, features, seed=2)
        rewards = np.stack([reward, 3.0 * reward, reward + in_span, -reward], axis=1)
        found = distances(data, rewards, fit(data, features), seed=0)
        assert found.value[0, :3] == pytest.approx([0.0] * 3, abs=1e-6)
        assert found.value[0, 3] == 1.0
        assert found.low[0, 3] == found.high[0, 3] == 1.0

    def test_linear_and_idempotent(self, data: LoggedTransitions, fit: Fit) -> None:
        c = fit(data, fourier_features(data, seed=1))
        x, y = np.random.default_rng(0).normal(size=(2, len(data)))
        assert c(2.0 * x - 0.3 * y) == pytest.approx(2.0 * c(x) - 0.3 * c(y), abs=1e-10)
        assert c(c(x)) == pytest.approx(c(x), abs=1e-8)
        many = c(np.stack([x, y], axis=1))
        assert many == pytest.approx(np.stack([c(x), c(y)], axis=1), abs=1e-10)

    def test_distances_are_a_pseudometric(self, data: LoggedTransitions, fit: Fit) -> None:
        x, v = data.next_state.T
        rewards = np.stack([goal(data), np.exp(-4 * x**2), -np.abs(v), x * v, 1.0 + 0 * x], axis=1)
        d = distances(data, rewards, fit(data, fourier_features(data, seed=1)), seed=0).value
        assert d == pytest.approx(d.T, abs=1e-12)
        assert np.diag(d) == pytest.approx([0.0] * 5, abs=1e-7)
        assert np.all(d[:, None, :] <= d[:, :, None] + d[None, :, :] + 1e-7)

    def test_shaping_out_of_the_span_moves_a_reward_as_far_as_the_floor_says(
        self, data: LoggedTransitions, fit: Fit
    ) -> None:
        c = fit(data, fourier_features(data, seed=1, count=64))
        reward = goal(data)
        extra = shaping(data, lambda rows: np.abs(rows[:, :1] - 0.3))[:, 0]
        extra *= reward.std() / extra.std()
        found = distances(data, np.stack([reward, reward + extra], axis=1), c, seed=0)
        floor = estimator_floor(data, reward[:, None], c, seed=0)
        assert 0.005 < floor[0] < 0.2
        assert found.value[0, 1] < 3.0 * floor[0]

    def test_more_features_have_a_lower_floor(self, data: LoggedTransitions, fit: Fit) -> None:
        few, many = (
            estimator_floor(data, goal(data)[:, None], fit(data, fourier_features(data, 1, n)), 0)
            for n in (8, 128)
        )
        assert many[0] < 0.7 * few[0]

    def test_a_linear_potential_is_removed_exactly(self, data: LoggedTransitions, fit: Fit) -> None:
        """The floor is about what the features are not."""
        c = fit(data, fourier_features(data, seed=1, count=8))
        linear = shaping(data, lambda rows: rows[:, :1])[:, 0]
        assert np.abs(c(linear)).max() < 1e-9

    def test_trivial_rewards_have_no_distances(self, endless: LoggedTransitions, fit: Fit) -> None:
        features = fourier_features(endless, seed=1)
        c, reward = fit(endless, features), goal(endless)
        in_span = random_in_span(endless, features, seed=2)
        rewards = np.stack([reward, in_span, 1.0 + 0 * reward, 0 * reward, -reward], axis=1)
        found = distances(endless, rewards, c, seed=0)
        assert found.triviality[0] > 0.1
        assert np.all(found.triviality[1:4] < TRIVIAL)
        for values in (found.value, found.low, found.high, *found.by_source):
            assert np.isnan(values[1:4]).all()
            assert np.isnan(values[:, 1:4]).all()
            assert not np.isnan(values[np.ix_([0, 4], [0, 4])]).any()
        floor = estimator_floor(endless, rewards, c, seed=0)
        assert np.isnan(floor).tolist() == [False, True, True, True, False]

    def test_pay_for_living_is_trivial_only_where_nothing_ends(
        self, data: LoggedTransitions, endless: LoggedTransitions, fit: Fit
    ) -> None:
        left = []
        for log in (data, endless):
            alive = np.ones((len(log), 1))
            c = fit(log, fourier_features(log, seed=1))
            left.append(float(triviality(log, alive, c(alive))[0]))
        assert left[0] == 1.0
        assert left[1] < TRIVIAL

    def test_the_floor_is_above_what_rounding_makes(
        self, data: LoggedTransitions, fit: Fit
    ) -> None:
        c = fit(data, fourier_features(data, seed=1))
        first, again = (estimator_floor(data, goal(data)[:, None], c, seed=3) for _ in range(2))
        assert first == again
        assert first[0] != estimator_floor(data, goal(data)[:, None], c, seed=4)[0]


class TestIntervals:
    def test_they_cover_the_distance_on_all_episodes(self) -> None:
        """95 % of small samples hold the distance on the whole, with the same canonicalizer."""
        whole = double_integrator(200, 20, seed=0)
        features = fourier_features(whole, seed=1, count=16)
        canonical = fit_min_l2(whole, features)(
            np.stack([goal(whole), -np.abs(whole.next_state[:, 0])], axis=1)
        )
        truth = distances(whole, canonical, _identity(whole), seed=0).value[0, 1]
        generator = np.random.default_rng(0)
        covered = 0
        for trial in range(100):
            chosen = np.concatenate(
                [generator.choice(np.flatnonzero(whole.episode_source == s), 20) for s in (0, 1)]
            )
            rows = [np.flatnonzero(whole.episode == e) for e in chosen]
            part = _subset(whole, rows)
            found = distances(part, canonical[np.concatenate(rows)], _identity(part), seed=trial)
            covered += found.low[0, 1] <= truth <= found.high[0, 1]
        assert 0.86 <= covered / 100 <= 0.99

    def test_they_are_seeded_and_hold_the_value(self, data: LoggedTransitions) -> None:
        c = fit_min_l2(data, fourier_features(data, seed=1))
        rewards = np.stack([goal(data), data.next_state[:, 0]], axis=1)
        first, again, other = (distances(data, rewards, c, seed=s) for s in (0, 0, 1))
        assert first.low[0, 1] == again.low[0, 1] != other.low[0, 1]
        assert first.low[0, 1] < first.value[0, 1] < first.high[0, 1]

    def test_one_episode_of_a_source_is_too_few(self) -> None:
        data = double_integrator(3, 60, seed=0)
        c = fit_min_l2(data, fourier_features(data, seed=1, count=8))
        with pytest.raises(ValueError, match="2 episodes of each source, 'controller' has 1"):
            distances(data, goal(data)[:, None], c, seed=0)


def _identity(data: LoggedTransitions) -> Canonicalizer:
    return Canonicalizer(np.zeros((len(data), 1)), np.zeros((1, len(data))))


def _subset(data: LoggedTransitions, rows: list[NDArray[np.int64]]) -> LoggedTransitions:
    chosen = np.concatenate(rows)
    return replace(
        data,
        state=data.state[chosen],
        next_state=data.next_state[chosen],
        terminated=data.terminated[chosen],
        truncated=data.truncated[chosen],
        episode=np.repeat(np.arange(len(rows)), [len(r) for r in rows]),
        source=data.source[chosen],
    )


def test_sources_count_alike_however_long_they_are() -> None:
    """Twice the episodes of one source change nothing."""
    data = double_integrator(40, 30, seed=0)
    order = [np.flatnonzero(data.episode == e) for e in range(40)]
    twice = _subset(data, [*order, *order[1::2]])
    assert twice.weights[twice.source == 0].sum() == pytest.approx(len(twice) / 2)
    features = fourier_features(data, seed=1, count=16)
    found: list[Floats] = []
    for log in (data, twice):
        rewards = np.stack([goal(log), log.next_state[:, 0]], axis=1)
        found.append(distances(log, rewards, fit_min_l2(log, features), seed=0).value)
    assert found[0] == pytest.approx(found[1], abs=1e-9)


def test_a_termination_ends_the_potential_and_a_truncation_keeps_it() -> None:
    data = double_integrator(40, 60, seed=0)
    ended, cut = np.flatnonzero(data.terminated), np.flatnonzero(data.truncated)
    assert len(ended)
    assert len(cut)
    paid = shaping(data, lambda rows: rows[:, :1] + 5.0)[:, 0]
    before, after = data.state[:, 0] + 5.0, data.next_state[:, 0] + 5.0
    assert paid[ended] == pytest.approx(-before[ended])
    assert paid[cut] == pytest.approx(0.97 * after[cut] - before[cut])


class TestReturns:
    def test_shaping_telescopes(self) -> None:
        """Σ γᵗ F = γᵀΦ(s_T) - Φ(s₀), with Φ(s_T) = 0 after a termination."""
        data = double_integrator(30, 40, seed=1)

        def potential(rows: Floats) -> Floats:
            return np.sin(3.0 * rows[:, :1]) + 2.0

        found = episode_returns(data, shaping(data, potential), data.discount)[:, 0]
        last = data.starts + data.lengths - 1
        end = np.where(data.terminated[last], 0.0, potential(data.next_state[last])[:, 0])
        start = potential(data.state[data.starts])[:, 0]
        assert found == pytest.approx(data.discount**data.lengths * end - start)
        assert data.terminated[last].any()
        assert data.truncated[last].any()

    def test_generalized_advantages_do_not_see_shaping_of_which_the_value_knows(
        self, data: LoggedTransitions
    ) -> None:
        """Reward r + γΦ' - Φ with value V - Φ: every advantage is that of r with V."""
        generator = np.random.default_rng(0)
        weights = generator.normal(size=(2, 2))

        def values(rows: Floats) -> Floats:
            """V and Φ, (N, 2)."""
            return np.sin(rows @ weights) + 1.0

        before, after = values(data.state), values(data.next_state)
        after[data.terminated] = 0.0
        reward = goal(data)
        shaped = reward + shaping(data, values)[:, 1]

        def found(reward: Floats, value: Floats, bootstrap: Floats) -> Floats:
            def tensor(column: NDArray[np.generic]) -> torch.Tensor:
                return torch.from_numpy(column).view(1, -1, 1)

            return advantages(
                reward=tensor(reward),
                value=tensor(value),
                bootstrap=tensor(bootstrap),
                ended=tensor(data.terminated | data.truncated),
                valid=tensor(np.ones(len(data), dtype=bool)),
                gamma=data.discount,
                gae_lambda=torch.tensor([[0.9]], dtype=torch.float64),
            ).numpy()

        assert found(
            shaped, before[:, 0] - before[:, 1], after[:, 0] - after[:, 1]
        ) == pytest.approx(found(reward, before[:, 0], after[:, 0]), abs=1e-12)

    def test_undiscounted_progress_pays_for_lingering(self) -> None:
        """Φ' - Φ returns -Φ₀ + (1 - γ) Σ γᵗ Φ_{t+1}; shaping returns 0 here."""
        steps, gamma = 4000, 0.99
        potential = np.ones(steps + 1)
        potential[:2] = 0.0, 0.5
        ends = np.arange(steps) == steps - 1
        data = LoggedTransitions(
            state=potential[:-1, None],
            next_state=potential[1:, None],
            terminated=np.zeros(steps, dtype=bool),
            truncated=ends,
            episode=np.zeros(steps, dtype=np.int64),
            source=np.zeros(steps, dtype=np.int64),
            sources=("all",),
            discount=gamma,
        )
        progress = (potential[1:] - potential[:-1])[:, None]
        found = episode_returns(data, progress, gamma)[0, 0]
        discounts = gamma ** np.arange(steps)
        assert found == pytest.approx(-potential[0] + (1 - gamma) * (discounts @ potential[1:]))
        assert found == pytest.approx(0.995, abs=1e-9)
        shaped = episode_returns(data, shaping(data, lambda rows: rows), gamma)[0, 0]
        assert shaped == pytest.approx(0.0, abs=1e-9)

    @pytest.mark.parametrize("fit", FITS)
    def test_a_shaped_copy_ranks_episodes_alike_once_canonicalized(
        self, data: LoggedTransitions, fit: Fit
    ) -> None:
        features = fourier_features(data, seed=1)
        reward = goal(data)
        copy = reward + 0.3 * random_in_span(data, features, seed=2)
        both = np.stack([reward, copy], axis=1)
        raw = episode_returns(data, both, data.discount)
        canonical = episode_returns(data, fit(data, features)(both), data.discount)
        assert kendall_tau(*raw.T) < 0.9
        assert kendall_tau(*canonical.T) == pytest.approx(1.0)

    def test_returns_without_discount_are_sums(self, data: LoggedTransitions) -> None:
        found = episode_returns(data, np.ones((len(data), 2)), 1.0)
        assert found == pytest.approx(np.stack([data.lengths] * 2, axis=1))


@pytest.mark.parametrize("fit", FITS)
class TestShares:
    def test_they_sum_to_one(self, data: LoggedTransitions, fit: Fit) -> None:
        generator = np.random.default_rng(0)
        c = fit(data, fourier_features(data, seed=1))
        for _ in range(10):
            terms = generator.normal(size=(len(data), 6)) * 10.0 ** generator.uniform(-3, 3, 6)
            found = advantage_shares(data, terms, terms.sum(axis=1), c)
            assert found.share.sum() == pytest.approx(1.0, abs=1e-9)
            assert (found.unexplained, found.remark) == (0.0, "")

    def test_constants_and_shaping_have_no_share_whatever_their_size(
        self, endless: LoggedTransitions, fit: Fit
    ) -> None:
        features = fourier_features(endless, seed=1)
        in_span = random_in_span(endless, features, seed=2)
        terms = np.stack([goal(endless), 2.0 + 0 * in_span, in_span], axis=1)
        naive = np.abs(terms).mean(axis=0) / np.abs(terms).mean(axis=0).sum()
        found = advantage_shares(endless, terms, terms.sum(axis=1), fit(endless, features))
        assert naive[1] > 0.2
        assert naive[2] > 0.1
        assert found.share == pytest.approx([1.0, 0.0, 0.0], abs=1e-6)

    def test_pay_for_living_has_a_share_where_episodes_end(
        self, data: LoggedTransitions, fit: Fit
    ) -> None:
        terms = np.stack([goal(data), 2.0 + 0 * goal(data)], axis=1)
        c = fit(data, fourier_features(data, seed=1))
        assert advantage_shares(data, terms, terms.sum(axis=1), c).share[1] > 0.05

    def test_a_clipped_reward_is_said_to_be_one(self, data: LoggedTransitions, fit: Fit) -> None:
        terms = np.stack([goal(data), 0.5 + 0 * goal(data)], axis=1)
        total = terms.sum(axis=1)
        below = float(np.mean(total < 0.0))
        c = fit(data, fourier_features(data, seed=1))
        found = advantage_shares(data, terms, np.maximum(total, 0.0), c)
        assert found.unexplained == pytest.approx(below)
        assert f"on {below:.1%} of transitions" in found.remark
        assert found.share.sum() == pytest.approx(1.0, abs=1e-9)

    def test_nothing_has_no_shares(self, endless: LoggedTransitions, fit: Fit) -> None:
        terms = np.ones((len(endless), 2))
        c = fit(endless, fourier_features(endless, seed=1))
        found = advantage_shares(endless, terms, terms.sum(axis=1), c)
        assert np.isnan(found.share).all()
        assert "no term has a share" in found.remark


class TestRefusals:
    def test_too_few_transitions(self, data: LoggedTransitions) -> None:
        few = double_integrator(2, 40, seed=0)
        features = fourier_features(few, seed=0)
        with pytest.raises(ValueError, match="131 features need at least 262 transitions"):
            fit_min_l2(few, features)

    def test_rewards_of_other_transitions(self, data: LoggedTransitions) -> None:
        c = fit_min_l2(data, fourier_features(data, seed=0, count=8))
        with pytest.raises(ValueError, match=rf"\({len(data)},\)"):
            c(np.zeros(len(data) - 1))
        with pytest.raises(ValueError, match=r"\(N, K\), not"):
            distances(data, np.zeros(len(data)), c, seed=0)

    def test_rewards_that_are_not_finite(self, data: LoggedTransitions) -> None:
        rewards = np.zeros((len(data), 2))
        rewards[7, 1] = np.inf
        c = fit_min_l2(data, fourier_features(data, seed=0, count=8))
        with pytest.raises(ValueError, match="transition 7 is not finite"):
            distances(data, rewards, c, seed=0)
