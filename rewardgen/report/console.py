"""What the terminal shows of runs: tables for ``list`` and ``show``, and a run's last lines.

Imports neither torch nor numpy: looking at runs starts fast.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import cast

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from rewardgen.report.candidates import left_out, notable
from rewardgen.report.names import HTML_NAME
from rewardgen.report.normalized import normalized_line
from rewardgen.report.numbers import (
    count,
    duration,
    interval,
    number,
    percent,
    percent_interval,
    signed,
    unit,
)
from rewardgen.report.outcome import (
    HUMAN,
    SPARSE,
    WINNER,
    against,
    arm,
    candidate,
    failures,
    outcome,
    ranking,
    reference,
    runs,
    standing,
)
from rewardgen.report.text import printable, wrapping
from rewardgen.store.parts import Finding
from rewardgen.store.records import (
    ArmRecord,
    CandidateRecord,
    HumanFeedbackRecord,
    ListRecord,
    MemberRecord,
    ShowRecord,
    TrialRecord,
)

_COLOURS = {
    "done": "green",
    "running": "cyan",
    "interrupted": "yellow",
    "failed": "red",
    "unreadable": "red",
    "confirmed": "blue",
    "evaluated": "green",
    "rejected": "red",
    "retired": "dim",
}
_PLAIN_WIDTH = 140
# candidates that are listed, and from how many on not all are
_MOST_LISTED, _MANY_CANDIDATES = 30, 100
_RUNS_DIR = Path("runs")  # where the verbs look by themselves


def list_text(record: ListRecord) -> str:
    """Return all runs as a table, oldest first."""
    if not record.runs:
        return "no runs yet; start one with 'rewardgen run configs/demo.yaml'"
    table = new_table("run", "state", "task", "started (UTC)")
    for entry in record.runs:
        started = entry.started[:16].replace("T", " ")
        table.add_row(escape(entry.run), _state(entry.state), escape(entry.task or "-"), started)
    problems = [
        Text(printable(f"{entry.run}: {entry.reason}"), style="red")
        for entry in record.runs
        if entry.reason
    ]
    return as_text(table, *problems)


def show_text(record: ShowRecord) -> str:
    """Return a run: what it is, its result, its arms and candidates."""
    result = outcome(record)
    parts: list[RenderableType] = [_facts(record), Text("")]
    parts += [Text(result.headline, style="bold"), Text(result.sentence)]
    if record.arms:
        parts += [Text(""), _arms(record.arms, f"{_metric(record)} (IQM)")]
        parts += _around(record.arms)
        parts += _failed(record.arms)
        parts += [Text(line) for line in [normalized_line(record)] if line]
    if record.candidates:
        shown = notable(record, _MOST_LISTED, _MANY_CANDIDATES)
        parts += [Text(""), _candidates(record, shown)]
        if len(shown) < len(record.candidates):
            parts.append(Text(printable(_others(record, shown)), style="dim"))
    return as_text(*parts)


def candidate_text(one: CandidateRecord, feedback: str) -> str:
    """Return one candidate: fate, findings, runs, code, and what designers heard about it."""
    parts: list[RenderableType] = [
        Text.assemble((f"candidate {one.id} ", "bold"), _state(one.state)),
        Text(printable(one.reason)),
    ]
    made = f" of {' and '.join(one.parents)}" if one.parents else ""
    parts.append(Text(printable(f"{one.origin or 'proposed'}{made} {one.note}".rstrip())))
    if one.wrapper is not None:
        parts.append(Text(printable(f"wrapper {wrapping(one.wrapper)}")))
    if one.fitness is not None:
        parts.append(Text(f"fitness {number(one.fitness)} in the search"))
    for attempt in one.attempts:
        parts.append(Text("a first version was refused and asked for again:"))
        parts += [_finding(finding) for finding in attempt.findings]
    parts += [_finding(finding) for finding in one.findings]
    parts += [_member(member) for member in one.members]
    code = Syntax(
        printable(one.source),
        "python",
        theme="ansi_light",
        background_color="default",
        word_wrap=True,
    )
    parts += [Text(""), code]
    if feedback:
        parts += [Text(""), Text("feedback", style="bold"), Text(printable(feedback.strip()))]
    return as_text(*parts)


def last_lines(record: ShowRecord, path: Path) -> list[str]:
    """Return the last lines of a run: what won, by how much, and what to type next.

    Args:
        record: the run.
        path: its directory; the report is named if it lies there.
    """
    report = path / HTML_NAME
    return [
        _won(record),
        _against(record, HUMAN),
        _against(record, SPARSE),
        *([f"Report: {report}"] if report.is_file() else []),
        _next(record, path),
    ]


def trial_lines(record: TrialRecord, path: Path) -> list[str]:
    """Return the result of a training: its arms, and what to type next.

    Args:
        record: the training.
        path: its directory.
    """
    table = _arms(record.arms, "fitness (IQM)")
    text = as_text(table, *_around(record.arms), *_failed(record.arms))
    return [*text.splitlines(), f"Next: {to_type('show', path)}"]


def to_type(verb: str, path: Path, *more: str) -> str:
    """Return the command of a verb on the run in a directory, to be typed where we are.

    Args:
        verb: one that takes a run and ``--runs-dir``.
        path: the run's directory.
        more: what the verb takes after the run.
    """
    if path.name != path.resolve().name:  # "." and "..", which have no name, and links
        path = path.resolve()
    place = [] if path.parent == _RUNS_DIR else ["--runs-dir", str(path.parent)]
    return shlex.join(["rewardgen", verb, path.name, *more, *place])


def _won(record: ShowRecord) -> str:
    winner, best = arm(record, WINNER), candidate(record, record.winner)
    if winner is None or winner.iqm is None or best is None:
        return outcome(record).sentence
    made = f", {best.origin} of {' and '.join(best.parents)}" if best.parents else ""
    return printable(
        f"Winner: candidate {best.id}{made}: {_metric(record)} {number(winner.iqm)} "
        f"{interval(winner.interval)} on {len(winner.members)} fresh seeds "
        f"({number(winner.search_fitness)} in the search)."
    )


def _against(record: ShowRecord, other: str) -> str:
    """Say how the winner compares with another arm; of human also that nothing beat it."""
    winner, rival = arm(record, WINNER), arm(record, other)
    improvement = None if winner is None else against(winner, other)
    if winner is None or rival is None or improvement is None:
        return f"Against {other}: not compared{', so nothing beat it' if other == HUMAN else ''}."
    kind = standing(improvement, ranking(record))
    verdict = {"better": "better", "worse": "worse"}.get(kind, "no clear difference")
    if _apart(winner, rival):
        verdict += ", intervals apart"
    if other == HUMAN and kind != "better":
        verdict += "; nothing beat the human-written reward"
    return (
        f"Against {other} ({number(rival.iqm)} {interval(rival.interval)}): "
        f"{signed(improvement.difference)} "
        f"{interval(improvement.difference_interval, with_sign=True)}, {verdict}."
    )


def _apart(first: ArmRecord, second: ArmRecord) -> bool:
    """Return whether two arms' intervals share no point."""
    a, b = first.interval, second.interval
    return a is not None and b is not None and (a[0] > b[1] or b[0] > a[1])


