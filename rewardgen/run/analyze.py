"""What ``rewardgen analyze`` does: plays a reward's policies and says what they live on.

Everything it finds goes into a folder of the run: one JSON object, figures with their tables,
videos if asked for. The run's log stays as it is, and the report shows what lies in that folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np

from rewardgen.analysis.statistics import t_interval
from rewardgen.analysis.summary import cause_shares, stretch_ends, summarize_terms
from rewardgen.analysis.trajectories.alarms import alarms
from rewardgen.analysis.trajectories.axes import axes
from rewardgen.analysis.trajectories.clusters import failures
from rewardgen.analysis.trajectories.divergence import (
    Path as TrainingPath,
)
from rewardgen.analysis.trajectories.divergence import (
    divergence,
    gain,
    path,
    step_correlations,
)
from rewardgen.analysis.trajectories.episodes import Episodes
from rewardgen.analysis.trajectories.signs import cycles, motion_signs, saturation
from rewardgen.analysis.trajectories.slices import Slices
from rewardgen.analysis.trajectories.terminations import terminations
from rewardgen.analysis.trajectories.terms import term_records
from rewardgen.export.choice import Choice, choose
from rewardgen.isolation.host import HostOptions, HostPool
from rewardgen.isolation.protection import Mode
from rewardgen.report.curves import CurveReader, Quantities
from rewardgen.report.drawn import Drawn
from rewardgen.report.names import ANALYSIS_FILE, ANALYSIS_NAME
from rewardgen.report.slice_plots import slice_drawings
from rewardgen.report.trajectory_plots import drawings
from rewardgen.report.write import write_report
from rewardgen.rewards.fitness import FitnessCode
from rewardgen.rewards.format import parse_reward
from rewardgen.rewards.wrappers.sources import wrapped
from rewardgen.run.resumption import check_unchanged
from rewardgen.run.scored import member_matrix, scored
from rewardgen.run.slices import reward_slices
from rewardgen.rungs.episodes import NO_SCENE, Played, play
from rewardgen.rungs.jobs import RewardRef
from rewardgen.rungs.offscreen import RenderError
from rewardgen.rungs.training import trusted
from rewardgen.rungs.video import VideoJob, render
from rewardgen.store.analysis_records import (
    AnalysisRecord,
    AnalyzedPolicy,
    ClusterRecord,
    DivergenceRecord,
    Estimated,
)
from rewardgen.store.atomic import clear_errors, write_file
from rewardgen.store.records import FitnessRecord, MemberRecord, ShowRecord
from rewardgen.store.run_directory import RunSnapshot, find_run, read_run
from rewardgen.store.seeds import Purpose, derive_seeds
from rewardgen.store.show import show_record
from rewardgen_envs.base_task import BaseTask, BoxAction
from rewardgen_envs.engines.choice import CPU
from rewardgen_envs.errors import UsageError
from rewardgen_envs.names import nearest
from rewardgen_envs.registry import any_task
from rewardgen_envs.task import Task
from rewardgen_policies.evaluation import RandomPolicy
from rewardgen_policies.seam import RewardFailure, RewardSource
from rewardgen_policies.stored import stored_policies

EPISODES = 40
"""Played by default, over all policies of the reward."""
_MOTIONS = 8  # of the episodes, those whose forces are looked at: the slowest part
_REFERENCE = 16  # episodes of random actions


def analyze(
    reference: str,
    who: str | None = None,
    runs_dir: Path = Path("runs"),
    *,
    episodes: int = EPISODES,
    video: bool = False,
) -> AnalysisRecord:
    """Analyze the policies that a run trained on a reward.

    Args:
        reference: name of the run, or path of its folder.
        who: a candidate's id or the name of an arm; by default the winner.
        runs_dir: where runs are kept.
        episodes: played in all.
        video: whether the typical episode of each group of failures is rendered.

    Raises:
        UsageError: no such run, candidate or arm, or the task is of another version now.
        NoPolicyError: nothing was trained on the reward.
        RewardFailure: the reward cannot score the episodes.
        HostUnavailable: no process can be started for it.
        StoreError: the run cannot be read, or the result not be written.
    """
    studied = _studied(reference, who, runs_dir, episodes)
    found = studied.study(episodes)
    drawn = found.drawn(studied)
    result = found.record.model_copy(update={"figures": tuple(drawn)})
    folder = Path(result.folder)
    if video:
        result = studied.filmed(result, folder)
    _write(folder, result, drawn)
    write_report(studied.run.path)
    return result


def examine(
    reference: str, who: str | None = None, runs_dir: Path = Path("runs"), episodes: int = EPISODES
) -> AnalysisRecord:
    """Analyze as ``analyze`` does, and raise what it raises, but draw and write nothing."""
    return _studied(reference, who, runs_dir, episodes).study(episodes).record


def _studied(reference: str, who: str | None, runs_dir: Path, episodes: int) -> _Studied:
    """Find a run's reward and its policies."""
    if episodes < 1:
        raise UsageError("--episodes must be at least 1")
    run = read_run(find_run(reference, runs_dir))
    record = show_record(run)
    choice = _chosen(record, who)
    started = run.state.started
    assert started is not None, "a snapshot is of a run that was begun"
    task = any_task(str(started.config["task"]))
    check_unchanged(task, started)
    return _Studied(run, record, choice, task, _members(record, choice))


