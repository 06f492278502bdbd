"""Fitness files: a person's own measure of success, for goals that no task comes with.

```python
def fitness(state, action, next_state):
    return next_state.torso_height        # float32 (B,), one number per transition
```

The fitness of an episode is the average of these numbers over the nominal episode length. Every
step that a termination leaves out counts as the worst number of the episode, or as 0 if that is
worse, so that falling early does not pay. The file is the user's own and runs with the user's
rights, in the process that evaluates and nowhere else. It sees private features too; torch, math
and the vocabulary of rewards are in scope.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from jaxtyping import Float32
from torch import Tensor

from rewardgen.rewards.code import VOCABULARY
from rewardgen_envs.errors import UsageError
from rewardgen_envs.features import FeatureTable
from rewardgen_envs.metrics import Metric

ENTRY = "fitness"
_SIGNATURE = f"def {ENTRY}(state, action, next_state):"
_FILE_NAME = "<fitness>"

METRIC = Metric(
    name="own_fitness",
    unit="1",
    description="your own fitness, averaged over the nominal episode",
)


class FitnessError(UsageError):
    """A fitness file cannot be used; says what is wrong and where."""


@dataclass(frozen=True)
class FitnessCode:
    """A fitness file that is valid Python and defines ``fitness`` with three arguments."""

    source: str

    @property
    def sha256(self) -> str:
        """Hash of the source."""
        return hashlib.sha256(self.source.encode()).hexdigest()


def read_fitness(path: Path) -> FitnessCode:
    """Read a fitness file.

    Raises:
        FitnessError: it cannot be read, is not Python, or does not define ``fitness``.
    """
    try:
        source = path.read_text(encoding="utf-8")
    except OSError as error:
        raise FitnessError(f"cannot read fitness file {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise FitnessError(f"fitness file {path} is not UTF-8 text: {error}") from error
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        raise FitnessError(f"fitness file {path} is not Python: {error}") from error
    entries = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == ENTRY]
    if len(entries) != 1:
        raise FitnessError(f"fitness file {path} must define {ENTRY} once: write {_SIGNATURE}")
    arguments = entries[0].args
    positional = [*arguments.posonlyargs, *arguments.args]
    if len(positional) - len(arguments.defaults) != 3 or arguments.vararg or arguments.kwarg:
        raise FitnessError(
            f"fitness file {path}, line {entries[0].lineno}: {ENTRY} takes "
            f"({ast.unparse(arguments)}); write {_SIGNATURE}"
        )
    return FitnessCode(source)


class StepFitness:
    """The function of a fitness file, held against its contract.

    Args:
        code: the file.
        table: all features of the task, private ones too.

    Raises:
        FitnessError: the module's code raised.
    """

    def __init__(self, code: FitnessCode, table: FeatureTable) -> None:
        namespace: dict[str, object] = {
            "__builtins__": builtins,
            "__name__": ENTRY,
            "torch": torch,
            "math": math,
            **VOCABULARY,
        }
        try:
            exec(compile(code.source, _FILE_NAME, "exec"), namespace)
        except (Exception, SystemExit) as error:
            raise _raised(error) from error
        self._function = cast(Callable[..., object], namespace[ENTRY])
        self._table = table

    def __call__(
        self, state: Float32[Tensor, "B F"], action: Tensor, next_state: Float32[Tensor, "B F"]
    ) -> Float32[Tensor, " B"]:
        """Return the fitness of B transitions; it may hold numbers that are not finite.

        Raises:
            FitnessError: the function raised, or returned no tensor (B,) of real numbers.
        """
        try:
            value = self._function(
                self._table.view(state.clone()),
                action.clone(),
                self._table.view(next_state.clone()),
            )
        except (Exception, SystemExit) as error:
            raise _raised(error) from error
        if not isinstance(value, Tensor) or value.shape != (len(state),):
            shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise FitnessError(
                f"{ENTRY} returned {shape}, not a tensor of shape (B,) with B = {len(state)}: give "
                "one number per transition"
            )
        if value.is_complex():
            raise FitnessError(f"{ENTRY} returned complex numbers, which cannot be ranked")
        return value.to(torch.float32)


def _raised(error: BaseException) -> FitnessError:
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == _FILE_NAME:
            line = trace.tb_lineno
        trace = trace.tb_next
    where = "" if line is None else f", line {line}"
    return FitnessError(f"the fitness file fails{where}: {type(error).__name__}: {error}")
