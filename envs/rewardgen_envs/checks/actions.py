"""Every part of an action does something."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from rewardgen_envs.checks.finding import TaskFinding
from rewardgen_envs.checks.subject import Subject
from rewardgen_envs.task import BoxAction

STAGE = "action"


def action(subject: Subject) -> Iterator[TaskFinding]:
    """What moves is moved by finite numbers, and no component of the action is without effect."""
    task = subject.task
    states = subject.random.state[::7].flatten(0, 1)
    view = task.table.view(states)
    if not isinstance(task.action, BoxAction):
        choices = [torch.full((len(states),), i) for i in range(task.action.count)]
    else:
        generator = torch.Generator().manual_seed(7)
        one = torch.rand(len(states), task.action.size, generator=generator) * 2.0 - 1.0
        choices = [one]
        for column in range(task.action.size):
            other = one.clone()
            other[:, column] = -other[:, column].sign()
            choices.append(other)
    controls = [
        torch.cat([task.actuate(choice, view), *task.move_mocap(choice, view).values()], dim=1)
        for choice in choices
    ]
    if not all(bool(control.isfinite().all()) for control in controls):
        yield subject.broken(
            STAGE,
            "control-finite",
            "actuate",
            "actuate() or move_mocap() gives numbers that are not finite",
            "map [-1, 1] to finite controls in every state",
        )
        return
    for index, control in enumerate(controls[1:]):
        if bool((control == controls[0]).all()):
            yield subject.broken(
                STAGE,
                "action-without-effect",
                "actuate",
                f"component {index} of the action changes no control",
                "use it in actuate() or move_mocap(), or declare a smaller action space",
            )