@dataclass(frozen=True)
class _Found:
    """What a study gave.

    Attributes:
        record: the findings, without figures.
        data: the episodes.
        cuts: slices of the reward.
        along: training, if it measured the fitness.
    """

    record: AnalysisRecord
    data: Episodes
    cuts: Slices
    along: TrainingPath | None

    def drawn(self, studied: _Studied) -> dict[str, Drawn]:
        """Return the figures by name."""
        reader = CurveReader(studied.run.artifacts)
        figures = drawings(self.record, self.data, reader, studied.members, self.along)
        return figures | slice_drawings(self.cuts)


@dataclass(frozen=True)
class _Studied:
    """A reward of a run and its policies.

    Attributes:
        run: the run.
        record: the same, as shown.
        choice: the reward.
        task: what it was trained on.
        members: its policies; all have a checkpoint.
    """

    run: RunSnapshot
    record: ShowRecord
    choice: Choice
    task: BaseTask
    members: tuple[MemberRecord, ...]

    @property
    def checkpoints(self) -> list[Path]:
        """Where the policies lie."""
        return [self.run.artifacts.path(str(member.checkpoint)) for member in self.members]

    @property
    def own(self) -> FitnessCode | None:
        """The user's own fitness, if the run was ranked by one."""
        inputs = self.run.state.inputs
        if inputs is None or inputs.fitness is None:
            return None
        return FitnessCode(self.run.artifacts.read_text(inputs.fitness))

    def study(self, episodes: int) -> _Found:
        """Play the policies and analyze what they do."""
        count = max(1, round(episodes / len(self.members)))
        seed = self.record.seed
        seeds = derive_seeds(seed, Purpose.ANALYSIS, max(count, _REFERENCE))
        act = stored_policies(self.task, self.checkpoints, CPU)
        played = play(self.task, act, len(self.members), seeds[:count], own=self.own)
        random = play(self.task, RandomPolicy(self.task, seed), 1, seeds[:_REFERENCE], own=self.own)
        metric, gamma = self.record.fitness[0], float(str(self.record.recipe.get("gamma", 1.0)))
        learned = max(member.env_steps for member in self.members)
        with ExitStack() as stack:
            source = wrapped(self._source(stack), self.choice.wrapper)
            data = scored(played, source, metric, gamma, learned)
            reference = scored(random, source, metric, gamma, learned)
            try:
                cuts, notes = reward_slices(played, source, gamma, learned), self.choice.notes
            except RewardFailure as error:
                cuts = Slices((), None)
                notes = (*self.choice.notes, f"no slices of the reward: {error}")
        record, along = self._analyzed(played, data, reference, notes)
        return _Found(record, data, cuts, along)

    def filmed(self, result: AnalysisRecord, folder: Path) -> AnalysisRecord:
        """Render the typical episode of each group of failures; a machine without GL does not."""
        with clear_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        clusters: list[ClusterRecord] = []
        notes = list(result.notes)
        for number, cluster in enumerate(result.failures.clusters, 1):
            name = f"failure-{number}.mp4"
            try:
                render(self._film(cluster, number, folder / name))
            except RenderError as error:
                notes.append(str(error))
                break
            clusters.append(cluster.model_copy(update={"video": name}))
        clusters += result.failures.clusters[len(clusters) :]
        found = result.failures.model_copy(update={"clusters": tuple(clusters)})
        return result.model_copy(update={"failures": found, "notes": tuple(notes)})

    def _film(self, cluster: ClusterRecord, number: int, output: Path) -> VideoJob:
        member = next(m for m in self.members if m.train_seed == cluster.train_seed)
        return VideoJob(
            task=str(self.record.config["task"]),
            labels=(f"{self.choice.name}, failure {number}",),
            checkpoints=(str(self.run.artifacts.path(str(member.checkpoint))),),
            eval_seed=cluster.eval_seed,
            fitness=None if self.own is None else self.own.source,
            output=str(output),
        )

    def _source(self, stack: ExitStack) -> RewardSource:
        """Return the reward: code in a process of its own, as in the run."""
        if self.choice.source is None:
            kind = "sparse" if self.choice.name == "sparse" else "human"
            return trusted(RewardRef(kind=kind, name=self.choice.name), self.task)
        mode = next(m for m in get_args(Mode) if m == self.record.isolation.mode)
        hosts = stack.enter_context(HostPool(HostOptions(mode=mode)))
        return hosts.open(parse_reward(self.choice.source), self.task.table, self.choice.name)

    def _analyzed(
        self, played: Played, data: Episodes, reference: Episodes, notes: tuple[str, ...]
    ) -> tuple[AnalysisRecord, TrainingPath | None]:
        record, metric, seed = self.record, self.record.fitness[0], self.record.seed
        reader = CurveReader(self.run.artifacts)
        curves = [reader.member(member) for member in self.members]
        apart, along = _divergence(curves, metric.name, data.sign, seed)
        terms = term_records(data, summarize_terms(curves))
        ends = terminations(data, {n: s.values for n, s in cause_shares(curves).items()})
        correlation = step_correlations(
            (reference.reward, reference.progress),
            (data.reward, data.progress),
            gain(data.fitness, reference.fitness, data.sign),
            _needed(metric, reference),
            seed,
        )
        motions = [played.motion(episode) for episode in _spread(played)]
        why_none = "" if motions else NO_SCENE
        signs = (
            cycles(played.places()),
            saturation(_actions(data) if isinstance(self.task.action, BoxAction) else None),
            *motion_signs(motions, why_none),
        )
        success = None if data.success is None else float(data.success.mean())
        found = AnalysisRecord(
            run=record.run,
            task=record.task,
            task_version=record.task_version,
            scene_sha256=record.scene_sha256,
            who=self.choice.name,
            what=self.choice.what,
            source_sha256=self._sha256(),
            policies=tuple(
                AnalyzedPolicy(
                    train_seed=member.train_seed,
                    checkpoint=str(member.checkpoint),
                    env_steps=member.env_steps,
                )
                for member in self.members
            ),
            episodes=len(data),
            metric=metric,
            fitness=_fitness(data),
            success=success,
            alarms=alarms(
                success=success,
                dying_pays=ends.dying_pays,
                terms=terms,
                divergence=apart,
                correlation=correlation,
                signs=signs,
            ),
            terminations=ends,
            failures=failures(data, tuple(member.train_seed for member in self.members)),
            terms=terms,
            divergence=apart,
            correlation=correlation,
            signs=signs,
            axes=axes(motions, why_none),
            checkpoints=stretch_ends(curves),
            folder=str(self.run.path / ANALYSIS_NAME / folder_name(self.choice.name)),
            figures=(),
            notes=notes,
        )
        return found, along

    def _sha256(self) -> str | None:
        found = {c.id: c.source_sha256 for c in self.record.candidates}
        arms = {a.arm: a.source_sha256 for a in self.record.arms}
        return (found | arms).get(self.choice.name)


