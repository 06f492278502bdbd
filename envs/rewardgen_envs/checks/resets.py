"""Resets follow the draw, row by row, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from rewardgen_envs.checks.compare import same_bits, same_values, tensors
from rewardgen_envs.checks.diagnose import seeded, unequal_calls
from rewardgen_envs.checks.finding import TaskFinding
from rewardgen_envs.checks.subject import Subject
from rewardgen_envs.draw import Draw
from rewardgen_envs.engines.base import Engine
from rewardgen_envs.mocap import write_mocap
from rewardgen_envs.task import Task

STAGE = "resets"
ROWS = 48
_MOCAP = "mocap body "
_OUTSIDE_DRAW = "compute every start from `draw` alone, for example draw.uniform('qpos', (n,))"


def keyed(seed: int = 5, episode: int = 0, rows: Tensor | None = None) -> Draw:
    """Return the draw of some of ROWS worlds."""
    world = torch.arange(ROWS) if rows is None else rows
    return Draw(torch.full_like(world, seed), world, torch.full_like(world, episode))


def start(task: Task, draw: Draw, mask: Tensor) -> dict[str, Tensor]:
    """Call ``task.reset`` and return positions, velocities, mocap bodies, variables by name."""
    initial = task.reset(mask, draw)
    mocap = {_MOCAP + body: position for body, position in initial.mocap.items()}
    named = {"qpos": initial.qpos, "qvel": initial.qvel, **mocap, **initial.variables}
    return tensors("reset", named)


def place(engine: Engine, given: dict[str, Tensor], rows: Tensor) -> None:
    """Put worlds into starts (R, ...) that ``start`` returned, without ``forward``."""
    engine.write("qpos", given["qpos"], rows)
    engine.write("qvel", given["qvel"], rows)
    bodies = [name for name in given if name.startswith(_MOCAP)]
    write_mocap(engine, {name.removeprefix(_MOCAP): given[name] for name in bodies}, rows)


def resets(subject: Subject) -> Iterator[TaskFinding]:
    """Equal keys start equally, other keys otherwise, whatever else is reset at the time."""
    task, everyone = subject.task, torch.ones(ROWS, dtype=torch.bool)
    whole = start(task, keyed(), everyone)
    shapes = list(_shapes(subject, whole))
    yield from shapes
    if shapes:
        return
    other_rule = _draw(subject, whole)
    again = start(task, keyed(), everyone)
    culprit = same_bits(whole, again)
    if culprit is not None:
        yield unequal_calls(
            subject, STAGE, "reset", f"'{culprit}'", lambda t: start(t, keyed(), everyone)
        )
    if other_rule is not None:
        yield other_rule
    if culprit is not None or other_rule is not None:
        return
    yield from _rows(subject, whole)
    yield from _variables(subject, whole)


def _shapes(subject: Subject, whole: dict[str, Tensor]) -> Iterator[TaskFinding]:
    task = subject.task
    expected = {"qpos": (ROWS, task.model.nq), "qvel": (ROWS, task.model.nv)}
    expected |= {v.name: (ROWS, *v.shape) for v in task.variables}
    expected |= {name: (ROWS, 3) for name in whole if name.startswith(_MOCAP)}
    for name, shape in expected.items():
        given = tuple(whole[name].shape) if name in whole else None
        if given != shape:
            problem = f"has shape {given}, expected {shape}" if given else "is missing"
            yield subject.broken(
                STAGE,
                "reset-shape",
                "reset",
                f"reset() of {ROWS} worlds: '{name}' {problem}",
                "return Initial(qpos (R, nq), qvel (R, nv), variables by name, mocap (R, 3))",
            )
        elif not bool(whole[name].isfinite().all()):
            yield subject.broken(
                STAGE,
                "reset-finite",
                "reset",
                f"reset() gives '{name}' that is not finite",
                "check for a division by zero or a logarithm of zero",
            )


def _draw(subject: Subject, whole: dict[str, Tensor]) -> TaskFinding | None:
    """Worlds, episodes and seeds must start differently."""
    task, everyone = subject.task, torch.ones(ROWS, dtype=torch.bool)
    others = {"seed": keyed(seed=6), "episode": keyed(episode=1)}
    for word, other in others.items():
        # equal global random numbers on both sides: only the draw may make the difference
        with seeded():
            first = start(task, keyed(), everyone)
        with seeded():
            second = start(task, other, everyone)
        for name, value in first.items():
            fixed = bool((value == value[:1]).all())
            if not fixed and torch.equal(value, second[name]):
                return _ignores(subject, f"another {word} gives the same '{name}'")
    if all(bool((value == value[:1]).all()) for value in whole.values()):
        return _ignores(subject, "all worlds start equally")
    return None


def _ignores(subject: Subject, what: str) -> TaskFinding:
    return subject.broken(
        STAGE,
        "reset-ignores-draw",
        "reset",
        f"reset() ignores the draw: {what}",
        _OUTSIDE_DRAW,
    )


def _rows(subject: Subject, whole: dict[str, Tensor]) -> Iterator[TaskFinding]:
    """A world's start must not depend on its row, on the mask or on who else is reset."""
    task = subject.task
    shuffled = torch.randperm(ROWS, generator=torch.Generator().manual_seed(0))
    mask = torch.arange(ROWS) % 3 == 0
    cases = {
        "their order changes": (shuffled, torch.ones(ROWS, dtype=torch.bool)),
        "fewer of them are reset": (shuffled[:7], torch.ones(7, dtype=torch.bool)),
        "one is reset alone": (shuffled[:1], torch.ones(1, dtype=torch.bool)),
        "the mask selects one in three": (torch.arange(ROWS), mask),
    }
    for when, (rows, selected) in cases.items():
        given = selected.clone()
        part = start(task, keyed(rows=rows), given)
        kept = rows[selected]
        short = [name for name, value in part.items() if len(value) != len(rows)]
        culprit = (
            short[0]
            if short
            else same_values(
                {k: v[kept] for k, v in whole.items()}, {k: v[selected] for k, v in part.items()}
            )
        )
        if culprit is None and not torch.equal(given, selected):
            culprit = "mask"
        if culprit is not None:
            yield subject.broken(
                STAGE,
                "reset-mask",
                "reset",
                f"reset() starts worlds otherwise when {when} ('{culprit}' differs): it does not "
                "treat every masked row by the row's own draw",
                _OUTSIDE_DRAW + ", for all rows alike",
            )
            return


def _variables(subject: Subject, whole: dict[str, Tensor]) -> Iterator[TaskFinding]:
    for variable in subject.task.variables:
        if bool((whole[variable.name] == whole[variable.name][:1]).all()):
            yield subject.broken(
                STAGE,
                "variable-constant",
                "reset",
                f"the variable '{variable.name}' is the same in every episode",
                "draw it in reset(), or make it a constant of the task",
            )
