"""The check of tasks passes every good task and refuses every mutant for its planted fault."""

from __future__ import annotations

import pytest
import torch

from rewardgen_envs.cartpole.balance import Balance
from rewardgen_envs.checks.pipeline import check_task
from rewardgen_envs.hopper.run import Run as HopperRun
from rewardgen_envs.registry import task_class, task_names
from rewardgen_envs.task import Task
from tests.envs.task_mutants import MUTANTS


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize("name", task_names())
def test_good_task_passes_without_findings(name: str) -> None:
    assert check_task(task_class(name)) == ()


@pytest.mark.parametrize("base", [Balance, HopperRun], ids=lambda base: base.name)
@pytest.mark.parametrize("name", MUTANTS)
def test_mutant_is_refused_for_its_fault(name: str, base: type[Task]) -> None:
    mutant = MUTANTS[name]
    findings = check_task(mutant.plant(base))
    assert findings, f"{name} passed"
    assert {finding.rule for finding in findings} <= set(mutant.rules), findings
    assert all(finding.severity == "error" for finding in findings)
    assert all(finding.message and finding.remedy for finding in findings)
