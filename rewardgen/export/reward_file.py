"""A reward as one file that needs torch alone: its own code, and around it what it takes to run.

The code stays as it was written, for people to read and compare. Names that the file adds give
way to names of the code. Two kinds of lines are turned into comments, as the host leaves them out
too: ``from __future__`` (which stands at the top of the file) and ``@torch.jit.script`` and such.
Where another statement shares the line, ``pass`` takes the place of the import.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from rewardgen.check.scopes import Scopes
from rewardgen.export.inlining import inlined
from rewardgen.export.wrapping import TERMINATED, Wrapping, body, definition
from rewardgen.rewards.code import VOCABULARY
from rewardgen.rewards.decorators import Decorators
from rewardgen.rewards.format import ENTRY, RewardCode
from rewardgen_envs.base_task import BaseTask, BoxAction
from rewardgen_envs.features import Feature, FeatureTable

FUNCTION = "reward"
_WIDTH = 100
_INTERNAL = ("_FEATURES", "_Features", "_vocabulary", "_composed")


@dataclass(frozen=True)
class Origin:
    """Where a reward comes from, for the reader of its file.

    Attributes:
        reward: in words: ``candidate c2-6 of run 'first'``.
        description: what it is for, in a sentence: the task's, or the user's own.
    """

    reward: str
    description: str


@dataclass(frozen=True)
class RewardFile:
    """An exported reward.

    Attributes:
        text: content of the file.
        function: the name of its function that takes features by name.
        features: names of the features that it reads.
    """

    text: str
    function: str
    features: tuple[str, ...]


def reward_file(
    code: RewardCode,
    task: BaseTask,
    origin: Origin,
    note: str = "",
    wrapping: Wrapping | None = None,
) -> RewardFile:
    """Return a reward as a file of its own.

    Args:
        code: the reward.
        task: whose features it reads.
        origin: where it comes from.
        note: a paragraph more for whoever opens the file.
        wrapping: what is put around the code, or None.
    """
    tree = code.tree()
    bound = Scopes(tree).module.names
    names = _free((FUNCTION, *_INTERNAL), bound)
    function, features_name, class_name, vocabulary, composed = names
    features = read_features(tree, task.table)
    if wrapping is not None and wrapping.looks_back and TERMINATED not in map(_name, features):
        features.append(task.table[TERMINATED])
    parts = [
        _docstring(code, task, origin, function, features, [note, _around(wrapping)]),
        _IMPORTS,
        _table(features, features_name),
        _CLASS.format(class_name=class_name, features=features_name),
        _vocabulary(tree, vocabulary),
        f"# ---- the reward as it was written, sha256 {code.sha256}\n\n{_body(code, tree)}",
        "" if wrapping is None else definition(wrapping, composed),
        "# ---- the same, with features by name\n",
        _FUNCTION.format(
            function=function,
            dtype="float32" if isinstance(task.action, BoxAction) else "int64",
            body="\n        ".join(body(wrapping, ENTRY, class_name, composed)),
        ),
    ]
    text = "\n\n".join(part.strip("\n") + "\n" for part in parts if part)
    return RewardFile(text, function, tuple(feature.name for feature in features))


_IMPORTS = """
from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
"""

_CLASS = '''
class {class_name}:
    """Features by name, as the reward reads them; copies, as it may change what it reads."""

    def __init__(self, given: Mapping[str, Tensor]) -> None:
        self._given = given
        self._read: dict[str, Tensor] = {{}}

    def __getattr__(self, name: str) -> Tensor:
        if name not in {features}:
            raise AttributeError(f"the reward has no feature '{{name}}'")
        if name not in self._read:
            shape, unit = {features}[name]
            if name not in self._given:
                raise KeyError(
                    f"the reward reads '{{name}}', (B, *{{shape}}) in {{unit}}, which is not among "
                    f"the features given: {{', '.join(self._given) or 'none'}}"
                )
            value = torch.as_tensor(self._given[name], dtype=torch.float32)
            if tuple(value.shape[1:]) != shape:
                raise ValueError(
                    f"feature '{{name}}' has shape {{tuple(value.shape)}}, not (B, *{{shape}})"
                )
            self._read[name] = value.clone()
        return self._read[name]
'''

_FUNCTION = '''
def {function}(
    state: Mapping[str, Tensor], action: Tensor, next_state: Mapping[str, Tensor]
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the rewards, (B,), and their terms by name, (B,) each, of B transitions.

    Args:
        state: features before the action, by name.
        action: as it was applied; see above.
        next_state: features after it; where an episode ended, its true last ones.

    Raises:
        KeyError: a feature that the reward reads is not given.
        ValueError: a feature has another shape.
    """
    applied = torch.as_tensor(action, dtype=torch.{dtype}).clone()
    with torch.no_grad():
        {body}
