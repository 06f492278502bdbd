"""Scores on the scale where the stored baselines' sparse reward is 0 and the human one is 1."""

from __future__ import annotations

from rewardgen.report.numbers import count, interval, listed, number
from rewardgen.store.records import ShowRecord


def normalized_line(record: ShowRecord) -> str:
    """Return the human-normalized scores of a run in a sentence; empty without baselines."""
    baseline = record.baseline
    scored = [arm for arm in record.arms if arm.iqm is not None]
    if baseline is None or not scored:
        return ""
    if baseline.undefined:
        return f"Human-normalized score: undefined, for the task's baselines: {baseline.undefined}."
    scores = listed([f"{arm.arm} {number(arm.human_normalized)}" for arm in scored])
    return (
        f"Human-normalized score (0: sparse {number(baseline.sparse)} "
        f"{interval(baseline.sparse_interval)}, 1: human {number(baseline.human)} "
        f"{interval(baseline.human_interval)}, {baseline.train_seeds} seeds each after "
        f"{count(baseline.env_steps)} env-steps): {scores}."
    )
