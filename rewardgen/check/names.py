"""The gate's rules about names: features, modules, functions, attributes."""

from __future__ import annotations

import ast
import builtins
import types
from collections.abc import Callable, Iterator

import torch

from rewardgen.check.allowlist import (
    BUILTINS,
    COLLECTION,
    MODULES,
    RANDOM,
    TENSOR,
    TORCH,
)
from rewardgen.check.scopes import Located, Scope, Scopes, is_view
from rewardgen.rewards.code import VOCABULARY, is_script_decorator
from rewardgen.rewards.findings import Finding, Kind
from rewardgen_envs.features import FeatureTable
from rewardgen_envs.names import nearest

# what values of reward code may be; an attribute of theirs that is not listed is refused as such
_KINDS: tuple[object, ...] = (
    torch.Tensor,
    torch,
    str,
    bytes,
    int,
    float,
    dict,
    list,
    set,
    types.GeneratorType,
    types.FunctionType,
    types.FrameType,
    types.CodeType,
    types.TracebackType,
)
_BUILTIN_REMEDIES = {
    "print": "remove it; report what is of interest as a term",
    "getattr": "write state.name; every feature of the task is always there",
    "hasattr": "remove it; every feature of the task is always there",
}
_IN_SCOPE = {"torch": "torch", "math": "math"}
IMPORTABLE = tuple(module for module, names in MODULES.items() if names)


