"""Reward code as a function: compile it, call it, hold its answer against the contract.

This runs wherever a reward runs: inline for trusted code, in the reward host for any other.
Equal sources give equal answers bit for bit in both places, because both call ``evaluate`` on
inputs of the same memory layout with one intra-op thread.
"""

from __future__ import annotations

import builtins
import inspect
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import cast

import torch
from jaxtyping import Float32
from torch import Tensor

from rewardgen.rewards import vocabulary
from rewardgen.rewards.decorators import without_decorators
from rewardgen.rewards.findings import Finding, Kind, RewardCodeError
from rewardgen.rewards.format import ENTRY, RewardCode
from rewardgen_envs.features import FeatureTable

RewardFunction = Callable[..., object]
FILE_NAME = "<reward>"
MAX_TERMS = 32
TERM_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
VOCABULARY: dict[str, RewardFunction] = {
    name: value
    for name, value in vars(vocabulary).items()
    if inspect.isfunction(value)
    and value.__module__ == vocabulary.__name__
    and not name.startswith("_")
}


@dataclass(frozen=True)
class Output:
    """What ``compute_reward`` gave for B transitions, held against the contract."""

    reward: Float32[Tensor, " B"]
    terms: dict[str, Float32[Tensor, " B"]]


class EvaluationError(RewardCodeError):
    """The code raised, or its answer breaks the contract."""


def compile_reward(code: RewardCode) -> RewardFunction:
    """Run the module's code and return its ``compute_reward``.

    torch, math and the vocabulary are in scope. Annotations are not evaluated, and decorators such
    as ``torch.jit.script`` are left out.

    Raises:
        EvaluationError: the module's code raised.
    """
    tree = without_decorators(code.tree())
    namespace: dict[str, object] = {
        "__builtins__": builtins,
        "__name__": "reward",
        "torch": torch,
        "math": math,
        **VOCABULARY,
    }
    try:
        # inherits this module's future flag, so that annotations are not evaluated
        program = compile(tree, FILE_NAME, "exec")
        exec(program, namespace)
    except Exception as error:
        raise raised(error) from error
    function = namespace.get(ENTRY)
    if not callable(function):
        raise _error(
            f"{ENTRY} is {_described(function)} once the code has run, no function",
            f"do not assign to {ENTRY}, and do not delete it",
            rule="no-function",
        )
    return function


def evaluate(
    function: RewardFunction,
    table: FeatureTable,
    state: Float32[Tensor, "B F"],
    action: Tensor,
    next_state: Float32[Tensor, "B F"],
) -> Output:
    """Call a reward on B transitions and validate what it returns.

    Args:
        function: from ``compile_reward``.
        table: the public features, which are the columns of both states.
        state: features before the action; contiguous, may be overwritten by the code.
        action: float32 (B, A), or int64 (B,).
        next_state: features after it; contiguous, may be overwritten.

    Raises:
        EvaluationError: the code raised, or its answer breaks the contract.
    """
    try:
        with torch.no_grad():
            answer = function(table.view(state), action, table.view(next_state))
    except Exception as error:
        raise raised(error) from error
    return _validated(answer, state.shape[0])


def require_terms(names: Sequence[str], output: Output) -> None:
    """Check that a reward names the same terms in every call.

    Raises:
        EvaluationError: it does not.
    """
    if set(names) != output.terms.keys():
        first, now = ", ".join(names), ", ".join(output.terms)
        raise _error(
            f"the terms differ from call to call: first {first or 'none'}, then {now or 'none'}",
            "return the same term names whatever the values are",
            rule="term-names",
        )


def raised(error: BaseException) -> EvaluationError:
    """Return the finding that a piece of reward code raised ``error``.

    The exception may be of a class of the code's own, which answers what it likes, or raises.
    """
    name, text = vars(type)["__name__"].__get__(type(error)), _text(error)
    # nobody can send or store half a character
    message = f"{name}: {text}" if text else name
    return _error(
        message.encode(errors="replace").decode(),
        "correct the code",
        kind="runtime",
        rule="exception",
        line=_line(_traceback(error)),
    )


def _text(error: BaseException) -> str:
    try:
        return " ".join(str(error).split())[:500]
    except BaseException:  # whatever that raises is the code's doing too
        return "(its text cannot be read)"


def _traceback(error: BaseException) -> TracebackType | None:
    return cast("TracebackType | None", vars(BaseException)["__traceback__"].__get__(error))


def _line(traceback: TracebackType | None) -> int | None:
    line = None
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == FILE_NAME:
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line


def _error(
    message: str, remedy: str, *, kind: Kind = "contract", rule: str, line: int | None = None
) -> EvaluationError:
    return EvaluationError(Finding("host", kind, rule, "error", line, message, remedy))


def _validated(answer: object, rows: int) -> Output:
    pair = cast(tuple[object, ...], answer) if isinstance(answer, tuple) else ()
    if len(pair) != 2:
        raise _error(
            f"{ENTRY} returned {_described(cast(object, answer))}, not a pair",
            'return (reward, {"term": tensor, ...})',
            rule="return-value",
        )
    reward, terms = pair
    if not isinstance(terms, dict):
        raise _error(
            f"the second value that {ENTRY} returned is {_described(terms)}, not a dict of terms",
            'return (reward, {"term": tensor, ...})',
            rule="return-value",
        )
    named = cast(dict[object, object], terms)
    if len(named) > MAX_TERMS:
        raise _error(
            f"there are {len(named)} terms, more than {MAX_TERMS}",
            "report sums of related terms",
            rule="term-count",
        )
    checked: dict[str, Tensor] = {}
    for name, value in named.items():
        if not isinstance(name, str) or not TERM_NAME.fullmatch(name):
            raise _error(
                f"term name {str(name)[:60]!r} is not an identifier of at most 40 characters",
                "name terms with letters, digits and underscores",
                rule="term-name",
            )
        checked[name] = _tensor(value, f"term '{name}'", rows)
    return Output(_tensor(reward, "the reward", rows), checked)


def _tensor(value: object, what: str, rows: int) -> Tensor:
    if type(value) is not Tensor:
        raise _error(
            f"{what} is {_described(value)}, not a tensor of shape (B,)",
            "compute it from features, or use torch.full_like(reward, value) for a constant",
            rule="not-a-tensor",
        )
    if value.shape != (rows,):
        raise _error(
            f"{what} has shape {tuple(value.shape)}, not (B,) with B = {rows}",
            _shape_remedy(value, rows),
            rule="shape",
        )
    if value.dtype != torch.float32:
        raise _error(
            f"{what} has dtype {str(value.dtype).removeprefix('torch.')}, not float32",
            "convert it with .float()",
            rule="dtype",
        )
    if value.layout != torch.strided:
        raise _error(f"{what} is not a dense tensor", "return a dense tensor", rule="layout")
    return value


def _shape_remedy(value: Tensor, rows: int) -> str:
    if value.ndim == 0:
        return "reduce along dim=-1 only: the batch dimension must stay"
    if value.shape == (rows, 1):
        return "drop the last dimension with .squeeze(-1) or [:, 0]"
    if value.shape[0] == rows:
        return "reduce the other dimensions, for example with .sum(dim=-1)"
    return "give one number per transition, in the order of the batch"


def _described(value: object) -> str:
    if isinstance(value, bool | int | float):
        return f"the {type(value).__name__} {value!r}"
    if isinstance(value, tuple):
        return f"a tuple of {len(cast(tuple[object, ...], value))}"
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    return "None" if value is None else f"a {type(value).__name__}"
