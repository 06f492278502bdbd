from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardgen.isolation.host import HostOptions, HostPool, RewardHost
from rewardgen.isolation.pace import Deadlines
from rewardgen.isolation.processes import ProcessOptions, Spawner
from rewardgen.isolation.session import HostFailure
from rewardgen.rewards.format import ParseError, parse_reward
from rewardgen.rewards.inline import InlineReward
from rewardgen_envs.features import FeatureTable
from rewardgen_policies.seam import RewardFailure, RewardSource, Rollout

MakeRollout = Callable[..., Rollout]
QUICK = HostOptions(deadlines=Deadlines(first_s=20.0, least_s=20.0))
SOURCE = """\
def compute_reward(state, action, next_state):
    up = quat_up(unit(next_state.torso_quaternion))[:, 2]
    upright = tolerance(up, bounds=(0.9, math.inf), margin=1.0)
    speed = torch.tanh(next_state.forward_velocity - state.forward_velocity)
    forces = torch.log1p(next_state.contact_forces.square().sum(dim=(1, 2)))
    effort = 0.1 * (action**2).sum(dim=-1)
    reward = upright * speed - effort - 0.01 * forces
    return reward, {"upright": upright, "speed": speed, "effort": -effort, "forces": -forces}
"""


@pytest.fixture(scope="module")
def pool() -> Iterator[HostPool]:
    with HostPool(QUICK) as opened:
        yield opened


def opened(pool: HostPool, body: str, table: FeatureTable) -> RewardHost:
    lines = "\n".join("    " + line for line in body.split("\n"))
    code = parse_reward(f"def compute_reward(state, action, next_state):\n{lines}\n")
    return pool.open(code, table)


def assert_equal_scores(source: RewardSource, other: RewardSource, rollout: Rollout) -> None:
    ours, theirs = source.score(rollout), other.score(rollout)
    assert torch.equal(ours.reward, theirs.reward)
    assert torch.equal(ours.valid, theirs.valid)
    assert list(ours.terms) == list(theirs.terms)
    for name, values in ours.terms.items():
        assert torch.equal(values, theirs.terms[name])


def test_host_and_inline_give_equal_scores(
    pool: HostPool, robot_table: FeatureTable, robot_rollout: MakeRollout
) -> None:
    code = parse_reward(SOURCE)
    host, inline = pool.open(code, robot_table), InlineReward(code, robot_table)
    assert isinstance(host, RewardSource)
    assert (host.spec.placement, host.spec.sha256) == ("process", inline.spec.sha256)

    @settings(max_examples=25, deadline=None)
    @given(
        members=st.integers(1, 3),
        steps=st.integers(1, 40),
        worlds=st.integers(1, 17),
        seed=st.integers(0, 99),
        invalid=st.booleans(),
    )
    def check(members: int, steps: int, worlds: int, seed: int, invalid: bool) -> None:
        rollout = robot_rollout(members, steps, worlds, seed)
        if invalid:
            rollout.state[-1, -1, -1] = float("nan")
            rollout.valid[-1, -1, -1] = False
        assert_equal_scores(host, inline, rollout)

    check()


def test_discrete_actions_arrive_as_whole_numbers(
    pool: HostPool, robot_table: FeatureTable, robot_rollout: MakeRollout
) -> None:
    rollout = robot_rollout()
    action = torch.arange(rollout.valid.numel()).view(rollout.valid.shape)
    host = opened(pool, "x = (action == 7).float()\nreturn x, {}", robot_table)
    reward = host.score(dataclasses.replace(rollout, action=action)).reward
    assert reward.flatten().nonzero().tolist() == [[7]]


def test_hosts_work_side_by_side(
    pool: HostPool, robot_table: FeatureTable, robot_rollout: MakeRollout
) -> None:
    sources = [SOURCE.replace("0.1 *", f"0.{i} *") for i in range(1, 5)]
    hosts = [pool.open(parse_reward(source), robot_table) for source in sources]
    rollouts = [robot_rollout(seed=i) for i in range(4)]
    for host, rollout in zip(hosts, rollouts, strict=True):
        host.prefetch(rollout)
    for source, host, rollout in zip(sources, hosts, rollouts, strict=True):
        assert_equal_scores(host, InlineReward(parse_reward(source), robot_table), rollout)


def test_a_prefetch_that_is_not_asked_for_is_forgotten(
    pool: HostPool, robot_table: FeatureTable, robot_rollout: MakeRollout
) -> None:
    host = pool.open(parse_reward(SOURCE), robot_table)
    inline = InlineReward(parse_reward(SOURCE), robot_table)
    host.prefetch(robot_rollout(seed=1))
    host.prefetch(robot_rollout(members=3, steps=9, seed=2))
    assert_equal_scores(host, inline, robot_rollout(seed=3))


def test_editing_features_in_place_leaves_the_rollout_alone(
    pool: HostPool, robot_table: FeatureTable, robot_rollout: MakeRollout
) -> None:
    rollout = robot_rollout()
    before = rollout.state.clone()
    body = (
        "r = state.height\nr += 1.0\naction.zero_()\nnext_state.joint_angles.zero_()\nreturn r, {}"
    )
    host = opened(pool, body, robot_table)
    expected = robot_table.view(before).height + 1.0
    for _ in range(2):
        assert torch.equal(host.score(rollout).reward, expected)
    assert torch.equal(rollout.state, before)


