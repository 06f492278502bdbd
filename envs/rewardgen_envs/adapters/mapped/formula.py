"""Small formulas in which a map says what a feature is: ``norm(observation[0:2] - info["goal"])``.

Arithmetic, comparisons, indices and a few functions; nothing else, so that a map can be read and
run without trust. Every value holds one row per world: an index counts within a row.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any, cast

import torch
from torch import Tensor

from rewardgen_envs.errors import UsageError
from rewardgen_envs.names import nearest

Scope = Mapping[str, Callable[[], object]]
"""Name → what gives its value: a tensor (B, …), or something that answers to keys."""


class FormulaError(UsageError):
    """A formula that cannot be read or evaluated; says which part, and what would do."""


def _norm(x: Tensor) -> Tensor:
    return x.flatten(1).square().sum(1).sqrt()


def _rows(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda x: function(x.flatten(1))


FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "abs": torch.abs,
    "all": _rows(lambda x: x.all(1)),
    "any": _rows(lambda x: x.any(1)),
    "atan2": torch.atan2,
    "cos": torch.cos,
    "exp": torch.exp,
    "log": torch.log,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "norm": _norm,
    "sin": torch.sin,
    "sqrt": torch.sqrt,
    "sum": _rows(lambda x: x.sum(1)),
    "tanh": torch.tanh,
}
CONSTANTS = {"pi": math.pi}

_Operation = Callable[[Any, Any], Any]
_BINARY: dict[type[ast.operator], _Operation] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.FloorDiv: lambda a, b: a // b,
    ast.Mod: lambda a, b: a % b,
    ast.Pow: lambda a, b: a**b,
}
_COMPARED: dict[type[ast.cmpop], _Operation] = {
    ast.Lt: lambda a, b: a < b,
    ast.LtE: lambda a, b: a <= b,
    ast.Gt: lambda a, b: a > b,
    ast.GtE: lambda a, b: a >= b,
    ast.Eq: lambda a, b: a == b,
    ast.NotEq: lambda a, b: a != b,
}


class Formula:
    """A formula that was read and can be evaluated.

    Args:
        text: what was written.
        names: what it may speak of, beside functions and constants.

    Raises:
        FormulaError: it is no formula, or speaks of something else.
    """

    def __init__(self, text: str, names: tuple[str, ...]) -> None:
        self.text = text
        try:
            self._root = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError) as error:
            raise FormulaError(f"'{text}' is no formula: {error}") from error
        self.names = tuple(sorted(self._names(self._root, names)))

    def evaluate(self, scope: Scope) -> Tensor:
        """Return its value, (B, …).

        Raises:
            FormulaError: an unknown key, an index outside, shapes that do not fit.
        """
        value = self._value(self._root, scope)
        if not isinstance(value, Tensor):
            raise FormulaError(f"'{self.text}' gives {type(value).__name__}, no numbers per world")
        return value

    # ---- reading

    def _names(self, node: ast.expr, known: tuple[str, ...]) -> set[str]:
        """Return the names of a part; refuse what no formula may hold."""
        match node:
            case ast.Constant(value=bool() | int() | float()):
                return set()
            case ast.Name(id=name):
                if name in CONSTANTS:
                    return set()
                if name not in known:
                    hint = nearest(name, (*known, *CONSTANTS))
                    raise FormulaError(f"'{self.text}': unknown name '{name}'{hint}")
                return {name}
            case ast.Subscript(value=value, slice=index):
                self._index(index)
                return self._names(value, known)
            case ast.Attribute(value=value, attr=attribute) if not attribute.startswith("_"):
                return self._names(value, known)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                if name not in FUNCTIONS:
                    hint = nearest(name, FUNCTIONS)
                    raise FormulaError(f"'{self.text}': unknown function '{name}'{hint}")
                parts = arguments
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
                parts = [left, right]
            case ast.UnaryOp(op=ast.USub() | ast.UAdd() | ast.Not(), operand=operand):
                parts = [operand]
            case ast.BoolOp(values=values):
                parts = values
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARED:
                parts = [left, right]
            case _:
                raise FormulaError(
                    f"'{self.text}': '{ast.unparse(node)}' is not allowed; a formula has numbers, "
                    f"names, indices, arithmetic, comparisons, and {', '.join(FUNCTIONS)}"
                )
        return {name for part in parts for name in self._names(part, known)}

    def _index(self, node: ast.expr) -> None:
        parts = node.elts if isinstance(node, ast.Tuple) else [node]
        for part in parts:
            bounds = [part.lower, part.upper, part.step] if isinstance(part, ast.Slice) else [part]
            for bound in bounds:
                if bound is None:
                    continue
                try:
                    value = ast.literal_eval(bound)
                except ValueError:
                    value = None
                if not isinstance(value, int | str) or (len(bounds) == 3 and value == ""):
                    raise FormulaError(
                        f"'{self.text}': an index is a number, a range as 0:2, or a key in quotes"
                    )

    # ---- evaluating

    def _value(self, node: ast.expr, scope: Scope) -> object:
        match node:
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name):
                return CONSTANTS[name] if name in CONSTANTS else scope[name]()
            case ast.Subscript(value=value, slice=index):
                return self._item(self._value(value, scope), index)
            case ast.Attribute(value=value, attr=attribute):
                return self._attribute(self._value(value, scope), attribute)
            case ast.Call(func=ast.Name(id=name), args=arguments):
                return self._apply(
                    FUNCTIONS[name], node, *(self._value(a, scope) for a in arguments)
                )
            case ast.BinOp(left=left, op=op, right=right):
                a, b = self._value(left, scope), self._value(right, scope)
                return self._apply(_BINARY[type(op)], node, _number(a), _number(b))
            case ast.UnaryOp(op=op, operand=operand):
                value = self._value(operand, scope)
                if isinstance(op, ast.Not):
                    return self._apply(torch.logical_not, node, value)
                return self._apply(operator.neg, node, value) if isinstance(op, ast.USub) else value
            case ast.BoolOp(op=op, values=values):
                joined = torch.logical_and if isinstance(op, ast.And) else torch.logical_or
                result = self._value(values[0], scope)
                for value in values[1:]:
                    result = self._apply(joined, node, result, self._value(value, scope))
                return result
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                a, b = self._value(left, scope), self._value(right, scope)
                return self._apply(_COMPARED[type(op)], node, _number(a), _number(b))
            case _:
                raise AssertionError("refused when it was read")

    def _apply(self, function: Callable[..., object], node: ast.expr, *values: object) -> object:
        try:
            return function(*values)
        except (AttributeError, IndexError, RuntimeError, TypeError) as error:
            shapes = " and ".join(
                str(tuple(v.shape[1:])) if isinstance(v, Tensor) else str(v) for v in values
            )
            raise FormulaError(
                f"'{self.text}': '{ast.unparse(node)}' does not work with {shapes}"
            ) from error

    def _item(self, value: object, index: ast.expr) -> object:
        parts = index.elts if isinstance(index, ast.Tuple) else [index]
        keys = [_literal(part) for part in parts]
        if isinstance(value, Tensor):
            rows: Any = (slice(None), *keys)
            try:
                if any(
                    _beyond(key, size) for key, size in zip(keys, value.shape[1:], strict=False)
                ):
                    raise IndexError
                return value[rows]
            except (IndexError, TypeError) as error:
                raise FormulaError(
                    f"'{self.text}': index [{ast.unparse(index)}] is outside of the shape "
                    f"{tuple(value.shape[1:])}"
                ) from error
        getter = getattr(value, "__getitem__", None)
        if getter is None or len(keys) != 1 or not isinstance(keys[0], str):
            raise FormulaError(
                f"'{self.text}': [{ast.unparse(index)}] is not in quotes, as keys are"
            )
        return getter(keys[0])

    def _attribute(self, value: object, name: str) -> object:
        getter = getattr(value, "attribute", None)
        if getter is None:
            raise FormulaError(f"'{self.text}': only env has parts after a dot, as env.{name}")
        return getter(name)


def _literal(node: ast.expr) -> object:
    if isinstance(node, ast.Slice):
        bounds = (node.lower, node.upper, node.step)
        return slice(*(None if bound is None else ast.literal_eval(bound) for bound in bounds))
    return ast.literal_eval(node)


def _beyond(key: object, size: int) -> bool:
    """Return whether a range leaves what has so many parts; Python would shorten it silently."""
    if not isinstance(key, slice):
        return False
    span = cast("slice[int | None, int | None, int | None]", key)
    return any(bound is not None and abs(bound) > size for bound in (span.start, span.stop))


def _number(value: object) -> object:
    """Return 0 and 1 for False and True, which torch neither adds nor subtracts."""
    if isinstance(value, Tensor) and value.dtype is torch.bool:
        return value.to(torch.float64)
    return value