def _next(record: ShowRecord, path: Path) -> str:
    if record.state != "done":
        return f"Next: {to_type('resume', path)}"
    shown = [] if record.winner is None else [record.winner]
    return f"Next: {to_type('show', path, *shown)}"


def _arms(arms: Sequence[ArmRecord], heading: str) -> Table:
    """Return arms as a table; columns that nothing would fill are left out."""
    table = new_table("reward")
    over = reference(arms)
    searched = any(a.search_fitness is not None for a in arms)
    headings = ["runs", heading, "95 % interval"]
    headings += [f"better than {over}"] if over is not None else []
    headings += ["during the search"] if searched else []
    for name in headings:
        table.add_column(escape(name), justify="right")
    for one in arms:
        row = [one.arm, runs(one), number(one.iqm), interval(one.interval)]
        if over is not None:
            improvement = against(one, over)
            row.append(
                "-"
                if improvement is None
                else f"{percent(improvement.probability)} {percent_interval(improvement.interval)}"
            )
        if searched:
            row.append(number(one.search_fitness))
        table.add_row(*map(escape, row), style="bold" if one.arm == WINNER else None)
    return table


def _around(arms: Sequence[ArmRecord]) -> list[Text]:
    return [
        Text(printable(f"{one.arm} is wrapped in {wrapping(one.wrapper)}"))
        for one in arms
        if one.wrapper is not None
    ]


