"""What the terminal shows of a comparison."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import RenderableType
from rich.markup import escape
from rich.text import Text

from rewardgen.report.console import as_text, new_table
from rewardgen.report.numbers import (
    count,
    interval,
    number,
    percent,
    percent_interval,
    significant,
    unit,
)
from rewardgen.report.outcome import runs
from rewardgen.report.text import printable
from rewardgen.store.compare_records import (
    HELD_BACK,
    ComparedReward,
    CompareRecord,
    ConfirmedRecord,
    DataRecord,
    TermRecord,
)
from rewardgen.store.records import ArmRecord

NAMES = {
    "refused": "refused",
    "failed": "failed",
    "constant": "constant",
    "duplicate": "duplicate",
    "sign_error": "sign error?",
    "misranks": "misranks",
    "accepted": "accepted",
    "race": "race",
}
"""Decisions as people read them."""
_TOLD_PAIRS = 3


def comparison_text(record: CompareRecord) -> str:
    """Return a comparison: what each reward is, what is to be done with it, what training gave."""
    stage = f"{record.task}, version {record.task_version}, stage {record.stage}"
    parts: list[RenderableType] = [Text(printable(stage), style="bold")]
    parts += _data(record.data)
    parts += [Text(printable(note), style="yellow") for note in record.notes]
    parts += [Text(""), _rewards(record)]
    parts += [Text(printable(f"  {line}")) for line in _remarks(record)]
    parts += _matrix(record)
    if record.arms:
        parts += [Text(""), _arms(record)]
        parts += [Text(line) for line in _confirmed(record)]
    return as_text(*parts)


def decision_words(reward: ComparedReward) -> str:
    """Return what is to be done with a reward, and why."""
    return f"{NAMES[reward.decision]}: {reward.reason}"


def top_term(terms: Iterable[TermRecord]) -> str:
    """Return the term with the largest share."""
    shared = [term for term in terms if term.share is not None]
    if not shared:
        return "-"
    top = max(shared, key=lambda term: abs(term.share or 0.0))
    return f"{top.term} {percent(top.share or 0.0)}"


def idle_terms(terms: Iterable[TermRecord]) -> str:
    """Return the terms that say nothing, or hardly ever."""
    return ", ".join(f"{term.term} {term.status}" for term in terms if term.status != "ok") or "-"


def _data(data: DataRecord | None) -> list[RenderableType]:
    if data is None:
        return []
    sources = "; ".join(
        f"{s.name} {count(s.transitions)}, {s.episodes} whole episodes"
        + ("" if s.fitness is None else f", fitness {number(s.fitness)}")
        for s in data.sources
    )
    return [
        Text(
            f"{data.transitions:,} transitions, {data.episodes} whole episodes, discount "
            f"{data.discount:g}, {data.features} features; sha256 {data.sha256}"
        ),
        Text(printable(f"who acted: {sources}")),
    ]


def _rewards(record: CompareRecord) -> RenderableType:
    measured = record.data is not None
    table = new_table("reward")
    table.columns[0].no_wrap = True
    headings = ["scale"]
    if measured:
        headings += [f"d({record.reference})" if record.reference else "d", "floor"]
    for heading in headings:
        table.add_column(escape(heading), justify="right", no_wrap=True)
    for heading in ("nearest", "tau", "AUC", "top term") if measured else ():
        table.add_column(heading, no_wrap=heading in ("tau", "AUC"))
    table.add_column("decision", no_wrap=True)
    for reward in record.rewards:
        own = [reward.name]
        own.append(_figure(reward.scale))
        if measured:
            own += _measured(reward, record.reference)
        style = "dim" if reward.decision in HELD_BACK else None
        table.add_row(*(escape(printable(x)) for x in (*own, NAMES[reward.decision])), style=style)
    return table


def _measured(reward: ComparedReward, reference: str | None) -> list[str]:
    ranking, near = reward.ranking, reward.nearest_distance
    distance = _of_three(reward.distance)
    if reward.distance_interval is not None:
        low, high = reward.distance_interval
        distance += f" [{low:.3f}, {high:.3f}]"
    return [
        "0" if reward.name == reference else distance,
        _of_three(reward.floor),
        "-" if near is None else f"{reward.nearest} {_of_three(near)}",
        "-" if ranking is None else _ranked(ranking.tau, ranking.tau_interval),
        "-" if ranking is None else _ranked(ranking.auc, ranking.auc_interval),
        top_term(reward.terms),
    ]


def _figure(value: float | None) -> str:
    return "-" if value is None else significant(value)


def _of_three(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _ranked(value: float | None, ends: tuple[float, float] | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if ends is None else f"{value:.2f} [{ends[0]:.2f}, {ends[1]:.2f}]"


def _remarks(record: CompareRecord) -> list[str]:
    lines: list[str] = []
    for reward in record.rewards:
        lines.append(f"{reward.name}: {decision_words(reward)}")
        lines += [f"  {remark}" for remark in reward.remarks]
        idle = idle_terms(reward.terms)
        lines += [f"  terms that say little: {idle}"] if idle != "-" else []
        ranking = reward.ranking
        if ranking is None:
            continue
        for pair in ranking.violations[:_TOLD_PAIRS]:
            better, worse = pair.better, pair.worse
            lines.append(
                f"  ranks episode {worse.number} of {worse.source} (fitness "
                f"{number(worse.fitness)}, {worse.steps} steps) above episode {better.number} of "
                f"{better.source} (fitness {number(better.fitness)}, {better.steps} steps)"
            )
    said = dict.fromkeys(
        remark for reward in record.rewards if reward.ranking for remark in reward.ranking.remarks
    )
    return [*lines, *said]


def _matrix(record: CompareRecord) -> list[RenderableType]:
    found = next((m for m in record.distances if m.method == "lstd_val"), None)
    if found is None or len(found.names) < 2:
        return []
    table = new_table("distances")
    for place in range(len(found.names)):
        table.add_column(str(place + 1), justify="right")
    for place, (name, row) in enumerate(zip(found.names, found.values, strict=True)):
        cells = (_of_three(value) for value in row)
        table.add_row(escape(printable(f"{place + 1} {name}")), *cells)
    return [Text(""), table]


def _arms(record: CompareRecord) -> RenderableType:
    confirmed = {each.arm: each for each in record.confirmed}
    raced = {reward.name: reward for reward in record.rewards}
    table = new_table("trained" if confirmed else "raced")
    heading = f"{record.fitness.name}{unit(record.fitness.unit)} (IQM)"
    headings = ["runs", heading, "95 % interval"]
    if confirmed:
        headings += [f"better than {record.incumbent}", "exact p", "last/best", "in the race"]
    for name in headings:
        table.add_column(escape(name), justify="right")
    for arm in record.arms:
        row = [arm.arm, runs(arm), number(arm.iqm), interval(arm.interval)]
        if confirmed:
            before = raced[arm.arm].fitness if arm.arm in raced else None
            row += _against(arm, confirmed[arm.arm], record.incumbent)
            row.append(number(before))
        table.add_row(*(escape(printable(cell)) for cell in row))
    return table


def _against(arm: ArmRecord, confirmed: ConfirmedRecord, incumbent: str | None) -> list[str]:
    found = next((i for i in arm.improvements if i.over == incumbent), None)
    better = (
        "-" if found is None else f"{percent(found.probability)} {percent_interval(found.interval)}"
    )
    p = "-" if confirmed.p is None else f"{confirmed.p:.2g}"
    last = "-" if confirmed.last_over_best is None else f"{confirmed.last_over_best:.2f}"
    return [better, p, last]


def _confirmed(record: CompareRecord) -> list[str]:
    if record.confirmed:
        return [
            "These are runs on fresh seeds; the race's numbers chose them and are optimistic.",
            *dict.fromkeys(each.remark for each in record.confirmed if each.remark),
        ]
    return [
        "These numbers chose who goes on, and are optimistic: --stage confirm trains anew on "
        "fresh seeds."
    ]