def test_private_features_do_not_leave_the_trainer(
    pool: HostPool, robot_table: FeatureTable, robot_rollout: MakeRollout
) -> None:
    body = "data = next_state._data\nassert data.shape[-1] == 62\nreturn data[:, 0], {}"
    assert robot_table.public_width == 62
    opened(pool, body, robot_table).score(robot_rollout())
    with pytest.raises(RewardFailure, match="no feature 'goals_reached'"):
        opened(pool, "return state.goals_reached, {}", robot_table).score(robot_rollout())


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("return state.hight, {}", r"line 2: .*did you mean 'height'\?"),
        ("return state.height, {'a': 0.5}", "term 'a' is the float 0.5"),
        ("return state.height.mean(), {}", r"shape \(\)"),
        ("raise SystemExit(0)", "SystemExit"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("return compute_reward(state, action, next_state)", "RecursionError"),
        ("h = state.height\nreturn h, {'a': h / 0.0}", r"term 'a' is -?inf on 30 of 30"),
        ("h = state.height\nreturn h, {'a' if h[0] > 0 else 'b': h}", "terms differ"),
    ],
)
def test_a_failure_is_the_candidates_and_stays(
    pool: HostPool, robot_table: FeatureTable, robot_rollout: MakeRollout, body: str, words: str
) -> None:
    rollout = robot_rollout()
    heights = robot_table.view(rollout.state).height
    heights[0], heights[1] = 1.0, -1.0
    host = opened(pool, body, robot_table)
    for _ in range(2):
        with pytest.raises(RewardFailure, match=words):
            host.score(rollout)


def test_terms_may_not_change_between_calls(
    pool: HostPool, robot_table: FeatureTable, robot_rollout: MakeRollout
) -> None:
    host = opened(pool, "h = state.height\nreturn h, {'a' if h[0] > 0 else 'b': h}", robot_table)
    rollout = robot_rollout(members=1)
    heights = robot_table.view(rollout.state).height
    heights[...] = 1.0
    host.score(rollout)
    heights[...] = -1.0
    with pytest.raises(HostFailure, match="a, b") as caught:
        host.score(rollout)
    assert caught.value.finding.rule == "term-names"


def test_code_that_cannot_be_loaded_fails_at_the_first_call(
    pool: HostPool, robot_table: FeatureTable, robot_rollout: MakeRollout
) -> None:
    host = pool.open(parse_reward("x = missing\n" + SOURCE), robot_table)
    host.prefetch(robot_rollout())
    for _ in range(2):
        with pytest.raises(HostFailure, match="line 1: NameError"):
            host.score(robot_rollout())


def test_without_fork_a_process_is_executed_for_each_host(
    robot_table: FeatureTable, robot_rollout: MakeRollout
) -> None:
    launcher = Spawner(ProcessOptions("none", 4 * 1024**3))
    options = dataclasses.replace(QUICK, mode="none")
    with HostPool(options, launcher) as pool:
        code = parse_reward(SOURCE)
        host = pool.open(code, robot_table)
        assert_equal_scores(host, InlineReward(code, robot_table), robot_rollout())
        assert pool.applied == ("own process", "clean environment", "deadlines")


def test_what_was_applied_is_reported(
    robot_table: FeatureTable, robot_rollout: MakeRollout
) -> None:
    with HostPool(QUICK) as pool:
        assert pool.applied == ()
        pool.open(parse_reward(SOURCE), robot_table).score(robot_rollout())
        assert {"own process", "clean environment", "memory limit"} <= set(pool.applied)
    with HostPool(dataclasses.replace(QUICK, mode="none")) as pool:
        pool.open(parse_reward(SOURCE), robot_table).score(robot_rollout())
        assert pool.applied == ("own process", "clean environment", "deadlines")


def test_a_text_is_parsed_in_a_process_before_it_is_here(pool: HostPool) -> None:
    assert pool.read(f"So:\n```python\n{SOURCE}```\n") == parse_reward(SOURCE)
    for text in ("no code", "def compute_reward(state:\n", "x = 1\n", "-" * 15_000 + "1"):
        with pytest.raises(ParseError) as here:
            parse_reward(text)
        with pytest.raises(ParseError) as there:
            pool.read(text)
        assert there.value.finding == here.value.finding


def test_what_takes_the_parser_too_long_is_not_parsed_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def parse(text: str) -> None:
        pytest.fail("it is parsed here")

    monkeypatch.setattr("rewardgen.isolation.host.parse_reward", parse)
    long = SOURCE + "".join(f"X{i} = [1, 2, 3, 4, 5, 6]\n" for i in range(600))
    hasty = HostOptions(deadlines=Deadlines(first_s=0.0))
    with HostPool(hasty) as pool, pytest.raises(ParseError) as refused:
        pool.read(long)
    finding = refused.value.finding
    assert (finding.stage, finding.kind, finding.rule) == ("parse", "policy", "deadline")
    assert "parser does not get through" in finding.message


def test_calls_that_are_each_in_time_may_not_take_too_long_together(
    robot_table: FeatureTable, robot_rollout: MakeRollout
) -> None:
    slow = "n = 0\nwhile n < 3_000_000:\n    n += 1\nreturn state.height, {}"
    budget = Deadlines(first_s=2.0, least_s=60.0, row_s=0.0)
    with HostPool(HostOptions(deadlines=budget)) as pool:
        host, rollout = opened(pool, slow, robot_table), robot_rollout()
        with pytest.raises(HostFailure, match=r"too slow: .* 0 ms for each are allowed") as failed:
            while True:
                host.score(rollout)
        assert failed.value.finding.rule == "throughput"
        quick = opened(pool, "return state.height, {}", robot_table)
        for _ in range(3):
            quick.score(rollout)
