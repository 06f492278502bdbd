"""Rewards from a sentence, without training: propose, check, ask once more, write files."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rewardgen.analysis.columns import ColumnStatistics
from rewardgen.analysis.feedback import Feedback
from rewardgen.config import ConfigError, GenerateConfig
from rewardgen.design.designer import (
    DesignContext,
    Designer,
    Proposal,
    Refused,
    Repairs,
    Tried,
)
from rewardgen.rewards.findings import restored
from rewardgen.run.context import task_context
from rewardgen.run.screening import Screening
from rewardgen.rungs.executor import LocalExecutor
from rewardgen.rungs.jobs import SurveyJob
from rewardgen.store.atomic import clear_errors, temporary_file, write_file
from rewardgen.store.payloads import CandidateChecked
from rewardgen.store.records import GeneratedReward
from rewardgen.store.seeds import Purpose, derive_seed
from rewardgen_envs.base_task import BaseTask
from rewardgen_envs.errors import UsageError

_REJECTED = "rejected"
_START = "start"


def check_output(config: GenerateConfig) -> None:
    """Refuse a folder that rewards cannot be written to, and words that nobody would read.

    Raises:
        UsageError: the folder holds rewards already, is none or cannot be written to, or feedback
            has no use.
    """
    places = (config.out, *config.out.absolute().parents)
    there = next(folder for folder in places if folder.exists())
    if not there.is_dir():
        raise UsageError(f"{there} is a file; choose a folder with --out")
    try:
        with temporary_file(there):
            pass
    except OSError as error:
        why = f"cannot be written to ({error.strerror})"
        raise UsageError(f"{there} {why}; choose another folder with --out") from error
    if any(config.out.glob("reward_*.py")):
        raise UsageError(f"{config.out} holds rewards already; choose another folder with --out")
    if config.designer == "replay":
        raise ConfigError("designer replay repeats whole runs: use 'rewardgen run'")
    if config.feedback is None:
        return
    if config.start is None:
        raise ConfigError("--feedback is about a reward: give it with --start FILE")
    if config.designer == "evolve":
        raise ConfigError("designer evolve reads no words; --feedback needs llm or manual")


def generate_rewards(
    config: GenerateConfig, task: BaseTask, designer: Designer, start: Proposal | None
) -> list[GeneratedReward]:
    """Have rewards written and checked, and write them to files.

    Args:
        config: how many, and where to.
        task: the task.
        designer: who writes.
        start: a reward to refine, or None.

    Raises:
        ExhaustedError: the designer may not ask for anything.
        EndpointError: the endpoint does not answer.
        StoreError: the files cannot be written.
        HostUnavailable: no reward host can be started.
    """
    context = _context(config, task, start)
    proposals = designer.propose(context)
    with Screening(task, config.isolation) as screening:
        checked = [
            screening.check(_name(slot), proposal.source, proposal.fault)
            for slot, proposal in enumerate(proposals)
        ]
        repaired = _repaired(designer, context, proposals, checked)
        for slot, proposal in repaired.items():
            proposals[slot] = proposal
            checked[slot] = screening.check(_name(slot), proposal.source, proposal.fault)
    return [
        GeneratedReward(
            file=str(_write(config.out, slot, proposal, verdict)),
            verdict=verdict.verdict,
            findings=verdict.findings,
            note=proposal.note,
            repaired=slot in repaired,
        )
        for slot, (proposal, verdict) in enumerate(zip(proposals, checked, strict=True))
    ]


def _context(config: GenerateConfig, task: BaseTask, start: Proposal | None) -> DesignContext:
    given = () if start is None else (Tried(_START, 0, start.source, "given", Feedback()),)
    seed = derive_seed(config.seed, Purpose.DESIGN)
    return replace(
        task_context(config, task, count=config.n, seed=seed),
        parents=given,
        history=given,
        feature_ranges=_survey(config),
        human_feedback=() if config.feedback is None else (config.feedback,),
    )


def _survey(config: GenerateConfig) -> dict[str, ColumnStatistics]:
    """Roll out random actions: designers learn how the features are spread."""
    with tempfile.TemporaryDirectory() as folder, LocalExecutor(Path(folder)) as executor:
        job = SurveyJob(task=config.task, seed=derive_seed(config.seed, Purpose.SURVEY))
        columns = executor.survey("survey", job).columns
    return {name: ColumnStatistics(*values) for name, values in columns.items()}


def _repaired(
    designer: Designer,
    context: DesignContext,
    proposals: Sequence[Proposal],
    checked: Sequence[CandidateChecked],
) -> dict[int, Proposal]:
    """Return corrected proposals by slot, for those that were refused."""
    refused = [
        Refused(_name(slot), slot, proposal.source, tuple(restored(f) for f in verdict.findings))
        for slot, (proposal, verdict) in enumerate(zip(proposals, checked, strict=True))
        if verdict.verdict != "accepted"
    ]
    if not refused or not isinstance(designer, Repairs):
        return {}
    answers = designer.repair(context, refused)
    return {bad.slot: new for bad, new in zip(refused, answers, strict=True) if new is not None}


def _name(slot: int) -> str:
    return f"reward_{slot + 1}"


def _write(out: Path, slot: int, proposal: Proposal, checked: CandidateChecked) -> Path:
    """Write a reward: beside the others, or where refused ones lie."""
    folder = out if checked.verdict == "accepted" else out / _REJECTED
    path = folder / f"{_name(slot)}.py"
    with clear_errors(path):
        folder.mkdir(parents=True, exist_ok=True)
    write_file(path, proposal.source.encode())
    return path
