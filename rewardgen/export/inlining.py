"""The part of the vocabulary, or of the wrappers' formulas, that a reward uses, as text."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable
from types import ModuleType

from rewardgen.rewards import vocabulary


def inlined(names: Iterable[str], module: ModuleType = vocabulary) -> str:
    """Return the source of functions of a module and of all that they use of it, transitively.

    Imports come first, then what the functions need in the order of the module's file. Only
    ``from __future__ import annotations`` is left to whoever takes the text.

    Args:
        names: the functions.
        module: whose they are; it may import torch and the standard library alone.
    """
    source = inspect.getsource(module)
    tree = ast.parse(source)
    defined = {name: node for node in tree.body for name in _defines(node)}
    needed: set[str] = set()
    todo = [name for name in names if name in defined]
    while todo:
        name = todo.pop()
        if name not in needed:
            needed.add(name)
            todo += [used for used in _reads(defined[name]) if used in defined]
    parts = [_text(node, source, needed) for node in tree.body if needed & set(_defines(node))]
    imports = [text for text, is_import in parts if is_import]
    return "\n\n".join(["\n".join(imports), *(text for text, is_import in parts if not is_import)])


def _defines(node: ast.stmt) -> list[str]:
    """Return the names that a statement of a module binds."""
    if isinstance(node, ast.FunctionDef):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    if isinstance(node, ast.Import | ast.ImportFrom) and not _is_future(node):
        return [alias.asname or alias.name for alias in node.names]
    return []


def _reads(node: ast.stmt) -> set[str]:
    """Return the names that a statement reads, annotations included."""
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def _is_future(node: ast.Import | ast.ImportFrom) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def _text(node: ast.stmt, source: str, needed: set[str]) -> tuple[str, bool]:
    """Return a statement, an import without what is not needed, and whether it is an import."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        node.names = [alias for alias in node.names if (alias.asname or alias.name) in needed]
        return ast.unparse(node), True
    text = ast.get_source_segment(source, node)
    assert text is not None, "the node was parsed from this source"
    return text, False
