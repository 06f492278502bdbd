"""What the text of a reward says: which values reach the total, which are reported as terms.

Flow-insensitive and by name alone, as a reader skims: what cannot be told is taken to reach the
total, so that nobody is told that a value is lost when it is not.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from rewardgen.rewards.format import ENTRY, RewardCode

_LONGEST_NAME = 40  # of a term


@dataclass(frozen=True)
class Reported:
    """A term of a reward: its name, what is reported and where that is computed."""

    name: str
    value: ast.expr
    line: int


@dataclass(frozen=True)
class _Flow:
    """A value goes into a name."""

    name: str
    value: ast.expr
    line: int
    whole: bool
    """Whether the name stands for the value, and not for something that it is put into."""


class Reading:
    """One reward, read.

    Args:
        code: the reward.
    """

    def __init__(self, code: RewardCode) -> None:
        tree = code.tree()
        functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
        self.entry = next(node for node in functions if node.name == ENTRY)
        arguments = [*self.entry.args.posonlyargs, *self.entry.args.args]
        self.state, self.action, self.next_state = (a.arg for a in arguments[:3])
        self._module = [node for node in tree.body if not isinstance(node, ast.FunctionDef)]
        self._flows = [flow for node in ast.walk(self.entry) for flow in _flows(node)]
        pairs = [pair for node in _returns(self.entry) for pair in self._pairs(node.value)]
        self.totals = [total for total, _ in pairs]
        self._terms = [terms for _, terms in pairs]

    def is_view(self, node: ast.expr) -> bool:
        """Tell whether an expression is ``state`` or ``next_state``."""
        return isinstance(node, ast.Name) and node.id in (self.state, self.next_state)

    def values(self, name: str) -> list[ast.expr]:
        """Return what a name is assigned, in the order of the lines."""
        return [flow.value for flow in self._flows if flow.name == name and flow.whole]

    def value(self, name: str) -> ast.expr | None:
        """Return what a name stands for, None if that is not one expression."""
        values = self.values(name)
        return values[0] if len(values) == 1 else self._constants.get(name)

    def line(self, name: str) -> int | None:
        """Return the line in which a name is assigned last, None if it is not."""
        lines = [flow.line for flow in self._flows if flow.name == name and flow.whole]
        return lines[-1] if lines else None

    @cached_property
    def _constants(self) -> Mapping[str, ast.expr]:
        """What names at module level stand for."""
        flows = [flow for node in self._module for flow in _flows(node)]
        return {flow.name: flow.value for flow in flows if flow.whole}

    @cached_property
    def terms(self) -> dict[str, Reported]:
        """The terms whose names the text gives."""
        found: dict[str, Reported] = {}
        for expression in self._terms:
            for name, value, line in self._entries(expression):
                assigned = self.line(value.id) if isinstance(value, ast.Name) else None
                found[name] = Reported(name, value, assigned or line)
        return found

    @cached_property
    def unused(self) -> dict[str, int]:
        """Names that are assigned and never read, with their lines."""
        read = set(_read(self.entry))
        found: dict[str, int] = {}
        for node in ast.walk(self.entry):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                name = node.targets[0].id
                if name not in read and not name.startswith("_"):
                    found[name] = node.lineno
        return found

    @cached_property
    def lost(self) -> dict[str, Reported]:
        """Terms that are computed, reported and do not reach the total."""
        if not self.totals:
            return {}
        tests = [n.test for n in ast.walk(self.entry) if isinstance(n, ast.If | ast.While)]
        reaching = self.behind(*self.totals, *tests)
        found: dict[str, Reported] = {}
        for name, term in self.terms.items():
            made = {name for name in _read(term.value) if self.values(name)}
            if made and not made & reaching:
                found[name] = term
        return found

    def behind(self, *expressions: ast.expr) -> set[str]:
        """Return all names that expressions are computed from."""
        reached: set[str] = set()
        todo = [name for expression in expressions for name in _read(expression)]
        while todo:
            name = todo.pop()
            if name in reached:
                continue
            reached.add(name)
            sources = [flow.value for flow in self._flows if flow.name == name]
            todo += [each for value in sources for each in _read(value)]
        return reached

    def features(self, *expressions: ast.expr) -> set[str]:
        """Return the names of all features that expressions are computed from."""
        names = self.behind(*expressions)
        sources = [flow.value for flow in self._flows if flow.name in names]
        return {
            node.attr
            for value in (*expressions, *sources)
            for node in ast.walk(value)
            if isinstance(node, ast.Attribute) and self.is_view(node.value)
        }

    def _pairs(self, value: ast.expr | None) -> Iterator[tuple[ast.expr, ast.expr]]:
        if isinstance(value, ast.Tuple) and len(value.elts) == 2:
            yield value.elts[0], value.elts[1]
        elif isinstance(value, ast.Name):
            for assigned in self.values(value.id):
                if isinstance(assigned, ast.Tuple):
                    yield from self._pairs(assigned)

    def _entries(self, expression: ast.expr) -> Iterator[tuple[str, ast.expr, int]]:
        """Yield name, value and line of the terms in a dict or in what a name stands for."""
        if isinstance(expression, ast.Dict):
            for key, value in zip(expression.keys, expression.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    yield key.value, value, value.lineno
        elif isinstance(expression, ast.Name):
            for value in self.values(expression.id):
                if isinstance(value, ast.Dict):
                    yield from self._entries(value)
            for node in ast.walk(self.entry):
                if isinstance(node, ast.Assign) and len(node.targets) == 1:
                    yield from _put(node.targets[0], expression.id, node.value)


def telling(code: RewardCode, most: int) -> RewardCode | None:
    """Return a reward that reports what its names stand for in place of its terms.

    Args:
        code: the reward.
        most: how many names are reported at most.

    Returns:
        The changed reward; None if it does not end in one plain return.
    """
    tree = code.tree()
    entry = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == ENTRY)
    last = entry.body[-1]
    returns = list(_returns(entry))
    if returns != [last] or not isinstance(last, ast.Return):
        return None
    if not (isinstance(last.value, ast.Tuple) and len(last.value.elts) == 2):
        return None
    names = dict.fromkeys(
        node.targets[0].id
        for node in entry.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    )
    told = [name for name in names if len(name) <= _LONGEST_NAME][:most]
    pairs = ast.Tuple([_pair_of(name) for name in told], ast.Load())
    wanted = ast.parse(
        "{k: v.float() for k, v in () if torch.is_tensor(v) and v.shape == total_.shape}"
    ).body[0]
    assert isinstance(wanted, ast.Expr) and isinstance(wanted.value, ast.DictComp)
    wanted.value.generators[0].iter = pairs
    total = ast.Assign([ast.Name("total_", ast.Store())], last.value.elts[0])
    entry.body[-1:] = [
        total,
        ast.Return(ast.Tuple([ast.Name("total_", ast.Load()), wanted.value], ast.Load())),
    ]
    return RewardCode(ast.unparse(ast.fix_missing_locations(tree)))


def _pair_of(name: str) -> ast.expr:
    return ast.Tuple([ast.Constant(name), ast.Name(name, ast.Load())], ast.Load())


def _put(target: ast.expr, name: str, value: ast.expr) -> Iterator[tuple[str, ast.expr, int]]:
    """Yield the term that ``name["term"] = value`` makes."""
    match target:
        case ast.Subscript(value=ast.Name(id=base), slice=ast.Constant(value=str(key))):
            if base == name:
                yield key, value, value.lineno
        case _:
            return


def _flows(node: ast.AST) -> Iterator[_Flow]:
    """Yield what a node puts into names."""
    match node:
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                yield from _into(target, value)
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            yield from _into(target, value)
        case ast.NamedExpr(target=target, value=value):
            yield from _into(target, value)
        case ast.AugAssign(target=target, value=value):
            yield from (_Flow(f.name, f.value, f.line, False) for f in _into(target, value))
        case ast.For(target=target, iter=value) | ast.comprehension(target=target, iter=value):
            yield from (_Flow(f.name, f.value, f.line, False) for f in _into(target, value))
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name)), args=args):
            # x.add_(y), terms.update(...), parts.append(...): what goes in may come out
            yield from (_Flow(name, value, node.lineno, False) for value in args)
        case _:
            return


def _into(target: ast.expr, value: ast.expr) -> Iterator[_Flow]:
    match target:
        case ast.Name(id=name):
            yield _Flow(name, value, target.lineno, True)
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            values = value.elts if isinstance(value, ast.Tuple | ast.List) else []
            if len(values) == len(elements):
                for element, part in zip(elements, values, strict=True):
                    yield from _into(element, part)
            else:
                for element in elements:
                    for flow in _into(element, value):
                        yield _Flow(flow.name, flow.value, flow.line, False)
        case ast.Subscript(value=ast.Name(id=name)) | ast.Starred(value=ast.Name(id=name)):
            yield _Flow(name, value, target.lineno, False)
        case _:
            return


def _returns(entry: ast.FunctionDef) -> Iterator[ast.Return]:
    """Yield the function's own returns, not those of functions within it."""
    todo: list[ast.AST] = list(entry.body)
    while todo:
        node = todo.pop(0)
        if isinstance(node, ast.Return):
            yield node
        if not isinstance(node, ast.FunctionDef | ast.Lambda):
            todo += list(ast.iter_child_nodes(node))


def _read(node: ast.AST) -> Iterator[str]:
    """Yield the names that are read in a piece of code."""
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load):
            yield part.id
