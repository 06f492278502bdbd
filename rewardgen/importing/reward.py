"""``rewardgen import reward``: a reward of another system as a reward file of a task.

What is imported is never run here: its syntax tree is matched with the task's features, and the
result goes through the same check as any reward, which runs it in a locked process.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from rewardgen.check.pipeline import CheckResult, Isolation, check_reward
from rewardgen.importing.entry import Entry, bound_names, find_entry
from rewardgen.importing.matching import Matches, match, parse_binds
from rewardgen.importing.refusal import ImportRefused, finding
from rewardgen.importing.rewrite import rewritten
from rewardgen.isolation.host import HostOptions, HostPool
from rewardgen.isolation.protection import Mode
from rewardgen.rewards.findings import Finding, recorded
from rewardgen.rewards.format import ENTRY, ParseError, bounded, read_source, reply_code
from rewardgen.store import parts
from rewardgen.store.atomic import clear_errors, write_file
from rewardgen.store.export_records import ImportRecord
from rewardgen_envs.errors import UsageError
from rewardgen_envs.registry import load_task
from rewardgen_envs.task import Task

# what is wrong with a foreign reward only because it is not in our format
_FORMAT = frozenset({"signature", "no-function", "several-functions"})
_STARTS = (f"def {ENTRY}", "def _get_rewards_eureka", "def _get_rewards")


def import_reward(
    file: Path,
    task_reference: str,
    out: Path,
    *,
    binds: Sequence[str] = (),
    isolation: Mode = "standard",
    hosts: HostPool | None = None,
) -> ImportRecord:
    """Rewrite a reward of Eureka, IsaacLabEureka or anybody as a reward file, and check it.

    Args:
        file: the foreign file, or a reply with one fenced block.
        task_reference: the task whose features its names stand for.
        out: what to write; nothing is written unless the check accepts it.
        binds: ``name=feature`` for names that say too little.
        isolation: mode of the reward host.
        hosts: a running pool; by default one is started for this.

    Raises:
        UsageError: the file cannot be read, the task is unknown, a binding is not of this reward
            or task, or ``out`` exists.
        HostUnavailable: no reward host can be started.
        StoreError: the file cannot be written.
    """
    if out.exists():
        raise UsageError(f"{out} exists; name another file with --out")
    task = load_task(task_reference)
    bound = parse_binds(tuple(binds), task.table)
    with ExitStack() as stack:
        if hosts is None:
            hosts = stack.enter_context(HostPool(HostOptions(mode=isolation)))
        try:
            source = _parsed(read_source(file), hosts)
            entry = find_entry(ast.parse(source), frozenset(bound))
        except (ParseError, ImportRefused) as error:
            return _record(task, None, None, (error.finding,), isolation)
        matches = match(entry, task, bound)
        findings = [*matches.findings, *_clashes(entry, matches)]
        if findings:
            return _record(task, entry, matches, findings, isolation)
        made = rewritten(source, entry, matches.names, _note(file, entry, task))
        result = check_reward(made, task.table, task.action, hosts=hosts)
    written = None
    if result.verdict == "accepted":
        with clear_errors(out):
            out.parent.mkdir(parents=True, exist_ok=True)
        write_file(out, made.encode())
        written = str(out)
    return _checked(task, entry, matches, result, made, written)


def _parsed(text: str, hosts: HostPool) -> str:
    """Return the code of a file that Python's parser survives.

    Raises:
        ParseError: it holds no Python.
    """
    for start in _STARTS:
        text = reply_code(text, start)
    text = bounded(text)
    try:
        hosts.read(text)
    except ParseError as error:
        if error.finding.rule not in _FORMAT:
            raise
    else:
        raise UsageError("the file has the project's format already: there is nothing to import")
    return text


def _clashes(entry: Entry, matches: Matches) -> Iterator[Finding]:
    """Yield functions of the file that would stand in for those that turn its quantities."""
    used = {
        name for each in matches.names for name in re.findall(r"\bquat_\w+(?=\()", each.expression)
    }
    for node in entry.beside:
        for name in used & set(bound_names(node)):
            yield finding(
                "name-clash",
                node,
                f"the file has a {name} of its own, which this project's {name} is needed beside",
                "give it another name in the file",
            )


def _note(file: Path, entry: Entry, task: Task) -> str:
    conventions = {
        "isaac-gym": "a scripted function, taken to follow Isaac Gym",
        "isaac-lab": "a method, taken to follow Isaac Lab",
        "plain": "a plain function",
    }[entry.style]
    return (
        f"Imported from {file.name}: {entry.function.name}, {conventions}.\n\n"
        f"What its names stand for in {task.name}:"
    )


def _record(
    task: Task,
    entry: Entry | None,
    matches: Matches | None,
    findings: Sequence[Finding],
    mode: Mode,
) -> ImportRecord:
    refused = CheckResult("refused", tuple(findings), Isolation(mode), None)
    return _checked(task, entry, matches, refused, None, None)


def _checked(
    task: Task,
    entry: Entry | None,
    matches: Matches | None,
    result: CheckResult,
    source: str | None,
    file: str | None,
) -> ImportRecord:
    return ImportRecord(
        file=file,
        task=task.name,
        function=None if entry is None else entry.function.name,
        style=None if entry is None else entry.style,
        names=() if matches is None else matches.names,
        verdict=result.verdict,
        findings=tuple(recorded(each) for each in result.findings),
        source=source,
        isolation=parts.Isolation(mode=result.isolation.mode, applied=result.isolation.applied),
    )
