"""What is compared: reward files, candidates and arms of runs, a task's own rewards."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from rewardgen.config import CompareConfig, ConfigError
from rewardgen.rewards.format import read_source
from rewardgen.rewards.wrappers.catalogue import Wrapper, maybe_wrapper
from rewardgen.run.preflight import OWN_REWARDS
from rewardgen.run.session import human_source
from rewardgen.rungs.jobs import RewardRef
from rewardgen.store.errors import RunNotFoundError
from rewardgen.store.records import ShowRecord
from rewardgen.store.run_directory import find_run, read_run
from rewardgen.store.show import WINNER_ARM, show_record
from rewardgen_envs.base_task import BaseTask
from rewardgen_envs.errors import UsageError
from rewardgen_envs.names import nearest

NONE = "none"
Kind = Literal["file", "candidate", "human", "sparse"]


@dataclass(frozen=True)
class Given:
    """One reward to compare.

    Attributes:
        name: as it was typed.
        kind: where it comes from.
        source: its text; None for a reward that is no file.
        wrapper: what is put around it.
        compared: False for a reference that is not among the rewards given.
    """

    name: str
    kind: Kind
    source: str | None
    wrapper: Wrapper | None = None
    compared: bool = True

    @property
    def own(self) -> bool:
        """Whether the task brings it along: trusted, and never held back."""
        return self.kind in OWN_REWARDS

    @property
    def sha256(self) -> str | None:
        """Hash of its text, by which the store knows it."""
        return None if self.source is None else hashlib.sha256(self.source.encode()).hexdigest()

    @property
    def reward(self) -> RewardRef:
        """The reward as jobs refer to it."""
        if self.kind == "human" or self.kind == "sparse":
            return RewardRef(kind=self.kind, name=self.name)
        return RewardRef(
            kind="code", name=self.name, source=self.source or "", wrapper=self.wrapper
        )


@dataclass(frozen=True)
class Inputs:
    """What is compared, and what distances are told from.

    Attributes:
        rewards: as given; a reference that was not given comes last.
        reference: the name of one of them, or None.
        asked: whether the user named the reference.
    """

    rewards: tuple[Given, ...]
    reference: str | None
    asked: bool


def read_inputs(config: CompareConfig, task: BaseTask) -> Inputs:
    """Return what is compared.

    Raises:
        UsageError: nothing is, something twice, or a name is unknown or of another task.
        ParseError: a file is no text.
        StoreError: a run cannot be read.
    """
    if not config.reward:
        raise UsageError(
            "name what to compare: reward files, human, sparse, RUN:CANDIDATE or RUN:ARM"
        )
    found: dict[str, Given] = {}
    for name in config.reward:
        key = _key(name, config)
        if key in found:
            raise UsageError(f"{name} is given twice{_as(found[key].name, name)}")
        found[key] = _given(name, config, task)
    named = config.reference or "human"
    if named == NONE:
        return Inputs(_enough(list(found.values()), None), None, asked=True)
    key = _key(named, config)
    if key not in found:
        found[key] = replace(_given(named, config, task), compared=False)
    reference = found[key].name
    rewards = _enough(list(found.values()), reference)
    return Inputs(rewards, reference, asked=config.reference is not None)


def _enough(rewards: Sequence[Given], reference: str | None) -> tuple[Given, ...]:
    if len(rewards) > 1:
        return tuple(rewards)
    alone = rewards[0].name
    told = "it is the reference itself" if alone == reference else "--reference is none"
    raise UsageError(
        f"{alone} alone has nothing to be compared with ({told}): name another reward, or what "
        "distances are told from with --reference"
    )


def _as(first: str, second: str) -> str:
    return "" if first == second else f", first as {first}"


def _key(name: str, config: CompareConfig) -> str:
    """Return the same text for two ways to write the same reward."""
    if name in OWN_REWARDS:
        return name
    if name.endswith(".py"):
        return str(Path(name).resolve())
    run, _, what = name.partition(":")
    place = config.runs_dir / run
    return f"{(place if place.exists() else Path(run)).resolve()}:{what or WINNER_ARM}"


def _given(name: str, config: CompareConfig, task: BaseTask) -> Given:
    if name == "human":
        return Given(name, "human", human_source(task))
    if name == "sparse":
        return Given(name, "sparse", None)
    if name.endswith(".py"):
        return Given(name, "file", read_source(Path(name)), config.wrapper)
    return _of_run(name, config.runs_dir, task)


def _of_run(name: str, runs_dir: Path, task: BaseTask) -> Given:
    reference, _, what = name.partition(":")
    try:
        record = show_record(read_run(find_run(reference, runs_dir)))
    except RunNotFoundError as error:
        raise UsageError(
            f"unknown reward '{name}'{nearest(name, OWN_REWARDS)}, a reward file (FILE.py), or "
            f"RUN:CANDIDATE; {error}"
        ) from error
    if record.task != task.name:
        raise UsageError(
            f"{name} is a reward for task '{record.task}', not for '{task.name}': rewards of "
            "different tasks read different features and cannot be compared"
        )
    return _part(record, name, what)


def _part(record: ShowRecord, name: str, what: str) -> Given:
    candidates = {each.id: each for each in record.candidates}
    arms = {each.arm: each for each in record.arms}
    if not what and WINNER_ARM not in arms and record.winner is not None:
        what = record.winner
    what = what or WINNER_ARM
    if what in candidates:
        one = candidates[what]
        return Given(name, "candidate", one.source, maybe_wrapper(one.wrapper))
    if what not in arms:
        known = [*candidates, *arms]
        raise UsageError(
            f"run '{record.run}' has no candidate or arm '{what}'{nearest(what, known)}"
        )
    arm = arms[what]
    if what in OWN_REWARDS:
        raise ConfigError(f"{name} is the task's own: write {what}")
    assert arm.source is not None, "only the sparse reward is no file"
    return Given(name, "candidate", arm.source, maybe_wrapper(arm.wrapper))
