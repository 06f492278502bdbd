"""Mistakes planted in rewards that people wrote, and edits that are none.

Each function takes a reward apart by its syntax tree and yields variants of it with one mistake
that a designer makes. Which mistakes fit depends on the reward: a reward without a penalty has none
to exaggerate. Written without the code that is to find them.
"""

from __future__ import annotations

import ast
import copy
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks.reward_anatomy import (
    Known,
    Subject,
    Swap,
    add_term,
    expression,
    is_feature,
    multiply,
    negative,
    times,
)
from rewardgen_envs.base_task import BoxAction
from rewardgen_envs.features import Feature, FeatureTable

MOST = 3
"""Mutants of one kind and variant that a reward gets; of more a seeded choice."""
TIMES_ALIVE, ALIVE, CONSTANT = 20.0, 10.0, 100.0
TIMES_PENALTY = 100.0
SMALL = 0.005
"""A penalty whose weight is smaller is next to nothing, and times 100 what others begin with."""
EFFORT = 0.1
DEGREES = 180.0 / math.pi
_AXES = {
    "x": 0,
    "forward": 0,
    "y": 1,
    "sideways": 1,
    "lateral": 1,
    "z": 2,
    "height": 2,
    "vertical": 2,
}


@dataclass(frozen=True)
class Mutant:
    """A reward with one edit.

    Attributes:
        kind: which mistake.
        variant: how it was planted.
        source: the reward file.
    """

    kind: str
    variant: str
    source: str


def mutants(source: str, task: Known, seed: int) -> list[Mutant]:
    """Return the mutants of a reward, a seeded choice of at most ``MOST`` of a kind and variant."""
    found: list[Mutant] = []
    for kind, plant in KINDS.items():
        by_variant: dict[str, list[Mutant]] = {}
        for variant, text in plant(source, task):
            by_variant.setdefault(variant, []).append(Mutant(kind, variant, text))
        for variant, made in by_variant.items():
            chance = random.Random(f"{seed}/{task.name}/{kind}/{variant}")
            found += made if len(made) <= MOST else chance.sample(made, MOST)
    return found


def controls(source: str, task: Known, seed: int) -> list[Mutant]:
    """Return edits of a reward that make no mistake."""
    chance = random.Random(f"{seed}/{task.name}/controls")
    return [
        Mutant("control", "rescaled", _weighted(source, task, lambda: 0.1)),
        Mutant("control", "reweighted", _weighted(source, task, lambda: chance.uniform(0.7, 1.4))),
        Mutant("control", "renamed", _renamed(source)),
    ]


Planted = Iterator[tuple[str, str]]
"""Variant and text of each mutant."""


def _negated(source: str, task: Known) -> Planted:
    for variant in ("total", "total and terms"):
        subject = Subject(source, task)
        subject.total = ast.UnaryOp(ast.USub(), subject.total)
        if variant == "total and terms":
            subject.terms.values = [ast.UnaryOp(ast.USub(), v) for v in subject.terms.values]
        yield variant, subject.text()


def _constant(source: str, task: Known) -> Planted:
    subject = Subject(source, task)
    zero = ast.BinOp(ast.Constant(0.0), ast.Mult(), subject.total)
    subject.total = ast.BinOp(zero, ast.Add(), ast.Constant(1.0))
    yield "one", subject.text()
    subject = Subject(source, task)
    subject.total = expression("torch.zeros_like(next_state.terminated)")
    yield "zero", subject.text()


def _paid_effort(source: str, task: Known) -> Planted:
    """Pay for what costs effort; where nothing does, pay for it anew."""
    if not isinstance(task.action, BoxAction):
        return
    count = len(Subject(source, task).addends())
    flipped = False
    for i in range(count):
        subject = Subject(source, task)
        addends = subject.addends()
        sign, value = addends[i]
        if sign > 0 or "action" not in subject.reads(value):
            continue
        flipped = True
        place = subject.reported(addends[i])
        if place is not None:
            subject.terms.values[place] = negative(subject.terms.values[place])
        addends[i] = (1.0, value)
        subject.add_up(addends)
        yield "sign of a cost", subject.text()
    if not flipped:
        subject = Subject(source, task)
        add_term(subject, "effort", f"{EFFORT} * (action ** 2).sum(dim=1)")
        yield "added", subject.text()


def _large_alive_bonus(source: str, task: Known) -> Planted:
    subject = Subject(source, task)
    add_term(subject, "alive", f"{CONSTANT} * torch.ones_like(next_state.terminated)")
    yield "constant", subject.text()
    if not task.causes:
        return
    subject = Subject(source, task)
    flags = {"terminated", *task.causes}
    for sign, value in subject.addends():
        if sign > 0 and subject.reads(value) and subject.reads(value) <= flags:
            assert isinstance(value, ast.Name)
            multiply(subject, value.id, TIMES_ALIVE)
            yield "larger", subject.text()
            return
    add_term(subject, "alive", f"{ALIVE} * (1.0 - next_state.terminated)")
    yield "added", subject.text()


def _large_penalty(source: str, task: Known) -> Planted:
    yield from _penalties(source, task, small=False)