def _chosen(record: ShowRecord, who: str | None) -> Choice:
    """Choose a reward.

    Raises:
        UsageError: there is none of that name; lists what there is.
        NoPolicyError: nothing was trained on it.
    """
    candidates, arms = [c.id for c in record.candidates], [a.arm for a in record.arms]
    if who is None:
        arm = arms[0] if record.verb != "run" and len(arms) == 1 else None
        return choose(record, candidate=None, arm=arm, member=None)
    if who in arms:
        return choose(record, candidate=None, arm=who, member=None)
    if who in candidates:
        return choose(record, candidate=who, arm=None, member=None)
    names = [*arms, *candidates]
    if not names:
        raise UsageError(f"run '{record.run}' has neither candidates nor arms yet")
    raise UsageError(f"run '{record.run}' has no candidate or arm '{who}'{nearest(who, names)}")


def _members(record: ShowRecord, choice: Choice) -> tuple[MemberRecord, ...]:
    groups = {c.id: c.members for c in record.candidates} | {a.arm: a.members for a in record.arms}
    return tuple(
        member
        for member in groups[choice.name]
        if member.checkpoint is not None and member.fitness and member.failure is None
    )


def _divergence(
    curves: Sequence[Quantities], metric: str, sign: float, seed: int
) -> tuple[DivergenceRecord | None, TrainingPath | None]:
    """Return how fitness and return went apart; None where training did not measure the fitness."""
    fitness = sign * member_matrix(curves, f"fitness/{metric}")
    if not np.isfinite(fitness).any():
        return None, None
    proxy = member_matrix(curves, "episode_return")
    env_steps = np.nanmax(member_matrix(curves, "env_steps"), axis=0)
    given = env_steps, fitness, proxy
    return divergence(*given, seed), path(*given)


