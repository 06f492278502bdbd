from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from rewardgen_envs.task import Task
from rewardgen_policies.curves import Curve
from rewardgen_policies.recipe import Recipe, RecipeError
from rewardgen_policies.seam import Rollout, Scores
from rewardgen_policies.train import Member, Progress, train
from tests.policies.reward_sources import FunctionSource, upright


def test_curves_hold_every_quantity_for_every_update(balance: Task, tiny: Recipe) -> None:
    source = FunctionSource(upright)
    result = train(balance, [Member(source, s) for s in (2, 1)], tiny, 10 * tiny.samples, threads=1)
    for curve in result.curves:
        values = curve.values
        assert {len(v) for v in values.values()} == {10}
        assert values["env_steps"].tolist() == [(i + 1) * tiny.samples for i in range(10)]
        np.testing.assert_allclose(values["term/upright"], values["reward"], rtol=1e-5)
        shares = values["advantage_share/upright"]
        np.testing.assert_allclose(shares[np.isfinite(shares)], 1.0, rtol=1e-5)
        assert np.isfinite(shares).any()
        ended = values["episodes"] > 0
        assert ended.any()
        shares = values["truncated"] + values["cause/pole_fallen"]
        np.testing.assert_allclose(shares[ended], 1.0)
        assert np.isnan(values["episode_return"][~ended]).all()
        length = values["episode_length"][ended]
        assert (length >= 1).all()
        assert (length <= balance.episode_steps).all()
        # at most 1 per step
        assert (values["episode_return"][ended] <= length + 1e-3).all()
        fitness = values["fitness/balanced_share"][ended]
        assert ((fitness >= 0) & (fitness <= 1)).all()
    encoded = json.dumps(result.curves[0].to_json(), allow_nan=False)
    first = result.curves[0].values["episode_return"]
    expected = [float(v) if np.isfinite(v) else None for v in first]
    assert json.loads(encoded)["episode_return"] == expected


def test_terms_that_do_not_depend_on_the_action_explain_no_advantage(swing_up: Task) -> None:
    class TwoTerms(FunctionSource):
        def score(self, rollout: Rollout) -> Scores:
            effort = -((rollout.action[..., 0] - 0.5) ** 2)
            alive = torch.full_like(effort, 3.0)
            valid = torch.ones_like(rollout.valid)
            return Scores(effort + alive, valid, {"effort": effort, "alive": alive})

    recipe = Recipe(worlds=8, steps=64, hidden=(16,))
    result = train(swing_up, [Member(TwoTerms(None), 1)], recipe, 20 * recipe.samples, threads=1)
    values = result.curves[0].values
    share = float(np.nanmedian(values["advantage_share/alive"]))
    assert abs(share) < 0.1
    total = values["advantage_share/alive"] + values["advantage_share/effort"]
    np.testing.assert_allclose(total[np.isfinite(total)], 1.0, atol=1e-4)


def test_nan_reward_freezes_its_member_and_is_explained(balance: Task, tiny: Recipe) -> None:
    good = FunctionSource(upright)
    bad = FunctionSource(upright, nan_from=2)
    members = [Member(good, 1), Member(bad, 2)]
    result = train(balance, members, tiny, 6 * tiny.samples, threads=1)
    assert result.failures[0] is None
    failure = result.failures[1]
    assert failure is not None
    assert (failure.kind, failure.term, failure.update) == ("reward", "upright", 2)
    assert failure.env_steps == 2 * tiny.samples
    assert "term 'upright' is nan at control step" in failure.message
    assert result.states[1].counters.env_steps == 2 * tiny.samples
    assert len(result.curves[1].values["env_steps"]) == 2
    assert len(result.curves[0].values["env_steps"]) == 6
    assert all(bool(torch.isfinite(t).all()) for t in result.states[1].tensors.values())


def test_failing_source_freezes_all_its_members_and_no_other(balance: Task, tiny: Recipe) -> None:
    bad = FunctionSource(upright, fail_from=1)
    good = FunctionSource(upright)
    members = [Member(bad, 1), Member(bad, 2), Member(good, 3)]
    result = train(balance, members, tiny, 4 * tiny.samples, threads=1)
    messages = [f.message if f else None for f in result.failures]
    assert messages == ["the host did not answer in time"] * 2 + [None]
    assert bad.calls == 2
    assert good.calls == 4


def test_training_stops_when_nobody_is_left(balance: Task, tiny: Recipe) -> None:
    source = FunctionSource(upright, fail_from=1)
    seen: list[Progress] = []
    result = train(
        balance, [Member(source, 1)], tiny, 50 * tiny.samples, threads=1, progress=seen.append
    )
    assert len(seen) == 2
    assert seen[-1].failed == 1
    assert result.failures[0] is not None


def test_reward_too_large_for_float32_ends_the_member_only(balance: Task, tiny: Recipe) -> None:
    members = [
        Member(FunctionSource(upright, scale=3e38), 1),
        Member(FunctionSource(upright), 2),
    ]
    result = train(balance, members, tiny, 3 * tiny.samples, threads=1)
    assert result.failures[0] is not None
    assert result.failures[1] is None
    assert all(bool(torch.isfinite(t).all()) for t in result.states[0].tensors.values())


