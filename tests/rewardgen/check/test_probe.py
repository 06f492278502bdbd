from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from rewardgen.check.pipeline import CheckResult, check_reward
from rewardgen.check.samples import Samples
from rewardgen.isolation import protection
from rewardgen.isolation.host import HostOptions, HostPool
from rewardgen.isolation.pace import Deadlines
from rewardgen.rewards.code import compile_reward, evaluate
from rewardgen.rewards.format import parse_reward, read_reward
from rewardgen.rewards.transitions import Transitions
from rewardgen_envs.errors import UsageError
from rewardgen_envs.features import FeatureTable
from rewardgen_envs.registry import load_task
from rewardgen_envs.task import BoxAction, DiscreteAction
from tests.every_task import every_task

HERE = Path(__file__).parent
SECTION = re.compile(r"^## (.+?)\n\s*```python\n(.*?)^```$", re.M | re.S)
LEGAL = dict(SECTION.findall((HERE / "legal.md").read_text()))
HEAD = "def compute_reward(state, action, next_state):\n"
ACTION = BoxAction(8)


@pytest.fixture(scope="module")
def pool() -> Iterator[HostPool]:
    with HostPool(HostOptions(deadlines=Deadlines(first_s=20.0, least_s=20.0))) as opened:
        yield opened


@pytest.fixture(scope="module")
def hasty() -> Iterator[HostPool]:
    with HostPool(HostOptions(deadlines=Deadlines(first_s=0.5, least_s=0.5))) as opened:
        yield opened


def body(text: str) -> str:
    return HEAD + "".join(f"    {line}\n" for line in text.split("\n"))


def probed(source: str, table: FeatureTable, pool: HostPool) -> CheckResult:
    return check_reward(source, table, ACTION, stages=("probe",), hosts=pool)


@pytest.mark.parametrize("name", LEGAL)
def test_legal_rewards_are_accepted(name: str, robot_table: FeatureTable, pool: HostPool) -> None:
    result = check_reward(LEGAL[name], robot_table, ACTION, hosts=pool)
    assert (result.verdict, [str(f) for f in result.findings if f.severity == "error"]) == (
        "accepted",
        [],
    )


@pytest.mark.parametrize("name", every_task())
def test_every_tasks_human_reward_is_accepted_without_a_remark(name: str, pool: HostPool) -> None:
    task = load_task(name)
    code = read_reward(task.human_reward)
    result = check_reward(code, task.table, task.action, hosts=pool)
    assert (result.verdict, result.findings) == ("accepted", ())


@pytest.mark.parametrize(
    ("text", "verdict", "kind", "rule", "words"),
    [
        ("return state.height, {'a': 0.5}", "refused", "contract", "not-a-tensor", "the float 0.5"),
        ("return state.height.mean(), {}", "refused", "contract", "shape", "shape ()"),
        ("return state.joint_angles, {}", "refused", "contract", "shape", "(64, 8)"),
        ("return state.height, {'a' * 50: state.height}", "refused", "contract", "term-name", "40"),
        (
            "x = torch.tensor([1.0])[5]\nreturn x, {}",
            "failed",
            "runtime",
            "exception",
            "IndexError",
        ),
        (
            "n = torch.rand_like(state.height)\nreturn n, {'n': n}",
            "refused",
            "contract",
            "determinism",
            "the reward differs",
        ),
        (
            "h = state.height - state.height.mean()\nreturn h, {}",
            "refused",
            "contract",
            "row-wise",
            "the reward of a transition depends on the other",
        ),
        (
            "h = state.height\nreturn h, {'rank': h.argsort().float()}",
            "refused",
            "contract",
            "row-wise",
            "term 'rank'",
        ),
        (
            "h = state.height / len(state.height)\nreturn h, {}",
            "refused",
            "contract",
            "row-wise",
            "depends on the other",
        ),
        (
            "v = next_state.forward_velocity\nreturn v.log(), {'log': v.log()}",
            "failed",
            "runtime",
            "not-finite",
            "term 'log' is nan in",
        ),
        (
            "d = 1.0 / next_state.goal_distance\nreturn d, {}",
            "failed",
            "runtime",
            "not-finite",
            "the reward is inf in 8 of 8 transitions with a state of rest",
        ),
        ("import os\nos._exit(0)", "failed", "runtime", "crash", "exit code 0"),
    ],
)
def test_a_bad_reward_is_found_out(
    text: str,
    verdict: str,
    kind: str,
    rule: str,
    words: str,
    robot_table: FeatureTable,
    pool: HostPool,
) -> None:
    result = probed(body(text), robot_table, pool)
    assert result.verdict == verdict
    finding = result.findings[-1]
    assert (finding.stage, finding.kind, finding.rule) == ("probe", kind, rule)
    assert finding.severity == "error"
    assert words in finding.message
    assert finding.remedy


def test_state_between_calls_is_found_out(robot_table: FeatureTable, pool: HostPool) -> None:
    source = "calls = []\n" + body("calls.append(1)\nreturn state.height * len(calls), {}")
    assert probed(source, robot_table, pool).findings[0].rule == "determinism"


