from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from rewardgen.rewards.format import parse_reward
from rewardgen.rewards.inline import InlineReward
from rewardgen.rewards.sparse import SparseReward
from rewardgen_envs.cartpole.balance import Balance
from rewardgen_envs.features import FeatureTable
from rewardgen_policies.seam import RewardFailure, RewardSource, Rollout

SOURCE = """\
def compute_reward(state, action, next_state):
    speed = next_state.forward_velocity - state.forward_velocity
    effort = -0.1 * (action**2).sum(dim=-1)
    return speed + effort, {"speed": speed, "effort": effort}
"""
MakeRollout = Callable[..., Rollout]


def inline(source: str, table: FeatureTable) -> InlineReward:
    return InlineReward(parse_reward(source), table)


def test_scores_have_the_shape_and_order_of_the_rollout(
    robot_table: FeatureTable, robot_rollout: MakeRollout
) -> None:
    rollout = robot_rollout(members=2, steps=4, worlds=3)
    source = inline(SOURCE, robot_table)
    assert isinstance(source, RewardSource)
    scores = source.score(rollout)
    view = robot_table.view
    speed = view(rollout.next_state).forward_velocity - view(rollout.state).forward_velocity
    assert torch.equal(scores.terms["speed"], speed)
    assert torch.equal(scores.reward, speed + scores.terms["effort"])
    assert scores.valid.all()
    assert source.spec.placement == "inline"


def test_discrete_actions_arrive_as_whole_numbers(
    robot_table: FeatureTable, robot_rollout: MakeRollout
) -> None:
    rollout = robot_rollout()
    action = torch.arange(rollout.valid.numel()).view(rollout.valid.shape)
    body = "    x = (action == 7).float()\n    return x, {}\n"
    source = inline(f"def compute_reward(state, action, next_state):\n{body}", robot_table)
    reward = source.score(dataclasses.replace(rollout, action=action)).reward
    assert reward.flatten().nonzero().tolist() == [[7]]


def test_a_member_scores_the_same_whoever_its_neighbours_are(
    robot_table: FeatureTable, robot_rollout: MakeRollout
) -> None:
    source = inline(SOURCE.replace("speed +", "torch.log1p(speed.abs()) +"), robot_table)
    rollout = robot_rollout(members=3, steps=7, worlds=5)
    together = source.score(rollout)
    for member in range(3):
        alone = source.score(rollout.members(member, member + 1))
        assert torch.equal(alone.reward[0], together.reward[member])


def test_editing_features_in_place_leaves_the_rollout_alone(
    robot_table: FeatureTable, robot_rollout: MakeRollout
) -> None:
    rollout = robot_rollout()
    before = rollout.state.clone(), rollout.next_state.clone(), rollout.action.clone()
    body = "    r = state.height\n    r += 1.0\n    action.zero_()\n    return r, {}\n"
    source = inline(f"def compute_reward(state, action, next_state):\n{body}", robot_table)
    first = source.score(rollout).reward
    assert torch.equal(first, robot_table.view(before[0]).height + 1.0)
    assert torch.equal(source.score(rollout).reward, first)
    for was, now in zip(before, (rollout.state, rollout.next_state, rollout.action), strict=True):
        assert torch.equal(was, now)


def test_diverged_transitions_score_nothing_and_do_no_harm(
    robot_table: FeatureTable, robot_rollout: MakeRollout
) -> None:
    rollout = robot_rollout()
    rollout.next_state[1, 2, 0] = float("nan")
    rollout.valid[1, 2, 0] = False
    # an index made of NaN would raise
    body = """\
    leg = next_state.height.long() % 4
    force = next_state.contact_forces.sum(-1).gather(1, leg[:, None])[:, 0]
    return force, {"force": force}
"""
    source = inline(f"def compute_reward(state, action, next_state):\n{body}", robot_table)
    scores = source.score(rollout)
    assert torch.isfinite(scores.reward).all()
    assert not scores.valid[1, 2, 0]
    assert scores.valid.sum() == rollout.valid.numel() - 1
    assert scores.reward[1, 2, 0] == scores.terms["force"][1, 2, 0] == 0.0


def test_a_number_that_is_not_finite_names_term_transition_and_count(
    robot_table: FeatureTable, robot_rollout: MakeRollout
) -> None:
    rollout = robot_rollout(members=2, steps=5, worlds=3)
    for place in ((1, 3, 2), (1, 4, 0)):
        robot_table.view(rollout.next_state).height[place] = -1.0
    good = robot_table.view(rollout.next_state).height
    good[good != -1.0] = 1.0
    body = "    h = next_state.height.log()\n    return next_state.torso_up, {'h': h}\n"
    source = inline(f"def compute_reward(state, action, next_state):\n{body}", robot_table)
    words = r"term 'h' is nan on 2 of 30 .* member 1, world 2, 3 steps"
    with pytest.raises(RewardFailure, match=words):
        source.score(rollout)


def test_a_failing_human_reward_is_a_reward_failure_with_its_line(
    robot_table: FeatureTable, robot_rollout: MakeRollout
) -> None:
    source = inline(SOURCE.replace("- state.forward", "- state.forwrd"), robot_table)
    with pytest.raises(RewardFailure, match=r"line 2: .*did you mean 'forward_velocity'\?"):
        source.score(robot_rollout())


def test_private_features_are_unknown(
    robot_table: FeatureTable, robot_rollout: MakeRollout
) -> None:
    source = inline(SOURCE.replace("next_state.forward_velocity", "next_state.goals_reached"),
                    robot_table)  # fmt: skip
    with pytest.raises(RewardFailure, match="no feature 'goals_reached'"):
        source.score(robot_rollout())


def test_files_are_read_by_path(robot_table: FeatureTable, tmp_path: Path) -> None:
    path = tmp_path / "reward.py"
    path.write_text(SOURCE)
    assert InlineReward.from_file(path, robot_table, "mine").spec.name == "mine"


def test_the_number_of_threads_is_left_as_it_was(
    robot_table: FeatureTable, robot_rollout: MakeRollout
) -> None:
    torch.set_num_threads(2)
    try:
        inline(SOURCE, robot_table).score(robot_rollout())
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_sparse_pays_the_tasks_own_event() -> None:
    task = Balance()
    shape = (2, 3, 4)
    state = torch.zeros(*shape, task.table.width)
    view = task.table.view(state)
    view.pole_angle_cosine[...] = 1.0
    view.pole_angle_cosine[1, 2, 3] = 0.0
    rollout = Rollout(
        table=task.table,
        state=state,
        next_state=state,
        action=torch.zeros(*shape, 1),
        terminated=torch.zeros(shape, dtype=torch.bool),
        truncated=torch.zeros(shape, dtype=torch.bool),
        valid=torch.ones(shape, dtype=torch.bool),
        world=torch.arange(4),
        episode=torch.zeros(shape, dtype=torch.int64),
        t=torch.zeros(shape, dtype=torch.int64),
        gamma=0.99,
    )
    source = SparseReward(task)
    assert isinstance(source, RewardSource)
    scores = source.score(rollout)
    assert scores.reward.sum() == 23.0
    assert scores.reward[1, 2, 3] == 0.0
    assert torch.equal(scores.terms["sparse"], scores.reward)
