"""Who binds which name, and which names stand for ``state`` and ``next_state``.

Python's own scoping, flow-insensitive: a name bound anywhere in a function belongs to it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import cast

from rewardgen.rewards.format import ENTRY

FunctionNode = ast.FunctionDef | ast.Lambda


@dataclass
class Scope:
    """A module, function, lambda or comprehension.

    Attributes:
        node: what opens it.
        parent: the scope around it; None for the module.
        names: names bound in it.
        views: names that always stand for a state view.
        others: names that sometimes stand for something else.
        parameters: names of parameters.
        kept: parameters whose default value is an object that every call shares.
    """

    node: ast.AST
    parent: Scope | None
    names: set[str] = field(default_factory=set[str])
    views: set[str] = field(default_factory=set[str])
    others: set[str] = field(default_factory=set[str])
    parameters: set[str] = field(default_factory=set[str])
    kept: set[str] = field(default_factory=set[str])

    def owner(self, name: str) -> Scope | None:
        """Return the scope that binds a name seen from here."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope
            scope = scope.parent
        return None

    def is_view(self, name: str) -> bool:
        """Tell whether a name seen from here always stands for a state view."""
        owner = self.owner(name)
        return owner is not None and name in owner.views and name not in owner.others

    def may_be_view(self, name: str) -> bool:
        """Tell whether a name seen from here may stand for a state view."""
        owner = self.owner(name)
        return owner is not None and (name in owner.views or name in owner.parameters)

    @property
    def function(self) -> str | None:
        """Name of the module-level function that this scope lies in."""
        scope = self
        while scope.parent is not None:
            if scope.parent.is_module and isinstance(scope.node, ast.FunctionDef):
                return scope.node.name
            scope = scope.parent
        return None

    @property
    def is_module(self) -> bool:
        """Whether this is the module's scope."""
        return self.parent is None


@dataclass(frozen=True)
class Located:
    """A node, its scope and the node it hangs on."""

    node: ast.AST
    scope: Scope
    parent: ast.AST | None


@dataclass(frozen=True)
class _Flow:
    """A name takes a value that is a view if all sources are; with none it never is."""

    owner: Scope
    name: str
    sources: tuple[ast.expr, ...]
    scope: Scope

    def is_view(self) -> bool:
        return bool(self.sources) and all(is_view(source, self.scope) for source in self.sources)

    @property
    def reads(self) -> set[str]:
        """The names that decide whether it is a view."""
        return {name for source in self.sources for name in _read(source)}


class Scopes:
    """All nodes of a module with their scopes, in source order, annotations left out."""

    def __init__(self, tree: ast.Module) -> None:
        self.module = Scope(tree, None)
        self.nodes = list(_located(tree, self.module))
        self.functions = {
            node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)
        }
        self._scope_of = {id(item.scope.node): item.scope for item in self.nodes}
        for item in self.nodes:
            _bind(item)
        self._find_views()

    def _find_views(self) -> None:
        entry = self.functions[ENTRY]
        scope = self._scope_of[id(entry)]
        positional = parameters(entry)
        scope.views |= {positional[0], positional[2]}
        flows = [flow for item in self.nodes for flow in self._flows(item)]
        _grow(flows, lambda flow: flow.owner.views if flow.is_view() else None)
        _grow(flows, lambda flow: None if flow.is_view() else flow.owner.others)

    def _flows(self, item: Located) -> Iterator[_Flow]:
        node, scope = item.node, item.scope
        if isinstance(node, ast.Assign):
            for target in node.targets:
                yield from _assigned(target, node.value, scope)
        elif isinstance(node, ast.NamedExpr | ast.AnnAssign):
            if node.value is not None:
                yield from _assigned(node.target, node.value, scope)
        elif isinstance(node, ast.AugAssign):
            yield from _into(node.target, (), scope)
        elif isinstance(node, ast.For | ast.comprehension):
            yield from _into(node.target, tuple(_elements(node.iter)), scope)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            function = self.functions.get(node.func.id)
            if function is not None:
                yield from _passed(node, function, scope, self._scope_of[id(function)])


def parameters(function: FunctionNode) -> list[str]:
    """Return the names of the positional parameters."""
    return [a.arg for a in (*function.args.posonlyargs, *function.args.args)]


def _read(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.IfExp):
        yield from _read(node.body)
        yield from _read(node.orelse)
    elif isinstance(node, ast.Name):
        yield node.id


