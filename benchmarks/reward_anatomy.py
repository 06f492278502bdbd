"""Rewards taken apart by their syntax tree, to plant mistakes in them."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeGuard

from rewardgen_envs.base_task import BaseTask, BoxAction, DiscreteAction
from rewardgen_envs.features import FeatureTable


@dataclass(frozen=True)
class Known:
    """What has to be known of a task.

    Attributes:
        name: ``family/variant``.
        table: its public features.
        action: its action space.
        causes: what ends an episode.
    """

    name: str
    table: FeatureTable
    action: BoxAction | DiscreteAction
    causes: tuple[str, ...]


def known(task: BaseTask) -> Known:
    """Return what has to be known of a task."""
    return Known(task.name, task.table.public(), task.action, tuple(task.causes))


Addend = tuple[float, ast.expr]


class Subject:
    """A reward that is a plain sum of terms, taken apart; every edit starts from a fresh one.

    Args:
        source: the reward file.
        task: its task.
    """

    def __init__(self, source: str, task: Known) -> None:
        self.tree = ast.parse(source)
        self.task = task
        self.table = task.table
        functions = [n for n in self.tree.body if isinstance(n, ast.FunctionDef)]
        self.entry = next(n for n in functions if n.name == "compute_reward")
        self.returned = next(n for n in self.entry.body if isinstance(n, ast.Return))
        pair = self.returned.value
        assert isinstance(pair, ast.Tuple), "a human reward returns a pair"
        self.pair = pair
        assert isinstance(pair.elts[1], ast.Dict), "a human reward names its terms"
        self.terms: ast.Dict = pair.elts[1]

    def text(self) -> str:
        """Return the reward file as it is now."""
        return ast.unparse(ast.fix_missing_locations(self.tree)) + "\n"

    def assigned(self, name: str) -> ast.Assign | None:
        """Return the statement that gives a name its value."""
        for node in self.entry.body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
                return node
        return None

    @property
    def total(self) -> ast.expr:
        """The expression that is the total."""
        total = self.pair.elts[0]
        if isinstance(total, ast.Name):
            statement = self.assigned(total.id)
            if statement is not None:
                return statement.value
        return total

    @total.setter
    def total(self, value: ast.expr) -> None:
        total = self.pair.elts[0]
        statement = self.assigned(total.id) if isinstance(total, ast.Name) else None
        if statement is None:
            self.pair.elts[0] = value
        else:
            statement.value = value

    def addends(self) -> list[Addend]:
        """Return what is added up."""
        return list(_addends(self.total, 1.0))

    def add_up(self, addends: list[Addend]) -> None:
        """Make the total the sum of these."""
        sign, first = addends[0]
        total = first if sign > 0 else ast.UnaryOp(ast.USub(), first)
        for sign, value in addends[1:]:
            total = ast.BinOp(total, ast.Add() if sign > 0 else ast.Sub(), value)
        self.total = total

    def reads(self, node: ast.expr) -> set[str]:
        """Return the features that a value is computed from, and ``action``."""
        found: set[str] = set()
        todo: list[ast.expr] = [node]
        seen: set[str] = set()
        while todo:
            for part in ast.walk(todo.pop()):
                if isinstance(part, ast.Attribute) and is_view(part.value):
                    found.add(part.attr)
                elif isinstance(part, ast.Name) and part.id == "action":
                    found.add("action")
                elif isinstance(part, ast.Name) and part.id not in seen:
                    seen.add(part.id)
                    statement = self.assigned(part.id)
                    if statement is not None:
                        todo.append(statement.value)
        return found

    def reported(self, addend: Addend) -> int | None:
        """Return the place of an addend among the terms."""
        sign, value = addend
        wanted = {ast.unparse(value), ast.unparse(ast.UnaryOp(ast.USub(), value))}
        wanted |= {f"-{ast.unparse(value)}"} if sign < 0 else set()
        for place, term in enumerate(self.terms.values):
            if ast.unparse(term) in wanted:
                return place
        return None


def _addends(node: ast.expr, sign: float) -> Iterator[Addend]:
    match node:
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            yield from _addends(left, sign)
            yield from _addends(right, sign)
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            yield from _addends(left, sign)
            yield from _addends(right, -sign)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            yield from _addends(operand, -sign)
        case _:
            yield sign, node


def expression(text: str) -> ast.expr:
    """Return the expression that a text is."""
    return ast.parse(text, mode="eval").body


def times(value: ast.expr, factor: float) -> ast.expr:
    """Return a value times a number."""
    return ast.BinOp(ast.Constant(factor), ast.Mult(), value)


def negative(value: ast.expr) -> ast.expr:
    """Return a value with the opposite sign."""
    if isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.USub):
        return value.operand
    return ast.UnaryOp(ast.USub(), value)


def multiply(subject: Subject, name: str, factor: float) -> None:
    """Multiply what a name is assigned."""
    statement = subject.assigned(name)
    assert statement is not None
    statement.value = times(statement.value, factor)


def add_term(subject: Subject, name: str, text: str) -> None:
    """Compute another term, add it to the total and report it."""
    statement = ast.parse(f"{name} = {text}").body[0]
    subject.entry.body.insert(len(subject.entry.body) - 1, statement)
    total = subject.pair.elts[0]
    subject.pair.elts[0] = ast.BinOp(total, ast.Add(), ast.Name(name, ast.Load()))
    subject.terms.keys.append(ast.Constant(name))
    subject.terms.values.append(ast.Name(name, ast.Load()))


def is_view(node: ast.expr) -> bool:
    """Whether an expression is the state before or after."""
    return isinstance(node, ast.Name) and node.id in ("state", "next_state")


def is_feature(node: ast.AST) -> TypeGuard[ast.Attribute]:
    """Whether a node reads a feature."""
    return isinstance(node, ast.Attribute) and is_view(node.value)


class Swap(ast.NodeTransformer):
    """Replaces expressions."""

    def __init__(self, made: Callable[[ast.expr], ast.expr | None]) -> None:
        self._made = made

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """Replace an expression, or look into it."""
        if isinstance(node, ast.expr):
            made = self._made(node)
            if made is not None:
                return made
        return super().generic_visit(node)
