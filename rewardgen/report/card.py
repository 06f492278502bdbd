"""The card of a task: what it is, its words, and what random, sparse and human reach in it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from rewardgen.analysis.columns import column_name
from rewardgen.analysis.statistics import difference_of_iqms
from rewardgen.report import text
from rewardgen.report.environment import environment
from rewardgen.report.numbers import number
from rewardgen.store.baselines import Baseline, BaselineArm
from rewardgen.store.records import FeatureRecord, TaskRecord
from rewardgen_envs.adapters.mapped.map_file import SUFFIXES

SOLVED = 0.3
"""Share of successes of the human reward from which a task counts as solved."""
BEATS = "beats"
_BOOTSTRAP_SEED = 0


@dataclass(frozen=True)
class Speed:
    """How fast an engine steps a task.

    Attributes:
        engine: its name and device.
        worlds: simulated together.
        env_steps_per_s: control steps of all worlds, with features, fitness and resets.
        share_of_raw: of the speed of the physics alone.
        machine: where it was measured.
    """

    engine: str
    worlds: int
    env_steps_per_s: float
    share_of_raw: float
    machine: str


@dataclass(frozen=True)
class Word:
    """A feature's line of a card."""

    feature: FeatureRecord
    correlation: str


def card(
    task: TaskRecord, baseline: Baseline | None, speeds: Sequence[Speed], picture: str | None
) -> str:
    """Return a task's card in Markdown.

    Args:
        task: the task.
        baseline: what was measured of it, or None.
        speeds: of the engines, measured ones only.
        picture: where its picture lies, relative to the card, or None.
    """
    template = environment(html=False).get_template("card.md.j2")
    return template.render(
        task=task,
        measured_by=_measured_by(task),
        metric=task.fitness[0],
        words=[Word(f, _correlation(f, baseline)) for f in task.features],
        baseline=baseline,
        arms=[] if baseline is None else _arms(baseline),
        verdict="" if baseline is None else verdict(baseline),
        speeds=speeds,
        picture=picture,
        fence=text.fence,
    )


def _measured_by(task: TaskRecord) -> str:
    """Return the command that measures a task's baselines; none does for a mapped one."""
    if task.class_.endswith(SUFFIXES):
        return ""
    reference = task.class_ if ".py:" in task.class_ else task.name
    return shlex.join(["rewardgen", "tasks", "baseline", reference])


def verdict(baseline: Baseline) -> str:
    """Say what the baselines of a task show, by the intervals of the differences of their IQMs."""
    said: list[str] = []
    if unsolved_by_human(baseline):
        said.append("Nothing here solves the task yet")
    for name, arm in (("random actions", baseline.random), ("the sparse reward", baseline.sparse)):
        said.append(f"the human reward {relation(baseline, arm)} {name}")
    line = "; ".join(said)
    return f"{line[0].upper()}{line[1:]}."


def unsolved_by_human(baseline: Baseline) -> bool:
    """Return whether the human reward's policies succeed in too few episodes to call it solved."""
    success = baseline.human.success
    return success is not None and success <= SOLVED


def relation(baseline: Baseline, other: BaselineArm) -> str:
    """Return how the human reward does against another arm: beats it, loses to it, or neither."""
    gain = difference_of_iqms(baseline.human.points, other.points, _BOOTSTRAP_SEED)
    assert gain.interval is not None, "a baseline has several seeds"
    ends = [end if baseline.higher_is_better else -end for end in gain.interval]
    if min(ends) > 0.0:
        return BEATS
    return "loses to" if max(ends) < 0.0 else "cannot be told from"


def _arms(baseline: Baseline) -> list[tuple[str, object]]:
    return [("random", baseline.random), ("sparse", baseline.sparse), ("human", baseline.human)]


def _correlation(feature: FeatureRecord, baseline: Baseline | None) -> str:
    """Return the rank correlation of a feature's numbers with fitness, from lowest to highest."""
    if baseline is None or feature.private:
        return "-"
    indices = product(*map(range, feature.shape))
    found = [baseline.correlations.get(column_name(feature.name, index)) for index in indices]
    values = sorted(value for value in found if value is not None)
    if not values:
        return "-"
    ends = dict.fromkeys(f"{value:+.2f}" for value in (values[0], values[-1]))
    return " to ".join(ends)


def overview_row(task: TaskRecord, baseline: Baseline | None, link: str) -> list[str]:
    """Return a task's line in the table of all tasks."""
    metric = task.fitness[0]
    threshold = "-" if metric.success is None else f"{metric.success:g}"
    row = [f"[{task.name}]({link})", text.cell(task.description), text.cell(metric.name), threshold]
    if baseline is None:
        return [*row, "-", "-", "-", "-"]
    success = baseline.human.success
    return [
        *row,
        *(number(arm.iqm) for arm in (baseline.random, baseline.sparse, baseline.human)),
        "-" if success is None else f"{round(success * 100)} %",
    ]