def _small_penalty(source: str, task: Known) -> Planted:
    yield from _penalties(source, task, small=True)


def _penalties(source: str, task: Known, *, small: bool) -> Planted:
    """Enlarge each penalty whose weight is small, or each whose is not."""
    flags = {"terminated", *task.causes}
    for i in range(len(Subject(source, task).addends())):
        subject = Subject(source, task)
        addends = subject.addends()
        sign, value = addends[i]
        if sign > 0 or subject.reads(value) <= flags or (_weight(subject, value) < SMALL) != small:
            continue
        if isinstance(value, ast.Name):
            multiply(subject, value.id, TIMES_PENALTY)
        else:
            place = subject.reported(addends[i])
            if place is not None:
                subject.terms.values[place] = times(subject.terms.values[place], TIMES_PENALTY)
            addends[i] = (sign, times(value, TIMES_PENALTY))
            subject.add_up(addends)
        yield "a cost", subject.text()
        subject = Subject(source, task)
        addends = subject.addends()
        addends[i] = (sign, times(value, TIMES_PENALTY))
        subject.add_up(addends)
        yield "in the total alone", subject.text()


def _weight(subject: Subject, value: ast.expr) -> float:
    """Return the number that a penalty begins with, 1 if it begins with none."""
    statement = subject.assigned(value.id) if isinstance(value, ast.Name) else None
    node = value if statement is None else statement.value
    while not isinstance(node, ast.Constant):
        match node:
            case ast.BinOp(left=left):
                node = left
            case ast.Call(func=ast.Attribute(value=ast.BinOp() as inner)):
                node = inner
            case _:
                return 1.0
    return float(node.value) if isinstance(node.value, float) else 1.0


def _not_added(source: str, task: Known) -> Planted:
    count = len(Subject(source, task).addends())
    if count < 2:
        return
    for i in range(count):
        subject = Subject(source, task)
        addends = subject.addends()
        dropped = addends.pop(i)
        subject.add_up(addends)
        yield "reported", subject.text()
        place = subject.reported(dropped)
        if place is None or not isinstance(dropped[1], ast.Name):
            continue
        del subject.terms.keys[place], subject.terms.values[place]
        uses = [n for n in ast.walk(subject.entry) if isinstance(n, ast.Name)]
        if sum(n.id == dropped[1].id for n in uses) == 1:
            yield "not reported", subject.text()


def _degrees(source: str, task: Known) -> Planted:
    subject = Subject(source, task)
    for name in sorted({n.attr for n in ast.walk(subject.entry) if is_feature(n)}):
        if not subject.table[name].unit.startswith("rad"):
            continue
        for variant, template in (
            ("rad2deg", "torch.rad2deg({})"),
            ("deg2rad", "torch.deg2rad({})"),
            ("times 57.3", "{} * 57.29578"),
        ):
            yield variant, _wrapped(source, task, name, template)
        changed = _numbers_in_degrees(source, task, name)
        if changed is not None:
            yield "numbers", changed


def _wrong_axis(source: str, task: Known) -> Planted:
    yield from (("component", text) for text in _other_components(source, task))
    subject = Subject(source, task)
    for name in sorted({n.attr for n in ast.walk(subject.entry) if is_feature(n)}):
        other = _other_axis(subject.table, name)
        if other is not None:
            yield "feature", _replaced(source, task, name, other)


KINDS: dict[str, Callable[[str, Known], Planted]] = {
    "negated total": _negated,
    "constant total": _constant,
    "pay for effort": _paid_effort,
    "alive bonus": _large_alive_bonus,
    "penalty x 100": _large_penalty,
    "small penalty x 100": _small_penalty,
    "degrees": _degrees,
    "wrong axis": _wrong_axis,
    "not added": _not_added,
}


# ---- edits


def _wrapped(source: str, task: Known, name: str, template: str) -> str:
    def made(node: ast.expr) -> ast.expr | None:
        if isinstance(node, ast.Attribute) and is_feature(node) and node.attr == name:
            return expression(f"({template.format(ast.unparse(node))})")
        return None

    subject = Subject(source, task)
    Swap(made).visit(subject.entry)
    return subject.text()


def _replaced(source: str, task: Known, name: str, other: str) -> str:
    def made(node: ast.expr) -> ast.expr | None:
        if isinstance(node, ast.Attribute) and is_feature(node) and node.attr == name:
            return expression(f"{ast.unparse(node.value)}.{other}")
        return None

    subject = Subject(source, task)
    Swap(made).visit(subject.entry)
    return subject.text()


def _numbers_in_degrees(source: str, task: Known, name: str) -> str | None:
    """Write the numbers beside an angle in degrees, as bounds and margins; None without such."""
    subject = Subject(source, task)
    changed: set[int] = set()
    for node in ast.walk(subject.entry):
        beside: list[ast.expr] = []
        if isinstance(node, ast.Call):
            parts = [*node.args, *(k.value for k in node.keywords)]
            if isinstance(node.func, ast.Attribute):
                parts.insert(0, node.func.value)
            if parts and _holds(parts[0], name) and _callee(node) in ("tolerance", "clamp"):
                beside = parts[1:3] if _callee(node) == "tolerance" else parts[1:]
                beside += [k.value for k in node.keywords]
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            beside = [node.right] if _holds(node.left, name) else []
        for part in beside:
            changed |= _to_degrees(subject, part, changed)
    return subject.text() if changed else None


