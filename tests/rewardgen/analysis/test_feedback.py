"""Feedback: closed-form statistics, remarks, alarms, text and JSON."""

from __future__ import annotations

import math

import pytest
import torch

from rewardgen.analysis.columns import ColumnStatistics, column_statistics
from rewardgen.analysis.feedback import Failure, Feedback, TermStatus
from rewardgen.analysis.reflection import to_text
from rewardgen.analysis.summary import Curve, evaluation_fitness, summarize
from rewardgen_envs.features import Feature, FeatureTable
from rewardgen_envs.metrics import Metric

SPEED = Metric(name="speed", unit="m/s", description="Mean speed.")
ERROR = Metric(name="error", unit="m", description="Mean error.", higher_is_better=False)


def ramp(start: float, end: float, count: int = 20) -> list[float]:
    return [start + (end - start) * i / (count - 1) for i in range(count)]


def curve(**series: list[float]) -> Curve:
    """A curve of 20 updates; ``__`` in a name stands for ``/``."""
    steps = [100.0 * (i + 1) for i in range(20)]
    return {"env_steps": steps} | {k.replace("__", "/"): v for k, v in series.items()}


def test_ten_checkpoints_are_means_over_members_and_stretches() -> None:
    curves = [curve(term__up=ramp(0, 19)), curve(term__up=ramp(2, 21))]
    feedback = summarize([SPEED], curves, {})
    series = feedback.terms[0].series
    assert series.values == pytest.approx([1.5 + 2 * i for i in range(10)])
    assert (series.maximum, series.mean, series.minimum) == (20.0, 10.5, 1.0)
    assert feedback.checkpoints == tuple(200.0 * (i + 1) for i in range(10))
    assert feedback.env_steps == 2000


def test_updates_without_an_episode_are_left_out() -> None:
    values: list[float | None] = [None, math.nan, 4.0, 6.0]
    feedback = summarize([SPEED], [{"env_steps": ramp(1, 4, 4), "episode_length": values}], {})
    assert feedback.episode_length is not None
    assert feedback.episode_length.values == (4.0, 4.0, 4.0, 6.0)
    assert feedback.episode_length.mean == 5.0


def test_fitness_interval_is_that_of_the_episodes() -> None:
    fitness = evaluation_fitness(SPEED, [[1.0, 3.0], [5.0, 5.0]])
    assert fitness.mean == 3.5
    assert fitness.members == (2.0, 5.0)
    # member variances of the mean: 2 / 2 and 0; standard error of their mean: 1 / 2
    assert (fitness.low, fitness.high) == pytest.approx((3.5 - 0.98, 3.5 + 0.98))
    assert evaluation_fitness(ERROR, [[1.0, 3.0]]).score == -2.0


def test_shares_sum_to_one_from_curves_and_from_rollouts() -> None:
    plain = summarize([SPEED], [curve(term__a=ramp(0, 3), term__b=ramp(1, 0))], {})
    # total rises by 2: the covariances with it are as 3 to -1
    assert [t.share for t in plain.terms] == pytest.approx([1.5, -0.5])
    given = curve(
        term__a=ramp(0, 3),
        term__b=ramp(1, 0),
        advantage_share__a=[0.5] * 20,
        advantage_share__b=[1.5] * 20,
    )
    assert [t.share for t in summarize([SPEED], [given], {}).terms] == [0.25, 0.75]
    constant = summarize([SPEED], [curve(term__a=[1.0] * 20)], {})
    assert constant.terms[0].share is None


def test_dead_saturated_and_dominant_terms_are_named() -> None:
    risen = [min(1.0, 0.1 * i) for i in range(20)]
    feedback = summarize(
        [SPEED],
        [curve(term__alive=[0.5] * 20, term__up=risen, term__go=ramp(0, 30))],
        {},
    )
    assert {t.name: t.status for t in feedback.terms} == {
        "alive": TermStatus.DEAD,
        "up": TermStatus.SATURATED,
        "go": TermStatus.DOMINANT,
    }
    assert "term alive is dead" in to_text(feedback)


def test_of_a_few_points_none_says_that_a_term_stays_at_its_best() -> None:
    risen = summarize([SPEED], [curve(term__a=[-0.94, -0.65, -0.53, -0.47])], {})
    assert risen.terms[0].status is TermStatus.OK


