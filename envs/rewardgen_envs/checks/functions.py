"""Methods of features: the right names, shapes and types, pure, and row by row.

They are tested on made-up feature values, so that rare branches are met and nothing else of
the task needs to work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from rewardgen_envs.checks.compare import same_bits, same_values, tensors
from rewardgen_envs.checks.diagnose import unequal_calls
from rewardgen_envs.checks.finding import TaskFinding
from rewardgen_envs.checks.quantities import rows_differ
from rewardgen_envs.checks.subject import Subject
from rewardgen_envs.features import nearest
from rewardgen_envs.task import BoxAction, Task

STAGE = "functions"
ROWS = 120
LEADING = (10, 12)


@dataclass(frozen=True)
class Inputs:
    """Features (…, F), the features after, and the action between them."""

    state: Tensor
    action: Tensor
    after: Tensor

    def at(self, rows: Tensor) -> Inputs:
        """Return some rows."""
        return Inputs(self.state[rows], self.action[rows], self.after[rows])

    def stacked(self) -> Inputs:
        """Return the same rows under two leading dimensions."""
        return Inputs(_stack(self.state), _stack(self.action), _stack(self.after))

    def clone(self) -> Inputs:
        """Return a copy."""
        return Inputs(self.state.clone(), self.action.clone(), self.after.clone())


def _stack(rows: Tensor) -> Tensor:
    return rows.reshape(*LEADING, *rows.shape[1:])


Call = Callable[[Task, Inputs], dict[str, Tensor]]


def _observation(task: Task, given: Inputs) -> dict[str, Tensor]:
    return {"observation": task.observation(task.table.view(given.state))}


def _terminations(task: Task, given: Inputs) -> dict[str, Tensor]:
    return task.terminations(task.table.view(given.state))


def _fitness(task: Task, given: Inputs) -> dict[str, Tensor]:
    return task.fitness(task.table.view(given.state))


def _sparse_reward(task: Task, given: Inputs) -> dict[str, Tensor]:
    view = task.table.view
    return {"sparse reward": task.sparse_reward(view(given.state), given.action, view(given.after))}


def _actuate(task: Task, given: Inputs) -> dict[str, Tensor]:
    return {"control": task.actuate(given.action, task.table.view(given.state))}


def _move_mocap(task: Task, given: Inputs) -> dict[str, Tensor]:
    return task.move_mocap(given.action, task.table.view(given.state))


METHODS: dict[str, Call] = {
    "observation": _observation,
    "terminations": _terminations,
    "fitness": _fitness,
    "sparse_reward": _sparse_reward,
    "actuate": _actuate,
    "move_mocap": _move_mocap,
}
ACTING = ("actuate", "move_mocap")  # what only a simulation calls, with rows (B, ...)


def functions(subject: Subject) -> Iterator[TaskFinding]:
    """Observation, terminations, fitness, sparse reward and actuation are pure and row-wise."""
    given = synthetic(subject.task)
    broken: set[str] = set()
    for method, call in METHODS.items():
        if method == "sparse_reward" and "fitness" in broken:
            continue  # by default it is computed from the fitness
        untouched = given.clone()
        values = tensors(method, call(subject.task, given))
        if not _equal(given, untouched):
            yield subject.broken(
                STAGE,
                "writes-features",
                method,
                f"{method}() changes the features it is given",
                "compute new tensors instead of changing a feature in place",
            )
            return
        found = [*_names(subject, method, values), *_shapes(subject, method, values)]
        found = found or list(_pure(subject, method, call, given, values))
        yield from found
        if found:
            broken.add(method)


def synthetic(task: Task) -> Inputs:
    """Return made-up features: numbers of all sizes, 0 or 1 where the unit is bool."""
    generator = torch.Generator().manual_seed(3)
    table = task.table
    both = torch.randn(2, ROWS, table.width, generator=generator)
    both *= 10.0 ** (2.0 * torch.rand(2, ROWS, 1, generator=generator) - 1.0)
    for feature in table:
        if feature.unit == "bool":
            columns = table.columns(feature.name)
            both[..., columns] = (both[..., columns] > 0).float()
    causes = [both[..., table.columns(cause)] for cause in task.causes]
    nobody = torch.zeros(2, ROWS, 1)
    both[..., table.columns("terminated")] = torch.stack([nobody, *causes]).amax(0)
    if isinstance(task.action, BoxAction):
        action = torch.rand(ROWS, task.action.size, generator=generator) * 2.0 - 1.0
    else:
        action = torch.randint(task.action.count, (ROWS,), generator=generator)
    return Inputs(both[0], action, both[1])


def _equal(left: Inputs, right: Inputs) -> bool:
    return torch.equal(left.state, right.state) and torch.equal(left.after, right.after)


def _names(subject: Subject, method: str, values: dict[str, Tensor]) -> Iterator[TaskFinding]:
    task = subject.task
    declared = {"terminations": task.causes, "fitness": [m.name for m in task.metrics]}
    if method not in declared:
        return
    expected = list(declared[method])
    for name in expected:
        if name not in values:
            yield subject.broken(
                STAGE,
                "names",
                method,
                f"{method}() does not return the declared '{name}'",
                "return every declared name, or remove the declaration",
            )
    for name in values:
        if name not in expected:
            choices = nearest(name, expected) if expected else ""
            yield subject.broken(
                STAGE,
                "names",
                method,
                f"{method}() returns '{name}', which is not declared{choices}",
                "declare it in causes (terminations) or metrics (fitness)",
            )


def _shapes(subject: Subject, method: str, values: dict[str, Tensor]) -> Iterator[TaskFinding]:
    nu = subject.task.model.nu
    for name, value in values.items():
        shape = tuple(value.shape)
        if method == "observation":
            right, expected = len(shape) == 2 and shape[0] == ROWS and shape[1] > 0, "(R, O)"
        elif method == "actuate":
            right, expected = shape == (ROWS, nu), f"(R, {nu})"
        elif method == "move_mocap":
            right, expected = shape == (ROWS, 3), "(R, 3)"
        else:
            right, expected = shape == (ROWS,), "(R,)"
        if not right:
            yield subject.broken(
                STAGE,
                "result-shape",
                method,
                f"{method}() gives '{name}' of shape {shape} for {ROWS} rows of features",
                f"return {expected}, here R = {ROWS}",
            )
        elif not _type_fits(method, value):
            yield subject.broken(
                STAGE,
                "result-dtype",
                method,
                f"{method}() gives '{name}' of dtype {value.dtype}",
                "observations and rewards are float32, terminations bool, fitness a real number",
            )


def _type_fits(method: str, value: Tensor) -> bool:
    match method:
        case "observation" | "sparse_reward":
            return value.dtype == torch.float32
        case "terminations":
            return value.dtype == torch.bool
        case "actuate" | "move_mocap":
            return value.is_floating_point()
        case _:
            return not value.is_complex()


def _pure(
    subject: Subject, method: str, call: Call, given: Inputs, values: dict[str, Tensor]
) -> Iterator[TaskFinding]:
    task = subject.task
    culprit = same_bits(values, call(task, given))
    if culprit is not None:
        yield unequal_calls(subject, STAGE, method, f"'{culprit}'", lambda t: call(t, given))
        return
    shuffled = torch.randperm(ROWS, generator=torch.Generator().manual_seed(4))
    for rows in (shuffled, shuffled[:5], shuffled[:1]):
        expected = {k: v[rows] for k, v in values.items()}
        culprit = same_values(expected, call(task, given.at(rows)))
        if culprit is not None:
            new = {k: v[rows] for k, v in call(subject.fresh(), given).items()}
            remembered = same_values(new, call(subject.fresh(), given.at(rows))) is None
            yield rows_differ(subject, STAGE, method, culprit, remembered=remembered)
            return
    if method not in ACTING:
        yield from _leading_dimensions(subject, method, call, given, values)


def _leading_dimensions(
    subject: Subject, method: str, call: Call, given: Inputs, values: dict[str, Tensor]
) -> Iterator[TaskFinding]:
    expected = {k: _stack(v) for k, v in values.items()}
    try:
        culprit = same_values(expected, call(subject.task, given.stacked()))
        problem = f"'{culprit}' comes out otherwise"
    except (RuntimeError, IndexError) as error:
        culprit, problem = "an exception", str(error).splitlines()[0]
    if culprit is not None:
        yield subject.broken(
            STAGE,
            "leading-dimensions",
            method,
            f"{method}() fails for features with two leading dimensions (T, B, F): {problem}",
            "count dimensions from the end: dim=-1, unsqueeze(-1), features.x[..., 0]",
        )
