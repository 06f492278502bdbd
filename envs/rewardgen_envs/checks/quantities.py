"""Quantities: ``measure`` and ``derive`` give what is declared, row by row, from the physics."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import torch
from torch import Tensor

from rewardgen_envs.checks.compare import same_bits, same_values, tensors
from rewardgen_envs.checks.diagnose import NO_MEMORY, unequal_calls
from rewardgen_envs.checks.finding import TaskFinding
from rewardgen_envs.checks.plays import kick
from rewardgen_envs.checks.resets import keyed, place, start
from rewardgen_envs.checks.subject import Subject
from rewardgen_envs.checks.watch import WatchedEngine
from rewardgen_envs.engines.mujoco_batch import MujocoBatchEngine
from rewardgen_envs.features import nearest
from rewardgen_envs.physics import Physics
from rewardgen_envs.quantities import Quantities
from rewardgen_envs.scene import ACCELERATION_FIELDS, has_acceleration_sensor
from rewardgen_envs.task import Task
from rewardgen_envs.trackers import TrackerState

STAGE = "quantities"
ROWS = 12
STEPS = 6
_OWN_ROW = "use operations that keep the first dimension apart: no roll, mean or index over it"


class Bench:
    """Some worlds in reset states (the first half) and in unusual ones (the second)."""

    def __init__(self, task: Task) -> None:
        self.engine = WatchedEngine(MujocoBatchEngine(task.model, ROWS))
        world = torch.arange(ROWS)
        given = start(task, keyed(rows=world), torch.ones(ROWS, dtype=torch.bool))
        first_half = {name: value[: ROWS // 2] for name, value in given.items()}
        self.variables = {v.name: given[v.name].double() for v in task.variables}
        self.engine.reset(world)
        place(self.engine, given, world)
        task.measure(Physics(self.engine), Quantities(self.variables))  # touches the fields
        generator = torch.Generator().manual_seed(2)
        low, high = torch.as_tensor(task.model.actuator_ctrlrange).unbind(1)
        noise = torch.rand(ROWS, task.model.nu, generator=generator, dtype=torch.float64)
        self.engine.write("ctrl", low + (high - low) * noise, None)
        kick(self.engine, world[ROWS // 2 :], generator)
        self.engine.step(STEPS)
        self.engine.reset(world[: ROWS // 2])
        place(self.engine, first_half, world[: ROWS // 2])
        self.engine.forward(world)

    def measure(self, task: Task, rows: Tensor | None = None) -> dict[str, Tensor]:
        """Call ``task.measure`` on some worlds; None for all, as a step does."""
        variables = self.variables
        if rows is not None:
            variables = {k: v[rows] for k, v in variables.items()}
        measured = task.measure(Physics(self.engine, rows), Quantities(variables))
        return tensors("measure", measured)

    def fields(self) -> dict[str, Tensor]:
        """Return copies of all fields that were read."""
        return {name: self.engine.field(name).clone() for name in sorted(self.engine.fields_read)}


def quantities(subject: Subject) -> Iterator[TaskFinding]:
    """Every declared feature and no other comes out, finite, and from its own world alone."""
    bench = Bench(subject.task)
    try:
        yield from _judge(subject, bench)
    finally:
        bench.engine.close()


def _judge(subject: Subject, bench: Bench) -> Iterator[TaskFinding]:
    task, before = subject.task, bench.fields()
    measured = bench.measure(task)
    found = list(_side_effects(subject, bench, before)) or list(
        _values(subject, "measure", measured)
    )
    yield from found
    if found:
        return
    derived = _derive(task, bench, measured, None)
    found = list(_values(subject, "derive", derived))
    found += _declared(subject, {**measured, **bench.variables, **derived})
    found = found or list(_undeclared(subject, bench, measured, derived))
    yield from found
    if not found:
        yield from _row_by_row(subject, bench, measured, derived)


def _derive(
    task: Task, bench: Bench, measured: Mapping[str, Tensor], rows: Tensor | None
) -> dict[str, Tensor]:
    """Return what trackers and ``task.derive`` add right after a reset."""
    every = torch.arange(ROWS) if rows is None else rows
    known = _known(bench, measured, every)
    if _lacking(task, known):
        return {}  # derive() could not run; _declared says why
    trackers = TrackerState(task.trackers, task.control_dt_s)
    added = trackers.reset(torch.arange(len(every)), known, len(every))
    return added | tensors("derive", task.derive(Quantities(known | added)))


def _known(bench: Bench, measured: Mapping[str, Tensor], rows: Tensor) -> dict[str, Tensor]:
    """Return what trackers can read right after a reset of some worlds."""
    known = {k: v.double() for k, v in measured.items()}
    known |= {k: v[rows] for k, v in bench.variables.items()}
    known["episode_time_s"] = torch.zeros(len(rows), dtype=torch.float64)
    return known


def _lacking(task: Task, known: Collection[str]) -> list[tuple[str, str]]:
    """Return (tracker, quantity) where a tracker names a quantity that does not exist."""
    lacking: list[tuple[str, str]] = []
    names = set(known)
    for tracker in task.trackers:
        sources = (tracker.source, tracker.restart)
        lacking += [
            (tracker.feature.name, source)
            for source in sources
            if isinstance(source, str) and source not in names
        ]
        names.add(tracker.feature.name)
    return lacking


def _side_effects(
    subject: Subject, bench: Bench, before: Mapping[str, Tensor]
) -> Iterator[TaskFinding]:
    culprit = same_values(before, bench.fields())
    if culprit is not None:
        yield subject.broken(
            STAGE,
            "measure-writes",
            "measure",
            f"measure() changes the simulation's '{culprit}' in place",
            "compute new tensors: no operation whose name ends in _, no assignment to an index",
        )
    silent = ACCELERATION_FIELDS & bench.engine.fields_read
    if silent and not has_acceleration_sensor(bench.engine.model):
        yield subject.broken(
            STAGE,
            "acceleration-field",
            "measure",
            f"measure() reads '{sorted(silent)[0]}', which stays zero in a scene without an "
            "acceleration sensor",
            "declare the feature with needs_acceleration=True and add an accelerometer, force or "
            "torque sensor in scene()",
        )


def _values(subject: Subject, method: str, values: Mapping[str, Tensor]) -> Iterator[TaskFinding]:
    task = subject.task
    for name, value in values.items():
        culprit = f"feature '{name}'" if name in task.table else f"quantity '{name}'"
        if value.dim() == 0 or value.shape[0] != ROWS:
            yield subject.broken(
                STAGE,
                "feature-shape",
                method,
                f"{method}() gives {culprit} of shape {tuple(value.shape)} for {ROWS} worlds",
                f"return (R, *shape) with one row per world, here R = {ROWS}",
            )
        elif name in task.table and tuple(value.shape[1:]) != task.table[name].shape:
            yield subject.broken(
                STAGE,
                "feature-shape",
                method,
                f"{culprit} has shape {tuple(value.shape[1:])} per world, declared is "
                f"{task.table[name].shape}",
                "correct the declaration or the computation",
            )
        elif value.is_complex():
            yield subject.broken(
                STAGE,
                "feature-dtype",
                method,
                f"{culprit} has dtype {value.dtype}",
                "return a real or boolean tensor",
            )
        elif value.is_floating_point() and not bool(value.isfinite().all()):
            yield subject.broken(
                STAGE,
                "feature-finite",
                method,
                f"{culprit} is not finite ({_where(value)})",
                "guard divisions, roots, logarithms and arccos at the ends of their range",
            )


def _where(value: Tensor) -> str:
    bad = ~value.reshape(ROWS, -1).isfinite().all(1)
    return "at the reset state" if bool(bad[: ROWS // 2].any()) else "after some steps"


def _declared(subject: Subject, values: Mapping[str, Tensor]) -> list[TaskFinding]:
    task = subject.task
    missing = [
        (feature.name, f"feature '{feature.name}' is declared but never computed")
        for feature in task.features
        if feature.name not in values
    ]
    missing += [
        (source, f"tracker '{tracker}' reads '{source}', which measure() lacks")
        for tracker, source in _lacking(task, [*values, "episode_time_s"])
    ]
    return [
        subject.broken(
            STAGE,
            "feature-missing",
            "measure",
            message + nearest(name, values),
            "return it from measure() or derive(), or remove the declaration",
        )
        for name, message in missing
    ]


def _undeclared(
    subject: Subject,
    bench: Bench,
    measured: Mapping[str, Tensor],
    derived: Mapping[str, Tensor],
) -> Iterator[TaskFinding]:
    """Whatever is computed is a declared feature, or ``derive`` or a tracker reads it."""
    table = subject.task.table
    every = torch.arange(ROWS)
    read = _read(subject.task, _known(bench, measured, every) | dict(derived))
    nothing: set[str] = set()  # runs after derive()
    for method, values, used in (("measure", measured, read), ("derive", derived, nothing)):
        for name in values:
            if name not in table and name not in used:
                yield subject.broken(
                    STAGE,
                    "feature-undeclared",
                    method,
                    f"{method}() returns '{name}', which is not declared and which nothing reads",
                    "declare it in features, or leave it out",
                )


def _read(task: Task, known: Mapping[str, Tensor]) -> set[str]:
    """Return the names of the quantities that trackers and ``task.derive`` read."""
    noted = _Noted(known)
    for tracker in task.trackers:
        if callable(tracker.source):
            tracker.source(Quantities(noted))
        sources = (tracker.source, tracker.restart)
        noted.names.update(source for source in sources if isinstance(source, str))
    task.derive(Quantities(noted))
    return noted.names


class _Noted(dict[str, Tensor]):
    """Notes the names that are looked up."""

    def __init__(self, values: Mapping[str, Tensor]) -> None:
        super().__init__(values)
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> Tensor:
        self.names.add(name)
        return super().__getitem__(name)


def _row_by_row(
    subject: Subject,
    bench: Bench,
    measured: dict[str, Tensor],
    derived: dict[str, Tensor],
) -> Iterator[TaskFinding]:
    task = subject.task

    def derive(again: Task) -> dict[str, Tensor]:
        return _derive(again, bench, measured, None)

    for method, values, call in (
        ("measure", measured, bench.measure),
        ("derive", derived, derive),
    ):
        culprit = same_bits(values, call(task))
        if culprit is not None:
            yield unequal_calls(subject, STAGE, method, f"'{culprit}'", call)
            return
    shuffled = torch.randperm(ROWS, generator=torch.Generator().manual_seed(1))
    for rows in (torch.arange(ROWS), shuffled, shuffled[:5], shuffled[:1]):
        given = {k: v[rows] for k, v in measured.items()}
        parts = {
            "measure": (given, bench.measure(task, rows)),
            "derive": (
                {k: v[rows] for k, v in derived.items()},
                _derive(task, bench, given, rows),
            ),
        }
        for method, (expected, part) in parts.items():
            culprit = same_values(expected, part)
            if culprit is not None:
                remembered = method == "measure" and _new_agrees(subject, bench, rows)
                yield rows_differ(subject, STAGE, method, culprit, remembered=remembered)
                return


def _new_agrees(subject: Subject, bench: Bench, rows: Tensor) -> bool:
    """Whether new tasks give the same values for some worlds as for all."""
    whole = bench.measure(subject.fresh())
    part = bench.measure(subject.fresh(), rows)
    return same_values({k: v[rows] for k, v in whole.items()}, part) is None


def rows_differ(
    subject: Subject, stage: str, method: str, culprit: str, *, remembered: bool
) -> TaskFinding:
    """Return the finding that a row's value changes with the rows it is computed among.

    Args:
        subject: the task under test.
        stage: the property that found it.
        method: the task's method.
        culprit: what differs.
        remembered: whether it does not happen to a new task, which remembers nothing.
    """
    if remembered:
        return subject.broken(
            stage,
            "hidden-state",
            method,
            f"{method}() gives '{culprit}' that depends on what the task did before: a state "
            "survives the reset",
            NO_MEMORY,
        )
    return reads_neighbour(subject, stage, method, f"'{culprit}'")


def reads_neighbour(subject: Subject, stage: str, method: str, culprit: str) -> TaskFinding:
    """Return the finding that a row's value depends on other rows."""
    return subject.broken(
        stage,
        "row-independence",
        method,
        f"{method}() gives {culprit} that depends on other worlds' rows",
        _OWN_ROW,
    )