def test_a_flat_mean_that_drives_the_policy_is_not_dead() -> None:
    shares = {"advantage_share__a": [0.6] * 20, "advantage_share__b": [0.4] * 20}
    flat = curve(term__a=[0.5] * 20, term__b=ramp(0, 1), **shares)
    assert summarize([SPEED], [flat], {}).terms[0].status is TermStatus.OK


@pytest.mark.parametrize(("metric", "sign"), [(SPEED, 1.0), (ERROR, -1.0)])
def test_alarm_where_the_reward_rises_while_fitness_falls(metric: Metric, sign: float) -> None:
    hill = [sign * min(i, 20 - i) for i in range(20)]
    series = {f"fitness__{metric.name}": hill, "episode_return": ramp(0, 10)}
    hacked = summarize([metric], [curve(**series, term__a=ramp(1, 0), term__b=ramp(0, 5))], {})
    assert hacked.hacking is not None
    assert hacked.hacking.driver == "b"
    assert hacked.hacking.since_env_steps == pytest.approx(1200.0)
    assert "ALARM" in to_text(hacked)
    honest = {
        f"fitness__{metric.name}": hill,
        "episode_return": hill if sign > 0 else [-x for x in hill],
    }
    assert summarize([metric], [curve(**honest)], {}).hacking is None


def test_text_tells_everything_and_json_gives_it_back() -> None:
    seen = [{"x": ColumnStatistics(0.5, -1.0, 0.4, 2.0)}, {"x": ColumnStatistics(1.5, 0, 0.6, 3)}]
    feedback = summarize(
        [SPEED, ERROR],
        [curve(term__a=ramp(0, 1), cause__fell=ramp(1, 0), episode_length=ramp(10, 500))] * 2,
        {"speed": [[1.0, 2.0], [3.0, 4.0]], "error": [[1.0], [2.0]]},
        seen,
    )
    assert Feedback.model_validate_json(feedback.model_dump_json()) == feedback
    assert feedback.columns[0].members == (0.5, 1.5)
    assert (feedback.columns[0].low, feedback.columns[0].high) == (-1.0, 3.0)
    assert feedback.score == 2.5
    text = to_text(feedback)
    for part in (
        "speed (m/s, higher is better): 2.5",
        "members: 1.5, 3.5",
        "term a: [",
        "ended by fell: [",
        "episode length: [",
        "error (m, lower is better)",
    ):
        assert part in text


def test_env_steps_are_whole_numbers_throughout() -> None:
    steps = [2_048.0 * (i + 1) for i in range(20)]
    hill = [float(min(i, 20 - i)) for i in range(20)]
    series = {"env_steps": steps, "fitness/speed": hill, "episode_return": ramp(0, 10)}
    text = to_text(summarize([SPEED], [series | {"term/a": ramp(0, 1)}], {}))
    assert "at env-steps per member [4,096; 8,192; 12,288;" in text
    assert "rising after 24,576 env-steps" in text


def test_failures_say_rule_line_and_remedy() -> None:
    rejected = Failure(
        state="rejected",
        stage="gate",
        rule="unknown-feature",
        line=3,
        message="no feature 'sped'",
        remedy="use 'speed'",
    )
    failed = Failure(state="failed", stage="host", rule="deadline", message="no answer in 5 s")
    text = to_text(Feedback(failures=(rejected, failed)))
    assert "rejected in stage gate by rule unknown-feature at line 3: no feature 'sped'" in text
    assert "no feature 'sped'; use 'speed'" in text
    assert "failed in stage host (deadline): no answer in 5 s" in text
    assert Feedback().score is None
    assert to_text(Feedback()) == "\n"


def test_columns_are_the_public_ones_with_norms_and_quantiles() -> None:
    table = FeatureTable(
        [
            Feature("x", (), "m", "X."),
            Feature("v", (2,), "m/s", "V."),
            Feature("m", (1, 2), "1", "M."),
            Feature("secret", (), "1", "Hidden.", private=True),
        ]
    )
    data = torch.zeros(101, table.width)
    data[:, 0] = torch.arange(101)
    data[:, 1:3] = torch.tensor([3.0, 4.0])
    data = torch.cat([data, torch.full((1, table.width), math.nan)])
    found = column_statistics(table, data.reshape(2, 51, -1))
    assert list(found) == ["x", "v[0]", "v[1]", "norm(v)", "m[0,0]", "m[0,1]"]
    assert found["x"] == ColumnStatistics(50.0, 5.0, 50.0, 95.0)
    assert found["norm(v)"].median == 5.0
    with pytest.raises(ValueError, match="finite"):
        column_statistics(table, torch.full((3, table.width), math.inf))
