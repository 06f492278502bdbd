"""Policies from their checkpoints, whatever trained them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from rewardgen_envs.adapters.mapped.task import MappedTask
from rewardgen_envs.base_task import BaseTask
from rewardgen_envs.engines.choice import EngineChoice
from rewardgen_envs.task import Task
from rewardgen_policies.checkpoint import load_checkpoint
from rewardgen_policies.evaluation import Act, Policies, check_members


def stored_policies(task: BaseTask, checkpoints: Sequence[Path], engine: EngineChoice) -> Act:
    """Return the deterministic policies of members.

    Args:
        task: what they act in.
        checkpoints: one file per member.
        engine: where observations come from.

    Raises:
        CheckpointError: a file cannot be used, or does not fit the task.
    """
    if isinstance(task, MappedTask):
        from rewardgen_policies.sb3.policies import Sb3Policies

        return Sb3Policies(task, checkpoints)
    assert isinstance(task, Task)
    states = [load_checkpoint(path) for path in checkpoints]
    check_members(task, states)
    return Policies(states, torch.device(engine.device))
