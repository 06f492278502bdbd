"""What is tried before a run directory is created: the task simulates, the rewards can be used."""

from __future__ import annotations

from pathlib import Path

import torch

from rewardgen.check.pipeline import CheckResult, check_reward
from rewardgen.config import TrainConfig
from rewardgen.isolation.host import HostOptions, HostPool
from rewardgen.report.text import finding_text
from rewardgen.rewards.findings import RefusedRewardError
from rewardgen.rewards.format import read_source
from rewardgen.run.screening import recorded
from rewardgen_envs.errors import UsageError
from rewardgen_envs.names import nearest
from rewardgen_envs.simulation import Simulation
from rewardgen_envs.task import BoxAction, Task, TaskError

OWN_REWARDS = ("human", "sparse")
"""Rewards that a task brings along; any other name is a reward file."""
_WORLDS = 2


def try_task(task: Task) -> None:
    """Simulate one control step.

    Raises:
        UsageError: the task does not give what it declares, or fails.
    """
    action = task.action
    if isinstance(action, BoxAction):
        idle = torch.zeros(_WORLDS, action.size)
    else:
        idle = torch.zeros(_WORLDS, dtype=torch.int64)
    try:
        simulation = Simulation(task, [0], _WORLDS, threads=1)
        try:
            simulation.observation()
            simulation.step(idle)
        finally:
            simulation.close()
    except UsageError:
        raise
    except Exception as error:
        raise TaskError(
            f"task '{task.name}' fails within one control step: {type(error).__name__}: {error}; "
            "'rewardgen tasks check' says more"
        ) from error


def check_rewards(config: TrainConfig, task: Task) -> dict[str, CheckResult]:
    """Check the reward files of a training against its task; ``human`` and ``sparse`` are none.

    Raises:
        UsageError: a name is unknown or given twice, or a file cannot be read.
        RefusedRewardError: a reward does not pass its check; carries what is wrong with each.
        HostUnavailable: no reward host can be started on this machine.
    """
    files = _files(config)
    texts = {name: read_source(Path(name)) for name in files}
    if not texts:
        return {}
    with HostPool(HostOptions(mode=config.isolation)) as pool:
        results = {
            name: check_reward(text, task.table, task.action, hosts=pool)
            for name, text in texts.items()
        }
    bad = [f"{name} {x.verdict}" for name, x in results.items() if x.verdict != "accepted"]
    if bad:
        lines = [line for name, result in results.items() for line in remarks(name, result)]
        raise RefusedRewardError("\n".join([f"nothing is trained: {', '.join(bad)}", *lines]))
    return results


def remarks(name: str, result: CheckResult) -> list[str]:
    """Return the findings about a reward file as ``rewardgen check`` prints them."""
    return [finding_text(name, recorded(finding)) for finding in result.findings]


def _files(config: TrainConfig) -> list[str]:
    if len(set(config.rewards)) != len(config.rewards):
        raise UsageError("a reward is given twice; each names an arm of its own")
    files = [name for name in config.rewards if name not in OWN_REWARDS]
    for name in files:
        path = Path(name)
        if path.name == name and not path.suffix and not path.is_file():
            raise UsageError(
                f"unknown reward '{name}'{nearest(name, OWN_REWARDS)}, or a reward file; "
                "give --reward once for each"
            )
    return files