def _failed(arms: Sequence[ArmRecord]) -> list[Text]:
    return [Text(printable(line), style="red") for one in arms for line in failures(one)]


def _finding(finding: Finding) -> Text:
    where = "" if finding.line is None else f"line {finding.line}: "
    text = f"{finding.stage} {finding.rule}: {where}{finding.message}; {finding.remedy}"
    return Text(printable(text), style="red" if finding.severity == "error" else "yellow")


def _member(member: MemberRecord) -> Text:
    scores = ", ".join(number(value) for value in member.fitness) or "not evaluated"
    failure = f"; failed: {member.failure}" if member.failure else ""
    return Text(
        printable(f"  seed {member.train_seed}, {count(member.env_steps)} steps: {scores}{failure}")
    )


def _metric(record: ShowRecord) -> str:
    metric = ranking(record)
    return f"{metric.name}{unit(metric.unit)}"


def _facts(record: ShowRecord) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    state = Text.assemble(
        (record.state, _COLOURS.get(record.state, "")),
        f" {printable(record.reason)}" if record.reason else "",
    )
    rows: list[tuple[str, str | Text]] = [
        ("run", Text(record.run, style="bold")),
        (
            "task",
            Text(printable(f"{record.task}, version {record.task_version}: {record.description}")),
        ),
        ("state", state),
        *([] if record.designer is None else [("designer", Text(record.designer))]),
        ("seed", str(record.seed)),
        ("spent", _spent(record)),
        ("engine", record.simulated_by),
        ("isolation", Text(", ".join((record.isolation.mode, *record.isolation.applied)))),
    ]
    for name, value in rows:
        table.add_row(Text(name, style="dim"), value)
    remarks = [(printable(note), "yellow") for note in record.notes]
    remarks += [(printable(f"you: {_said(given)}"), "cyan") for given in record.human_feedback]
    return Group(table, *(Padding(Text(t, style=style), (0, 0, 0, 2)) for t, style in remarks))


def _spent(record: ShowRecord) -> str:
    at_most = "at most " if record.llm is not None and record.llm.estimated else ""
    money = f", {at_most}{record.cost_usd:.4f} USD" if record.cost_usd else ""
    return f"{count(record.env_steps)} environment steps, {duration(record.wall_s)}{money}"


def _said(given: HumanFeedbackRecord) -> str:
    about = "" if given.candidate is None else f"(about {given.candidate}) "
    return f"{about}{given.text}"


def _candidates(record: ShowRecord, shown: Sequence[CandidateRecord]) -> Table:
    table = new_table("candidate", "state")
    table.add_column(escape(_metric(record)), justify="right")
    table.add_column("made from")
    table.add_column("why", overflow="fold")
    for one in shown:
        table.add_row(
            escape(one.id),
            _state(one.state),
            number(one.fitness),
            escape(f"{one.origin} {' '.join(one.parents)}".strip()),
            escape(printable(one.reason)),
            style="bold" if one.id == record.winner else None,
        )
    return table


def _others(record: ShowRecord, shown: Sequence[CandidateRecord]) -> str:
    """Say what became of the candidates that are not listed, and how to see them."""
    return (
        f"the best {count(len(shown))}; {left_out(record, shown)}. "
        f"One of them: rewardgen show {record.run} ID; all: rewardgen show {record.run} --json"
    )


def new_table(*headings: str) -> Table:
    """Return an empty table in the style of all others."""
    table = Table(box=None, pad_edge=False, header_style="dim", show_edge=False)
    for heading in headings:
        table.add_column(heading)
    return table


def as_text(*parts: RenderableType) -> str:
    """Return what the terminal would show; coloured on one, plain and wide elsewhere."""
    shown = Console()
    # written to memory: who prints it tells what goes wrong in that
    console = Console(
        file=StringIO(),
        force_terminal=shown.is_terminal,
        width=shown.width if shown.is_terminal else _PLAIN_WIDTH,
    )
    console.print(Group(*parts))
    written = cast("StringIO", console.file).getvalue()
    return "\n".join(line.rstrip() for line in written.rstrip().splitlines())


def _state(name: str) -> Text:
    return Text(name, style=_COLOURS.get(name, ""))
