"""The gate's rules about names: features, modules, functions, attributes."""

from __future__ import annotations

import ast
import builtins
import importlib
import string
import types
from collections.abc import Callable, Iterator
from functools import cache

import torch

from rewardgen.check.allowlist import (
    ANNOTATIONS_ONLY,
    BUILTINS,
    COLLECTION,
    EXCEPTIONS,
    MODULES,
    RANDOM,
    RESULTS,
    TENSOR,
)
from rewardgen.check.remarks import Remark, near, near_of_all, remark, shown
from rewardgen.check.scopes import Located, Scope, Scopes, is_view
from rewardgen.rewards.code import VOCABULARY
from rewardgen.rewards.decorators import DROPPED, Decorators
from rewardgen.rewards.findings import more
from rewardgen_envs.features import FeatureTable

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
# by listing: to ask torch for a name can import a part of it
_EXISTING = frozenset(name for kind in _KINDS for name in dir(kind))
_BUILTIN_REMEDIES = {
    "print": "remove it: what a reward prints goes nowhere; report what is of interest as a term",
    "getattr": "write state.name; every feature of the task is always there",
    "hasattr": "remove it; every feature of the task is always there",
    "type": "use isinstance, or remove it: features are always float32 tensors",
}
_ATTRIBUTE_REMEDIES = {
    "format": "use an f-string",
    "format_map": "use an f-string",
    "numpy": "compute with torch: the reward may run on a GPU",
    "data": "leave it out: rewards are computed without gradients anyway",
    "grad": "rewards are computed without gradients: write the derivative out",
    "backward": "rewards are computed without gradients: write the derivative out",
    "as_strided": "use .unfold, .view or indexing",
}
# by what follows "torch."
_FUNCTION_REMEDIES = {
    "compile": "remove it: rewards are not compiled",
    "cond": "use torch.where",
    "while_loop": "use whole-batch torch operations",
    "save": "report what is of interest as a term",
}
_IN_SCOPE = {"torch": "torch", "math": "math"}
_DUNDERS = ("__all__", "__author__", "__version__")
IMPORTABLE = tuple(module for module, names in MODULES.items() if names)


