"""What the policy sees is finite and carries information."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from rewardgen_envs.checks.episodes import varies
from rewardgen_envs.checks.finding import TaskFinding
from rewardgen_envs.checks.subject import Subject

STAGE = "observation"
_SHOWN = 6


def observation(subject: Subject) -> Iterator[TaskFinding]:
    """Every observation column is finite and takes more than one value."""
    task = subject.task
    values = task.observation(task.table.view(subject.rows))
    wrong = (~values.isfinite().all(0)).nonzero()[:, 0]
    if len(wrong):
        yield subject.broken(
            STAGE,
            "observation-finite",
            "observation",
            f"observation {_columns(wrong)} not finite though all features are",
            "guard divisions, roots and logarithms",
        )
        return
    dead = ~varies(values)
    if bool(dead.any()):
        dead &= ~_from_tables(subject)
    constant = dead.nonzero()[:, 0]
    if len(constant):
        yield subject.broken(
            STAGE,
            "observation-constant",
            "observation",
            f"observation {_columns(constant)} constant "
            f"(value {float(values[0, constant[0]]):.6g})",
            "leave it out, or check the feature behind it",
        )


def _from_tables(subject: Subject) -> Tensor:
    """Return which columns pass on a feature with one row per body or the like, (O,).

    Single rows of such a feature may rightly never change: a body that is welded to another
    has no contact force of its own. The feature as a whole must vary.
    """
    task, table = subject.task, subject.task.table
    rows = subject.rows[:2]
    base = task.observation(table.view(rows))
    passed = torch.zeros(base.shape[1], dtype=torch.bool)
    for feature in table:
        columns = table.columns(feature.name)
        if len(feature.shape) < 2 or not bool(varies(subject.rows[:, columns]).any()):
            continue
        changed = rows.clone()
        changed[:, columns] += torch.tensor([[0.3], [-0.3]])
        passed |= (task.observation(table.view(changed)) != base).any(0)
    return passed


def _columns(columns: Tensor) -> str:
    numbers = [str(int(c)) for c in columns]
    if len(numbers) == 1:
        return f"column {numbers[0]} is"
    shown = ", ".join(numbers[:_SHOWN]) + (", …" if len(numbers) > _SHOWN else "")
    return f"columns {shown} ({len(numbers)} of them) are"