class NameRules:
    """Checks every name and attribute of a module.

    Args:
        scopes: the module's nodes and scopes.
        table: features of the task, or None to leave features unchecked.
    """

    def __init__(self, scopes: Scopes, table: FeatureTable | None) -> None:
        self._scopes = scopes
        self._features = None if table is None else frozenset(table.public().names)
        self._aliases = dict(_IN_SCOPE)
        for item in scopes.nodes:
            self._alias(item.node)
        self._attributes = TENSOR | COLLECTION | (self._features or frozenset())
        self._rules: dict[type[ast.AST], Callable[[Located], Iterator[Finding]]] = {
            ast.Import: self._import,
            ast.ImportFrom: self._import_from,
            ast.Name: self._name,
            ast.Attribute: self._attribute,
            ast.Call: self._call,
            ast.FunctionDef: self._definition,
            ast.arg: self._definition,
        }

    def findings(self, item: Located) -> Iterator[Finding]:
        """Yield what is wrong with the names of one node."""
        rule = self._rules.get(type(item.node))
        if rule is not None:
            yield from rule(item)

    # ---- imports

    def _alias(self, node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.split(".")[0]
                self._aliases[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                if full in MODULES:
                    self._aliases[alias.asname or alias.name] = full

    def _import(self, item: Located) -> Iterator[Finding]:
        assert isinstance(item.node, ast.Import)
        for alias in item.node.names:
            if alias.name not in MODULES:
                yield _refused_import(item.node, alias.name)

    def _import_from(self, item: Located) -> Iterator[Finding]:
        node = item.node
        assert isinstance(node, ast.ImportFrom)
        module = node.module or ""
        if node.level or module not in MODULES:
            yield _refused_import(node, "." * node.level + module)
            return
        for alias in node.names:
            if alias.name not in MODULES[module] and f"{module}.{alias.name}" not in MODULES:
                yield _module_attribute(node, module, alias.name)

    # ---- names

    def _name(self, item: Located) -> Iterator[Finding]:
        node = item.node
        assert isinstance(node, ast.Name)
        if node.id.startswith("__"):
            yield _dunder(node, node.id)
        elif isinstance(node.ctx, ast.Load):
            yield from self._loaded(node, item)

    def _definition(self, item: Located) -> Iterator[Finding]:
        node = item.node
        name = node.name if isinstance(node, ast.FunctionDef) else ""
        name = node.arg if isinstance(node, ast.arg) else name
        if name.startswith("__"):
            yield _dunder(node, name)

    def _loaded(self, node: ast.Name, item: Located) -> Iterator[Finding]:
        if self._module(node) is not None and not isinstance(item.parent, ast.Attribute):
            yield _finding(
                "policy",
                "module-value",
                node,
                f"module '{node.id}' is used as a value",
                f"use its functions: {node.id}.name(...)",
            )
        elif is_view(node, item.scope):
            yield from self._view_use(node, item)
        elif item.scope.owner(node.id) is not None or _is_known(node.id):
            return
        elif hasattr(builtins, node.id):
            yield _finding(
                "policy",
                "builtin",
                node,
                f"the builtin '{node.id}' is not allowed",
                _BUILTIN_REMEDIES.get(node.id, "use torch, math and the vocabulary"),
            )
        else:
            known = {*_IN_SCOPE, *VOCABULARY, *self._scopes.module.names}
            scope: Scope | None = item.scope
            while scope is not None:
                known |= scope.names
                scope = scope.parent
            yield _finding(
                "contract",
                "unknown-name",
                node,
                f"unknown name '{node.id}'{nearest(node.id, known)}",
                "define it, or use what is in scope",
            )

    def _view_use(self, node: ast.Name, item: Located) -> Iterator[Finding]:
        parent = item.parent
        misused = (isinstance(parent, ast.Subscript) and parent.value is node) or isinstance(
            parent, ast.BinOp | ast.UnaryOp | ast.Compare
        )
        if isinstance(parent, ast.Call) and node in parent.args:
            misused = isinstance(parent.func, ast.Attribute) or (
                isinstance(parent.func, ast.Name)
                and item.scope.owner(parent.func.id) is None
                and _is_known(parent.func.id)
            )
        if misused:
            yield _finding(
                "contract",
                "state-as-tensor",
                node,
                f"'{node.id}' is not a tensor: it gives features by name",
                f"write {node.id}.name" + self._choices(),
            )

    def _choices(self) -> str:
        return "" if self._features is None else f"; features: {', '.join(sorted(self._features))}"

    # ---- attributes and calls

    def _module(self, node: ast.expr) -> str | None:
        """Return the dotted name of the module that an expression stands for, or None."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or node.id not in self._aliases:
            return None
        name = ".".join([self._aliases[node.id], *reversed(parts)])
        return name if name in MODULES else None

    def _attribute(self, item: Located) -> Iterator[Finding]:
        node = item.node
        assert isinstance(node, ast.Attribute)
        if node.attr.startswith("_"):
            yield _dunder(node, node.attr)
            return
        module = self._module(node.value)
        if module is not None:
            yield from self._of_module(node, module, item)
        elif is_view(node.value, item.scope):
            if self._features is not None and node.attr not in self._features:
                yield _finding(
                    "contract",
                    "unknown-feature",
                    node,
                    f"no feature '{node.attr}'{nearest(node.attr, self._features)}",
                    "use a feature of the task",
                )
        elif node.attr not in self._attributes and not self._refused_below(node.value):
            yield from self._unknown_attribute(node, item.scope)

    def _refused_below(self, node: ast.expr) -> bool:
        """Tell whether an attribute further left in a dotted name is refused already."""
        while isinstance(node, ast.Attribute):
            module = self._module(node.value)
            if module is not None:
                return f"{module}.{node.attr}" not in MODULES and node.attr not in MODULES[module]
            node = node.value
        return False

    def _of_module(self, node: ast.Attribute, module: str, item: Located) -> Iterator[Finding]:
        full = f"{module}.{node.attr}"
        if full in MODULES:
            if not isinstance(item.parent, ast.Attribute):
                yield _finding(
                    "policy",
                    "module-value",
                    node,
                    f"module '{full}' is used as a value",
                    f"use its functions: {full}.name(...)",
                )
        elif node.attr not in MODULES[module]:
            yield _module_attribute(node, module, node.attr)
        elif full == "torch.jit.script" and not (
            isinstance(item.parent, ast.FunctionDef) and is_script_decorator(node)
        ):
            yield _module_attribute(node, "torch.jit", "script")

    def _unknown_attribute(self, node: ast.Attribute, scope: Scope) -> Iterator[Finding]:
        if node.attr in RANDOM:
            yield _random(node, f".{node.attr}")
        elif any(hasattr(kind, node.attr) for kind in _KINDS):
            yield _finding(
                "policy",
                "attribute",
                node,
                f"attribute '{node.attr}' is not allowed",
                "use pure torch functions",
            )
        elif self._features is None and _may_be_view(node.value, scope):
            return  # perhaps a feature
        else:
            yield _finding(
                "contract",
                "unknown-attribute",
                node,
                f"unknown attribute '{node.attr}'{_nearest_only(node.attr, self._attributes)}",
                "use tensor methods, or features of state and next_state",
            )

    def _call(self, item: Located) -> Iterator[Finding]:
        node = item.node
        assert isinstance(node, ast.Call)
        for keyword in node.keywords:
            if keyword.arg == "out":
                yield _finding(
                    "policy",
                    "out-argument",
                    node,
                    "the argument 'out' is not allowed",
                    "assign the result to a variable",
                )
            elif keyword.arg is None and isinstance(node.func, ast.Attribute):
                yield _finding(
                    "policy",
                    "keyword-unpacking",
                    node,
                    "** in a call of a torch function",
                    "write the arguments out",
                )


def _is_known(name: str) -> bool:
    return name in BUILTINS or name in VOCABULARY or name in _IN_SCOPE


def _may_be_view(node: ast.expr, scope: Scope) -> bool:
    return isinstance(node, ast.Name) and scope.may_be_view(node.id)


def _nearest_only(name: str, choices: frozenset[str]) -> str:
    """Return the nearest choice but not the hundreds of others."""
    return nearest(name, choices).partition(" Valid:")[0].rstrip(".")


def _finding(kind: Kind, rule: str, node: ast.AST, message: str, remedy: str) -> Finding:
    return Finding("gate", kind, rule, "error", getattr(node, "lineno", None), message, remedy)


def _refused_import(node: ast.AST, module: str) -> Finding:
    return _finding(
        "policy",
        "import",
        node,
        f"import of '{module}'",
        f"torch, math and the vocabulary are in scope; importable are {', '.join(IMPORTABLE)}",
    )


def _dunder(node: ast.AST, name: str) -> Finding:
    return _finding(
        "policy",
        "private-name",
        node,
        f"the private name '{name}'",
        "use only public names of torch and features",
    )


def _random(node: ast.AST, name: str) -> Finding:
    return _finding(
        "policy",
        "randomness",
        node,
        f"'{name}' is random",
        "the reward must be the same each time: compute it from features",
    )


def _module_attribute(node: ast.AST, module: str, name: str) -> Finding:
    full = f"{module}.{name}"
    allowed = MODULES[module]
    if module == "torch" and name in RANDOM:
        return _random(node, full)
    if module.startswith("torch") and _exists(module, name):
        return _finding(
            "policy",
            "torch-function",
            node,
            f"'{full}' is not allowed{_nearest_only(name, allowed)}",
            "use pure tensor functions",
        )
    return _finding(
        "contract" if module in ("torch", "math") else "policy",
        "unknown-function",
        node,
        f"'{module}' has no '{name}' for rewards{_nearest_only(name, allowed or TORCH)}",
        "use pure functions of torch and math",
    )


def _exists(module: str, name: str) -> bool:
    found: object = torch
    for part in [*module.split(".")[1:], name]:
        found = getattr(found, part, None)
    return found is not None
