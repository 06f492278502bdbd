"""A reward as one file for Isaac Lab: the file that needs torch alone, and what binds it there.

Isaac Lab has tensors, not named features. So the file ends in a table of the features that the
reward reads, to be filled in by the user, and code that keeps those of the step before.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from dataclasses import dataclass

from rewardgen.check.scopes import Scopes
from rewardgen.export import isaac_binding
from rewardgen.export.isaac_proposals import ACTION, proposal
from rewardgen.export.reward_file import Origin, RewardFile, described, reward_file
from rewardgen.export.wrapping import Wrapping
from rewardgen.rewards.format import ENTRY, RewardCode
from rewardgen.store.export_records import BindingRecord
from rewardgen_envs.base_task import BaseTask
from rewardgen_envs.features import Feature
from rewardgen_envs.task import Task
from rewardgen_envs.trackers import Rule

_MARK = "# ---- what is copied"
_ZERO_AT_START = {"terminated", "episode_time_s", "last_action"}
_NAMES = (
    "ACTION",
    "AT_START",
    "BEFORE",
    "BINDINGS",
    "Binding",
    "DirectRewards",
    "KEPT",
    "OWNER",
    "binding_of",
    "reset_features",
    "reward_term",
)
_NOTE = (
    "To use it in Isaac Lab, fill in the table BINDINGS near the end, which says what has to be "
    "read there; lines marked PROPOSAL are guesses by name, shape and unit. Then take reward_term "
    "and reset_features in a manager-based environment, or DirectRewards in a direct one. This "
    "file has not run in Isaac Lab itself."
)


@dataclass(frozen=True)
class IsaacLabFile:
    """A reward exported for Isaac Lab.

    Attributes:
        file: the file; its function by names is that of the form that needs torch alone.
        bindings: what the user has to bind, in the order of the table.
    """

    file: RewardFile
    bindings: tuple[BindingRecord, ...]


def isaac_lab_file(
    code: RewardCode, task: BaseTask, origin: Origin, wrapping: Wrapping | None = None
) -> IsaacLabFile:
    """Return a reward as a file for Isaac Lab.

    Args:
        code: the reward.
        task: whose features it reads.
        origin: where it comes from.
        wrapping: what is put around the code, or None.
    """
    alone = reward_file(code, task, origin, _NOTE, wrapping)
    tree = code.tree()
    read = [task.table[name] for name in alone.features]
    earlier = _named(tree) if wrapping is not None and wrapping.looks_back else _read_before(tree)
    before = {feature.name for feature in read if feature.name in earlier}
    kept = _kept(task, read)
    # what a feature was a step ago has to be read in every step
    sources = [task.table[name] for name in dict.fromkeys(kept.values())]
    before |= {feature.name for feature in sources}
    bound = [feature for feature in read if feature.name not in kept]
    bound += [feature for feature in sources if feature not in bound]
    bindings = tuple(_binding(feature, feature.name in before) for feature in bound)
    at_start = {f.name: f.shape for f in bound if f.name in before & _ZERO_AT_START}
    parts = [
        alone.text,
        "# ---- Isaac Lab: bind these features\n",
        _table(bound, bindings),
        "\n".join(
            [
                f"BEFORE = {tuple(sorted(before))!r}  # read a step ago too",
                f"KEPT = {kept!r}  # what is another feature a step ago",
                f"AT_START = {at_start!r}  # 0 where an episode begins: shape of one environment",
                f'OWNER = "reward_{code.sha256[:12]}"  # where an environment keeps its binding',
            ]
        ),
        _renamed_entry(_runtime(), alone.function),
    ]
    text = "\n\n".join(part.strip("\n") + "\n" for part in parts)
    bound_names = Scopes(tree).module.names
    return IsaacLabFile(
        RewardFile(_without_clashes(text, alone.text, bound_names), alone.function, alone.features),
        bindings,
    )


def _read_before(tree: ast.Module) -> set[str]:
    """Return the names that may be read of the state before: all, if it is handed on."""
    entry = next(
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == ENTRY
    )
    state = [*entry.args.posonlyargs, *entry.args.args][0].arg
    names = [n for n in ast.walk(entry) if isinstance(n, ast.Name) and n.id == state]
    read = [
        node
        for node in ast.walk(entry)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == state
    ]
    return _named(tree) if len(read) < len(names) else {node.attr for node in read}


def _named(tree: ast.Module) -> set[str]:
    """Return every name that is read of anything."""
    return {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


def _kept(task: BaseTask, read: list[Feature]) -> dict[str, str]:
    """Return the features that are another one a step ago: name → that other feature."""
    names, public = {feature.name for feature in read}, task.table.public()
    return {
        tracker.feature.name: tracker.source
        for tracker in (task.trackers if isinstance(task, Task) else ())
        if tracker.rule is Rule.PREVIOUS
        and tracker.restart is None
        and isinstance(tracker.source, str)
        and tracker.source in public
        and tracker.feature.name in names
    }


def _binding(feature: Feature, before: bool) -> BindingRecord:
    found = proposal(feature)
    return BindingRecord(
        feature=feature.name,
        shape=feature.shape,
        unit=feature.unit,
        description=feature.description,
        proposal=None if found is None else found.expression,
        check=None if found is None else found.check,
        before=before,
    )


def _table(features: list[Feature], bindings: tuple[BindingRecord, ...]) -> str:
    lines = [
        "from collections.abc import Callable, Sequence",
        "from typing import Any",
        "",
        "# feature: how it is read of the environment, (num_envs, *shape) in the unit given, world",
        "# frame unless it says otherwise, relative to the origin of the environment; None: to do",
        "BINDINGS: dict[str, Callable[[Any], Any] | None] = {",
    ]
    for feature, binding in zip(features, bindings, strict=True):
        lines += textwrap.wrap(
            described(feature), 100, initial_indent="    # ", subsequent_indent="    # "
        )
        if binding.proposal is None:
            lines.append(f'    "{feature.name}": None,')
        else:
            lines.append(f"    # PROPOSAL, check {binding.check}:")
            lines.append(f'    "{feature.name}": lambda env: {binding.proposal},')
    lines += [
        "}",
        "",
        "",
        "def ACTION(env: Any) -> Any:",
        '    """Return the action as it was applied: PROPOSAL, check that it is in [-1, 1]."""',
        f"    action = {ACTION}",
        "    return action.clamp(-1.0, 1.0)",
    ]
    return "\n".join(lines)


def _runtime() -> str:
    """Return the code that is the same in every file, without its remarks for linters."""
    source = inspect.getsource(isaac_binding).partition(_MARK)[2]
    return re.sub(r"  # noqa: .*", "", source)


def _renamed_entry(runtime: str, function: str) -> str:
    return runtime.replace(" = reward(self._before", f" = {function}(self._before")


def _without_clashes(text: str, head: str, bound: set[str]) -> str:
    """Return the whole text; names after the head give way to names that the code binds."""
    tail = text.removeprefix(head)
    if not bound & set(_NAMES):
        return text
    names = re.compile(rf"\b({'|'.join(_NAMES)})\b")
    return head + names.sub(r"\1_isaac", tail)