class NameRules:
    """Checks every name and attribute of a module.

    Args:
        scopes: the module's nodes and scopes.
        table: features of the task, or None to leave features unchecked.
        decorators: which decorators are left out when the code is compiled.
    """

    def __init__(self, scopes: Scopes, table: FeatureTable | None, decorators: Decorators) -> None:
        self._scopes = scopes
        self._features = None if table is None else frozenset(table.public().names)
        self._decorators = decorators
        self._aliases = dict(_IN_SCOPE)
        self._imported: dict[str, str] = {}
        self._unchecked: set[int] = set()
        for item in scopes.nodes:
            self._alias(item.node)
            self._leave_out(item.node)
        self._attributes = TENSOR | COLLECTION | RESULTS | (self._features or frozenset())
        listed = more(sorted(self._features or ()), _LISTED)
        self._choices = "" if self._features is None else f"; features: {listed}"
        self._rules: dict[type[ast.AST], Callable[[Located], Iterator[Remark]]] = {
            ast.Import: self._import,
            ast.ImportFrom: self._import_from,
            ast.Name: self._name,
            ast.Attribute: self._attribute,
            ast.Call: self._call,
            ast.FunctionDef: self._definition,
            ast.arg: self._definition,
        }

    def remarks(self, item: Located) -> Iterator[Remark]:
        """Yield what is wrong with the names of one node."""
        rule = self._rules.get(type(item.node))
        if rule is not None and id(item.node) not in self._unchecked:
            yield from rule(item)

    def _leave_out(self, node: ast.AST) -> None:
        """Note the names in decorators that are dropped, and in ``with torch.no_grad()``."""
        parts: list[ast.expr] = []
        if isinstance(node, ast.FunctionDef):
            parts = [each for each in node.decorator_list if self._decorators.drops(each)]
        elif isinstance(node, ast.With) and self._decorators.is_no_gradient(node):
            parts = [each.context_expr for each in node.items]
        self._unchecked |= {id(inner) for part in parts for inner in ast.walk(part)}

    # ---- imports

    def _alias(self, node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.split(".")[0]
                self._aliases[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                known = self._aliases if full in MODULES else self._imported
                known[alias.asname or alias.name] = full

    def _import(self, item: Located) -> Iterator[Remark]:
        assert isinstance(item.node, ast.Import)
        for alias in item.node.names:
            if alias.name not in MODULES:
                yield _refused_import(item.node, alias.name)

    def _import_from(self, item: Located) -> Iterator[Remark]:
        node = item.node
        assert isinstance(node, ast.ImportFrom)
        module = node.module or ""
        if node.level or module not in MODULES:
            yield _refused_import(node, "." * node.level + module)
            return
        for alias in node.names:
            if alias.name == "*":
                yield remark(
                    "policy",
                    "import",
                    node,
                    f"import of everything in '{module}'",
                    f"name what you use: from {module} import name",
                )
            elif alias.name not in MODULES[module] and f"{module}.{alias.name}" not in MODULES:
                yield _module_attribute(node, module, alias.name)

    # ---- names

    def _name(self, item: Located) -> Iterator[Remark]:
        node = item.node
        assert isinstance(node, ast.Name)
        if node.id.startswith("__") and not _is_label(node, item):
            yield _dunder(node, node.id)
        elif isinstance(node.ctx, ast.Load):
            yield from self._loaded(node, item)

    def _definition(self, item: Located) -> Iterator[Remark]:
        node = item.node
        name = node.name if isinstance(node, ast.FunctionDef) else ""
        name = node.arg if isinstance(node, ast.arg) else name
        if name.startswith("__"):
            yield _dunder(node, name)

    def _loaded(self, node: ast.Name, item: Located) -> Iterator[Remark]:
        full = self._imported.get(node.id)
        if self._module(node) is not None and not isinstance(item.parent, ast.Attribute):
            yield remark(
                "policy",
                "module-value",
                node,
                f"module '{shown(node.id)}' is used as a value",
                f"use its functions: {shown(node.id)}.name(...)",
            )
        elif full is not None and _is_bound(full):
            yield _out_of_place(node, full)
        elif is_view(node, item.scope):
            yield from self._view_use(node, item)
        elif item.scope.owner(node.id) is not None or _is_known(node.id):
            return
        elif hasattr(builtins, node.id):
            yield remark(
                "policy",
                "builtin",
                node,
                f"the builtin '{node.id}' is not allowed",
                _BUILTIN_REMEDIES.get(node.id, "use torch, math and the vocabulary"),
            )
        else:
            yield remark(
                "contract",
                "unknown-name",
                node,
                f"unknown name '{shown(node.id)}'",
                "define it, or use what is in scope",
                lambda: near(node.id, self._in_scope(item.scope)),
            )

    def _in_scope(self, scope: Scope | None) -> set[str]:
        """Return the names that are bound where a scope is."""
        known = {*_IN_SCOPE, *VOCABULARY, *BUILTINS, *self._scopes.module.names}
        while scope is not None:
            known |= scope.names
            scope = scope.parent
        return known

    def _view_use(self, node: ast.Name, item: Located) -> Iterator[Remark]:
        parent = item.parent
        misused = (isinstance(parent, ast.Subscript) and parent.value is node) or isinstance(
            parent, ast.BinOp | ast.UnaryOp | ast.Compare
        )
        if isinstance(parent, ast.Call) and any(node is each for each in parent.args):
            misused = isinstance(parent.func, ast.Attribute) or (
                isinstance(parent.func, ast.Name)
                and item.scope.owner(parent.func.id) is None
                and _is_known(parent.func.id)
            )
        if misused:
            yield remark(
                "contract",
                "state-as-tensor",
                node,
                f"'{shown(node.id)}' is not a tensor: it gives features by name",
                f"write {shown(node.id)}.name{self._choices}",
            )

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

    def _attribute(self, item: Located) -> Iterator[Remark]:
        node = item.node
        assert isinstance(node, ast.Attribute)
        if node.attr.startswith("_"):
            yield _dunder(node, node.attr)
            return
        module = self._module(node.value)
        if module is not None:
            yield from self._of_module(node, module, item)
        elif is_view(node.value, item.scope):
            features = self._features
            if features is not None and node.attr not in features:
                yield remark(
                    "contract",
                    "unknown-feature",
                    node,
                    f"no feature '{shown(node.attr)}'",
                    "use a feature of the task",
                    lambda: near_of_all(node.attr, features),
                )
        elif node.attr == "format" and _is_plain_template(node.value):
            return
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

    def _of_module(self, node: ast.Attribute, module: str, item: Located) -> Iterator[Remark]:
        full = f"{module}.{node.attr}"
        if full in MODULES:
            if not isinstance(item.parent, ast.Attribute):
                yield remark(
                    "policy",
                    "module-value",
                    node,
                    f"module '{full}' is used as a value",
                    f"use its functions: {full}.name(...)",
                )
        elif node.attr not in MODULES[module]:
            yield _module_attribute(node, module, node.attr)
        elif _is_bound(full):
            yield _out_of_place(node, full)

    def _unknown_attribute(self, node: ast.Attribute, scope: Scope) -> Iterator[Remark]:
        if node.attr in RANDOM:
            yield _random(node, f".{node.attr}")
        elif node.attr in _EXISTING:
            yield remark(
                "policy",
                "attribute",
                node,
                f"attribute '{shown(node.attr)}' is not allowed",
                _ATTRIBUTE_REMEDIES.get(node.attr, "use pure torch functions"),
            )
        elif self._features is None and _may_be_view(node.value, scope):
            return  # perhaps a feature
        else:
            yield remark(
                "contract",
                "unknown-attribute",
                node,
                f"unknown attribute '{shown(node.attr)}'",
                "use tensor methods, or features of state and next_state",
                lambda: near(node.attr, self._attributes),
            )

    def _call(self, item: Located) -> Iterator[Remark]:
        node = item.node
        assert isinstance(node, ast.Call)
        for keyword in node.keywords:
            if keyword.arg == "out":
                yield remark(
                    "policy",
                    "out-argument",
                    node,
                    "the argument 'out' is not allowed",
                    "assign the result to a variable",
                )
            elif keyword.arg is None and self._is_library(node.func, item.scope):
                yield remark(
                    "policy",
                    "keyword-unpacking",
                    node,
                    "** in a call of a torch function",
                    "write the arguments out",
                )

    def _is_library(self, function: ast.expr, scope: Scope) -> bool:
        """Tell whether a function may be one of a library, whose arguments must be seen."""
        if isinstance(function, ast.Name):
            return function.id in self._imported
        return isinstance(function, ast.Attribute)


_LISTED = 30


def _is_known(name: str) -> bool:
    return name in BUILTINS or name in EXCEPTIONS or name in VOCABULARY or name in _IN_SCOPE


def _is_label(node: ast.Name, item: Located) -> bool:
    """Tell whether a private name is one that a module says something about itself with."""
    return (
        node.id in _DUNDERS
        and isinstance(node.ctx, ast.Store)
        and isinstance(item.parent, ast.Assign)
        and item.scope.is_module
    )


def _is_bound(full: str) -> bool:
    """Tell whether a name of a library has a meaning in one place only."""
    module, _, name = full.rpartition(".")
    return full in DROPPED or (module == "typing" and name in ANNOTATIONS_ONLY)


def _out_of_place(node: ast.AST, full: str) -> Remark:
    place = "in annotations" if full.startswith("typing.") else "as a decorator"
    if full == "torch.no_grad":
        place += ", and in with torch.no_grad():"
    return remark(
        "policy",
        "torch-function" if full in DROPPED else "unknown-function",
        node,
        f"'{full}' is only allowed {place}",
        "remove it, or use it there",
    )


def _is_plain_template(node: ast.expr) -> bool:
    """Tell whether a text is a constant whose fields reach for no attribute or element."""
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        return False
    try:
        fields = list(string.Formatter().parse(node.value))
    except ValueError:
        return False
    return all(
        field is None or (not set(".[") & set(field) and "{" not in (spec or ""))
        for _, field, spec, _ in fields
    )


def _may_be_view(node: ast.expr, scope: Scope) -> bool:
    return isinstance(node, ast.Name) and scope.may_be_view(node.id)


def _refused_import(node: ast.AST, module: str) -> Remark:
    return remark(
        "policy",
        "import",
        node,
        f"import of '{shown(module)}'",
        f"torch, math and the vocabulary are in scope; importable are {', '.join(IMPORTABLE)}",
    )


def _dunder(node: ast.AST, name: str) -> Remark:
    return remark(
        "policy",
        "private-name",
        node,
        f"the private name '{shown(name)}'",
        "use only public names of torch and features",
    )


def _random(node: ast.AST, name: str) -> Remark:
    return remark(
        "policy",
        "randomness",
        node,
        f"'{name}' is random",
        "the reward must be the same each time: compute it from features",
    )


def _module_attribute(node: ast.AST, module: str, name: str) -> Remark:
    full = f"{module}.{shown(name)}"
    if module.startswith(("torch", "numpy")) and name in RANDOM:
        return _random(node, full)
    if name in _names_of(module):
        return remark(
            "policy",
            "torch-function" if module.startswith("torch") else "function",
            node,
            f"'{full}' is not allowed",
            _FUNCTION_REMEDIES.get(
                full.removeprefix("torch."), "use pure functions of torch and math"
            ),
        )
    return remark(
        "contract",
        "unknown-function",
        node,
        f"'{module}' has no '{shown(name)}'",
        "use pure functions of torch and math",
        lambda: near(name, MODULES[module]),
    )


@cache
def _names_of(module: str) -> frozenset[str]:
    """Return what a library offers; what it would import only when asked is not among it."""
    return frozenset(dir(importlib.import_module(module)))
