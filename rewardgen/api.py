"""The Python interface: what the command line does, as functions that return typed objects.

``from rewardgen import api`` then ``api.run(config)``, ``api.train(config)``, ``api.load(run)``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from rewardgen.config import CompareConfig, GenerateConfig, RunConfig, TrainConfig
from rewardgen.design.designer import Designer
from rewardgen.design.transcript import transcript
from rewardgen.export.results import Form, export_file, export_run
from rewardgen.importing.reward import import_reward
from rewardgen.isolation.doctor import ensure
from rewardgen.isolation.protection import Mode
from rewardgen.llm.errors import KeyMissingError
from rewardgen.report.names import HTML_NAME
from rewardgen.report.write import write_report
from rewardgen.rewards.fitness import FitnessCode
from rewardgen.rewards.format import RewardCode
from rewardgen.run.analyze import analyze
from rewardgen.run.beginning import run_started
from rewardgen.run.budget import Estimate, check_memory, estimate
from rewardgen.run.checking import check
from rewardgen.run.compare import carry_on
from rewardgen.run.compare import compare_rewards as compare
from rewardgen.run.designers import (
    Brief,
    brief,
    cache_of,
    check_endpoint,
    check_key,
    designer_alone,
    designer_of,
    given_texts,
    keep_inputs,
    kept_inputs,
    start_reward,
)
from rewardgen.run.display import Display, make_display
from rewardgen.run.feedback import give_feedback as feedback
from rewardgen.run.film import video_job
from rewardgen.run.generation import check_output as check_folder
from rewardgen.run.generation import generate_rewards
from rewardgen.run.model_cost import model_cost
from rewardgen.run.preflight import (
    check_engines,
    check_rewards,
    remarks,
    try_fitness,
    try_task,
)
from rewardgen.run.program import search_program, train_program
from rewardgen.run.resumption import (
    check_unchanged,
    ensure_still,
    hashes,
    stored_rewards,
    take_up,
)
from rewardgen.run.session import Session, carry_out, open_session, recipe_of
from rewardgen.run.writers.write import check_writers, write_scalars
from rewardgen.rungs.video import check_output
from rewardgen.rungs.video import render as make_video
from rewardgen.store.atomic import write_file
from rewardgen.store.export_records import ExportRecord
from rewardgen.store.records import GenerateRecord, ListRecord, ShowRecord
from rewardgen.store.run_directory import RunDirectory, find_run, new_run_path, read_run
from rewardgen.store.show import is_done, list_record, show_record
from rewardgen_envs.base_task import BaseTask
from rewardgen_envs.cameras import chosen
from rewardgen_envs.errors import UsageError
from rewardgen_envs.registry import any_task, load_task, task_names
from rewardgen_policies.recipe import Recipe

__all__ = [
    "analyze",
    "check",
    "compare",
    "dry_run",
    "export",
    "export_transcript",
    "feedback",
    "generate",
    "import_reward",
    "list_runs",
    "load",
    "render",
    "resume",
    "run",
    "train",
]


def run(
    config: RunConfig,
    *,
    designer: Designer | None = None,
    command: Sequence[str] = ("api.run",),
    display: Display | None = None,
) -> ShowRecord:
    """Search a reward, confirm the winner on fresh seeds, write the report.

    Args:
        config: the whole configuration.
        designer: one of your own instead of the configured one; ``resume`` needs it again.
        command: what the user typed, for the record.
        display: where progress is shown; by default stderr.

    Raises:
        UsageError: the configuration cannot be used; nothing was started.
        InterruptedRunError: by a signal or a time limit; ``resume`` goes on.
        RunFailedError: by an error that no reward is to blame for; ``resume`` goes on.
    """
    task = _task_of(config)
    recipe = recipe_of(task, config)
    check_engines(config, task)
    check_memory(task, recipe, config)
    ensure(config.isolation)
    check_writers(config.writers)
    check_key(config)
    made = brief(config, task)
    try_task(task)
    if made.fitness is not None:
        try_fitness(config.task, made.fitness)
    cost = model_cost(config, task) if designer is None else None
    name = config.designer if designer is None else designer.name
    started = run_started("run", config, task, recipe, command, name, made.fitness)
    started = started.model_copy(update={"files": hashes(given_texts(config, made))})

    def program(session: Session) -> None:
        chosen = designer or designer_of(config, session, made.transcript)
        if cost is not None:
            session.display.note(f"asks for {cost}")
        search_program(session, config, chosen, made.start)

    path = new_run_path(config.runs_dir, config.name, config.task)
    with RunDirectory.create(path) as directory:
        directory.append(started)
        keep_inputs(directory, made)
        _work(directory, config, task, recipe, display or make_display(), program, made.fitness)
    return load(path)


def generate(config: GenerateConfig) -> GenerateRecord:
    """Write reward files for a sentence, checked but not trained.

    Raises:
        UsageError: the configuration cannot be used; nothing was asked or written.
        EndpointError: the endpoint does not answer.
        ExhaustedError: the cost cap does not allow a single request.
    """
    task = _task_of(config)
    ensure(config.isolation)
    check_folder(config)
    check_endpoint(config)
    check_key(config)
    start = start_reward(config.start, task)
    try_task(task)
    replies = cache_of(config)
    designer = designer_alone(config, replies, make_display().note)
    rewards = generate_rewards(config, task, designer, start)
    return GenerateRecord(
        task=config.task,
        text=config.text or task.description,
        designer=config.designer,
        rewards=tuple(rewards),
        cost_usd=replies.spent_usd,
        estimated=replies.estimated,
    )


def train(
    config: TrainConfig, *, command: Sequence[str] = ("api.train",), display: Display | None = None
) -> ShowRecord:
    """Train policies on given rewards, several seeds each, in one population.

    Raises:
        UsageError: the configuration cannot be used or a file read; nothing was started.
        RefusedRewardError: a reward file does not pass its check; nothing was started.
        InterruptedRunError: by a signal or a time limit; ``resume`` goes on.
        RunFailedError: by an error that no reward is to blame for; ``resume`` goes on.
    """
    task = any_task(config.task)
    recipe = recipe_of(task, config)
    check_engines(config, task)
    check_memory(task, recipe, config)
    ensure(config.isolation)
    check_writers(config.writers)
    try_task(task)
    path = new_run_path(config.runs_dir, config.name, config.task)
    checked = check_rewards(config, task)
    codes = {name: result.code for name, result in checked.items() if result.code is not None}
    sources = {name: code.source for name, code in codes.items()}
    started = run_started("train", config, task, recipe, command, None)
    started = started.model_copy(update={"files": hashes(sources)})

    def program(session: Session) -> None:
        for name, result in checked.items():
            for remark in remarks(name, result):
                session.display.note(remark)
        train_program(session, config, codes)

    with RunDirectory.create(path) as directory:
        directory.append(started)
        for name, source in sources.items():
            directory.artifacts.put_text(source, name=name, media_type="text/x-python")
        _work(directory, config, task, recipe, display or make_display(), program)
    return load(path)


def resume(
    reference: str,
    runs_dir: Path = Path("runs"),
    *,
    designer: Designer | None = None,
    command: Sequence[str] = ("api.resume",),
    display: Display | None = None,
) -> ShowRecord:
    """Go on with a run where it stopped; a finished one is left as it is.

    Raises:
        UsageError: no such run, or its task has changed.
        IsolationError: this machine no longer offers the run's isolation.
        StoreError: the run is locked, damaged or of another version.
        InterruptedRunError: again.
        RunFailedError: again.
    """
    path = find_run(reference, runs_dir)
    display = display or make_display()
    if is_done(path):
        display.note(f"{path.resolve().name} is finished: nothing is left to do")
        if not (path / HTML_NAME).is_file():
            display.note(f"its report is missing and written again: {write_report(path)}")
        return load(path)
    with RunDirectory.resume(path) as directory:
        started = directory.state.started
        assert started is not None
        kinds: dict[str, type[RunConfig | TrainConfig]] = {
            "run": RunConfig,
            "compare": CompareConfig,
        }
        config = kinds.get(started.verb, TrainConfig).model_validate(started.config)
        check_writers(config.writers)
        task = any_task(config.task)
        check_engines(config, task)
        check_unchanged(task, started)
        ensure_still(config.isolation)
        recipe = Recipe.model_validate(started.recipe)
        if isinstance(config, CompareConfig):
            take_up(directory, started, command, display)
            carry_on(directory, config, task, recipe, display)
            return load(path)
        made, rewards = Brief(), dict[str, RewardCode]()
        if isinstance(config, RunConfig):
            made = kept_inputs(directory, config, task)
        else:
            rewards = stored_rewards(directory, started, config)
        take_up(directory, started, command, display)
        if isinstance(config, RunConfig) and directory.state.inputs is None:
            keep_inputs(directory, made)

        def program(session: Session) -> None:
            if isinstance(config, RunConfig):
                chosen = designer or designer_of(config, session, made.transcript)
                search_program(session, config, chosen, made.start)
            else:
                train_program(session, config, rewards)

        _work(directory, config, task, recipe, display, program, made.fitness)
    return load(path)


def load(reference: str | Path, runs_dir: Path = Path("runs")) -> ShowRecord:
    """Return a run as it is now, also while it is being written.

    Raises:
        UsageError: no such run.
        StoreError: it cannot be read.
    """
    path = reference if isinstance(reference, Path) else find_run(reference, runs_dir)
    return show_record(read_run(path))


def list_runs(runs_dir: Path = Path("runs")) -> ListRecord:
    """Return all runs of a folder, oldest first."""
    return list_record(runs_dir)


def render(
    reference: str,
    runs_dir: Path = Path("runs"),
    output: Path | None = None,
    *,
    camera: str | None = None,
) -> Path:
    """Render winner, human and sparse side by side, one policy each; return the mp4's path.

    Raises:
        UsageError: no such run or camera, or nothing can be written to the path.
        RenderError: the run has no trained policy, or this machine cannot render.
    """
    snapshot = read_run(find_run(reference, runs_dir))
    path = output or snapshot.path / "video.mp4"
    check_output(path)
    job = video_job(snapshot.state, snapshot.artifacts, path)
    if camera is not None:
        chosen(load_task(job.task).views, camera)
    make_video(job.model_copy(update={"camera": camera}))
    return path


def export(
    source: str,
    out: Path | None = None,
    *,
    runs_dir: Path = Path("runs"),
    candidate: str | None = None,
    arm: str | None = None,
    member: int | None = None,
    task: str | None = None,
    isolation: Mode | None = None,
    form: Form = "torch",
    policy: bool = True,
) -> ExportRecord:
    """Write a reward and a policy of a run, or a reward file, into a folder for use elsewhere.

    Args:
        source: a run, by name or path; or a reward file, which ends in ``.py``.
        out: the folder; by default ``export/NAME`` in the run's own. A file needs it.
        runs_dir: where runs are kept.
        candidate: which candidate of the run.
        arm: which arm of it; with neither: its winner.
        member: number of the policy; by default the first.
        task: the task of a reward file.
        isolation: mode of the reward host; by default the run's, ``standard`` for a file.
        form: what the reward is written for: ``torch`` alone, or ``isaaclab``.
        policy: whether a run's policy is written too.

    Raises:
        UsageError: no such run, candidate, arm, member, file or task; an option that does not
            belong to the source; or the folder is not empty.
        RefusedRewardError: the reward file does not pass its check.
        NoPolicyError: the run has no trained policy.
        ExportError: what was written does not do the same as what it is made from.
        HostUnavailable: no reward host can be started.
        StoreError: the run cannot be read.
    """
    if not source.endswith(".py"):
        if task is not None:
            raise UsageError("--task belongs to a reward file (FILE.py); a run has its task")
        run = read_run(find_run(source, runs_dir))
        return export_run(
            run,
            out,
            candidate=candidate,
            arm=arm,
            member=member,
            isolation=isolation,
            form=form,
            policy=policy,
        )
    if candidate is not None or arm is not None or member is not None:
        raise UsageError("--candidate, --arm and --member belong to a run, not to a reward file")
    if task is None or out is None:
        raise UsageError(f"a reward file needs a task and a folder: {source} --task NAME --out DIR")
    return export_file(Path(source), task, out, isolation=isolation, form=form)


def export_transcript(reference: str, file: Path, runs_dir: Path = Path("runs")) -> None:
    """Write what was asked, answered and decided in a run, for designer replay.

    Raises:
        UsageError: no such run, it is a training, or the file exists.
        StoreError: the run cannot be read or the file not be written.
    """
    if file.exists():
        raise UsageError(f"{file} exists; name another file")
    recorded = transcript(read_run(find_run(reference, runs_dir)))
    write_file(file, (recorded.model_dump_json(indent=1) + "\n").encode())


def dry_run(config: RunConfig | TrainConfig) -> Estimate:
    """Validate a configuration, simulate one second, and estimate what the run would take.

    Raises:
        UsageError: the configuration cannot be used.
        RefusedRewardError: a reward file of a training does not pass its check.
    """
    task = _task_of(config)
    recipe = recipe_of(task, config)
    check_engines(config, task)
    check_memory(task, recipe, config)
    ensure(config.isolation)
    check_writers(config.writers)
    new_run_path(config.runs_dir, config.name, config.task)
    try_task(task)
    if isinstance(config, TrainConfig):
        check_rewards(config, task)
        return estimate(task, recipe, config)
    made = brief(config, task)
    if made.fitness is not None:
        try_fitness(config.task, made.fitness)
    simulated, cost = estimate(task, recipe, config), model_cost(config, task)
    if cost is None:
        return simulated
    return simulated.model_copy(
        update={
            "cost_usd": cost.usd,
            "cost_at_most_usd": cost.at_most_usd,
            "model": str(cost),
            "missing": _missing_key(config),
        }
    )


def _missing_key(config: RunConfig) -> str:
    """Return what is wrong with the endpoint's key, which an estimate does not need."""
    try:
        check_key(config)
    except KeyMissingError as missing:
        return str(missing)
    return ""


def _task_of(config: RunConfig | TrainConfig | GenerateConfig) -> BaseTask:
    """Return the task of a search; it has no default."""
    if not config.task:
        if isinstance(config, RunConfig) and config.designer == "replay":
            raise UsageError("designer replay needs a run to repeat: give --from RUN")
        names = ", ".join(task_names())
        raise UsageError(
            f"no task given: add --task NAME, or 'task: NAME' to the preset. Installed: {names}"
        )
    return any_task(config.task)


def _work(
    directory: RunDirectory,
    config: RunConfig | TrainConfig,
    task: BaseTask,
    recipe: Recipe,
    display: Display,
    program: Callable[[Session], None],
    fitness: FitnessCode | None = None,
) -> None:
    def work() -> None:
        with display, open_session(directory, config, task, recipe, display, fitness) as session:
            program(session)
        write_scalars(directory, config.writers, display.note)
        write_report(directory.path, state="done")

    carry_out(directory, work)
