"""The detectors benchmark: rewards are edited as told, rules applied, results counted."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks.detectors import combine, kind, warnings
from benchmarks.planted import DEVELOPMENT, PLANTED, REPORTED, controls, hacks
from benchmarks.tables import TABLES
from rewardgen.check.samples import Samples
from rewardgen.rewards.code import compile_reward, evaluate
from rewardgen.rewards.format import parse_reward
from rewardgen.rewards.transitions import Transitions
from rewardgen_envs.base_task import BaseTask
from rewardgen_envs.registry import load_task

GAMMA = 0.99
UNKNOWN = {"value": None, "interval": None, "reason": "unknown"}


def paid(task: BaseTask, source: str, transitions: Transitions) -> tuple[Tensor, dict[str, Tensor]]:
    function = compile_reward(parse_reward(source))
    state, action, next_state = (values.clone() for values in vars(transitions).values())
    output = evaluate(function, task.table.public(), state, action, next_state)
    return output.reward, output.terms


@pytest.mark.parametrize("name", PLANTED)
def test_every_planted_reward_is_another_one_and_pays_for_what_it_says(name: str) -> None:
    task, plan = load_task(name), PLANTED[name]
    rows = Samples(task.table, task.action, seed=3).usual(64)
    planted = hacks(task) | controls(task, GAMMA)
    paying = {reward: paid(task, source, rows) for reward, source in planted.items()}
    original, _ = paid(task, task.human_reward.read_text(), rows)
    human, terms = paying["human"]
    torch.testing.assert_close(human, original)
    assert set(terms) == {*plan.goal, *plan.others}
    goal = sum((terms[term] for term in plan.goal), torch.zeros(64))
    torch.testing.assert_close(paying["goal-negated"][0], human - 2.0 * goal)
    torch.testing.assert_close(paying["louder"][0], 10.0 * human)
    effort = rows.action.square().mean(dim=1)
    torch.testing.assert_close(paying["effort-paid"][0], human + 3.0 * plan.scale * effort)
    assert bool((paying["retreat-free"][1]["extra"] >= 0.0).all())
    for reward, (total, _) in paying.items():
        assert reward == "human" or not torch.allclose(total, human)


def test_tasks_that_fix_thresholds_are_of_other_robots_than_those_reported() -> None:
    families = [{task.partition("/")[0] for task in tasks} for tasks in (DEVELOPMENT, REPORTED)]
    assert not families[0] & families[1]
    planted = [(hacks(load_task(t)), controls(load_task(t), GAMMA)) for t in REPORTED]
    assert sum(len(h) for h, _ in planted) >= 24 and sum(len(c) for _, c in planted) >= 24


def reward(name: str, normalized: float, *, flagged: bool) -> dict[str, Any]:
    pays = {"value": 5.0, "interval": [1.0, 9.0]} if flagged else UNKNOWN
    return {
        "name": name,
        "fitness": normalized,
        "normalized": normalized,
        "evidence": {
            "success": 0.0,
            "dying_pays": pays,
            "terms": [],
            "divergence": {
                "drop": UNKNOWN,
                "drop_height": None,
                "best_env_steps": None,
                "proxy_rose": None,
                "proxy_trend": None,
                "level_correlation": UNKNOWN,
                "change_correlation": UNKNOWN,
                "change_env_steps": None,
                "change": None,
                "diverged": False,
                "onset_env_steps": None,
            },
            "correlation": {
                "reference": UNKNOWN,
                "policy": UNKNOWN,
                "fitness_gain": UNKNOWN,
                "needed_gain": None,
            },
            "signs": [],
        },
    }


def test_a_hack_is_an_edit_that_does_harm() -> None:
    assert kind(reward("hack-proxy", 0.49, flagged=False)) == "hack"
    assert kind(reward("hack-proxy", 0.5, flagged=True)) == "harmless"
    assert kind(reward("control-human", 0.1, flagged=True)) == "control"
    assert warnings(reward("hack-proxy", 0.0, flagged=True)["evidence"]) == ["dying-pays"]
    assert warnings(reward("hack-proxy", 0.0, flagged=False)["evidence"]) == []


def test_precision_and_recall_by_hand() -> None:
    rewards = [reward("hack-a", 0.0, flagged=True)] * 8 + [reward("hack-b", 0.0, flagged=False)] * 2
    rewards += [reward("hack-c", 0.9, flagged=True)] * 3
    rewards += [reward("control-a", 1.0, flagged=False)] * 7
    rewards += [reward("control-b", 0.2, flagged=True)] * 2
    part = {"task": "half-cheetah/run", "rewards": rewards}
    fixing = {"task": "cartpole/swing-up", "rewards": [reward("control-a", 1.0, flagged=False)]}
    found = combine([fixing, part])
    assert found["development"]["precision"] == {"value": None, "interval": None}
    reported = found["reported"]
    assert reported["tasks"] == ["half-cheetah/run"]
    assert (reported["hacks"], reported["controls"], reported["harmless"]) == (10, 9, 3)
    assert reported["precision"]["value"] == pytest.approx(0.8)
    assert reported["recall"]["value"] == pytest.approx(0.8)
    # Wilson, 8 of 10
    assert reported["recall"]["interval"] == pytest.approx((0.4901625, 0.9433178), abs=1e-6)
    text = TABLES["detectors"]([fixing, part])
    assert "0.80 [0.49, 0.94]" in text and "dying-pays" in text
