"""What reward code may say about compiling and gradients, which changes nothing here.

``@torch.jit.script`` needs a source file and is left out when code is compiled, and so is
``@torch.no_grad()``: rewards are computed without gradients anyway.
"""

from __future__ import annotations

import ast

DROPPED = frozenset(
    {f"torch.jit.{name}" for name in ("script", "ignore", "export", "unused")} | {"torch.no_grad"}
)
_NO_GRADIENT = "torch.no_grad"


class Decorators:
    """Tells which decorators of a module are left out, by whatever name they were imported.

    Args:
        tree: the module.
    """

    def __init__(self, tree: ast.Module) -> None:
        self._names = {"torch": "torch"}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    top = alias.name.partition(".")[0]
                    self._names[alias.asname or top] = alias.name if alias.asname else top
            elif isinstance(node, ast.ImportFrom) and not node.level:
                for alias in node.names:
                    self._names[alias.asname or alias.name] = f"{node.module}.{alias.name}"

    def drops(self, decorator: ast.expr) -> bool:
        """Tell whether a decorator is left out."""
        if isinstance(decorator, ast.Call) and not decorator.args and not decorator.keywords:
            decorator = decorator.func
        return self.meaning(decorator) in DROPPED

    def is_no_gradient(self, node: ast.stmt) -> bool:
        """Tell whether a statement is ``with torch.no_grad():`` and nothing else."""
        return isinstance(node, ast.With) and all(
            isinstance(item.context_expr, ast.Call)
            and not item.context_expr.args
            and not item.context_expr.keywords
            and item.optional_vars is None
            and self.meaning(item.context_expr.func) == _NO_GRADIENT
            for item in node.items
        )

    def meaning(self, node: ast.expr) -> str | None:
        """Return the full dotted name of what an expression names, None if it is no name."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or node.id not in self._names:
            return None
        return ".".join([self._names[node.id], *reversed(parts)])


def without_decorators(tree: ast.Module) -> ast.Module:
    """Take the decorators that are left out off a tree, and return it."""
    decorators = Decorators(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.decorator_list = [d for d in node.decorator_list if not decorators.drops(d)]
    return tree
