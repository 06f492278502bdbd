"""How large and how deep a reward may be, and which characters it may hold."""

from __future__ import annotations

import ast
import unicodedata
from collections.abc import Iterator
from itertools import pairwise

from rewardgen.check.remarks import Remark

MAX_NODES = 3000
MAX_DEPTH = 60
MAX_RANGE = 1000
MAX_EXPONENT = 64
MAX_FACTORIAL = 1000
MAX_BITS = 63
# no editor shows them, and names may hold them: fillers, and variants of letters
_UNSEEN = frozenset("\u115f\u1160\u17b4\u17b5\u3164\uffa0") | {
    chr(code) for codes in (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0)) for code in codes
}
_CATEGORIES = ("Cc", "Cf", "Cs", "Zl", "Zp")
# what a picture such as a warning sign in a comment is composed with
_JOINERS = frozenset("\u200d\ufe0e\ufe0f")
_KEYCAP = "\ufe0f\u20e3"


def text_remarks(source: str) -> Iterator[Remark]:
    """Yield a remark for the first line that holds characters no editor shows."""
    for number, line in enumerate(source.split("\n"), start=1):
        for before, character in pairwise(f" {line.replace(_KEYCAP, '')}"):
            if _hidden(character, before):
                yield _policy(
                    "hidden-character",
                    number,
                    f"the line holds the hidden character U+{ord(character):04X}",
                    "remove it",
                )
                return


def _hidden(character: str, before: str) -> bool:
    """Tell whether a reader would not see a character, or read others in another order."""
    if character in "\t\f":
        return False
    if character in _JOINERS:
        return unicodedata.category(before) not in ("So", "Sk") and before not in _JOINERS
    return character in _UNSEEN or unicodedata.category(character) in _CATEGORIES


def tree_remarks(tree: ast.Module) -> Iterator[Remark]:
    """Yield a remark if the syntax tree is too large or too deep."""
    count = 0
    level: list[ast.AST] = [tree]
    depth = 0
    while level:
        count += len(level)
        depth += 1
        if count > MAX_NODES or depth > MAX_DEPTH:
            yield _policy(
                "too-large" if count > MAX_NODES else "too-deep",
                getattr(level[0], "lineno", None),
                f"the code has more than {MAX_NODES} syntax nodes"
                if count > MAX_NODES
                else f"expressions are nested more than {MAX_DEPTH} deep",
                "write a shorter reward, and long sums as several assignments",
            )
            return
        level = [child for node in level for child in ast.iter_child_nodes(node)]


def number_remarks(node: ast.AST) -> Iterator[Remark]:
    """Yield a remark for a loop or number that takes for ever to compute."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow | ast.LShift):
        exponent = _number(node.right)
        if exponent is not None and abs(exponent) > MAX_EXPONENT:
            yield _policy(
                "huge-number",
                node.lineno,
                f"a power or shift by {exponent:g}",
                f"use exponents up to {MAX_EXPONENT}",
            )
        elif exponent is None and _is_power(node.right) and _is_constant(node.left):
            yield _policy("huge-number", node.lineno, "a power of a power", "write the number")
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        if node.value.bit_length() > MAX_BITS:
            yield _policy(
                "huge-number",
                node.lineno,
                f"a whole number of {node.value.bit_length():,} bits",
                f"use whole numbers of up to {MAX_BITS} bits",
            )
    elif isinstance(node, ast.Call):
        yield from _call_remarks(node)


def _call_remarks(node: ast.Call) -> Iterator[Remark]:
    function = node.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if name == "range" and isinstance(function, ast.Name):
        sizes = [_number(argument) for argument in node.args]
        if any(size is not None and abs(size) > MAX_RANGE for size in sizes):
            yield _policy(
                "long-loop",
                node.lineno,
                f"a range of more than {MAX_RANGE}",
                "use whole-batch torch operations instead of loops",
            )
    elif name == "factorial" and node.args:
        size = _number(node.args[0])
        if size is not None and size > MAX_FACTORIAL:
            yield _policy(
                "huge-number",
                node.lineno,
                f"the factorial of {size:g}",
                f"use factorials of up to {MAX_FACTORIAL}, or math.lgamma",
            )
    elif name == "iter" and isinstance(function, ast.Name) and len(node.args) > 1:
        yield _policy(
            "endless-loop",
            node.lineno,
            "iter with two arguments, which may have no end",
            "use for over a list or range",
        )


def _is_power(node: ast.expr) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow | ast.LShift)


def _is_constant(node: ast.expr) -> bool:
    return not any(isinstance(part, ast.Name | ast.Call) for part in ast.walk(node))


def _number(node: ast.expr) -> float | None:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node = node.operand
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(min(max(node.value, -1e300), 1e300))
    return None


def _policy(rule: str, line: int | None, message: str, remedy: str) -> Remark:
    return Remark("policy", rule, line, message, remedy)
