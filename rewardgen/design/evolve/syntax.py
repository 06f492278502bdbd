"""Shapes as Python expressions, both ways.

Every shape is declared once as patterns of source text with placeholders in capitals. Writing
fills the first pattern that fits; reading matches the syntax tree against them. So whatever is
written is read back as the same program.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from rewardgen.design.evolve.grammar import (
    ActionChange,
    Beyond,
    Capped,
    Effort,
    Exponential,
    Factor,
    Flag,
    Form,
    Linear,
    Progress,
    Quadratic,
    Saturating,
    Shape,
    Signal,
    Tolerance,
)
from rewardgen_envs.features import FeatureTable

NEXT, NOW = "next_state", "state"


class GrammarError(ValueError):
    """The source is no program of this grammar; says which part is not."""


@dataclass(frozen=True)
class Pattern:
    """One way to write a kind of shape.

    Attributes:
        text: source with X for the signal and the shape's numbers in capitals; NEG_ before a
            number writes it with the opposite sign, for numbers below zero.
        fixed: fields that the text leaves out, with the value that they then have.
    """

    text: str
    fixed: Mapping[str, float | bool]

    @property
    def placeholders(self) -> list[str]:
        """Placeholders in the text, without the signal."""
        return [name for name in _PLACEHOLDER.findall(self.text) if name != "X"]


_PLACEHOLDER = re.compile(r"\b[A-Z_]+\b")


def _centred(center: str, template: str) -> tuple[Pattern, ...]:
    """Return patterns with ``OFFSET`` replaced by x, x plus and x minus the center."""
    name = center.upper()
    return (
        Pattern(template.replace("OFFSET", "X"), {center: 0.0}),
        Pattern(template.replace("OFFSET", f"(X + NEG_{name})"), {}),
        Pattern(template.replace("OFFSET", f"(X - {name})"), {}),
    )


KINDS: dict[type, tuple[Callable[..., Shape], tuple[Pattern, ...]]] = {
    Linear: (
        Linear,
        (Pattern("X", {"center": 0.0, "scale": 1.0}), *_centred("center", "(OFFSET / SCALE)")),
    ),
    Capped: (
        Capped,
        tuple(
            Pattern(text.replace("END", end), {"above": above, **fixed})
            for end, above in (("max", True), ("min", False))
            for text, fixed in (
                ("X.clamp(END=LIMIT)", {"scale": 1.0}),
                ("(X.clamp(END=LIMIT) / SCALE)", {}),
            )
        ),
    ),
    Tolerance: (Tolerance, (Pattern("tolerance(X, bounds=(LOW, HIGH), margin=MARGIN)", {}),)),
    Exponential: (Exponential, _centred("target", "torch.exp(-OFFSET.abs() / SCALE)")),
    Saturating: (Saturating, _centred("center", "torch.tanh(OFFSET / SCALE)")),
    Quadratic: (Quadratic, _centred("target", "(OFFSET / SCALE).square()")),
    Flag: (Flag, (Pattern("X", {"wanted": True}), Pattern("(1.0 - X)", {"wanted": False}))),
    Beyond: (
        Beyond,
        (
            Pattern("(X > THRESHOLD).float()", {"above": True}),
            Pattern("(X < THRESHOLD).float()", {"above": False}),
        ),
    ),
}
EFFORT = "action.square().mean(dim=-1)"
ACTION_CHANGE = "(action - state.last_action).square().mean(dim=-1)"
ACTION_CHANGE_DISCRETE = "(action != state.last_action).float()"
_FORMS = {
    Form.PLAIN: "X",
    Form.ABSOLUTE: "X.abs()",
    Form.COSINE: "torch.cos(X)",
    Form.NORM: "norm_l2(X)",
}


def write_number(value: float) -> str:
    """Return a number as source text."""
    if math.isinf(value):
        return "math.inf" if value > 0 else "-math.inf"
    return repr(value)


# ---- writing


def write_signal(signal: Signal, at: str) -> str:
    """Return the expression of a signal in ``state`` or ``next_state``."""
    index = "".join(f", {i}" for i in signal.index)
    plain = f"{at}.{signal.feature}" + (f"[:{index}]" if signal.index else "")
    return _FORMS[signal.form].replace("X", plain)


def write_shape(shape: Shape, discrete: bool, at: str = NEXT) -> str:
    """Return the expression of a shape, safe as a factor of a product."""
    if isinstance(shape, Effort):
        return EFFORT
    if isinstance(shape, ActionChange):
        return ACTION_CHANGE_DISCRETE if discrete else ACTION_CHANGE
    if isinstance(shape, Progress):
        after = write_shape(shape.potential, discrete, NEXT)
        return f"({after} - {write_shape(shape.potential, discrete, NOW)})"
    values: dict[str, float | bool] = {k: v for k, v in vars(shape).items() if k != "signal"}
    pattern = next(p for p in KINDS[type(shape)][1] if _fits(p, values))
    filled = {"X": write_signal(shape.signal, at)}
    for name in pattern.placeholders:
        negative = name.startswith("NEG_")
        value = values[name.removeprefix("NEG_").lower()]
        filled[name] = write_number(-value if negative else value)
    return _PLACEHOLDER.sub(lambda found: filled[found.group()], pattern.text)


def _fits(pattern: Pattern, values: Mapping[str, float | bool]) -> bool:
    signs = (values[n[4:].lower()] < 0 for n in pattern.placeholders if n.startswith("NEG_"))
    return all(values[name] == value for name, value in pattern.fixed.items()) and all(signs)


def write_factor(factor: Factor, discrete: bool) -> str:
    """Return the expression of a factor."""
    text = write_shape(factor.shape, discrete)
    rest = round(1.0 - factor.floor, 6)
    return f"({factor.floor!r} + {rest!r} * {text})" if factor.floor else text


# ---- reading


def read_number(node: ast.expr) -> float:
    """Read a number literal, with a sign, or ``math.inf``.

    Raises:
        GrammarError: it is something else.
    """
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -read_number(node.operand)
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return float(ast.literal_eval(node))
    if ast.unparse(node) == "math.inf":
        return math.inf
    raise GrammarError(f"'{ast.unparse(node)}' is no number")


def read_factor(node: ast.expr, table: FeatureTable) -> Factor:
    """Read a factor.

    Raises:
        GrammarError: it is none.
    """
    found = _match(_tree("FLOOR + REST * SHAPE"), node)
    if found is not None:
        floor = read_number(found["FLOOR"])
        if abs(read_number(found["REST"]) - (1.0 - floor)) > 1e-6:
            raise GrammarError(f"'{ast.unparse(node)}' does not end at 1")
        return Factor(read_shape(found["SHAPE"], table), floor)
    return Factor(read_shape(node, table))


def read_shape(node: ast.expr, table: FeatureTable, at: str = NEXT) -> Shape:
    """Read a shape.

    Raises:
        GrammarError: it is none, or reads an unknown feature.
    """
    fixed: dict[str, Shape] = {EFFORT: Effort(), ACTION_CHANGE: ActionChange()}
    fixed[ACTION_CHANGE_DISCRETE] = ActionChange()
    text = ast.unparse(node)
    if text in fixed:
        return fixed[text]
    for kind, (build, patterns) in KINDS.items():
        for pattern in patterns:
            found = _match(_tree(pattern.text), node)
            signal = None if found is None else _read_signal(found["X"], table, at)
            if found is None or signal is None:
                continue
            if (table[signal.feature].unit == "bool") != (kind is Flag):
                continue
            return build(signal, **pattern.fixed, **_numbers(pattern, found))
    return _read_progress(node, table, at)


def _read_progress(node: ast.expr, table: FeatureTable, at: str) -> Progress:
    if at == NEXT and isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
        after, before = read_shape(node.left, table, NEXT), read_shape(node.right, table, NOW)
        potential = isinstance(
            after, Linear | Capped | Tolerance | Exponential | Saturating | Quadratic
        )
        if potential and after == before:
            return Progress(after)
    raise GrammarError(f"'{ast.unparse(node)}' is no shape of this grammar")


def _numbers(pattern: Pattern, found: Mapping[str, ast.expr]) -> dict[str, float]:
    return {
        name.removeprefix("NEG_").lower(): read_number(found[name])
        * (-1.0 if name.startswith("NEG_") else 1.0)
        for name in pattern.placeholders
    }


def _read_signal(node: ast.expr, table: FeatureTable, at: str) -> Signal | None:
    for form in (Form.NORM, Form.COSINE, Form.ABSOLUTE, Form.PLAIN):
        found = _match(_tree(_FORMS[form]), node)
        plain = None if found is None else _read_access(found["X"], at)
        if plain is None:
            continue
        feature, index = plain
        if feature not in table:
            raise GrammarError(f"'{feature}' is no feature of this task")
        if len(index) == (0 if form is Form.NORM else len(table[feature].shape)):
            return Signal(feature, index, form)
    return None


def _read_access(node: ast.expr, at: str) -> tuple[str, tuple[int, ...]] | None:
    """Read ``state.x`` or ``state.x[:, i]``."""
    index: tuple[int, ...] = ()
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Tuple):
        rows, *rest = node.slice.elts
        constants = [e.value for e in rest if isinstance(e, ast.Constant)]
        index = tuple(i for i in constants if isinstance(i, int))
        if not isinstance(rows, ast.Slice) or len(index) < len(rest):
            return None
        node = node.value
    if isinstance(node, ast.Attribute) and ast.unparse(node.value) == at:
        return node.attr, index
    return None


@cache
def _tree(text: str) -> ast.expr:
    """Return the syntax tree of a pattern; placeholders are names."""
    return ast.parse(text, mode="eval").body


def _match(pattern: ast.AST, node: ast.AST) -> dict[str, ast.expr] | None:
    """Match trees; a name in capitals in the pattern binds any expression."""
    if isinstance(pattern, ast.Name) and _PLACEHOLDER.fullmatch(pattern.id):
        return {pattern.id: node} if isinstance(node, ast.expr) else None
    ours, theirs = list(ast.iter_child_nodes(pattern)), list(ast.iter_child_nodes(node))
    alike = type(pattern) is type(node) and _label(pattern) == _label(node)
    if not alike or len(ours) != len(theirs):
        return None
    bound: dict[str, ast.expr] = {}
    for one, other in zip(ours, theirs, strict=True):
        inner = _match(one, other)
        if inner is None:
            return None
        bound |= inner
    return bound


def _label(node: ast.AST) -> str:
    """Return what a node holds beside its children."""
    match node:
        case ast.Name(name) | ast.Attribute(attr=name):
            return name
        case ast.Constant(value):
            return repr(value)
        case ast.keyword(arg=name):
            return name or "**"
        case _:
            return ""
