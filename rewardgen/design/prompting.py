"""Prompts: the files in ``prompts/``, filled with what a designer is told.

A prompt holds public features, the sentence and what candidates did, and nothing else: what is
not in ``DesignContext`` cannot get in.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import JsonValue

from rewardgen.analysis.columns import ColumnStatistics
from rewardgen.analysis.reflection import to_text
from rewardgen.design.designer import DesignContext, Tried
from rewardgen.design.wrapping import catalogue, wrapper_line
from rewardgen.llm.messages import Message
from rewardgen.rewards.code import VOCABULARY
from rewardgen.rewards.findings import Finding
from rewardgen.rewards.format import ENTRY, MAX_SOURCE_BYTES, SIGNATURE
from rewardgen.rewards.wrappers.catalogue import plain
from rewardgen_envs.features import Feature
from rewardgen_envs.task import BoxAction, DiscreteAction

PROMPTS = Path(__file__).parent / "prompts"
FULL_PARENTS = 2
"""Parents that are shown with code and feedback; the others get a line."""
_OTHERS = 12  # the latest
_RANGE_COLUMNS = 3


@dataclass(frozen=True)
class _Function:
    """A function of the vocabulary: how it is called, what it gives."""

    call: str
    says: str


@dataclass(frozen=True)
class _Row:
    """A line of the feature table."""

    name: str
    shape: str
    unit: str
    description: str
    range: str


def first_messages(context: DesignContext, *, full_parents: int = FULL_PARENTS) -> list[Message]:
    """Return what a designer is asked for new rewards.

    Args:
        context: what it is told.
        full_parents: how many parents are shown in full; fewer make a shorter prompt.
    """
    return [
        Message(role="system", content=_render("system.md.j2", **_contract(context))),
        Message(role="user", content=_question(context, full_parents)),
    ]


def repair_messages(
    context: DesignContext,
    answer: str,
    findings: Sequence[Finding],
    *,
    full_parents: int,
    wrapper: JsonValue = None,
) -> list[Message]:
    """Return the conversation so far and the request to correct the answer.

    Args:
        context: what the designer was told.
        answer: what it wrote: the code, or all of it.
        findings: what is wrong with it.
        full_parents: how many parents are shown in full.
        wrapper: what it named as a wrapper, if the answer is the code alone.
    """
    said = _quoted(answer.strip()) or "(an empty answer)"
    if "```" not in said and ENTRY in said:  # code that was taken out of its block
        said = f"```python\n{said}\n```"
        if wrapper is not None:
            said = f"{wrapper_line(wrapper)}\n\n{said}"
    wanted = _render("repair.md.j2", findings=_lines(findings), may_wrap=context.may_wrap)
    return [
        *first_messages(context, full_parents=full_parents),
        Message(role="assistant", content=said),
        Message(role="user", content=wanted),
    ]


def _quoted(answer: str) -> str:
    """Return an answer, shortened if it is longer than any reward may be."""
    if len(answer) <= MAX_SOURCE_BYTES:
        return answer
    half = MAX_SOURCE_BYTES // 4
    return f"{answer[:half]}\n[… {len(answer) - 2 * half} characters left out …]\n{answer[-half:]}"


def critic_messages(
    context: DesignContext,
    source: str,
    measured: Sequence[str],
    most_issues: int,
    wrapper: JsonValue = None,
) -> list[Message]:
    """Return what a critic is asked about a reward.

    Args:
        context: the task; parents and history are not told.
        source: the reward.
        measured: what is known of it, a line each.
        most_issues: how many issues are read at most.
        wrapper: what is put around it, or None.
    """
    asked = _render("critic_system.md.j2", most=most_issues, **_contract(context))
    around = None if wrapper is None else wrapper_line(wrapper)
    values = {
        **_task(context),
        "source": source.strip(),
        "measured": list(measured),
        "wrapper": around,
    }
    return [
        Message(role="system", content=asked),
        Message(role="user", content=_render("critic.md.j2", **values)),
    ]


def _contract(context: DesignContext) -> dict[str, object]:
    return {
        "signature": SIGNATURE,
        "action": _action(context.action),
        "vocabulary": list(_vocabulary()),
        "wrappers": list(catalogue()) if context.may_wrap else [],
        "wrapper": None if context.wrapper is None else wrapper_line(plain(context.wrapper)),
    }


def _task(context: DesignContext) -> dict[str, object]:
    return {
        "sentence": context.sentence,
        "control_dt_s": context.control_dt_s,
        "episode_steps": context.episode_steps,
        "features": [_row(feature, context.feature_ranges) for feature in context.table],
        "ranges": bool(context.feature_ranges),
    }


def _question(context: DesignContext, full_parents: int) -> str:
    shown = context.parents[:full_parents]
    values = _task(context)
    if not context.history and not context.parents:
        return _render("first.md.j2", **values)
    named = {tried.candidate for tried in shown}
    others = [tried for tried in context.history if tried.candidate not in named]
    return _render(
        "next.md.j2",
        parents=[_parent(tried) for tried in shown],
        others=[_line(tried) for tried in others[-_OTHERS:]],
        human_feedback=context.human_feedback,
        human_only=not any(tried.feedback.fitness for tried in context.history),
        **values,
    )


def _parent(tried: Tried) -> dict[str, str]:
    return {
        "candidate": tried.candidate,
        "source": tried.source.strip(),
        "wrapper": "" if tried.wrapper is None else wrapper_line(tried.wrapper),
        "feedback": to_text(tried.feedback).strip(),
    }


def _line(tried: Tried) -> str:
    feedback = tried.feedback
    if feedback.failures:
        failure = feedback.failures[0]
        return f"{tried.candidate}: {tried.state} by rule {failure.rule}: {failure.message}"
    terms = ", ".join(term.name for term in feedback.terms) or "no terms"
    if not feedback.fitness:
        return f"{tried.candidate}: {tried.state}, with terms {terms}"
    fitness = feedback.fitness[0]
    return (
        f"{tried.candidate}: {tried.state}, {fitness.metric} {fitness.mean:.3g} {fitness.unit}, "
        f"with terms {terms}"
    )


def _lines(findings: Sequence[Finding]) -> Iterator[str]:
    for finding in findings:
        if finding.severity == "info":
            continue  # asks for nothing
        where = "" if finding.line is None else f", line {finding.line}"
        remedy = f" Remedy: {finding.remedy}." if finding.remedy else ""
        yield f"rule {finding.rule}{where}: {finding.message}.{remedy}"


def _row(feature: Feature, ranges: Mapping[str, ColumnStatistics]) -> _Row:
    shape = f"(B, {', '.join(map(str, feature.shape))})" if feature.shape else "(B,)"
    own = (feature.name, f"{feature.name}[")
    columns = [s for name, s in ranges.items() if name == own[0] or name.startswith(own[1])]
    shown = "; ".join(_range(statistics) for statistics in columns[:_RANGE_COLUMNS])
    more = "; …" if len(columns) > _RANGE_COLUMNS else ""
    return _Row(feature.name, shape, feature.unit, feature.description, shown + more)


def _range(statistics: ColumnStatistics) -> str:
    values = (statistics.low, statistics.median, statistics.high)
    return ", ".join(f"{v:.3g}" if math.isfinite(v) else "?" for v in values)


def _action(action: BoxAction | DiscreteAction) -> str:
    if isinstance(action, BoxAction):
        return f"(B, {action.size}) in [-1, 1], one number per actuator"
    return f"int64 (B,), a choice in 0 to {action.count - 1}"


def _vocabulary() -> Iterator[_Function]:
    for name, function in VOCABULARY.items():
        parameters = [
            p.replace(annotation=inspect.Parameter.empty)
            for p in inspect.signature(function).parameters.values()
        ]
        says = (inspect.getdoc(function) or "").split("\n\n")[0].replace("\n", " ")
        yield _Function(f"{name}{inspect.Signature(parameters)}", says.replace("``", "`"))


def _render(template: str, **values: object) -> str:
    environment = Environment(
        loader=FileSystemLoader(PROMPTS),
        autoescape=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(values).strip() + "\n"
