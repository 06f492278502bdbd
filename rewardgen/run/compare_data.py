"""The transitions that rewards are compared on: gathered with stored policies, or read again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from rewardgen.config import CompareConfig, ConfigError
from rewardgen.run.session import metrics_of
from rewardgen.rungs.gathering import POLICIES, RANDOM, Actor, Gathered, gather, spread
from rewardgen.rungs.transition_log import SUFFIX, decode, encode, require_version
from rewardgen.store.atomic import clear_errors
from rewardgen.store.run_directory import RunSnapshot, find_run, read_run
from rewardgen.store.seeds import Purpose, derive_seed
from rewardgen.store.state import MemberState
from rewardgen_envs.base_task import BaseTask
from rewardgen_envs.engines.choice import CPU
from rewardgen_envs.task import Task
from rewardgen_policies.checkpoint import CheckpointError
from rewardgen_policies.evaluation import Policies, check_members
from rewardgen_policies.stored import stored_policies
from rewardgen_policies.stored_policy import load_policy

HUMAN_POLICY = "human policy"
TRANSITIONS = "transitions"
"""Job of a run, and name of a file, that holds transitions."""


@dataclass(frozen=True, eq=False)
class Transitions:
    """Transitions with their file.

    Attributes:
        gathered: the transitions.
        content: bytes of their file.
        fresh: whether they were simulated now.
    """

    gathered: Gathered
    content: bytes
    fresh: bool

    @property
    def sha256(self) -> str:
        """Hash of the file."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def env_steps(self) -> int:
        """Environment steps that were spent on them."""
        return self.gathered.whole.numel() if self.fresh else 0


def transitions_of(
    config: CompareConfig, task: BaseTask, gamma: float, note: Callable[[str], None]
) -> Transitions:
    """Return the transitions of a comparison.

    Args:
        config: says with whose policies, or which file.
        task: the task.
        gamma: discount factor of who will be trained.
        note: told what people should know of them.

    Raises:
        UsageError: no such run or file, or it is of another task or version of it.
        StoreError: a run cannot be read.
    """
    files = [name for name in config.data if name.endswith(SUFFIX)]
    if files:
        if len(config.data) > 1:
            raise ConfigError(f"--data {files[0]}: a file of transitions is used alone, as it is")
        path = Path(files[0])
        with clear_errors(path, "read"):
            content = path.read_bytes()
        return Transitions(decode(content, files[0], task, gamma), content, fresh=False)
    actors = [Actor(RANDOM), *_human_policy(task, note)]
    for name in config.data:
        actors += _policies(name, config.runs_dir, task)
    if len(actors) == 1:
        note(
            "only random actions act in the transitions: task has no stored policy here; add some "
            "with --data RUN"
        )
    seed = derive_seed(config.seed, Purpose.SURVEY)
    gathered = gather(
        task,
        actors,
        transitions=config.transitions,
        seed=seed,
        gamma=gamma,
        threads=config.threads,
    )
    return Transitions(gathered, encode(gathered, task), fresh=True)


def _human_policy(task: BaseTask, note: Callable[[str], None]) -> list[Actor]:
    """Return the policy that the task brings along, if it has one that fits."""
    if not isinstance(task, Task):
        return []
    state = load_policy(task.name)
    if state is None:
        return []
    try:
        check_members(task, [state])
    except CheckpointError as error:
        note(f"the stored policy of this task is left out: {error}")
        return []
    if state.origin.task_version != task.version:
        note("the stored policy of this task is of an older version of it, and is left out")
        return []
    return [Actor(HUMAN_POLICY, Policies([state]))]


def _policies(name: str, runs_dir: Path, task: BaseTask) -> list[Actor]:
    run = read_run(find_run(name, runs_dir))
    started = run.state.started
    assert started is not None, "a snapshot is of a run that was begun"
    require_version(
        f"run '{run.name}'",
        task,
        name=started.task.name,
        version=started.task.version,
        scene_sha256=started.task.scene_sha256,
    )
    return [
        Actor(f"{run.name}:{label}", stored_policies(task, [run.artifacts.path(checkpoint)], CPU))
        for label, checkpoint in _chosen(run, metrics_of(task, None)[0].name)
    ]


def _chosen(run: RunSnapshot, metric: str) -> list[tuple[str, str]]:
    """Return names and checkpoints of a run's policies, from the least to the most fit.

    Raises:
        ConfigError: it has none.
    """
    members: list[tuple[str, MemberState]] = []
    for candidate, recorded in run.state.candidates.items():
        members += [(candidate, member) for member in recorded.members.values()]
    for trial in run.state.trials.values():
        for arm, of_arm in trial.members.items():
            members += [(arm, member) for member in of_arm.values()]
    found = {
        member.checkpoint: (fmean(member.fitness[metric]), label)
        for label, member in members
        if member.checkpoint is not None and member.fitness.get(metric)
    }
    if not found:
        raise ConfigError(f"--data {run.name}: the run has no policy that was evaluated")
    ordered = sorted(found, key=lambda checkpoint: (found[checkpoint], checkpoint))
    return _numbered([(found[chosen][1], chosen) for chosen in spread(ordered, POLICIES)])


def _numbered(chosen: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the same with names that differ."""
    seen: dict[str, int] = {}
    named: list[tuple[str, str]] = []
    for label, checkpoint in chosen:
        seen[label] = seen.get(label, 0) + 1
        named.append((label if seen[label] == 1 else f"{label} {seen[label]}", checkpoint))
    return named
