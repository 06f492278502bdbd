"""The stored baselines of a run's task, if they belong to what the run trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rewardgen.store.baselines import DIRECTORY, Baseline, baseline_file, load_baseline
from rewardgen.store.payloads import RunStarted
from rewardgen.store.records import BaselineRecord


@dataclass(frozen=True)
class StoredBaseline:
    """A task's baselines, and whether a run can be held against them.

    Attributes:
        baseline: as stored.
        record: as shown.
    """

    baseline: Baseline
    record: BaselineRecord

    def normalized(self, fitness: float | None) -> float | None:
        """Return a fitness where sparse is 0 and human 1; None where that is undefined."""
        if fitness is None or self.record.undefined:
            return None
        return self.baseline.normalized(fitness)


def stored_baseline(started: RunStarted, directory: Path = DIRECTORY) -> StoredBaseline | None:
    """Return the baselines of the task that a run is about; None if there are none.

    Raises:
        BaselineError: they are damaged.
    """
    baseline = load_baseline(baseline_file(started.task.name, directory))
    if baseline is None:
        return None
    return StoredBaseline(
        baseline,
        BaselineRecord(
            env_steps=baseline.env_steps,
            train_seeds=baseline.train_seeds,
            human=baseline.human.iqm,
            human_interval=baseline.human.interval,
            sparse=baseline.sparse.iqm,
            sparse_interval=baseline.sparse.interval,
            undefined=_undefined(baseline, started),
        ),
    )


def _undefined(baseline: Baseline, started: RunStarted) -> str:
    """Say why no score of a run can be normalized; empty if it can."""
    task = started.task
    if task.metrics[0].name != baseline.metric:
        return f"they measure {baseline.metric}, this run {task.metrics[0].name}"
    if (task.version, task.scene_sha256) != (baseline.task_version, baseline.scene_sha256):
        return "they are of another version of the task"
    if started.recipe_sha256 != baseline.recipe_sha256:
        return "they were trained with another recipe"
    if baseline.overlap:
        return "the intervals of human and sparse overlap"
    return ""
