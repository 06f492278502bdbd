"""The check of a task's human reward: good ones pass, each planted fault is refused by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rewardgen.check.task import check_task
from rewardgen.rewards.findings import Finding
from rewardgen_envs.ant.run import Run as AntRun
from rewardgen_envs.cartpole.balance import Balance
from rewardgen_envs.draw import Draw
from rewardgen_envs.features import Feature
from rewardgen_envs.hopper.back_flip import BackFlip
from rewardgen_envs.hopper.run import Run as HopperRun
from rewardgen_envs.registry import task_class
from rewardgen_envs.task import Initial, Task
from tests.every_task import every_task

HEAD = "def compute_reward(state, action, next_state):\n"
VELOCITY = {"cartpole/balance": "cart_velocity", "hopper/back-flip": "forward_velocity"}

# body of compute_reward ($v: a public feature of the task) → the rule that refuses it
MUTANTS = {
    "pays nothing": ("r = torch.zeros_like(next_state.$v); return r, {}", "reward-constant"),
    "pays a constant": ("r = torch.ones_like(next_state.$v); return r, {}", "reward-constant"),
    "pays by terms that cancel": (
        "r = next_state.$v; return r - r, {'a': r, 'b': -r}",
        "reward-constant",
    ),
    "pays for the action alone": (
        "r = -(action**2).sum(dim=-1); return r, {'effort': r}",
        "ignores-state",
    ),
    "pays for the time alone": ("return next_state.episode_time_s, {}", "ignores-state"),
    "pays for time and actions": (
        "jerk = ((action - state.last_action)**2).sum(dim=-1); "
        "return next_state.episode_time_s - jerk, {}",
        "ignores-state",
    ),
    "has a constant term": (
        "r = next_state.$v; one = torch.ones_like(r); return r + one, {'r': r, 'one': one}",
        "term-constant",
    ),
    "reads an unknown feature": ("return next_state.$vx, {}", "unknown-feature"),
    "is random": ("r = next_state.$v; return r + torch.rand_like(r), {}", "randomness"),
    "keeps state": (
        "calls.append(1); r = next_state.$v; return r * len(calls), {}",
        "module-state",
    ),
    "reads its neighbour": ("r = next_state.$v; return r - r.mean(), {}", "row-wise"),
    "is not finite": ("r = next_state.$v.log(); return r, {}", "not-finite"),
    "has a wrong shape": ("return next_state.$v.unsqueeze(1), {}", "shape"),
    "is a number": ("return 1.0, {}", "not-a-tensor"),
    "raises": ("return next_state.$v[:, 5], {}", "exception"),
    "returns no pair": ("return next_state.$v", "return-value"),
}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def check_with(base: type[Task], text: str, folder: Path) -> list[Finding]:
    """Check a task with another human reward."""
    path = folder / "reward.py"
    path.write_text(text, encoding="utf-8")
    return list(check_task(type("Changed", (base,), {"human_reward": path})))


@pytest.mark.parametrize("name", every_task())
def test_registered_task_passes_without_findings(name: str) -> None:
    assert check_task(task_class(name)) == ()


@pytest.mark.parametrize(
    ("name", "base"),
    [(name, Balance) for name in MUTANTS]
    + [
        (name, BackFlip)
        for name in (
            "pays nothing",
            "pays a constant",
            "reads an unknown feature",
            "pays for the time alone",
            "pays for time and actions",
        )
    ],
)
def test_mutant_is_refused_for_its_fault(name: str, base: type[Task], tmp_path: Path) -> None:
    body, rule = MUTANTS[name]
    head = "calls = []\n" if "calls" in body else ""
    text = head + HEAD + "".join(f"    {line.strip()}\n" for line in body.split(";"))
    findings = check_with(base, text.replace("$v", VELOCITY[base.name]), tmp_path)
    assert [finding.rule for finding in findings][:1] == [rule], findings
    assert {finding.stage for finding in findings} == {"human-reward"}
    assert any(finding.severity == "error" for finding in findings)


@pytest.mark.parametrize(
    ("base", "cause", "ended"),
    [
        (AntRun, "torso_low", "next_state.torso_low > 0.5"),
        (AntRun, "torso_low", "next_state.torso_position[:, 2] < 0.2"),
        (HopperRun, "out_of_range", "next_state.out_of_range > 0.5"),
    ],
)
def test_reward_that_a_rare_ending_makes_infinite_is_refused(
    base: type[Task], cause: str, ended: str, tmp_path: Path
) -> None:
    body = f"    r = next_state.forward_velocity\n    bad = ({ended})\n"
    body += "    return r / (1.0 - bad.float()) ** 2, {}\n"
    findings = check_with(base, HEAD + body, tmp_path)
    assert [finding.rule for finding in findings] == ["not-finite"]
    assert f"'{cause}'" in findings[0].message


def test_reward_for_a_variable_pays_for_nothing(tmp_path: Path) -> None:
    wanted = Feature("wanted", (), "m", "Where the cart is wanted.")

    class Commanded(Balance):
        variables = (wanted,)

        def reset(self, mask: torch.Tensor, draw: Draw) -> Initial:
            start = super().reset(mask, draw)
            return replace(start, variables={"wanted": draw.uniform("wanted", (), -1.0, 1.0)})

    findings = check_with(Commanded, HEAD + "    return next_state.wanted, {}\n", tmp_path)
    assert [finding.rule for finding in findings] == ["ignores-state"]
    error = "(next_state.cart_position - next_state.wanted).abs()"
    assert check_with(Commanded, HEAD + f"    return -{error}, {{}}\n", tmp_path) == []


def test_private_feature_is_refused_by_name(tmp_path: Path) -> None:
    findings = check_with(BackFlip, HEAD + "    return next_state.landed_flips, {}\n", tmp_path)
    assert [finding.rule for finding in findings] == ["unknown-feature"]
    assert "landed_flips" in findings[0].message
    assert findings[0].line == 2


def test_syntax_error_names_the_line(tmp_path: Path) -> None:
    findings = check_with(Balance, HEAD + "    return (\n", tmp_path)
    assert [(finding.rule, finding.line) for finding in findings] == [("syntax", 2)]


def test_rare_term_is_a_warning(tmp_path: Path) -> None:
    body = (
        "    far = (next_state.cart_position > 1.99).float()\n"
        "    return next_state.cart_velocity, {'far': far}\n"
    )
    findings = check_with(Balance, HEAD + body, tmp_path)
    assert [(f.rule, f.severity) for f in findings] in (
        [],
        [("term-constant", "warning")],
    )


def test_broken_task_is_not_blamed_on_its_reward(tmp_path: Path) -> None:
    class Broken(Balance):
        def measure(self, physics: object, variables: object) -> dict[str, torch.Tensor]:
            raise ZeroDivisionError("planted")

    findings = check_task(Broken)
    assert [(f.stage, f.rule) for f in findings] == [("quantities", "raises")]
    assert "planted" in findings[0].message
    assert findings[0].line is not None