'''


def _free(names: Iterable[str], bound: set[str]) -> list[str]:
    """Return the names, with a suffix if the code binds one of them."""
    suffix = ""
    while any(name + suffix in bound for name in names):
        suffix += "_exported"
    return [name + suffix for name in names]


def read_features(tree: ast.Module, table: FeatureTable) -> list[Feature]:
    """Return the features that occur in the code as an attribute."""
    named = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return [feature for feature in table.public() if feature.name in named]


def _name(feature: Feature) -> str:
    return feature.name


def _around(wrapping: Wrapping | None) -> str:
    """Say what is put around the code."""
    if wrapping is None:
        return ""
    wrapper = wrapping.wrapper
    return (
        f"Around the code as it was written is the wrapper {wrapper.model_dump_json()}. It pays "
        f"{wrapper.formula}."
    )


def _docstring(
    code: RewardCode,
    task: BaseTask,
    origin: Origin,
    function: str,
    features: list[Feature],
    notes: Sequence[str],
) -> str:
    action = task.action
    applied = (
        f"(B, {action.size}) float32 in [-1, 1]"
        if isinstance(action, BoxAction)
        else f"(B,) int64 in 0 ... {action.count - 1}"
    )
    packages = "torch and numpy" if "numpy" in _imported(code.tree()) else "torch"
    exporter = f"rewardgen-lab {version('rewardgen-lab')}"
    paragraphs = [
        f"Task {task.name}, version {task.version}: {origin.description}",
        f"Source: sha256 {code.sha256}. Exported by {exporter}; needs {packages} and nothing else. "
        "Functions that it shares with other rewards are from rewardgen's vocabulary "
        "(Apache-2.0).",
        *filter(None, notes),
        f"Call {function}(state, action, next_state). state and next_state map the names of "
        "features to float32 tensors of B transitions in no order, before and after the action, "
        f"which is {applied}, as it was applied. Features that are read:",
        *map(described, features),
    ]
    text = "\n\n".join([f"Reward of {origin.reward}.", *map(_wrapped, paragraphs)])
    text = text.replace("\\", "\\\\").replace('"""', r"\"\"\"")
    return f'"""{text}\n"""'


def _wrapped(paragraph: str) -> str:
    return textwrap.fill(paragraph, _WIDTH, break_long_words=False, break_on_hyphens=False)


def described(feature: Feature) -> str:
    """Return a feature in a line: name, shape, unit, sentence."""
    shape = ", ".join(["B", *map(str, feature.shape)]) + ("" if feature.shape else ",")
    return f"{feature.name}: ({shape}), unit {feature.unit}. {feature.description}"


def _imported(tree: ast.Module) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found


def _table(features: list[Feature], name: str) -> str:
    rows = "".join(f'    "{f.name}": ({f.shape!r}, {f.unit!r}),\n' for f in features)
    return f"# name: (shape of one transition, unit)\n{name} = {{\n{rows}}}\n"


def _vocabulary(tree: ast.Module, function: str) -> str:
    """Return the vocabulary in use, in a scope of its own: the code may redefine any name."""
    named = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    used = [name for name in VOCABULARY if name in named]
    if not used:
        return ""
    given = ", ".join(used) if len(used) > 1 else f"({used[0]},)"
    return (
        f"def {function}():\n"
        f"{textwrap.indent(inlined(used), '    ')}\n\n"
        f"    return {given}\n\n\n"
        f"{given} = {function}()\n"
    )


def _body(code: RewardCode, tree: ast.Module) -> str:
    lines = [line.encode() for line in code.source.split("\n")]
    # the last first: what a statement leaves of its line moves what stands behind it
    for node in sorted(_left_out(tree), key=lambda n: (n.lineno, n.col_offset), reverse=True):
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
        before, after = lines[first][: node.col_offset], lines[last][node.end_col_offset :]
        if isinstance(node, ast.stmt) and (before.strip() or after.split(b"#")[0].strip()):
            lines[first : last + 1] = [before + b"pass" + after]
        else:
            lines[first : last + 1] = [b"# " + line for line in lines[first : last + 1]]
    return b"\n".join(lines).decode().strip("\n")


def _left_out(tree: ast.Module) -> Iterator[ast.stmt | ast.expr]:
    """Yield what the reward host leaves out as well: imports, and decorators."""
    decorators = Decorators(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            yield node
        if isinstance(node, ast.FunctionDef):
            yield from (d for d in node.decorator_list if decorators.drops(d))
