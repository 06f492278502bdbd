"""The static gate: an allow-list over the syntax tree that is then compiled.

It gives early, precise feedback to whoever wrote the reward and makes the attack surface smaller.
It is not a boundary: that is the reward host's process.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

from rewardgen.check.limits import number_findings, text_findings, tree_findings
from rewardgen.check.names import NameRules
from rewardgen.check.scopes import Located, Scopes
from rewardgen.rewards.code import TERM_NAME, is_script_decorator
from rewardgen.rewards.findings import Finding, Kind
from rewardgen.rewards.format import ENTRY, RewardCode
from rewardgen_envs.features import FeatureTable

_ALLOWED = (
    ast.FunctionDef,
    ast.Return,
    ast.Assign,
    ast.AugAssign,
    ast.AnnAssign,
    ast.For,
    ast.If,
    ast.Expr,
    ast.Pass,
    ast.Break,
    ast.Continue,
    ast.Assert,
    ast.Import,
    ast.ImportFrom,
    ast.BoolOp,
    ast.NamedExpr,
    ast.BinOp,
    ast.UnaryOp,
    ast.Lambda,
    ast.IfExp,
    ast.Dict,
    ast.Set,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
    ast.Compare,
    ast.Call,
    ast.FormattedValue,
    ast.JoinedStr,
    ast.Constant,
    ast.Attribute,
    ast.Subscript,
    ast.Starred,
    ast.Name,
    ast.List,
    ast.Tuple,
    ast.Slice,
)
# words and remedies for what is refused most; anything else is named by its syntax node
_REFUSED: dict[str, tuple[str, str]] = {
    "While": ("while", "use whole-batch torch operations, or for over a short range"),
    "With": ("with", "remove it: rewards are computed without gradients anyway"),
    "Try": ("try", "make the computation safe instead, for example with .clamp(min=1e-6)"),
    "TryStar": ("try", "make the computation safe instead, for example with .clamp(min=1e-6)"),
    "Raise": ("raise", "return a finite number for every transition"),
    "ClassDef": ("class", "write plain functions"),
    "Global": ("global", "the reward must be pure: compute it from its arguments alone"),
    "Nonlocal": ("nonlocal", "the reward must be pure: compute it from its arguments alone"),
    "Delete": ("del", "remove it"),
    "Match": ("match", "use torch.where, or if on constants"),
    "Yield": ("yield", "return (reward, terms)"),
    "YieldFrom": ("yield", "return (reward, terms)"),
    "Await": ("await", "write plain functions"),
    "AsyncFunctionDef": ("async", "write plain functions"),
    "AsyncFor": ("async", "write plain functions"),
    "AsyncWith": ("async", "write plain functions"),
}
_MODULE_STATEMENTS = (
    ast.FunctionDef,
    ast.Import,
    ast.ImportFrom,
    ast.Assign,
    ast.AnnAssign,
    ast.Pass,
)


def gate(code: RewardCode, table: FeatureTable | None = None) -> list[Finding]:
    """Check a reward's syntax tree.

    Args:
        code: the reward.
        table: features of the task; without it features are not checked.

    Returns:
        Findings in the order of the lines, empty if nothing is wrong.
    """
    tree = code.tree()
    too_much = [*text_findings(code.source), *tree_findings(tree)]
    if too_much:
        return too_much
    scopes = Scopes(tree)
    names = NameRules(scopes, table)
    rules: tuple[Callable[[Located], Iterator[Finding]], ...] = (
        _construct,
        _module_statement,
        _function,
        _assignment,
        lambda item: number_findings(item.node),
        names.findings,
    )
    findings = [finding for item in scopes.nodes for rule in rules for finding in rule(item)]
    findings += [
        *_repeated(tree),
        *_below(tree),
        *_recursion(scopes),
        *_returns(scopes.functions[ENTRY]),
    ]
    return sorted(dict.fromkeys(findings), key=lambda finding: finding.line or 0)


def _finding(kind: Kind, rule: str, node: ast.AST, message: str, remedy: str) -> Finding:
    return Finding("gate", kind, rule, "error", getattr(node, "lineno", None), message, remedy)


def _construct(item: Located) -> Iterator[Finding]:
    # parts that are neither, such as an except clause, hang on a statement that is refused
    if isinstance(item.node, ast.stmt | ast.expr) and not isinstance(item.node, _ALLOWED):
        name = type(item.node).__name__
        word, remedy = _REFUSED.get(name, (name, "use plain expressions and functions"))
        yield _finding(
            "policy", f"no-{word.lower()}", item.node, f"'{word}' is not allowed", remedy
        )


def _module_statement(item: Located) -> Iterator[Finding]:
    node = item.node
    if not isinstance(item.parent, ast.Module) or not isinstance(node, ast.stmt):
        return
    docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    if not (docstring or isinstance(node, _MODULE_STATEMENTS)) and isinstance(node, _ALLOWED):
        yield _finding(
            "policy",
            "module-statement",
            node,
            "a statement outside of functions that is no import, constant or function",
            f"remove it: only {ENTRY} is called",
        )


def _function(item: Located) -> Iterator[Finding]:
    node = item.node
    if isinstance(node, ast.FunctionDef):
        for decorator in node.decorator_list:
            if not is_script_decorator(decorator):
                yield _finding(
                    "policy", "decorator", decorator, "decorators are not allowed", "remove it"
                )
    if isinstance(node, ast.arguments):
        for default in (*node.defaults, *node.kw_defaults):
            if default is not None and not _is_constant(default):
                yield _finding(
                    "policy",
                    "default",
                    default,
                    "a default value that is no constant",
                    "use a number, text or None, or a constant at module level",
                )


def _is_constant(node: ast.expr) -> bool:
    return all(
        isinstance(
            part,
            ast.Constant
            | ast.Name
            | ast.Attribute
            | ast.Tuple
            | ast.UnaryOp
            | ast.BinOp
            | ast.operator
            | ast.unaryop
            | ast.expr_context,
        )
        for part in ast.walk(node)
    )


def _assignment(item: Located) -> Iterator[Finding]:
    node = item.node
    if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
        yield _finding(
            "policy",
            "attribute-assignment",
            node,
            f"attribute '{node.attr}' is assigned",
            "features cannot be changed: assign to a variable",
        )
    if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
        yield from _module_state(item, node.value)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        mutates = node.func.attr in ("append", "extend", "insert", "update", "setdefault", "pop")
        if mutates or (node.func.attr.endswith("_") and not node.func.attr.startswith("_")):
            yield from _module_state(item, node.func.value)


def _module_state(item: Located, changed: ast.expr) -> Iterator[Finding]:
    if not isinstance(changed, ast.Name) or item.scope.is_module:
        return
    owner = item.scope.owner(changed.id)
    if owner is not None and owner.is_module:
        yield _finding(
            "policy",
            "module-state",
            item.node,
            f"'{changed.id}', which outlives the call, is changed",
            "the reward must be pure: keep no state between calls",
        )


def _repeated(tree: ast.Module) -> Iterator[Finding]:
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    seen: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            if node.name in seen:
                yield _twice(node.name, node)
            seen.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            stored = [n for n in ast.walk(node) if isinstance(n, ast.Name)]
            for name in stored:
                if isinstance(name.ctx, ast.Store) and name.id in functions:
                    yield _twice(name.id, node)


def _twice(name: str, node: ast.stmt) -> Finding:
    return _finding(
        "policy",
        "repeated-function",
        node,
        f"function '{name}' is defined twice, or replaced",
        "keep one of them",
    )


def _below(tree: ast.Module) -> Iterator[Finding]:
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    names = [function.name for function in functions]
    for function in functions[names.index(ENTRY) + 1 :]:
        yield _finding(
            "contract",
            "helper-below",
            function,
            f"function '{function.name}' stands below {ENTRY}",
            f"move it above {ENTRY}",
        )


def _recursion(scopes: Scopes) -> Iterator[Finding]:
    calls: dict[str, set[str]] = {name: set() for name in scopes.functions}
    for item in scopes.nodes:
        node, caller = item.node, item.scope.function
        if isinstance(node, ast.Name) and node.id in scopes.functions and caller is not None:
            owner = item.scope.owner(node.id)
            if owner is not None and owner.is_module:
                calls[caller].add(node.id)
    for name, function in scopes.functions.items():
        reached: set[str] = set()
        todo = list(calls[name])
        while todo:
            called = todo.pop()
            if called not in reached:
                reached.add(called)
                todo += calls[called]
        if name in reached:
            yield _finding(
                "policy",
                "recursion",
                function,
                f"function '{name}' calls itself",
                "use whole-batch torch operations",
            )


def _returns(entry: ast.FunctionDef) -> Iterator[Finding]:
    remedy = 'return (reward, {"term": tensor, ...})'
    returns = list(_own_returns(entry))
    if not returns:
        yield _finding("contract", "return-value", entry, f"{ENTRY} returns nothing", remedy)
    for node in returns:
        value = node.value
        if isinstance(value, ast.Tuple):
            if len(value.elts) != 2 and not any(isinstance(e, ast.Starred) for e in value.elts):
                message = f"{ENTRY} returns {len(value.elts)} values, not (reward, terms)"
                yield _finding("contract", "return-value", node, message, remedy)
            elif isinstance(value.elts[-1], ast.Dict):
                yield from _term_names(value.elts[-1])
        elif value is None or isinstance(
            value, ast.Constant | ast.BinOp | ast.UnaryOp | ast.Compare | ast.Dict | ast.Attribute
        ):
            message = f"{ENTRY} does not return the pair (reward, terms)"
            yield _finding("contract", "return-value", node, message, remedy)


def _own_returns(entry: ast.FunctionDef) -> Iterator[ast.Return]:
    todo: list[ast.AST] = list(reversed(entry.body))
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Return):
            yield node
        if not isinstance(node, ast.FunctionDef | ast.Lambda):
            todo += reversed(list(ast.iter_child_nodes(node)))


def _term_names(terms: ast.Dict) -> Iterator[Finding]:
    for key in terms.keys:
        if isinstance(key, ast.Constant) and not (
            isinstance(key.value, str) and TERM_NAME.fullmatch(key.value)
        ):
            yield _finding(
                "contract",
                "term-name",
                key,
                f"term name {_shown(key.value)} is not an identifier of at most 40 characters",
                "name terms with letters, digits and underscores",
            )


def _shown(value: object) -> str:
    """Return a name as text; the digits of a huge number are none that Python writes."""
    return repr(value[:60]) if isinstance(value, str) else f"of type {type(value).__name__}"
