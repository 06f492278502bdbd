"""Runs of very many candidates: taking one up costs as much as it holds, not the square of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from rewardgen.config import RunConfig
from rewardgen.design.designer import DesignContext, Proposal
from rewardgen.run.display import PlainDisplay
from rewardgen.run.journal import RunJournal
from rewardgen.run.screening import Screening
from rewardgen.run.search import Search
from rewardgen.rungs.executor import LocalExecutor
from rewardgen.rungs.jobs import TrainJob
from rewardgen.rungs.rung import Episodes, MemberOutcome, RungOutcome, Workshop
from rewardgen.store import payloads as p
from rewardgen.store.artifacts import ArtifactReader
from rewardgen.store.run_directory import RunDirectory
from rewardgen_envs.engines.choice import CPU
from rewardgen_envs.registry import load_task
from rewardgen_envs.task import Task

SOURCE = "def compute_reward(state, action, next_state):\n    return state.{}, {{}}\n"


class Plain:
    """A designer without ideas."""

    name = "plain"

    def propose(self, context: DesignContext) -> list[Proposal]:
        source = SOURCE.format(context.table.names[0])
        return [Proposal(source=source, origin="again") for _ in range(context.count)]


class Accepting(Screening):
    """A check that everything passes."""

    def check(
        self,
        candidate: str,
        source: str,
        fault: object = None,
        wrapper: object = None,
        *,
        criticized: bool = True,
    ) -> p.CandidateChecked:
        del source, fault, wrapper, criticized
        return p.CandidateChecked(candidate=candidate, verdict="accepted")


class Untrained(Workshop):
    """Rungs whose outcome is made up."""

    def _execute(
        self, key: str, job: TrainJob, eval_seeds: tuple[int, ...], guests: Sequence[str]
    ) -> RungOutcome:
        del key, guests
        episodes = Episodes(
            fitness={"upright_share": (0.5,)}, length=(1,), causes=("time",), columns={}
        )
        curves = self.journal.keep_curves([{"env_steps": [1.0]} for _ in job.members])
        return RungOutcome(
            members=tuple(
                MemberOutcome(reward=m.reward, seed=m.seed, env_steps=1, episodes=episodes)
                for m in job.members
            ),
            eval_seeds=eval_seeds,
            curves=curves,
            env_steps=1,
            wall_s=0.0,
            guests=(episodes,),
        )


def search(directory: RunDirectory, task: Task, iterations: int) -> None:
    """Search from the start, or go on where the directory's search stopped."""
    config = RunConfig(
        task=task.name, iterations=iterations, samples=8, train_seeds=1, rungs=1, eval_episodes=1
    )
    journal = RunJournal(directory)
    workshop = Untrained(
        executor=LocalExecutor(directory.path / "jobs"),
        journal=journal,
        task=task.name,
        recipe={},
        threads=1,
        isolation="none",
        engines=(CPU,),
        progress=lambda key, done, total: None,
    )
    with Accepting(task, "none") as screening:
        Search(
            config=config,
            task=task,
            metrics=task.metrics,
            designer=Plain(),
            feature_ranges={},
            workshop=workshop,
            journal=journal,
            screening=screening,
            display=PlainDisplay(),
            iteration_env_steps=1,
            closing_env_steps=1,
        ).run()


def reads_of_a_resume(
    path: Path, started: p.RunStarted, iterations: int, monkeypatch: pytest.MonkeyPatch
) -> int:
    """Make a search, repeat it, and return how many artifacts the second one read."""
    task = load_task("cartpole/swing-up")
    with RunDirectory.create(path) as directory:
        directory.append(started)
        search(directory, task, iterations)
    reads = 0
    plain = ArtifactReader.read_bytes

    def counted(reader: ArtifactReader, artifact: str) -> bytes:
        nonlocal reads
        reads += 1
        return plain(reader, artifact)

    with monkeypatch.context() as patched, RunDirectory.resume(path) as directory:
        patched.setattr(ArtifactReader, "read_bytes", counted)
        events = directory.state.last_seq
        search(directory, task, iterations)
        assert directory.state.last_seq == events, "nothing was left to do"
        assert len(directory.state.candidates) == 8 * iterations
    return reads


def test_a_resume_reads_what_it_needs(
    tmp_path: Path, run_started: p.RunStarted, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = reads_of_a_resume(tmp_path / "few", run_started, 4, monkeypatch)
    many = reads_of_a_resume(tmp_path / "many", run_started, 16, monkeypatch)
    assert many <= 4 * few + 8, (few, many)


@pytest.mark.slow
def test_ten_thousand_candidates(
    tmp_path: Path, run_started: p.RunStarted, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = reads_of_a_resume(tmp_path / "run", run_started, 1250, monkeypatch)
    assert reads <= 3 * 10_000
