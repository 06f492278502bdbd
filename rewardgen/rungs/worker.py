"""A worker process: takes job directories on stdin, reports JSON lines on stdout.

``train`` workers start the hosts of untrusted rewards. ``evaluate`` workers never hold a
reward. ``worker_process`` starts one.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import torch
from torch import Tensor

from rewardgen.analysis.columns import column_statistics
from rewardgen.rewards.fitness import METRIC, FitnessCode, FitnessError
from rewardgen.rungs.jobs import (
    Columns,
    EvaluateJob,
    EvaluateResult,
    LateAnswer,
    SurveyJob,
    SurveyResult,
    TrainJob,
    read_job,
    write_result,
)
from rewardgen.rungs.own_fitness import OwnFitness
from rewardgen.rungs.trainer import Trainer
from rewardgen_envs.base_task import BaseTask
from rewardgen_envs.contacts import with_room
from rewardgen_envs.registry import any_task
from rewardgen_envs.simulation import Step
from rewardgen_envs.task import Task
from rewardgen_envs.worlds import Worlds
from rewardgen_policies.evaluation import (
    Evaluation,
    RandomPolicy,
    Watcher,
    run_episodes,
)
from rewardgen_policies.stored import stored_policies

_HEARTBEAT_S = 1.0
_WATCHED_STEPS = 100  # control steps per episode that enter the columns' statistics


class Reporter:
    """Writes messages to the executor."""

    def __init__(self) -> None:
        # everything else that prints must not reach the executor's channel
        self._stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)

    def send(self, **message: str | int) -> None:
        """Send one JSON line; ends the process if nobody listens any more."""
        try:
            self._stream.write(json.dumps(message) + "\n")
            self._stream.flush()
        except BrokenPipeError:
            os._exit(1)


class ColumnWatcher:
    """Samples the features of every member's evaluation episodes.

    Args:
        task: the task.
        members: number of members; world b belongs to member b // (B / members).
    """

    def __init__(self, task: BaseTask, members: int) -> None:
        self._task = task
        self._members = members
        self._stride = max(1, task.episode_steps // _WATCHED_STEPS)
        self._rows: list[list[Tensor]] = [[] for _ in range(members)]
        self._open = torch.zeros(0, dtype=torch.bool)
        self._steps = 0

    def start(self, simulation: Worlds) -> None:
        """See the start of all episodes."""
        self._open = torch.ones(simulation.nworld, dtype=torch.bool)

    def step(self, state: Tensor, action: Tensor, step: Step, simulation: Worlds) -> None:
        """Keep the features of the episodes that still run, now and then."""
        del state, action, simulation
        if self._steps % self._stride == 0:
            rows = step.next_state.chunk(self._members)
            running = self._open.chunk(self._members)
            for kept, of_member, open_rows in zip(self._rows, rows, running, strict=True):
                kept.append(of_member[open_rows])
        self._steps += 1
        self._open = self._open & ~step.ended

    def columns(self) -> tuple[Columns, ...]:
        """Return the statistics, one mapping per member; empty if no row was finite."""
        return tuple(_columns(self._task, torch.cat(rows)) for rows in self._rows)


class Heartbeat:
    """Reports now and then that an episode goes on.

    Args:
        reporter: to the executor.
    """

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._last = time.monotonic()

    def start(self, simulation: Worlds) -> None:
        """See the start of all episodes."""
        del simulation
        self._reporter.send(event="alive")

    def step(self, state: Tensor, action: Tensor, step: Step, simulation: Worlds) -> None:
        """Say so once a second."""
        del state, action, step, simulation
        now = time.monotonic()
        if now - self._last > _HEARTBEAT_S:
            self._last = now
            self._reporter.send(event="alive")


class Watchers:
    """Several that look on; None is nobody."""

    def __init__(self, *watchers: Watcher | None) -> None:
        self._watchers = [watcher for watcher in watchers if watcher is not None]

    def start(self, simulation: Worlds) -> None:
        """See the start of all episodes."""
        for watcher in self._watchers:
            watcher.start(simulation)

    def step(self, state: Tensor, action: Tensor, step: Step, simulation: Worlds) -> None:
        """See one control step of all worlds."""
        for watcher in self._watchers:
            watcher.step(state, action, step, simulation)


def _columns(task: BaseTask, data: Tensor) -> Columns:
    if not bool(torch.isfinite(data).all(dim=1).any()):
        return {}
    statistics = column_statistics(task.table, data)
    return {name: (s.mean, s.low, s.median, s.high) for name, s in statistics.items()}


def do_evaluate(job: EvaluateJob, reporter: Reporter) -> EvaluateResult:
    """Evaluate stored policies."""
    task = any_task(job.task)
    members = len(job.checkpoints)
    watcher = ColumnWatcher(task, members)
    own = None if job.fitness is None else OwnFitness(FitnessCode(job.fitness), task)
    watchers = Watchers(watcher, own, Heartbeat(reporter))
    result = run_episodes(
        task,
        stored_policies(task, [Path(path) for path in job.checkpoints], job.engine),
        members,
        job.eval_seeds,
        watchers,
        threads=job.threads,
        engine=with_room(task, job.engine) if isinstance(task, Task) else job.engine,
    )
    fitness = result.fitness if own is None else {METRIC.name: own.result(members)}
    return EvaluateResult(
        fitness={name: _rows(values) for name, values in fitness.items()},
        length=tuple(tuple(int(x) for x in row) for row in result.length),
        causes=tuple(tuple(row) for row in result.cause),
        columns=watcher.columns(),
        env_steps=_spent(result),
    )


def _rows(values: Tensor) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(x) for x in row) for row in values)


def _spent(result: Evaluation) -> int:
    return int(result.length.sum())


def do_survey(job: SurveyJob, reporter: Reporter) -> SurveyResult:
    """Roll out random actions."""
    task = any_task(job.task)
    watcher = ColumnWatcher(task, 1)
    own = None if job.fitness is None else OwnFitness(FitnessCode(job.fitness), task)
    seeds = [job.seed + world for world in range(job.worlds)]
    start = time.monotonic()
    watchers = Watchers(watcher, own, Heartbeat(reporter))
    result = run_episodes(task, RandomPolicy(task, job.seed), 1, seeds, watchers)
    if own is not None:
        own.require_finite()
    spent = _spent(result)
    elapsed = max(time.monotonic() - start, math.ulp(1.0))
    return SurveyResult(columns=watcher.columns()[0], env_steps=spent, steps_per_s=spent / elapsed)


def serve(role: str) -> None:
    """Serve jobs until stdin ends."""
    with ExitStack() as stack:
        _serve(role, Reporter(), stack)


def _serve(role: str, reporter: Reporter, stack: ExitStack) -> None:
    def report(done: int, total: int) -> None:
        reporter.send(event="progress", done=done, total=total)

    def report_late(answer: LateAnswer) -> None:
        said = {"reward": answer.reward, "call": answer.call, "message": answer.message}
        reporter.send(event="late", **said)

    trainer = Trainer(report, report_late, stack)
    for line in sys.stdin:
        directory = Path(json.loads(line)["job"])
        try:
            job = read_job(directory)
            match job:
                case TrainJob() if role == "train":
                    result = trainer.train(job, directory)
                case EvaluateJob() if role == "evaluate":
                    result = do_evaluate(job, reporter)
                case SurveyJob() if role == "evaluate":
                    result = do_survey(job, reporter)
                case _:
                    raise ValueError(f"a {role} worker does no {job.kind} jobs")
            write_result(directory, result)
        except FitnessError as error:
            reporter.send(event="unfit", message=str(error))
        except Exception as error:  # the boundary: whatever goes wrong here is the executor's
            reporter.send(event="failed", message=f"{type(error).__name__}: {error}")
        else:
            reporter.send(event="done")