def is_view(node: ast.expr, scope: Scope) -> bool:
    """Tell whether an expression always is a state view."""
    if isinstance(node, ast.IfExp):
        return is_view(node.body, scope) and is_view(node.orelse, scope)
    return isinstance(node, ast.Name) and scope.is_view(node.id)


def _grow(flows: list[_Flow], marks: Callable[[_Flow], set[str] | None]) -> None:
    """Add names to the sets that ``marks`` gives until nothing changes.

    A flow is looked at again only if a name that it reads was added: a long chain of assignments
    takes as many looks as it has links, in whatever order.
    """
    readers: dict[str, list[_Flow]] = {}
    for flow in flows:
        for name in flow.reads:
            readers.setdefault(name, []).append(flow)
    todo = list(reversed(flows))
    while todo:
        flow = todo.pop()
        names = marks(flow)
        if names is not None and flow.name not in names:
            names.add(flow.name)
            todo += readers.get(flow.name, ())


_INNER = (
    ast.FunctionDef,
    ast.Lambda,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
)
# what binds a name that is no Name node; all but functions are refused elsewhere
_NAMED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.ExceptHandler, ast.MatchAs)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def _located(tree: ast.Module, module: Scope) -> Iterator[Located]:
    stack: list[Located] = [Located(tree, module, None)]
    while stack:
        item = stack.pop()
        yield item
        opens = isinstance(item.node, _INNER)
        inner = Scope(item.node, item.scope) if opens else item.scope
        children: list[Located] = []
        for name in item.node._fields:
            if name in ("annotation", "returns"):
                continue  # never evaluated
            value: object = getattr(item.node, name, None)
            scope = item.scope if name == "decorator_list" else inner
            values = cast(list[object], value) if isinstance(value, list) else [value]
            children += [Located(v, scope, item.node) for v in values if isinstance(v, ast.AST)]
        stack += reversed(children)


def _bind(item: Located) -> None:
    node, scope = item.node, item.scope
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        if isinstance(item.parent, ast.NamedExpr):  # binds outside of a comprehension
            while isinstance(scope.node, _COMPREHENSIONS) and scope.parent is not None:
                scope = scope.parent
        scope.names.add(node.id)
    elif isinstance(node, _NAMED):
        if node.name is not None:
            scope.names.add(node.name)
    elif isinstance(node, ast.arg):
        scope.names.add(node.arg)
        scope.parameters.add(node.arg)
    elif isinstance(node, ast.arguments):
        scope.kept |= _shared(node)
    elif isinstance(node, ast.alias):
        scope.names.add((node.asname or node.name).split(".")[0])


def _shared(given: ast.arguments) -> set[str]:
    """Return the parameters whose default can be changed, and then is so in the next call too."""
    positional = [*given.posonlyargs, *given.args]
    first = len(positional) - len(given.defaults)
    pairs = [
        *zip(positional[first:], given.defaults, strict=True),
        *zip(given.kwonlyargs, given.kw_defaults, strict=True),
    ]
    return {
        parameter.arg
        for parameter, default in pairs
        if isinstance(default, ast.List | ast.Dict | ast.Set | ast.Call)
    }


def _assigned(target: ast.expr, value: ast.expr, scope: Scope) -> Iterator[_Flow]:
    targets, values = _elements(target), _elements(value)
    if targets and len(targets) == len(values):
        for each, element in zip(targets, values, strict=True):
            yield from _into(each, (element,), scope)
    else:
        yield from _into(target, (value,), scope)


def _elements(node: ast.expr) -> list[ast.expr]:
    return node.elts if isinstance(node, ast.Tuple | ast.List) else []


def _into(target: ast.expr, sources: tuple[ast.expr, ...], scope: Scope) -> Iterator[_Flow]:
    for each in _elements(target):
        yield from _into(each, (), scope)
    if isinstance(target, ast.Name):
        owner = scope.owner(target.id)
        if owner is not None:
            yield _Flow(owner, target.id, sources, scope)


def _passed(
    call: ast.Call, function: ast.FunctionDef, scope: Scope, inner: Scope
) -> Iterator[_Flow]:
    named = dict(zip(parameters(function), call.args, strict=False))
    named.update({k.arg: k.value for k in call.keywords if k.arg})
    for name, value in named.items():
        if isinstance(value, ast.Starred):
            return
        yield _Flow(inner, name, (value,), scope)
