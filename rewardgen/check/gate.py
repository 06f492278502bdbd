"""The static gate: an allow-list over the syntax tree that is then compiled.

It gives early, precise feedback to whoever wrote the reward and makes the attack surface smaller.
It is not a boundary: that is the reward host's process.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

from rewardgen.check.allowlist import CHANGING, EXCEPTIONS
from rewardgen.check.limits import number_remarks, text_remarks, tree_remarks
from rewardgen.check.names import NameRules
from rewardgen.check.remarks import Remark, remark, reported, shown
from rewardgen.check.scopes import Located, Scopes
from rewardgen.rewards.code import TERM_NAME
from rewardgen.rewards.decorators import Decorators
from rewardgen.rewards.findings import Finding
from rewardgen.rewards.format import ENTRY, RewardCode
from rewardgen_envs.features import FeatureTable

_ALLOWED = (
    ast.FunctionDef,
    ast.Return,
    ast.Assign,
    ast.AugAssign,
    ast.AnnAssign,
    ast.Delete,
    ast.For,
    ast.While,
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
    "With": ("with", "remove it; only with torch.no_grad(): is allowed, and not needed"),
    "Try": ("try", "make the computation safe instead, for example with .clamp(min=1e-6)"),
    "TryStar": ("try", "make the computation safe instead, for example with .clamp(min=1e-6)"),
    "Raise": ("raise", 'write raise ValueError("..."), without from, or assert'),
    "ClassDef": ("class", "write plain functions"),
    "Global": ("global", "the reward must be pure: compute it from its arguments alone"),
    "Nonlocal": ("nonlocal", "the reward must be pure: compute it from its arguments alone"),
    "Match": ("match", "use torch.where, or if on constants"),
    "Yield": ("yield", "return (reward, terms)"),
    "YieldFrom": ("yield", "return (reward, terms)"),
    "Await": ("await", "write plain functions"),
    "AsyncFunctionDef": ("async", "write plain functions"),
    "AsyncFor": ("async", "write plain functions"),
    "AsyncWith": ("async", "write plain functions"),
}
# all run once, when the code is loaded
_MODULE_STATEMENTS = (
    ast.FunctionDef,
    ast.Import,
    ast.ImportFrom,
    ast.Assign,
    ast.AnnAssign,
    ast.AugAssign,
    ast.Assert,
    ast.For,
    ast.If,
    ast.Pass,
)


def gate(code: RewardCode, table: FeatureTable | None = None) -> list[Finding]:
    """Check a reward's syntax tree.

    Args:
        code: the reward.
        table: features of the task; without it features are not checked.

    Returns:
        The first findings in the order of the lines, then how many others there are; empty if
        nothing is wrong.
    """
    tree = code.tree()
    too_much = [*text_remarks(code.source), *tree_remarks(tree)]
    if too_much:
        return reported(too_much)
    scopes, decorators = Scopes(tree), Decorators(tree)
    names = NameRules(scopes, table, decorators)
    rules: tuple[Callable[[Located], Iterator[Remark]], ...] = (
        lambda item: _construct(item, decorators),
        _module_statement,
        lambda item: _function(item, decorators),
        lambda item: _assignment(item, decorators),
        _endless,
        lambda item: number_remarks(item.node),
        names.remarks,
    )
    remarks = [each for item in scopes.nodes for rule in rules for each in rule(item)]
    remarks += [
        *_repeated(scopes),
        *_below(tree),
        *_recursion(scopes),
        *_returns(scopes.functions[ENTRY]),
    ]
    return reported(remarks)


def _construct(item: Located, decorators: Decorators) -> Iterator[Remark]:
    node = item.node
    # parts that are neither, such as an except clause, hang on a statement that is refused
    if not isinstance(node, ast.stmt | ast.expr) or isinstance(node, _ALLOWED):
        return
    if isinstance(node, ast.stmt) and (decorators.is_no_gradient(node) or _is_plain_raise(node)):
        return
    name = type(node).__name__
    word, remedy = _REFUSED.get(name, (name, "use plain expressions and functions"))
    yield remark("policy", f"no-{word.lower()}", node, f"'{word}' is not allowed", remedy)


def _is_plain_raise(node: ast.stmt) -> bool:
    """Tell whether a statement raises an exception of its own making: that ends the candidate."""
    if not isinstance(node, ast.Raise) or node.cause is not None:
        return False
    raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
    return isinstance(raised, ast.Name) and raised.id in EXCEPTIONS


def _endless(item: Located) -> Iterator[Remark]:
    """Find a loop that cannot end; of others the deadline takes care."""
    node = item.node
    if isinstance(node, ast.While) and isinstance(node.test, ast.Constant) and node.test.value:
        leaves = any(
            isinstance(part, ast.Break | ast.Return | ast.Raise | ast.Assert)
            for part in ast.walk(node)
        )
        if not leaves:
            yield remark(
                "policy",
                "endless-loop",
                node,
                "a loop that nothing ends",
                "use whole-batch torch operations, or for over a short range",
            )


def _module_statement(item: Located) -> Iterator[Remark]:
    node = item.node
    if not isinstance(item.parent, ast.Module) or not isinstance(node, ast.stmt):
        return
    if isinstance(node, _MODULE_STATEMENTS) or not isinstance(node, _ALLOWED):
        return
    if not (isinstance(node, ast.Expr) and _says_or_fills(node.value)):
        yield remark(
            "policy",
            "module-statement",
            node,
            "a statement outside of functions that makes no constant or function",
            f"remove it: only {ENTRY} is called",
        )


def _says_or_fills(value: ast.expr) -> bool:
    """Tell whether an expression is a docstring, or a method's call such as ``LEGS.append(1)``."""
    method = isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute)
    return method or isinstance(value, ast.Constant)