def _needed(metric: FitnessRecord, reference: Episodes) -> float | None:
    """Return what a success is above a reference; None if it is none above."""
    if metric.success is None:
        return None
    needed = reference.sign * (metric.success - float(reference.fitness.mean()))
    return needed if needed > 0.0 else None


def _spread(played: Played) -> list[int]:
    """Return the episodes whose motion is looked at: of each policy as many."""
    if not isinstance(played.task, Task):
        return []
    seeds = len(played.eval_seeds)
    order = [policy * seeds + seed for seed in range(seeds) for policy in range(played.policies)]
    sound = [episode for episode in order if bool(played.counts[0, episode])]
    return sorted(sound[: max(_MOTIONS, played.policies)])


def _actions(data: Episodes) -> list[np.ndarray]:
    return [each[:length] for each, length in zip(data.action, data.length.tolist(), strict=True)]


def _fitness(data: Episodes) -> Estimated:
    """Return the mean over policies' means; its interval is over policies, if there are enough."""
    means = [float(data.fitness[data.policy == p].mean()) for p in np.unique(data.policy)]
    interval = t_interval(means) if len(means) > 1 else None
    return Estimated(value=float(np.mean(means)), interval=interval)


def folder_name(name: str) -> str:
    """Return a plain name, another one for each arm: one may be called after its file's path."""
    return "-".join(part for part in Path(name).parts if part != "/").replace(":", "-")


def _write(folder: Path, record: AnalysisRecord, drawn: dict[str, Drawn]) -> None:
    """Write everything; what an earlier analysis left goes, but for videos of this one."""
    kept = {cluster.video for cluster in record.failures.clusters}
    with clear_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for pattern in ("*.svg", "*.csv", "failure-*.mp4"):
            for old in folder.glob(pattern):
                if old.name not in kept:
                    old.unlink()
    for name, figure in drawn.items():
        write_file(folder / f"{name}.svg", figure.svg)
        write_file(folder / f"{name}.csv", figure.table.encode())
    # last: a reader takes it as the sign that the rest is there
    write_file(folder / ANALYSIS_FILE, (record.model_dump_json(indent=1) + "\n").encode())
