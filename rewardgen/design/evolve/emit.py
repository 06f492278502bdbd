"""Programs as reward files, both ways: ``parse(emit(program)) == program``."""

from __future__ import annotations

import ast

from rewardgen.design.evolve.describe import describe
from rewardgen.design.evolve.grammar import Factor, Program, ProgramError, Term, check
from rewardgen.design.evolve.syntax import (
    NotInGrammar,
    read_factor,
    read_number,
    write_factor,
    write_number,
)
from rewardgen_envs.features import FeatureTable
from rewardgen_envs.task import BoxAction, DiscreteAction

LINE = 96


def emit(program: Program, table: FeatureTable, action: BoxAction | DiscreteAction) -> str:
    """Return the program as a reward file.

    Raises:
        ProgramError: the program breaks a rule of the grammar.
    """
    check(program)
    discrete = isinstance(action, DiscreteAction)
    lines = ["def compute_reward(state, action, next_state):"]
    for term in program.terms:
        lines.append(f"    # {describe(term, table)}")
        lines += _term_lines(term, discrete)
    names = [term.name for term in program.terms]
    lines.append(f"    reward = {' + '.join(names)}")
    terms = ", ".join(f'"{name}": {name}' for name in names)
    one_line = f"    return reward, {{{terms}}}"
    if len(one_line) <= LINE:
        lines.append(one_line)
    else:
        lines += ["    return reward, {", *(f'        "{n}": {n},' for n in names), "    }"]
    return "\n".join(lines) + "\n"


def _term_lines(term: Term, discrete: bool) -> list[str]:
    factors = [write_factor(factor, discrete) for factor in term.factors]
    parts = factors if term.weight == 1.0 else [write_number(term.weight), *factors]
    line = f"    {term.name} = {' * '.join(parts)}"
    if len(line) <= LINE:
        return [line]
    first, *rest = parts
    return [f"    {term.name} = (", f"        {first}", *(f"        * {p}" for p in rest), "    )"]


def parse(source: str, table: FeatureTable) -> Program:
    """Read a reward file as a program.

    Raises:
        NotInGrammar: it is Python of another form, as people and language models write it.
    """
    try:
        module = ast.parse(source)
    except SyntaxError as error:
        raise NotInGrammar(f"line {error.lineno}: {error.msg}") from error
    functions = [node for node in module.body if isinstance(node, ast.FunctionDef)]
    if len(functions) != 1 or len(module.body) != 1:
        raise NotInGrammar("the file is not one function alone")
    *assignments, end = functions[0].body
    named = [_assignment(node) for node in assignments]
    if not named or named[-1][0] != "reward" or not isinstance(end, ast.Return):
        raise NotInGrammar("the function does not end in 'reward = …' and 'return'")
    names = [name for name, _ in named[:-1]]
    if ast.unparse(named[-1][1]) != " + ".join(names):
        raise NotInGrammar("the reward is not the sum of the terms")
    program = Program(tuple(_read_term(name, value, table) for name, value in named[:-1]))
    try:
        check(program)
    except ProgramError as error:
        raise NotInGrammar(str(error)) from error
    return program


def _assignment(node: ast.stmt) -> tuple[str, ast.expr]:
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id, node.value
    raise NotInGrammar(f"line {node.lineno} assigns no name")


def _read_term(name: str, node: ast.expr, table: FeatureTable) -> Term:
    parts: list[ast.expr] = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        parts.insert(0, node.right)
        node = node.left
    parts.insert(0, node)
    try:
        weight, factors = read_number(parts[0]), parts[1:]
    except NotInGrammar:
        weight, factors = 1.0, parts
    read: list[Factor] = [read_factor(part, table) for part in factors]
    return Term(name, weight, tuple(read))
