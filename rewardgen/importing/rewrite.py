"""A foreign reward as a reward file: its code as it stands, called with features of the task."""

from __future__ import annotations

import ast
import keyword
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rewardgen.importing.entry import Entry
from rewardgen.store.export_records import ImportedName

_NAME = "imported_reward"


@dataclass(frozen=True)
class _Edit:
    """Replaces the bytes of a line from one column to another."""

    line: int
    start: int
    end: int
    text: str


def rewritten(source: str, entry: Entry, names: Sequence[ImportedName], note: str) -> str:
    """Return the reward file.

    Args:
        source: the foreign file.
        entry: its reward.
        names: what its names stand for.
        note: what the file says of its origin.
    """
    tree = ast.parse(source)
    taken = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    taken |= {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
    function = _free(_NAME, taken)
    parameters = _parameters(entry, names, taken)
    edits = _edits(source, entry, parameters, function)
    lines = _edited(source, edits)
    beside = [_text(lines, node) for node in entry.beside]
    imports = [text for text in beside if text.startswith(("import ", "from "))]
    others = [text for text in beside if text not in imports]
    parts = [
        f'"""{_described(note, names)}"""',
        "\n".join(imports),
        *others,
        _text(lines, entry.function),
        _wrapper(entry, names, parameters, function),
    ]
    return "\n\n\n".join(part for part in parts if part) + "\n"


def _described(note: str, names: Sequence[ImportedName]) -> str:
    lines = [note, ""] if names else [note]
    for each in names:
        remark = f" ({each.note})" if each.note else ""
        lines.append(f"{each.name}: {each.expression}{remark}")
    text = "\n".join(lines).replace("\\", "\\\\").replace('"""', r"\"\"\"")
    return f"{text}\n"


def _parameters(entry: Entry, names: Sequence[ImportedName], taken: set[str]) -> dict[str, str]:
    """Return name → the parameter that it becomes."""
    if entry.style != "isaac-lab":
        return {each.name: each.name for each in names}
    chosen: dict[str, str] = {}
    for each in names:
        words = [w for w in re.findall(r"\w+", each.name) if w not in ("data", "scene", "cfg")]
        short = re.sub(r"_+", "_", "_".join(words)).strip("_") or "given"
        if keyword.iskeyword(short) or short[0].isdigit():
            short = f"given_{short}"
        chosen[each.name] = _free(short, taken | set(chosen.values()))
    return chosen


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _edits(source: str, entry: Entry, parameters: Mapping[str, str], function: str) -> list[_Edit]:
    node = entry.function
    # before the name there are only keywords and blanks
    head = re.compile(rb"def\s+").search(source.split("\n")[node.lineno - 1].encode())
    assert head is not None, "the line is that of the definition"
    edits = [_Edit(node.lineno, head.end(), head.end() + len(node.name.encode()), function)]
    if entry.style == "isaac-lab":
        self_ = node.args.args[0]
        edits.append(_over(self_, ", ".join(parameters.values())))
        for given in entry.given:
            edits += [_over(read, parameters[given.name]) for read in given.nodes]
    return edits


def _over(node: ast.expr | ast.arg, text: str) -> _Edit:
    end = node.end_col_offset
    assert end is not None, "it was parsed from a text"
    return _Edit(node.lineno, node.col_offset, end, text)


def _edited(source: str, edits: Sequence[_Edit]) -> list[str]:
    lines = [line.encode() for line in source.split("\n")]
    for edit in sorted(edits, key=lambda each: (each.line, each.start), reverse=True):
        line = lines[edit.line - 1]
        lines[edit.line - 1] = line[: edit.start] + edit.text.encode() + line[edit.end :]
    return [line.decode() for line in lines]


def _text(lines: Sequence[str], node: ast.stmt) -> str:
    """Return a statement with its decorators, at the margin."""
    first = node.lineno
    if isinstance(node, ast.FunctionDef):
        first = min([first, *(each.lineno for each in node.decorator_list)])
    return textwrap.dedent("\n".join(lines[first - 1 : node.end_lineno])).rstrip()


def _wrapper(
    entry: Entry, names: Sequence[ImportedName], parameters: Mapping[str, str], function: str
) -> str:
    arguments = "".join(f"        {parameters[each.name]}={each.expression},\n" for each in names)
    call = f"{function}(\n{arguments}    )" if names else f"{function}()"
    lines = ["def compute_reward(state, action, next_state):"]
    if entry.returns == "pair":
        lines.append(f"    return {call}")
    else:
        first = "[0]" if entry.returns == "first" else ""
        lines += [f"    reward = {call}{first}", '    return reward, {"reward": reward}']
    return "\n".join(lines)