def _to_degrees(subject: Subject, part: ast.expr, done: set[int]) -> set[int]:
    """Multiply the numbers in an expression in place; return which."""
    if isinstance(part, ast.Name):
        statement = subject.assigned(part.id)
        if statement is None or id(statement) in done or subject.reads(statement.value):
            return set()
        statement.value = times(statement.value, round(DEGREES, 1))
        return {id(statement)}
    found: set[int] = set()
    for node in ast.walk(part):
        if not isinstance(node, ast.Constant) or id(node) in done:
            continue
        if isinstance(node.value, float) and node.value:
            node.value = float(f"{node.value * DEGREES:.3g}")
            found.add(id(node))
    return found


def _holds(node: ast.expr, name: str) -> bool:
    """Whether an expression holds a feature, and no other call than of a method of it."""
    inner = any(
        isinstance(p, ast.Attribute) and is_feature(p) and p.attr == name for p in ast.walk(node)
    )
    return inner and not any(isinstance(p, ast.BinOp) for p in ast.walk(node))


def _callee(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)


def _other_components(source: str, task: Known) -> Iterator[str]:
    """Yield texts in which one place reads other components of a vector of two or three."""
    count = len(list(_places(Subject(source, task))))
    for i in range(count):
        subject = Subject(source, task)
        place, size = list(_places(subject))[i]
        index = place.slice
        assert isinstance(index, ast.Tuple)
        last = index.elts[-1]
        if isinstance(last, ast.Constant) and isinstance(last.value, int):
            index.elts[-1] = ast.Constant((last.value + 1) % size)
        elif size == 3:
            other = "x[:, 1:]" if ast.unparse(last) == ":2" else "x[:, :2]"
            made = expression(other)
            assert isinstance(made, ast.Subscript) and isinstance(made.slice, ast.Tuple)
            index.elts[-1] = made.slice.elts[-1]
        else:
            continue
        yield subject.text()


def _places(subject: Subject) -> Iterator[tuple[ast.Subscript, int]]:
    for node in ast.walk(subject.entry):
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Tuple):
            size = _length(subject, node.value)
            if size in (2, 3):
                yield node, size


def _length(subject: Subject, node: ast.expr) -> int | None:
    """Return the length of a vector of length, speed or direction."""
    if isinstance(node, ast.Attribute) and is_feature(node):
        feature = subject.table[node.attr]
        return feature.shape[0] if len(feature.shape) == 1 and _spatial(feature) else None
    if isinstance(node, ast.Name):
        statement = subject.assigned(node.id)
        if statement is not None and isinstance(statement.value, ast.BinOp):
            return _length(subject, statement.value.left)
    return None


def _spatial(feature: Feature) -> bool:
    return feature.unit in ("m", "m/s", "rad/s", "N", "1") and feature.name != "last_action"


def _other_axis(table: FeatureTable, name: str) -> str | None:
    """Return a feature, or component of one, along another axis than a feature is named after."""
    feature, axis = table[name], _axis(name)
    if axis is None or feature.shape or feature.unit not in ("m", "m/s"):
        return None
    words = set(name.split("_"))
    same = [f for f in table if f.unit == feature.unit and f.name != name]
    # first of the same body
    same.sort(key=lambda f: not words & set(f.name.split("_")))
    for other in same:
        if not other.shape and _axis(other.name) not in (None, axis):
            return other.name
    for other in same:
        if other.shape == (3,):
            return f"{other.name}[:, {(axis + 1) % 3}]"
    return None


def _axis(name: str) -> int | None:
    axes = {_AXES[word] for word in name.split("_") if word in _AXES}
    return axes.pop() if len(axes) == 1 else None


def _weighted(source: str, task: Known, weight: Callable[[], float]) -> str:
    """Give every addend a weight, in the total and among the terms."""
    subject = Subject(source, task)
    addends = subject.addends()
    for i, (sign, value) in enumerate(addends):
        factor = round(weight(), 3)
        place = subject.reported((sign, value))
        addends[i] = (sign, times(copy.deepcopy(value), factor))
        if place is not None:
            subject.terms.values[place] = times(subject.terms.values[place], factor)
    subject.add_up(addends)
    return subject.text()


def _renamed(source: str) -> str:
    """Call the arguments and the terms otherwise."""
    tree = ast.parse(source)
    names = {"state": "s", "action": "a", "next_state": "s2"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in names:
            node.id = names[node.id]
        elif isinstance(node, ast.arg) and node.arg in names:
            node.arg = names[node.arg]
        elif isinstance(node, ast.Dict):
            node.keys = [
                ast.Constant(f"term_{i}") if isinstance(key, ast.Constant) else key
                for i, key in enumerate(node.keys)
            ]
    return ast.unparse(tree) + "\n"