def _function(item: Located, decorators: Decorators) -> Iterator[Remark]:
    node = item.node
    if isinstance(node, ast.FunctionDef):
        for decorator in node.decorator_list:
            if not decorators.drops(decorator):
                yield remark(
                    "policy",
                    "decorator",
                    decorator,
                    "a decorator that is not allowed",
                    "remove it: only torch.jit.script and torch.no_grad() may stay, which do "
                    "nothing here",
                )
    if isinstance(node, ast.arguments):
        for default in (*node.defaults, *node.kw_defaults):
            if default is not None and not _is_constant(default):
                yield remark(
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
            | ast.List
            | ast.Dict
            | ast.Set
            | ast.Call
            | ast.keyword
            | ast.UnaryOp
            | ast.BinOp
            | ast.operator
            | ast.unaryop
            | ast.expr_context,
        )
        for part in ast.walk(node)
    )


def _assignment(item: Located, decorators: Decorators) -> Iterator[Remark]:
    node = item.node
    if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
        yield remark(
            "policy",
            "attribute-assignment",
            node,
            f"attribute '{shown(node.attr)}' is assigned",
            "features cannot be changed: assign to a variable",
        )
    if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
        yield from _state(item, node.value)
    if isinstance(node, ast.Call):
        for changed in _changed(node, decorators):
            yield from _state(item, changed)


def _changed(call: ast.Call, decorators: Decorators) -> Iterator[ast.expr]:
    """Yield what a call changes: a function of torch its first argument, a method its object."""
    function = decorators.meaning(call.func)
    if function is not None and function.startswith("torch."):
        if function.endswith("_"):
            yield from call.args[:1]
    elif isinstance(call.func, ast.Attribute):
        name = call.func.attr
        if name in CHANGING or (name.endswith("_") and not name.startswith("_")):
            yield call.func.value


def _state(item: Located, changed: ast.expr) -> Iterator[Remark]:
    """Find a change of what outlives the call."""
    if not isinstance(changed, ast.Name) or item.scope.is_module:
        return
    owner = item.scope.owner(changed.id)
    if owner is not None and (owner.is_module or changed.id in owner.kept):
        yield remark(
            "policy",
            "module-state",
            item.node,
            f"'{shown(changed.id)}', which outlives the call, is changed",
            "the reward must be pure: keep no state between calls",
        )


def _repeated(scopes: Scopes) -> Iterator[Remark]:
    seen: set[str] = set()
    for item in scopes.nodes:
        node = item.node
        if not item.scope.is_module:
            continue
        if isinstance(node, ast.FunctionDef):
            if node.name in seen:
                yield _twice(node.name, node)
            seen.add(node.name)
        elif (
            isinstance(node, ast.Name)
            and not isinstance(node.ctx, ast.Load)
            and node.id in scopes.functions
        ):
            yield _twice(node.id, node)


def _twice(name: str, node: ast.AST) -> Remark:
    return remark(
        "policy",
        "repeated-function",
        node,
        f"function '{shown(name)}' is defined twice, or replaced",
        "keep one of them",
    )


def _below(tree: ast.Module) -> Iterator[Remark]:
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    names = [function.name for function in functions]
    for function in functions[names.index(ENTRY) + 1 :]:
        yield remark(
            "contract",
            "helper-below",
            function,
            f"function '{shown(function.name)}' stands below {ENTRY}",
            f"move it above {ENTRY}",
        )


def _recursion(scopes: Scopes) -> Iterator[Remark]:
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
            yield remark(
                "policy",
                "recursion",
                function,
                f"function '{shown(name)}' calls itself",
                "use whole-batch torch operations",
            )


def _returns(entry: ast.FunctionDef) -> Iterator[Remark]:
    remedy = 'return (reward, {"term": tensor, ...})'
    returns = list(_own_returns(entry))
    if not returns:
        yield remark("contract", "return-value", entry, f"{ENTRY} returns nothing", remedy)
    for node in returns:
        value = node.value
        if isinstance(value, ast.Tuple):
            if len(value.elts) != 2 and not any(isinstance(e, ast.Starred) for e in value.elts):
                message = f"{ENTRY} returns {len(value.elts)} values, not (reward, terms)"
                yield remark("contract", "return-value", node, message, remedy)
            elif isinstance(value.elts[-1], ast.Dict):
                yield from _term_names(value.elts[-1])
        elif value is None or isinstance(
            value, ast.Constant | ast.BinOp | ast.UnaryOp | ast.Compare | ast.Dict | ast.Attribute
        ):
            message = f"{ENTRY} does not return the pair (reward, terms)"
            yield remark("contract", "return-value", node, message, remedy)


def _own_returns(entry: ast.FunctionDef) -> Iterator[ast.Return]:
    todo: list[ast.AST] = list(reversed(entry.body))
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Return):
            yield node
        if not isinstance(node, ast.FunctionDef | ast.Lambda):
            todo += reversed(list(ast.iter_child_nodes(node)))


def _term_names(terms: ast.Dict) -> Iterator[Remark]:
    for key in terms.keys:
        if isinstance(key, ast.Constant) and not (
            isinstance(key.value, str) and TERM_NAME.fullmatch(key.value)
        ):
            yield remark(
                "contract",
                "term-name",
                key,
                f"term name {_shown(key.value)} is not an identifier of at most 40 characters",
                "name terms with letters, digits and underscores",
            )


def _shown(value: object) -> str:
    """Return a name as text; the digits of a huge number are none that Python writes."""
    return repr(value[:60]) if isinstance(value, str) else f"of type {type(value).__name__}"
