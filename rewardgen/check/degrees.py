"""Degrees where features are in radians: conversions, and numbers that only make sense so.

Reads the text for what is done with features of unit rad and rad/s. A number counts as one of
degrees if it lies far beyond what the feature reaches, and would not as so many degrees.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rewardgen.check.reading import Reading
from rewardgen_envs.features import FeatureTable

BEYOND = 2.0
"""A number of degrees is more than this times the largest value seen of the feature."""
_PER_RADIAN = 180.0 / math.pi
_NEAR = 0.01  # relative; people write 57.3
_CONVERSIONS = frozenset({"rad2deg", "deg2rad", "degrees", "radians"})
# the value stays an angle of about the same size
_KEEPS = frozenset(
    {
        *("abs", "absolute", "amax", "amin", "clamp", "clip", "float", "fmod", "max", "maximum"),
        *("mean", "min", "minimum", "neg", "norm", "norm_l2", "remainder", "squeeze", "sum"),
        "wrap_angle",
    }
)
# functions of an angle whose other numbers are angles too
_MEASURES = frozenset(
    {"bounded", "clamp", "clip", "exp_kernel", "huber", "maximum", "minimum", "tolerance"}
)


@dataclass(frozen=True)
class Slip:
    """A place where degrees and radians are mixed up.

    Attributes:
        line: where.
        feature: the angle.
        figure: what is wrong, with the number.
    """

    line: int
    feature: str
    figure: str


class Degrees:
    """Finds degrees in a reward.

    Args:
        reading: the reward.
        table: features of the task.
        largest: largest magnitude seen of each feature.
    """

    def __init__(self, reading: Reading, table: FeatureTable, largest: Mapping[str, float]) -> None:
        self._reading = reading
        self._angles = {f.name for f in table if f.unit.replace(" ", "").startswith("rad")}
        self._largest = largest
        self._following: set[str] = set()

    def slips(self) -> list[Slip]:
        """Return all places, one for each line and feature."""
        found: dict[tuple[int, str], Slip] = {}
        for node in ast.walk(self._reading.entry):
            for slip in self._of(node):
                found.setdefault((slip.line, slip.feature), slip)
        return [found[key] for key in sorted(found)]

    def _of(self, node: ast.AST) -> Iterator[Slip]:
        match node:
            case ast.Call():
                yield from self._call(node)
            case ast.BinOp(left=left, op=ast.Mult() | ast.Div() as op, right=right):
                yield from self._scaled(node)
                if isinstance(op, ast.Div):
                    yield from self._number(node.lineno, left, right)
            case ast.BinOp(left=left, op=ast.Add() | ast.Sub(), right=right):
                yield from self._number(node.lineno, left, right)
                yield from self._number(node.lineno, right, left)
            case ast.Compare(left=left, comparators=others):
                for other in others:
                    yield from self._number(node.lineno, left, other)
                    yield from self._number(node.lineno, other, left)
            case _:
                return

    def _call(self, node: ast.Call) -> Iterator[Slip]:
        name = _called(node)
        arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
        if isinstance(node.func, ast.Attribute) and self._angle(node.func.value):
            arguments = [node.func.value, *arguments]  # x.clamp(...)
        feature = self._angle(arguments[0]) if arguments else None
        if feature is None:
            return
        if name in _CONVERSIONS:
            yield Slip(
                node.lineno, feature, f"'{feature}' is in radians, and {name}() is applied to it"
            )
        elif name in _MEASURES:
            for argument in arguments[1:]:
                parts = argument.elts if isinstance(argument, ast.Tuple) else [argument]
                for part in parts:
                    yield from self._number(node.lineno, arguments[0], part)

    def _scaled(self, node: ast.BinOp) -> Iterator[Slip]:
        """Find an angle that is multiplied, in all, by what converts it."""
        found = self._product(node)
        if found is None:
            return
        feature, factor = found
        size = abs(factor)
        if any(abs(size / known - 1.0) < _NEAR for known in (_PER_RADIAN, 1.0 / _PER_RADIAN)):
            figure = f"'{feature}' is in radians, and is multiplied by {factor:.4g}"
            yield Slip(node.lineno, feature, figure)

    def _product(self, node: ast.expr) -> tuple[str, float] | None:
        """Return the angle and the factor of what is an angle times numbers, as x * 180 / pi."""
        feature = self._angle(node)
        if feature is not None:
            return feature, 1.0
        match node:
            case ast.BinOp(left=left, op=ast.Mult(), right=right):
                return self._times(left, self._constant(right)) or self._times(
                    right, self._constant(left)
                )
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                divisor = self._constant(right)
                return self._times(left, 1.0 / divisor) if divisor else None
            case _:
                return None

    def _times(self, node: ast.expr, number: float | None) -> tuple[str, float] | None:
        found = self._product(node) if number else None
        return (found[0], found[1] * number) if found and number else None

    def _number(self, line: int, angle: ast.expr, constant: ast.expr) -> Iterator[Slip]:
        """Find a number beside an angle that is none of radians."""
        feature, number = self._angle(angle), self._constant(constant)
        if feature is None or number is None:
            return
        seen, size = self._largest.get(feature, math.inf), abs(number)
        # half a turn, a whole one, or two are numbers of radians
        known = any(abs(size / math.pi - turns) < _NEAR for turns in (1, 2, 4))
        if size > BEYOND * seen and size > math.pi and size / _PER_RADIAN <= seen and not known:
            yield Slip(
                line,
                feature,
                f"'{feature}' is in radians and reached {seen:.3g} at most; {number:g} beside it "
                f"is a number of degrees",
            )

    def _angle(self, node: ast.expr) -> str | None:
        """Return the feature that an expression is a size of, if that is an angle."""
        match node:
            case ast.Attribute(value=base, attr=name) if self._reading.is_view(base):
                return name if name in self._angles else None
            case ast.Name(id=name):
                return self._named(name)
            case ast.UnaryOp(operand=operand) | ast.Subscript(value=operand):
                return self._angle(operand)
            case ast.Call() if _called(node) in _KEEPS:
                parts = list(node.args)
                if isinstance(node.func, ast.Attribute):
                    parts = [node.func.value, *parts]
                return next((f for part in parts if (f := self._angle(part))), None)
            case ast.BinOp(left=left, op=ast.Add() | ast.Sub(), right=right):
                return self._angle(left) or self._angle(right)
            case _:
                return None

    def _named(self, name: str) -> str | None:
        value = self._reading.value(name)
        if value is None or name in self._following:
            return None
        self._following.add(name)
        try:
            return self._angle(value)
        finally:
            self._following.remove(name)

    def _constant(self, node: ast.expr) -> float | None:
        """Return the number that an expression is, None if it is computed from features."""
        match node:
            case ast.Constant(value=bool()):
                return None
            case ast.Constant(value=int() | float() as value):
                return float(value)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                value = self._constant(operand)
                return None if value is None else -value
            case ast.Attribute(value=ast.Name(id="math" | "torch" | "np" | "numpy"), attr="pi"):
                return math.pi
            case ast.BinOp(left=left, op=op, right=right):
                return _folded(op, self._constant(left), self._constant(right))
            case ast.Name(id=name) if name not in self._following:
                value = self._reading.value(name)
                self._following.add(name)
                try:
                    return None if value is None else self._constant(value)
                finally:
                    self._following.remove(name)
            case _:
                return None


def _called(node: ast.Call) -> str:
    """Return the name of what is called, without the module or object before it."""
    match node.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def _folded(op: ast.operator, left: float | None, right: float | None) -> float | None:
    if left is None or right is None:
        return None
    match op:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult():
            return left * right
        case ast.Div() if right:
            return left / right
        case _:
            return None
