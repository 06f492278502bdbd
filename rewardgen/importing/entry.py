"""The reward function of a foreign file: which it is, what it is given, what it needs beside it.

The file is never run, only its syntax tree is read.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from rewardgen.importing.refusal import ImportRefused, finding
from rewardgen.rewards.decorators import Decorators
from rewardgen.rewards.findings import more
from rewardgen.rewards.format import ENTRY

Style = Literal["isaac-gym", "isaac-lab", "plain"]
Returns = Literal["pair", "first", "single"]
_METHODS = ("_get_rewards_eureka", "_get_rewards")
_FEW = 5
# what follows the tensor, not what leads to it
_OF_TENSORS = frozenset({"shape", "device", "dtype", "ndim", "T"})


@dataclass(frozen=True)
class Given:
    """Something that the function is given: a parameter, or an attribute of ``self``.

    Attributes:
        name: as it is written, without ``self``: ``robot.data.root_pos_w``.
        nodes: where it is read; of a parameter its declaration.
        optional: whether it has a default value.
    """

    name: str
    nodes: tuple[ast.expr | ast.arg, ...]
    optional: bool = False


@dataclass(frozen=True)
class Entry:
    """The reward function of a foreign file.

    Attributes:
        function: its node.
        style: ``isaac-lab``: a method; ``isaac-gym``: a scripted function, or one of Eureka's name;
            else ``plain``.
        given: what it reads.
        returns: ``pair``: reward and terms; ``first``: a tuple that begins with the reward;
            ``single``: the reward.
        beside: statements of the module that it needs, in order.
    """

    function: ast.FunctionDef
    style: Style
    given: tuple[Given, ...]
    returns: Returns
    beside: tuple[ast.stmt, ...]


def find_entry(tree: ast.Module, bound: frozenset[str]) -> Entry:
    """Return the reward function of a module.

    Args:
        tree: the module.
        bound: expressions of ``self``, without it, that the user has bound as a whole.

    Raises:
        ImportRefused: there is none, or it is not clear which; or it does more than read.
    """
    function = _function(tree)
    arguments = function.args
    extra = arguments.vararg or arguments.kwarg or arguments.posonlyargs
    if extra:
        raise ImportRefused(
            finding(
                "signature",
                function,
                f"{function.name} takes parameters that have no name of their own",
                "name each quantity: def compute_reward(object_pos, goal_pos)",
            )
        )
    method = bool(arguments.args) and arguments.args[0].arg == "self"
    style: Style = "isaac-lab" if method else "plain"
    if not method and (function.name == ENTRY or _is_scripted(tree, function)):
        style = "isaac-gym"
    given = _attributes(function, bound) if method else _parameters(arguments)
    return Entry(function, style, given, _returns(function), _beside(tree, function))


def _function(tree: ast.Module) -> ast.FunctionDef:
    within = [node for c in tree.body if isinstance(c, ast.ClassDef) for node in c.body]
    found = [node for node in (*tree.body, *within) if isinstance(node, ast.FunctionDef)]
    for name in (ENTRY, *_METHODS):
        named = [node for node in found if node.name == name]
        if len(named) == 1:
            return named[0]
        if named:
            raise ImportRefused(
                finding("several-functions", named[1], f"{name} is defined twice", "keep one")
            )
    called = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    uncalled = [node for node in found if node.name not in called]
    if len(uncalled) == 1:
        return uncalled[0]
    names = more([node.name for node in uncalled], _FEW)
    raise ImportRefused(
        finding(
            "no-function",
            None,
            f"it is not clear which function is the reward: {names or 'there is none'}",
            f"name it {ENTRY} or {_METHODS[0]}",
        )
    )


def _is_scripted(tree: ast.Module, function: ast.FunctionDef) -> bool:
    decorators = Decorators(tree)
    return any(decorators.meaning(d) == "torch.jit.script" for d in function.decorator_list)


def _parameters(arguments: ast.arguments) -> tuple[Given, ...]:
    required = len(arguments.args) - len(arguments.defaults)
    given = [
        Given(a.arg, (a,), optional=i >= required) for i, a in enumerate(arguments.args)
    ]  # fmt: skip
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        given.append(Given(argument.arg, (argument,), optional=default is not None))
    return tuple(given)


def _attributes(function: ast.FunctionDef, bound: frozenset[str]) -> tuple[Given, ...]:
    found: dict[str, list[ast.expr]] = {}
    for name, node in _read(function, None, bound):
        found.setdefault(name, []).append(node)
    return tuple(Given(name, tuple(nodes)) for name, nodes in found.items())


def _read(
    node: ast.AST, parent: ast.AST | None, bound: frozenset[str]
) -> Iterator[tuple[str, ast.expr]]:
    """Yield what is read of ``self`` below a node: name and expression."""
    if isinstance(node, ast.Subscript) and _without_self(node) in bound:
        yield _without_self(node), node
        return
    if isinstance(node, ast.Attribute) and _chain(node):
        yield _attribute(node, parent)
        return
    if isinstance(node, ast.Name) and node.id == "self":
        raise ImportRefused(
            finding(
                "whole-self",
                node,
                "self is used as a whole",
                "read single attributes of it, as self.robot.data.joint_pos",
            )
        )
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.arg) and child.arg == "self"):
            yield from _read(child, node, bound)


def _attribute(node: ast.Attribute, parent: ast.AST | None) -> tuple[str, ast.expr]:
    name, read = _without_self(node), node
    if not isinstance(node.ctx, ast.Load) or _is_target(parent, node):
        raise ImportRefused(
            finding(
                "memory",
                node,
                f"self.{name} is changed: a reward has no memory",
                "take the line out; what was a step ago is in state, what is logged is a term",
            )
        )
    if isinstance(parent, ast.Call) and parent.func is node:
        if not isinstance(node.value, ast.Attribute):
            raise ImportRefused(
                finding(
                    "method",
                    node,
                    f"self.{name}(...) is a method, which is not in the function",
                    "write what it computes into the function",
                )
            )
        read = node.value
    while read.attr in _OF_TENSORS and isinstance(read.value, ast.Attribute):
        read = read.value
    return _without_self(read), read


def _is_target(parent: ast.AST | None, node: ast.expr) -> bool:
    """Tell whether a subscript of the node is assigned to."""
    return (
        isinstance(parent, ast.Subscript)
        and parent.value is node
        and not isinstance(parent.ctx, ast.Load)
    )


def _chain(node: ast.expr) -> bool:
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name) and node.id == "self"


def _without_self(node: ast.expr) -> str:
    return ast.unparse(node).replace("self.", "")


def _returns(function: ast.FunctionDef) -> Returns:
    """Return what the function gives back, by its annotation or else by what stands there."""
    annotation = "" if function.returns is None else ast.unparse(function.returns).lower()
    if "dict" in annotation:
        return "pair"
    if "tuple" in annotation:
        return "first"
    values = [node.value for node in ast.walk(function) if isinstance(node, ast.Return)]
    tuples = [value for value in values if isinstance(value, ast.Tuple)]
    if not tuples:
        return "single"
    dicts = {
        target.id
        for node in ast.walk(function)
        if isinstance(node, ast.Assign | ast.AnnAssign) and _is_dict(node.value)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    last = tuples[-1].elts[-1]
    named = isinstance(last, ast.Name) and last.id in dicts
    return "pair" if len(tuples[-1].elts) == 2 and (named or _is_dict(last)) else "first"


def _is_dict(node: ast.expr | None) -> bool:
    called = isinstance(node, ast.Call) and ast.unparse(node.func) == "dict"
    return called or isinstance(node, ast.Dict | ast.DictComp)


def _beside(tree: ast.Module, function: ast.FunctionDef) -> tuple[ast.stmt, ...]:
    """Return what the function needs of its module, transitively, in the module's order."""
    binds = {name: node for node in tree.body for name in bound_names(node)}
    needed: list[ast.stmt] = []
    todo: list[ast.AST] = [function]
    while todo:
        read = {node.id for node in ast.walk(todo.pop()) if isinstance(node, ast.Name)}
        for name in read & binds.keys():
            node = binds[name]
            if node is not function and node not in needed:
                needed.append(node)
                todo.append(node)
    return tuple(node for node in tree.body if node in needed)


def bound_names(node: ast.stmt) -> list[str]:
    """Return the names that a statement of a module binds."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [(alias.asname or alias.name).partition(".")[0] for alias in node.names]
    targets = node.targets if isinstance(node, ast.Assign) else []
    if isinstance(node, ast.AnnAssign):
        targets = [node.target]
    parts = [part for target in targets for part in ast.walk(target)]
    return [part.id for part in parts if isinstance(part, ast.Name)]
