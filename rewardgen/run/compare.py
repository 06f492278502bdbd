"""``rewardgen compare``: rewards before training, in a race, and on fresh seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rewardgen.config import CompareConfig
from rewardgen.isolation.doctor import ensure
from rewardgen.isolation.host import HostOptions, HostPool
from rewardgen.report.comparison_page import write_comparison
from rewardgen.report.write import write_report
from rewardgen.run.beginning import run_started
from rewardgen.run.budget import check_memory
from rewardgen.run.compare_data import TRANSITIONS, Transitions, transitions_of
from rewardgen.run.compare_inputs import Inputs, read_inputs
from rewardgen.run.compare_program import COMPARISON, compare_program, compared_run
from rewardgen.run.comparison import check_inputs, data_stage, raced, static_record
from rewardgen.run.display import Display, make_display
from rewardgen.run.preflight import check_engines, try_task
from rewardgen.run.session import carry_out, open_session, recipe_of
from rewardgen.run.writers.write import check_writers, write_scalars
from rewardgen.rungs.transition_log import SUFFIX
from rewardgen.store import payloads as p
from rewardgen.store.atomic import clear_errors, write_file
from rewardgen.store.compare_records import CompareRecord
from rewardgen.store.run_directory import RunDirectory, new_run_path, read_run
from rewardgen_envs.base_task import BaseTask
from rewardgen_envs.errors import UsageError
from rewardgen_envs.registry import any_task
from rewardgen_policies.recipe import Recipe


@dataclass(frozen=True)
class _Known:
    """What is known before training."""

    record: CompareRecord
    inputs: Inputs
    transitions: Transitions | None


def compare_rewards(
    config: CompareConfig,
    *,
    command: Sequence[str] = ("api.compare",),
    display: Display | None = None,
) -> CompareRecord:
    """Compare rewards; see ``CompareConfig``.

    Raises:
        UsageError: the configuration cannot be used, a reward is unknown, or too little is known
            for what was asked; nothing was trained.
        RefusedRewardError: no reward passes its check, or the reference does not.
        HostUnavailable: no reward host can be started on this machine.
        InterruptedRunError: by a signal or a time limit; ``resume`` goes on.
        RunFailedError: by an error that no reward is to blame for; ``resume`` goes on.
    """
    task = any_task(config.task)
    recipe = recipe_of(task, config)
    training = config.stage in ("race", "confirm")
    if training:
        check_engines(config, task)
        check_memory(task, recipe, config)
        check_writers(config.writers)
    ensure(config.isolation)
    path = new_run_path(config.runs_dir, config.name, f"compare-{task.name.replace('/', '-')}")
    shown = display or make_display()
    known = _before_training(config, task, recipe, shown.note)
    if not training:
        _write(config, known.record, known.transitions)
        return known.record
    _enough_to_race(known.record)
    try_task(task)
    started = run_started("compare", config, task, recipe, command, None)
    with RunDirectory.create(path) as directory:
        directory.append(started)
        _keep(directory, known)
        carry_on(directory, config, task, recipe, shown)
    record = compared_run(read_run(path))
    _write(config, record, known.transitions)
    return record


def carry_on(
    directory: RunDirectory, config: CompareConfig, task: BaseTask, recipe: Recipe, display: Display
) -> None:
    """Do what is left of a comparison's training, and write its report."""

    def work() -> None:
        with display, open_session(directory, config, task, recipe, display) as session:
            compare_program(session, config)
        write_scalars(directory, config.writers, display.note)
        write_report(directory.path, state="done")
        write_comparison(compared_run(read_run(directory.path)), directory.path)

    carry_out(directory, work)


def _before_training(
    config: CompareConfig, task: BaseTask, recipe: Recipe, note: Callable[[str], None]
) -> _Known:
    notes: list[str] = []

    def noted(text: str) -> None:
        notes.append(text)
        note(text)

    inputs = read_inputs(config, task)
    with HostPool(HostOptions(mode=config.isolation)) as pool:
        if config.stage == "static":
            checked = check_inputs(inputs, task, pool)
            return _Known(static_record(config, task, checked, pool), inputs, None)
        # hosts end with the thread that started them, so it is the other one that simulates
        with ThreadPoolExecutor(max_workers=1) as beside:
            simulated = beside.submit(transitions_of, config, task, recipe.gamma, noted)
            checked = check_inputs(inputs, task, pool)
            transitions = simulated.result()
        record = data_stage(config, task, checked, transitions, pool, notes)
    return _Known(record, inputs, transitions)


def _enough_to_race(record: CompareRecord) -> None:
    left = raced(record)
    if len(left) > 1:
        return
    told = "; ".join(f"{r.name}: {r.decision}, {r.reason}" for r in record.rewards)
    raise UsageError(
        f"nothing to race, {len(left)} of {len(record.rewards)} rewards is left: {told}"
    )


def _keep(directory: RunDirectory, known: _Known) -> None:
    """Store what was compared, on what, and what came of it; the run needs no other file."""
    assert known.transitions is not None
    artifacts = directory.artifacts
    for given in known.inputs.rewards:
        if given.source is not None:
            artifacts.put_text(given.source, name=given.name, media_type="text/x-python")
    content = known.transitions.content
    data = artifacts.put_bytes(
        content, name=f"{TRANSITIONS}{SUFFIX}", media_type="application/octet-stream"
    )
    text = known.record.model_dump_json()
    result = artifacts.put_text(text, name=f"{COMPARISON}.json", media_type="application/json")
    directory.append(
        p.JobFinished(job=TRANSITIONS, env_steps=known.transitions.env_steps, result=data),
        p.JobFinished(job=COMPARISON, env_steps=0, result=result),
        *(p.Note(message=note) for note in known.record.notes),
    )


def _write(
    config: CompareConfig, record: CompareRecord, transitions: Transitions | None
) -> Path | None:
    """Write report and transitions to the folder that was asked for, if one was."""
    if config.out is None:
        return None
    with clear_errors(config.out):
        config.out.mkdir(parents=True, exist_ok=True)
    if transitions is not None:
        write_file(config.out / f"{TRANSITIONS}{SUFFIX}", transitions.content)
    write_comparison(record, config.out)