def test_an_endless_loop_is_ended(robot_table: FeatureTable, hasty: HostPool) -> None:
    result = probed(body("while True: pass"), robot_table, hasty)
    assert result.verdict == "failed"
    assert (result.findings[0].rule, result.findings[0].stage) == ("deadline", "probe")


@pytest.mark.parametrize(
    ("text", "rule", "words"),
    [
        ("v = next_state.forward_velocity\nreturn v.exp(), {}", "not-finite", "extreme states"),
        ("v = 1e6 * next_state.forward_velocity\nreturn v, {}", "magnitude", "reaches"),
    ],
)
def test_what_may_go_wrong_is_a_warning(
    text: str, rule: str, words: str, robot_table: FeatureTable, pool: HostPool
) -> None:
    result = probed(body(text), robot_table, pool)
    assert result.verdict == "accepted"
    (finding,) = result.findings
    assert (finding.severity, finding.rule) == ("warning", rule)
    assert words in finding.message


def test_stored_transitions_are_probed_too(robot_table: FeatureTable, pool: HostPool) -> None:
    state = torch.zeros(5, robot_table.width)
    robot_table.view(state).height[3] = 7.0
    stored = Transitions(state, torch.zeros(5, 8), state)
    source = body("h = torch.where(next_state.height == 7.0, math.nan, 0.0)\nreturn h, {}")
    assert check_reward(source, robot_table, ACTION, hosts=pool).verdict == "accepted"
    result = check_reward(source, robot_table, ACTION, hosts=pool, transitions=stored)
    assert result.verdict == "failed"
    assert "in 1 of 5 transitions with states of earlier rollouts" in result.findings[0].message


def test_discrete_actions_are_probed(robot_table: FeatureTable, pool: HostPool) -> None:
    source = body("costs = torch.tensor([0.0, 1.0, 2.0])\nreturn -costs[action], {}")
    result = check_reward(source, robot_table, DiscreteAction(3), hosts=pool)
    assert (result.verdict, result.findings) == ("accepted", ())


# ---- the pipeline


def test_the_gate_comes_first_and_an_error_ends_the_check(
    robot_table: FeatureTable, pool: HostPool
) -> None:
    started = pool.started
    result = check_reward(body("import os\nos._exit(0)"), robot_table, ACTION, hosts=pool)
    assert {f.stage for f in result.findings} == {"gate"}
    assert (result.verdict, pool.started) == ("refused", started)
    assert result.isolation.applied == ()


def test_a_text_without_a_reward_is_refused(robot_table: FeatureTable, pool: HostPool) -> None:
    result = check_reward("I would reward speed.", robot_table, ACTION, hosts=pool)
    assert (result.verdict, result.code) == ("refused", None)
    assert [f.rule for f in result.findings] == ["no-code"]


def test_the_gate_alone_needs_no_task_and_runs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protection, "linux", None)  # nor does it need what only Linux offers
    result = check_reward(LEGAL["plain"], stages=("gate",))
    assert (result.verdict, result.isolation.applied) == ("accepted", ())
    assert result.code == parse_reward(LEGAL["plain"])


def test_what_was_applied_is_recorded(robot_table: FeatureTable, pool: HostPool) -> None:
    result = check_reward(LEGAL["plain"], robot_table, ACTION, hosts=pool)
    assert result.isolation.mode == "standard"
    assert "own process" in result.isolation.applied


def test_wrong_usage_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown stage 'gat'; did you mean 'gate'"):
        check_reward(LEGAL["plain"], stages=("gat",))
    with pytest.raises(UsageError, match="needs a task"):
        check_reward(LEGAL["plain"], stages=("probe",))


# ---- samples


def test_samples_are_what_the_table_says(robot_table: FeatureTable) -> None:
    public = robot_table.public()
    samples = Samples(robot_table, ACTION)
    for drawn in (samples.zero(8), samples.usual(64), samples.extreme(64)):
        assert drawn.state.shape == (len(drawn.action), public.width) == drawn.next_state.shape
        view = public.view(drawn.next_state)
        assert set(view.foot_contact.unique().tolist()) <= {0.0, 1.0}
        assert torch.allclose(view.torso_quaternion.norm(dim=-1), torch.ones(len(drawn.action)))
        assert view.episode_time_s.min() >= 0.0
        assert view.torso_up.abs().max() <= 1.0
        assert drawn.action.abs().max() <= 1.0


def test_samples_repeat_with_their_seed(robot_table: FeatureTable) -> None:
    first, again, other = (Samples(robot_table, ACTION, seed).usual(4) for seed in (0, 0, 1))
    assert torch.equal(first.state, again.state)
    assert torch.equal(first.action, again.action)
    assert not torch.equal(first.state, other.state)


def test_the_probe_answers_as_inline_evaluation_does(
    robot_table: FeatureTable, pool: HostPool
) -> None:
    code = parse_reward(LEGAL["vocabulary"])
    rows = Samples(robot_table, ACTION).usual(64)
    public = robot_table.public()
    inline = evaluate(compile_reward(code), public, rows.state, rows.action, rows.next_state)
    output = pool.open(code, robot_table).evaluate(rows)
    assert torch.equal(inline.reward, output.reward)
