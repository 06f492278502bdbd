"""``tasks baseline``: what chance and a task's own rewards reach, measured and kept.

Human and sparse are trained side by side in a run of their own; then random actions are scored,
and every public feature is correlated with fitness over the episodes of all three.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from scipy.stats import rankdata
from torch import Tensor

from rewardgen import api
from rewardgen.analysis.columns import column_names
from rewardgen.analysis.statistics import estimate_iqm
from rewardgen.config import TrainConfig
from rewardgen.report.curves import CurveReader
from rewardgen.store.artifacts import ArtifactReader
from rewardgen.store.atomic import clear_errors, write_file
from rewardgen.store.baselines import (
    DIRECTORY,
    Baseline,
    BaselineArm,
    BaselineCurve,
    baseline_file,
)
from rewardgen.store.records import ArmRecord, MemberRecord, ShowRecord
from rewardgen.store.run_directory import find_run, read_run
from rewardgen_envs.errors import UsageError
from rewardgen_envs.metrics import Metric
from rewardgen_envs.registry import load_task
from rewardgen_envs.simulation import Step
from rewardgen_envs.task import Task
from rewardgen_envs.worlds import Worlds
from rewardgen_policies.checkpoint import MemberState, decode
from rewardgen_policies.evaluation import RandomPolicy, evaluate, run_episodes
from rewardgen_policies.stored_policy import policy_bytes, policy_file

HUMAN, SPARSE = "human", "sparse"
RANDOM_SEEDS = range(80_000, 80_100)
CORRELATION_SEEDS = range(81_000, 81_005)
_POINTS_OF_A_CURVE = 30
_BOOTSTRAP_SEED = 0


def make_baseline(config: TrainConfig, out: Path | None, command: Sequence[str]) -> ShowRecord:
    """Train a task's human and sparse rewards and keep what they reach.

    Args:
        config: the training; its rewards are human and sparse.
        out: folder for the two files; by default the package's own, for an installed task.
        command: what the user typed, for the record.

    Raises:
        UsageError: the configuration cannot be used, or a task of one's own has no folder.
        StoreError: nothing can be written to the folder; nothing was started.
        InterruptedRunError: ``resume`` goes on, then ``store_baseline`` keeps the result.
        RunFailedError: the same.
    """
    load_task(config.task)  # an environment with a map has none of ours
    folder = _folder(config.task, out)
    record = api.train(config, command=command)
    _store(record, config.runs_dir, folder)
    return record


def store_baseline(reference: str, task: str, runs_dir: Path, out: Path | None) -> ShowRecord:
    """Keep what a finished run of human and sparse reached.

    Raises:
        UsageError: no such run, of another task, or it has not trained both to the end.
        StoreError: the run cannot be read, or nothing be written to the folder.
    """
    record = api.load(reference, runs_dir)
    if record.config["task"] != task:
        raise UsageError(f"run {record.run} is about {record.config['task']}, not {task}")
    folder = _folder(task, out)
    _store(record, runs_dir, folder)
    return record


def _folder(task: str, out: Path | None) -> Path:
    """Return the folder that the files go to, which can be written.

    Raises:
        UsageError: the task is no installed one and no folder is named.
        StoreError: it cannot be written to.
    """
    if out is None and ".py:" in task:
        raise UsageError(f"{task} is a task of your own: say where to, with --out DIR")
    folder = out or DIRECTORY
    with clear_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        trial = folder / ".writable"
        trial.touch()
        trial.unlink()
    return folder


def _store(record: ShowRecord, runs_dir: Path, folder: Path) -> None:
    task = load_task(str(record.config["task"]))
    assert task.human_reward is not None
    arms = {arm.arm: arm for arm in record.arms}
    lacking = [name for name in (HUMAN, SPARSE) if name not in arms or arms[name].iqm is None]
    if record.state != "done" or lacking:
        raise UsageError(
            f"run {record.run} is {record.state} and lacks results of: "
            f"{', '.join(lacking) or 'nothing'}; a baseline needs human and sparse, both trained"
        )
    artifacts = read_run(find_run(record.run, runs_dir)).artifacts
    states = {name: _states(arms[name].members, artifacts) for name in (HUMAN, SPARSE)}
    reader = CurveReader(artifacts)
    baseline = Baseline(
        task=task.name,
        task_version=record.task_version,
        scene_sha256=record.scene_sha256,
        metric=task.metric.name,
        unit=task.metric.unit,
        higher_is_better=task.metric.higher_is_better,
        success_threshold=task.metric.success,
        human_sha256=_sha256(task.human_reward),
        recipe_sha256=record.recipe_sha256,
        env_steps=int(str(record.config["env_steps"])),
        seed=record.seed,
        train_seeds=len(arms[HUMAN].members),
        eval_episodes=int(str(record.config["eval_episodes"])),
        random=_chance(task),
        sparse=_arm(arms[SPARSE], task.metric, reader),
        human=_arm(arms[HUMAN], task.metric, reader),
        correlations=correlations(task, [*states[HUMAN], *states[SPARSE]]),
        wall_s=record.wall_s,
        processor="" if record.manifest is None else record.manifest.cpu,
        versions={} if record.manifest is None else record.manifest.packages,
    )
    median = _median(arms[HUMAN].members)
    write_file(policy_file(task.name, folder), policy_bytes(states[HUMAN][median]))
    text = baseline.model_dump_json(indent=1) + "\n"
    write_file(baseline_file(task.name, folder), text.encode())


def _states(members: Sequence[MemberRecord], artifacts: ArtifactReader) -> list[MemberState]:
    """Return the trained policies of an arm, in order."""
    return [
        decode(artifacts.read_bytes(member.checkpoint), member.checkpoint)
        for member in members
        if member.fitness and member.checkpoint is not None
    ]


def _median(members: Sequence[MemberRecord]) -> int:
    """Return which of the scored members has the (lower) median of their mean fitness."""
    means = [fmean(member.fitness) for member in members if member.fitness]
    order = sorted(range(len(means)), key=lambda i: means[i])
    return order[(len(order) - 1) // 2]


def _arm(arm: ArmRecord, metric: Metric, reader: CurveReader) -> BaselineArm:
    scored = [member for member in arm.members if member.fitness]
    points = [fmean(member.fitness) for member in scored]
    episodes = [value for member in scored for value in member.fitness]
    return _summary(points, episodes, metric, _curve(scored, metric, reader))


def _chance(task: Task) -> BaselineArm:
    result = run_episodes(task, RandomPolicy(task, 0), 1, RANDOM_SEEDS)
    episodes = [float(value) for value in result.fitness[task.metric.name][0]]
    return _summary(episodes, episodes, task.metric, None)


def _summary(
    points: Sequence[float], episodes: Sequence[float], metric: Metric, curve: BaselineCurve | None
) -> BaselineArm:
    estimate = estimate_iqm(points, _BOOTSTRAP_SEED)
    if estimate.interval is None:
        raise UsageError("a baseline needs at least two training seeds: give --seeds")
    reached = None
    if metric.success is not None:
        threshold = metric.sign * metric.success
        reached = fmean(metric.sign * value >= threshold for value in episodes)
    return BaselineArm(
        points=tuple(points),
        iqm=estimate.value,
        interval=estimate.interval,
        success=reached,
        curve=curve,
    )


def _curve(
    members: Sequence[MemberRecord], metric: Metric, reader: CurveReader
) -> BaselineCurve | None:
    band = reader.band(metric.name, members, f"fitness/{metric.name}")
    if band is None:
        return None
    chosen = np.linspace(0, len(band.env_steps) - 1, _POINTS_OF_A_CURVE).round().astype(int)

    def rounded(values: np.ndarray) -> tuple[float | None, ...]:
        return tuple(None if np.isnan(x) else float(f"{x:.5g}") for x in values[chosen])

    return BaselineCurve(
        env_steps=tuple(float(round(x)) for x in band.env_steps[chosen]),
        mean=rounded(band.mean),
        low=rounded(band.low),
        high=rounded(band.high),
    )


def correlations(task: Task, states: Sequence[MemberState]) -> dict[str, float | None]:
    """Correlate every public number's episode mean with the fitness of the episode.

    Args:
        task: the task.
        states: trained policies; random actions are added.

    Returns:
        Column name → Spearman's rank correlation over all episodes; None where one is constant.
    """
    watched, by_chance = _EpisodeMeans(), _EpisodeMeans()
    results = (
        evaluate(task, states, CORRELATION_SEEDS, watcher=watched),
        run_episodes(task, RandomPolicy(task, 1), 1, CORRELATION_SEEDS, by_chance),
    )
    fitness = torch.cat([result.fitness[task.metric.name].flatten() for result in results])
    return rank_correlations(task, torch.cat([watched.means, by_chance.means]), fitness)


def rank_correlations(task: Task, means: Tensor, fitness: Tensor) -> dict[str, float | None]:
    """Return Spearman's rank correlation of each public column (E, F) with fitness (E,)."""
    names = [name for f in task.table.public() for name in column_names(f)]
    ranks = rankdata(means[:, : len(names)].numpy(), axis=0)
    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        warnings.simplefilter("ignore")
        table = np.corrcoef(ranks, rankdata(fitness.numpy())[:, None], rowvar=False)[-1, :-1]
    return {
        name: round(float(value), 4) if np.isfinite(value) else None
        for name, value in zip(names, table, strict=True)
    }


class _EpisodeMeans:
    """Averages every feature over the first episode of each world."""

    def __init__(self) -> None:
        self._total = torch.zeros(0)
        self._steps = torch.zeros(0)
        self._open = torch.zeros(0, dtype=torch.bool)

    @property
    def means(self) -> Tensor:
        """The averages, (worlds, F)."""
        return self._total / self._steps.clamp(min=1.0)[:, None]

    def start(self, simulation: Worlds) -> None:
        """Begin."""
        self._total = torch.zeros(simulation.state.shape)
        self._steps = torch.zeros(simulation.nworld)
        self._open = torch.ones(simulation.nworld, dtype=torch.bool)

    def step(self, state: Tensor, action: Tensor, step: Step, simulation: Worlds) -> None:
        """Add one control step of the worlds that are still in their first episode."""
        counted = (self._open & step.valid).to(torch.float32)
        self._total += torch.nan_to_num(step.next_state) * counted[:, None]
        self._steps += counted
        self._open &= ~step.ended


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