@pytest.mark.usefixtures("unchecked_shapes")
def test_scores_of_a_wrong_shape_are_a_failure_with_both_shapes(
    balance: Task, tiny: Recipe
) -> None:
    class Flat(FunctionSource):
        def score(self, rollout: Rollout) -> Scores:
            scores = super().score(rollout)
            return Scores(scores.reward[:, 1:], scores.valid[:, 1:], {})

    members = [Member(Flat(upright), 1)]
    (failure,) = train(balance, members, tiny, tiny.samples, threads=1).failures
    assert failure is not None
    assert "reward has shape (1, 19, 4), expected (1, 20, 4)" in failure.message


def test_unanswered_transitions_are_not_learned_from(balance: Task, tiny: Recipe) -> None:
    class Sparse(FunctionSource):
        def __init__(self, garbage: float) -> None:
            super().__init__(upright)
            self.garbage = garbage

        def score(self, rollout: Rollout) -> Scores:
            scores = super().score(rollout)
            answered = scores.valid.clone()
            answered[:, 5:9, 2] = False
            answered[:, 13] = False
            reward = torch.where(answered, scores.reward, self.garbage)
            return Scores(reward, answered, {"upright": reward})

    results = [
        train(balance, [Member(Sparse(garbage), 1)], tiny, 5 * tiny.samples, threads=1)
        for garbage in (0.0, 1e30, torch.nan)
    ]
    first = results[0].states[0]
    for result in results:
        assert result.failures == [None]
        state = result.states[0]
        assert all(torch.equal(first.tensors[n], state.tensors[n]) for n in first.tensors)
    assert first.counters.observations == 5 * (tiny.samples - 4 - tiny.worlds)


@pytest.mark.parametrize("factor", [2.0**-40, 2.0**20])
def test_the_unit_of_a_reward_changes_nothing(balance: Task, tiny: Recipe, factor: float) -> None:
    weights: list[dict[str, torch.Tensor]] = []
    for scale in (1.0, factor):
        source = FunctionSource(upright, scale=scale)
        result = train(balance, [Member(source, 1)], tiny, 10 * tiny.samples, threads=1)
        weights.append(result.states[0].stack("parameters"))
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_overrides_act_on_their_member_only(balance: Task, tiny: Recipe) -> None:
    source = FunctionSource(upright)
    fixed = tiny.model_copy(update={"schedule": "fixed"})
    changed = {"learning_rate": 1e-4, "entropy_coef": 0.05}
    members = [Member(source, 1), Member(source, 1, overrides=changed), Member(source, 1)]
    plain, own, again = train(balance, members, fixed, 3 * fixed.samples, threads=1).states
    assert own.counters.learning_rate == pytest.approx(1e-4)
    assert plain.counters.learning_rate == pytest.approx(fixed.learning_rate)
    name = "parameters.actor.0.weight"
    assert torch.equal(plain.tensors[name], again.tensors[name])
    assert not torch.equal(plain.tensors[name], own.tensors[name])
    direct = fixed.model_copy(update=changed)
    (alone,) = train(balance, [Member(source, 1)], direct, 3 * fixed.samples, threads=1).states
    assert torch.equal(alone.tensors[name], own.tensors[name])


def test_adaptive_rates_follow_each_members_kl(balance: Task, tiny: Recipe) -> None:
    source = FunctionSource(upright)
    members = [
        Member(source, 1, overrides={"desired_kl": 1e-6}),
        Member(source, 1, overrides={"desired_kl": 10.0}),
    ]
    low, high = train(balance, members, tiny, 20 * tiny.samples, threads=1).states
    assert low.counters.learning_rate < tiny.learning_rate / 4
    assert high.counters.learning_rate == pytest.approx(1e-2)


def test_standard_deviation_stays_above_its_floor(balance: Task, tiny: Recipe) -> None:
    recipe = tiny.model_copy(update={"min_std": 0.9})
    source = FunctionSource(upright)
    member = Member(source, 1, overrides={"entropy_coef": 0.0})
    (state,) = train(balance, [member], recipe, 30 * recipe.samples, threads=1).states
    assert float(state.tensors["parameters.log_std"].exp().min()) >= 0.9 - 1e-6


def test_bad_populations_are_refused(balance: Task, tiny: Recipe) -> None:
    a, b = FunctionSource(upright), FunctionSource(upright)
    with pytest.raises(ValueError, match="at least one member"):
        train(balance, [], tiny, 1)
    with pytest.raises(ValueError, match="member 2: the members of source 'test' must lie side"):
        train(balance, [Member(a, 1), Member(b, 1), Member(a, 2)], tiny, 1)
    with pytest.raises(RecipeError, match="'gamma' cannot be overridden"):
        train(balance, [Member(a, 1, overrides={"gamma": 0.5})], tiny, 1)


def test_progress_may_stop_the_rung(balance: Task, tiny: Recipe) -> None:
    class Stop(Exception):
        pass

    def stop(progress: Progress) -> None:
        assert progress.updates == 10
        assert progress.env_steps == progress.update * tiny.samples
        if progress.update == 3:
            raise Stop

    threads = torch.get_num_threads()
    source = FunctionSource(upright)
    with pytest.raises(Stop):
        train(balance, [Member(source, 1)], tiny, 10 * tiny.samples, threads=1, progress=stop)
    assert torch.get_num_threads() == threads
    assert source.calls == 3


def test_json_has_no_numbers_that_are_not_finite() -> None:
    curve = Curve({"kl": np.array([0.5, np.nan, np.inf, -np.inf, 2.0])})
    assert json.loads(json.dumps(curve.to_json(), allow_nan=False)) == {
        "kl": [0.5, None, None, None, 2.0]
    }
