"""Feedback: what a designer hears about a candidate.

Plain frozen data with a JSON round trip, without torch, so that stored feedback can be read
anywhere. ``summary.py`` builds it from training curves and evaluations; ``to_text`` in
``reflection.py`` writes it as prose.
"""

from __future__ import annotations

import math
from enum import StrEnum
from statistics import fmean

from pydantic import BaseModel, ConfigDict


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TermStatus(StrEnum):
    """A remark on one reward term; the first that applies."""

    OK = "ok"
    DEAD = "dead"
    SATURATED = "saturated"
    DOMINANT = "dominant"


class Series(_Frozen):
    """One quantity along training, averaged over members.

    Attributes:
        values: means over up to 10 equal stretches of training, oldest first.
        maximum: largest value along training.
        mean: average along training.
        minimum: smallest value along training.
    """

    values: tuple[float, ...]
    maximum: float
    mean: float
    minimum: float


class Fitness(_Frozen):
    """One metric in the trusted evaluation.

    Attributes:
        metric: name of the metric.
        unit: its unit.
        higher_is_better: its direction.
        mean: mean over members.
        low: lower end of the 95 % interval over evaluation episodes.
        high: upper end of it.
        members: mean of each member.
        episodes: evaluation episodes of each member.
    """

    metric: str
    unit: str
    higher_is_better: bool
    mean: float
    low: float
    high: float
    members: tuple[float, ...]
    episodes: int

    @property
    def score(self) -> float:
        """The mean, negated if lower is better: larger is always better."""
        return self.mean if self.higher_is_better else -self.mean


class Term(_Frozen):
    """One reward term along training.

    Attributes:
        name: as the reward code names it.
        series: its mean per transition.
        share: its share of what drives the policy, the advantage: the shares of all terms sum
            to 1, and a negative one pulls against the others. None if nothing drives it.
        status: dead, saturated, dominant or ok.
    """

    name: str
    series: Series
    share: float | None
    status: TermStatus


class Column(_Frozen):
    """What one public quantity did in the evaluation episodes.

    Attributes:
        name: ``x``, ``x[1]`` or ``norm(x)``, see ``columns.py``.
        members: mean of each member.
        low: 5 % quantile over all members.
        median: median over all members.
        high: 95 % quantile over all members.
    """

    name: str
    members: tuple[float, ...]
    low: float
    median: float
    high: float


class Hacking(_Frozen):
    """The candidate's own reward rose while its fitness fell.

    Attributes:
        since_env_steps: when the fitness was best.
        fitness_best: fitness in training at that time.
        fitness_last: fitness at the end of training.
        driver: the term that rose most since then.
    """

    since_env_steps: float
    fitness_best: float
    fitness_last: float
    driver: str | None


class Failure(_Frozen):
    """Why a candidate was not trained to the end.

    Attributes:
        state: ``rejected`` (before training) or ``failed`` (during it).
        stage: ``parse``, ``gate``, ``probe``, ``host``, ``training``, …
        rule: the rule that was broken, or the kind of failure.
        message: what happened, naming the culprit.
        line: line of the source, if known.
        remedy: what to do instead, or "".
    """

    state: str
    stage: str
    rule: str
    message: str
    line: int | None = None
    remedy: str = ""


class Feedback(_Frozen):
    """Everything a designer hears about one candidate.

    Attributes:
        env_steps: env-steps per member that the statistics cover.
        checkpoints: env-steps at the end of each stretch of the series.
        fitness: metrics of the trusted evaluation, the ranking one first; empty if none ran.
        training_fitness: metrics in training episodes (exploring policy).
        episode_return: the candidate's own return per episode.
        episode_length: control steps per episode.
        terms: reward terms.
        causes: share of episodes ended by each cause of termination.
        columns: public quantities in the evaluation episodes.
        hacking: alarm, or None.
        failures: why it was rejected or failed.
        remarks: what else was found out about it before its training.
    """

    env_steps: int = 0
    checkpoints: tuple[float, ...] = ()
    fitness: tuple[Fitness, ...] = ()
    training_fitness: dict[str, Series] = {}
    episode_return: Series | None = None
    episode_length: Series | None = None
    terms: tuple[Term, ...] = ()
    causes: dict[str, Series] = {}
    columns: tuple[Column, ...] = ()
    hacking: Hacking | None = None
    failures: tuple[Failure, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def score(self) -> float | None:
        """The ranking metric, larger is better; None without an evaluation."""
        return self.fitness[0].score if self.fitness else None

    @property
    def late_score(self) -> float | None:
        """The ranking metric in the last third of training, larger is better.

        Many episodes of an exploring policy: less about the end than ``score``, but hardly a matter
        of luck. The same as ``score`` where training episodes are not known.
        """
        series = self.training_fitness.get(self.fitness[0].metric) if self.fitness else None
        if series is None:
            return self.score
        late = fmean(series.values[-math.ceil(len(series.values) / 3) :])
        return late if self.fitness[0].higher_is_better else -late
