"""Axes: which components of vectors a reward reads, and which features are named after an axis.

The text shows a component that is read twice where another is never read, and a value called
after one axis that is computed from another. What only the numbers show is found by exchanging
axes in what the reward is given: ``exchanges`` lists how.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations

from rewardgen.check.reading import Reading
from rewardgen_envs.features import Feature, FeatureTable

_WORDS = {
    0: "x forward forwards ahead",
    1: "y sideways sideward lateral",
    2: "z height vertical upward upwards tall altitude lift lifted raise raised",
}
AXIS = {word: axis for axis, words in _WORDS.items() for word in words.split()}
NAMES = ("x", "y", "z")
_SIZES = (2, 3)


@dataclass(frozen=True)
class AxisSlip:
    """A place where the text reads another axis than it says or should.

    Attributes:
        line: where.
        figure: what is read, and what is not.
    """

    line: int
    figure: str


@dataclass(frozen=True)
class Exchange:
    """Two sets of columns that differ in their axis alone, to be exchanged.

    Attributes:
        left, right: columns of the public features, pairwise.
        words: what is exchanged.
        features: names of the features.
    """

    left: tuple[int, ...]
    right: tuple[int, ...]
    words: str
    features: frozenset[str]


def axis_of(name: str) -> int | None:
    """Return the axis that a name names, None if it names none or several."""
    axes = {AXIS[word] for word in re.findall(r"[a-z]+", name.lower()) if word in AXIS}
    return axes.pop() if len(axes) == 1 else None


def exchanges(table: FeatureTable, read: Iterable[str]) -> list[Exchange]:
    """Return the exchanges of axes that can matter to a reward.

    Args:
        table: the public features.
        read: features that the reward reads.
    """
    names = [name for name in read if name in table]
    vectors = [table[n] for n in names if table[n].shape and table[n].shape[-1] in _SIZES]
    found: list[Exchange] = []
    for feature in vectors:
        for left, right in combinations(range(feature.shape[-1]), 2):
            found.append(_components([feature], table, left, right))
    by_unit: dict[str, list[Feature]] = {}
    for feature in vectors:
        by_unit.setdefault(feature.unit, []).append(feature)
    for unit, group in by_unit.items():  # a difference of two vectors is another one
        size = min(feature.shape[-1] for feature in group)
        if len(group) > 1 and unit != "bool":
            pairs = combinations(range(size), 2)
            found += [_components(group, table, left, right) for left, right in pairs]
    found += list(_scalars(table, names))
    return found


def _components(features: list[Feature], table: FeatureTable, left: int, right: int) -> Exchange:
    columns: tuple[list[int], list[int]] = ([], [])
    for feature in features:
        start, width = table.columns(feature.name).start, feature.shape[-1]
        for row in range(feature.size // width):
            columns[0].append(start + row * width + left)
            columns[1].append(start + row * width + right)
    named = ", ".join(f"'{feature.name}'" for feature in features)
    return Exchange(
        tuple(columns[0]),
        tuple(columns[1]),
        f"{NAMES[left]} and {NAMES[right]} of {named}",
        frozenset(feature.name for feature in features),
    )


def _scalars(table: FeatureTable, read: list[str]) -> Iterator[Exchange]:
    """Yield exchanges of a number that is read and one of another axis, alone or in a vector."""
    for name in read:
        feature, axis = table[name], axis_of(name)
        if feature.shape or axis is None or feature.unit == "bool":
            continue
        column = table.columns(name).start
        for other in table:
            if other.unit != feature.unit or other.name == name:
                continue
            start = table.columns(other.name).start
            other_axis = axis_of(other.name)
            if not other.shape and other_axis is not None and other_axis != axis:
                words = f"'{name}' and '{other.name}'"
                yield Exchange((column,), (start,), words, frozenset({name, other.name}))


def unread_components(reading: Reading, table: FeatureTable) -> Iterator[AxisSlip]:
    """Yield vectors of which one component is read twice, by itself, and another never."""
    read: dict[str, list[tuple[frozenset[int], int]]] = {}
    sizes: dict[str, int] = {}
    whole: Counter[str] = Counter()
    inner: set[int] = set()
    for node in ast.walk(reading.entry):
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
            size = _size(node.value, reading, table)
            chosen = None if size is None else _chosen(node.slice, size)
            if size is not None and chosen is not None:
                text = ast.unparse(node.value)
                sizes[text] = size
                read.setdefault(text, []).append((chosen, node.lineno))
                inner.add(id(node.value))
    for node in ast.walk(reading.entry):
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
            whole[ast.unparse(node)] += id(node) not in inner
    for text, accesses in read.items():
        counts = Counter(component for chosen, _ in accesses for component in chosen)
        missing = [i for i in range(sizes[text]) if not counts[i]]
        twice = [i for i, count in counts.items() if count > 1]
        if missing and twice and len(accesses) > 1 and not whole[text]:
            figure = (
                f"of '{text}' the component {NAMES[twice[0]]} is read {counts[twice[0]]} times, "
                f"{NAMES[missing[0]]} never"
            )
            yield AxisSlip(accesses[-1][1], figure)


def misnamed(reading: Reading, table: FeatureTable) -> Iterator[AxisSlip]:
    """Yield values named after one axis that are computed from another alone."""
    for node in ast.walk(reading.entry):
        if not (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)):
            continue
        name = node.targets[0].id
        axis = axis_of(name)
        read = dict(_along(node.value, reading, table))
        axes = set(read.values())
        if axis is not None and axes and None not in axes and axis not in axes:
            figure = f"'{name}' is computed from {', '.join(sorted(read))}"
            yield AxisSlip(node.lineno, figure)


def _along(
    node: ast.expr, reading: Reading, table: FeatureTable
) -> Iterator[tuple[str, int | None]]:
    """Yield what an expression reads itself, and the axis of each; None where none is named."""
    for part in ast.iter_child_nodes(ast.Expression(node)):
        if isinstance(part, ast.Subscript):
            chosen = (
                _chosen(part.slice, size) if (size := _size(part.value, reading, table)) else None
            )
            if chosen is not None:
                yield ast.unparse(part), next(iter(chosen)) if len(chosen) == 1 else None
                continue
        if isinstance(part, ast.Attribute) and reading.is_view(part.value):
            if part.attr in table:
                yield f"'{part.attr}'", axis_of(part.attr)
            continue
        for inner in ast.iter_child_nodes(part):
            if isinstance(inner, ast.expr):
                yield from _along(inner, reading, table)


def unasked(reading: Reading, table: FeatureTable, sentence: str) -> Iterator[AxisSlip]:
    """Yield features of an axis that the sentence names, left unread while another is read."""
    words = set(re.findall(r"[a-z]+", sentence.lower()))
    read = [table[name] for name in reading.features(*reading.totals) if name in table]
    axes = {axis_of(feature.name) for feature in read}
    for feature in table:
        axis = axis_of(feature.name)
        asked = [w for w in feature.name.split("_") if w in words and AXIS.get(w) == axis]
        if axis is None or not asked or axis in axes:
            continue
        alike = [f for f in read if f.unit == feature.unit]
        others = sorted(f.name for f in alike if axis_of(f.name) is not None)
        if others and not any(f.shape for f in alike):
            figure = (
                f"the task's sentence says '{asked[0]}'; the reward reads '{others[0]}' and never "
                f"'{feature.name}'"
            )
            yield AxisSlip(reading.entry.lineno, figure)


def _size(node: ast.expr, reading: Reading, table: FeatureTable) -> int | None:
    """Return how many components an expression has, if it is a vector of two or three."""
    match node:
        case ast.Attribute(value=base, attr=name) if reading.is_view(base) and name in table:
            shape = table[name].shape
            return shape[0] if len(shape) == 1 and shape[0] in _SIZES else None
        case ast.Name(id=name):
            value = reading.value(name)
            return None if value is None or value is node else _size_of_sum(value, reading, table)
        case _:
            return None


def _size_of_sum(node: ast.expr, reading: Reading, table: FeatureTable) -> int | None:
    match node:
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub(), right=right):
            first = _size_of_sum(left, reading, table)
            return first if first is not None else _size_of_sum(right, reading, table)
        case ast.Attribute():
            return _size(node, reading, table)
        case _:
            return None


def _chosen(index: ast.expr, size: int) -> frozenset[int] | None:
    """Return the components that the last of several indices chooses, None if it cannot be told."""
    match index:
        case ast.Tuple(elts=[*_, last]) if (place := _whole(last)) is not None:
            return frozenset({place % size})
        case ast.Tuple(elts=[*_, ast.Slice(lower=lower, upper=upper, step=step)]):
            bounds = [_whole(part) for part in (lower, upper, step)]
            if any(
                b is None and p is not None
                for b, p in zip(bounds, (lower, upper, step), strict=True)
            ):
                return None
            return frozenset(range(size)[slice(*bounds)])
        case _:
            return None


def _whole(node: ast.expr | None) -> int | None:
    match node:
        case ast.Constant(value=int(number)):
            return number
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(number))):
            return -number
        case _:
            return None
