"""What the terminal shows of an analysis."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.markup import escape
from rich.text import Text

from rewardgen.report.console import as_text, new_table
from rewardgen.report.numbers import count, interval, percent, significant, unit
from rewardgen.report.text import printable
from rewardgen.store.analysis_records import (
    Alarm,
    AnalysisRecord,
    AxisRecord,
    DivergenceRecord,
    Estimated,
    FailureRecord,
)

_SEVERITIES = {"warning": "yellow", "info": "cyan"}


def analysis_text(record: AnalysisRecord) -> str:
    """Return an analysis: alarms first, then what they rest on."""
    policies = f"{len(record.policies)} {'policy' if len(record.policies) == 1 else 'policies'}"
    success = "" if record.success is None else f", {percent(record.success)} succeed"
    parts: list[RenderableType] = [
        _heading(f"{record.run}: {record.what}"),
        Text(
            f"{record.episodes} episodes of {policies}, played for this analysis: "
            f"{record.metric.name} {_said(record.fitness)}{unit(record.metric.unit)}{success}"
        ),
    ]
    parts += [Text(printable(note), style="yellow") for note in record.notes]
    parts += _section("alarms", [_alarm(alarm) for alarm in record.alarms] or [Text("none")])
    parts += _section("how episodes end", _ends(record))
    parts += _section("failures", _failures(record.failures))
    parts += _section("terms in the episodes", [_terms(record)])
    parts += _section("reward and fitness", _apart(record))
    parts += _section("signs of exploitation", [_signs(record)])
    parts += _section("plausibility of the motion", _axes(record))
    parts += [Text(""), Text(f"Figures and tables: {record.folder}")]
    return as_text(*parts)


def _section(title: str, lines: Sequence[RenderableType]) -> list[RenderableType]:
    return [Text(""), _heading(title), *lines]


def _heading(title: str) -> Text:
    return Text(printable(title), style="bold")


def _alarm(alarm: Alarm) -> Text:
    return Text.assemble(
        (f"{alarm.severity} ", _SEVERITIES[alarm.severity]),
        f"[{alarm.rule}] ",
        printable(alarm.message),
    )


def _ends(record: AnalysisRecord) -> list[RenderableType]:
    found = record.terminations
    causes = ", ".join(f"{c.cause.replace('_', ' ')} {percent(c.share)}" for c in found.causes)
    lines: list[RenderableType] = [Text(printable(causes))]
    for cause in found.training:
        if any(share > 0.0 for share in cause.shares):
            shares = " ".join(f"{share:.0%}" for share in cause.shares)
            lines.append(
                Text(printable(f"  {cause.cause.replace('_', ' ')} in training: {shares}"))
            )
    hazard = [h for h in found.hazard if h.hazard]
    if hazard:
        told = ", ".join(
            f"{h.from_s:.3g}-{h.to_s:.3g} s {percent(h.hazard or 0.0)}" for h in hazard
        )
        lines.append(Text(f"ends early, of those left: {told}"))
    lines.append(
        Text(f"return of early ends minus that of full episodes: {_said(found.dying_pays)}")
    )
    return lines


def _failures(record: FailureRecord) -> list[RenderableType]:
    if not record.clusters:
        return [Text(f"{record.episodes} {record.basis}: {record.reason}")]
    lines: list[RenderableType] = [Text(f"{record.episodes} {record.basis}")]
    lines += [
        Text(
            printable(
                f"  {cluster.episodes}: {cluster.sentence} (typical: seed {cluster.train_seed}, "
                f"episode {cluster.eval_seed}{_film(cluster.video)})"
            )
        )
        for cluster in record.clusters
    ]
    return lines


def _film(video: str | None) -> str:
    return "" if video is None else f", {video}"


def _terms(record: AnalysisRecord) -> RenderableType:
    table = new_table("term", "status")
    for name in ("mean", "deviation", "variance", "advantage", "lowest", "highest"):
        table.add_column(name, justify="right")
    table.add_column("success earns more", overflow="fold")
    for term in record.terms:
        shares = [
            "-" if share is None else percent(share)
            for share in (term.variance_share, term.advantage_share)
        ]
        table.add_row(
            escape(term.name),
            term.status,
            significant(term.mean),
            significant(term.deviation),
            *shares,
            percent(term.at_low),
            percent(term.at_high),
            _said(term.auc),
        )
    return table


def _apart(record: AnalysisRecord) -> list[RenderableType]:
    lines: list[RenderableType] = []
    if record.divergence is None:
        lines.append(Text("training did not measure this fitness"))
    else:
        lines += _diverged(record.divergence)
    correlation = record.correlation
    lines.append(
        Text(
            f"correlation of reward and fitness over steps: random actions "
            f"{_said(correlation.reference)}, policies {_said(correlation.policy)}"
        )
    )
    gain = _said(correlation.fitness_gain)
    lines.append(Text(f"fitness gained over random actions: {gain}"))
    return lines


def _diverged(found: DivergenceRecord) -> list[RenderableType]:
    lines: list[RenderableType] = [
        Text(f"drop of the fitness since its best, as a share of its range: {_said(found.drop)}"),
        Text(f"changes of fitness and return go together: {_said(found.change_correlation)}"),
    ]
    if found.change is not None and found.change_env_steps is not None:
        lines.append(
            Text(
                f"fitness changed most at {count(found.change_env_steps)} env-steps, by "
                f"{significant(found.change)}"
            )
        )
    if found.diverged and found.onset_env_steps is not None:
        onset = count(found.onset_env_steps)
        lines.append(Text(f"diverged after {onset} env-steps", style="yellow"))
    return lines


def _signs(record: AnalysisRecord) -> RenderableType:
    table = new_table("sign")
    table.add_column("figure", justify="right")
    table.add_column("from", justify="right")
    table.add_column("what it is", overflow="fold")
    for sign in record.signs:
        table.add_row(
            sign.name,
            "-" if sign.figure is None else significant(sign.figure),
            significant(sign.threshold),
            escape(sign.reason or sign.meaning),
            style="yellow" if sign.tripped else None,
        )
    return table


def _axes(record: AnalysisRecord) -> list[RenderableType]:
    axes = record.axes
    if not axes.episodes:
        return [Text(axes.kinematic.reason)]
    table = new_table("axis")
    table.add_column("score", justify="right")
    table.add_column("violations, from 0 to 1", overflow="fold")
    named = (("kinematic", axes.kinematic), ("contact", axes.contact), ("dynamic", axes.dynamic))
    for name, axis in named:
        table.add_row(
            name, "-" if axis.score is None else significant(axis.score), escape(_parts(axis))
        )
    return [table]


def _parts(axis: AxisRecord) -> str:
    told = [
        f"{part.name} {significant(part.violation)}"
        for part in axis.parts
        if part.violation is not None
    ]
    told += [f"{part.name}: {part.reason}" for part in axis.parts if part.violation is None]
    return "; ".join(told)


def _said(found: Estimated) -> str:
    if found.value is None:
        return found.reason
    ends = "" if found.interval is None else f" {interval(found.interval)}"
    return f"{significant(found.value)}{ends}"
