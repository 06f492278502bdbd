"""Programs as reward files, both ways: ``parse(emit(program)) == program``."""

from __future__ import annotations

import ast
import textwrap

from rewardgen.design.evolve.describe import describe
from rewardgen.design.evolve.grammar import Factor, Program, ProgramError, Progress, Term, check
from rewardgen.design.evolve.syntax import (
    NEXT,
    NOW,
    GrammarError,
    read_factor,
    read_number,
    write_factor,
    write_number,
    write_shape,
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
        lines += textwrap.wrap(
            describe(term, table), LINE, initial_indent="    # ", subsequent_indent="    # "
        )
        lines += _term_lines(term, discrete)
    names = [term.name for term in program.terms]
    total = f"    reward = {' + '.join(names)}"
    if len(total) <= LINE:
        lines.append(total)
    else:
        first, *rest = names
        lines += ["    reward = (", f"        {first}", *(f"        + {n}" for n in rest), "    )"]
    terms = ", ".join(f'"{name}": {name}' for name in names)
    one_line = f"    return reward, {{{terms}}}"
    if len(one_line) <= LINE:
        lines.append(one_line)
    else:
        lines += ["    return reward, {", *(f'        "{n}": {n},' for n in names), "    }"]
    return "\n".join(lines) + "\n"


def _term_lines(term: Term, discrete: bool) -> list[str]:
    """Return the assignment of a term, one factor per line where it is long."""
    factors = [write_factor(factor, discrete) for factor in term.factors]
    parts = factors if term.weight == 1.0 else [write_number(term.weight), *factors]
    product = " * ".join(parts)
    # unparsing drops parentheses that are not needed
    line = "    " + ast.unparse(ast.parse(f"{term.name} = {product}"))
    if len(line) <= LINE:
        return [line]
    lines = [f"    {term.name} = ("]
    for place, part in enumerate(parts):
        sign = "* " if place else ""
        factor = term.factors[place - len(parts) + len(factors)]
        if len(part) > LINE - 10 and isinstance(factor.shape, Progress):
            potential = factor.shape.potential
            after, before = (write_shape(potential, discrete, at) for at in (NEXT, NOW))
            lines += [f"        {sign}(", f"            {after}", f"            - {before}"]
            lines.append("        )")
        else:
            lines.append(f"        {sign}{part}")
    return [*lines, "    )"]


def parse(source: str, table: FeatureTable) -> Program:
    """Read a reward file as a program.

    Raises:
        GrammarError: it is Python of another form, as people and language models write it.
    """
    try:
        module = ast.parse(source)
    except SyntaxError as error:
        raise GrammarError(f"line {error.lineno}: {error.msg}") from error
    functions = [node for node in module.body if isinstance(node, ast.FunctionDef)]
    if len(functions) != 1 or len(module.body) != 1:
        raise GrammarError("the file is not one function alone")
    *assignments, end = functions[0].body
    named = [_assignment(node) for node in assignments]
    if not named or named[-1][0] != "reward" or not isinstance(end, ast.Return):
        raise GrammarError("the function does not end in 'reward = …' and 'return'")
    names = [name for name, _ in named[:-1]]
    if ast.unparse(named[-1][1]) != " + ".join(names):
        raise GrammarError("the reward is not the sum of the terms")
    program = Program(tuple(_read_term(name, value, table) for name, value in named[:-1]))
    try:
        check(program)
    except ProgramError as error:
        raise GrammarError(str(error)) from error
    return program


def _assignment(node: ast.stmt) -> tuple[str, ast.expr]:
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id, node.value
    raise GrammarError(f"line {node.lineno} assigns no name")


def _read_term(name: str, node: ast.expr, table: FeatureTable) -> Term:
    parts: list[ast.expr] = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        parts.insert(0, node.right)
        node = node.left
    parts.insert(0, node)
    try:
        weight, factors = read_number(parts[0]), parts[1:]
    except GrammarError:
        weight, factors = 1.0, parts
    read: list[Factor] = [read_factor(part, table) for part in factors]
    return Term(name, weight, tuple(read))
