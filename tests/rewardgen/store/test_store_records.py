"""Machine-readable output: contents, schemas, and that none of it needs torch or MuJoCo."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest

from rewardgen.store import parts
from rewardgen.store import payloads as p
from rewardgen.store.errors import RunNotFoundError
from rewardgen.store.events import DATABASE_NAME
from rewardgen.store.records import (
    CheckRecord,
    FeatureRecord,
    FitnessRecord,
    LlmUsage,
    TaskListRecord,
    TaskName,
    TaskRecord,
    TrialRecord,
)
from rewardgen.store.run_directory import (
    RunDirectory,
    find_run,
    new_run_path,
    read_run,
)
from rewardgen.store.schemas import main, schema_files
from rewardgen.store.show import list_record, show_record
from rewardgen_envs.errors import UsageError

_SCHEMAS = Path(__file__).parents[3] / "docs" / "schemas"


@pytest.fixture
def searched_path(run_path: Path) -> Path:
    """A small search with a confirmation of two arms."""
    with RunDirectory.resume(run_path) as run:
        code = run.artifacts.put_text("code", name="a.py", media_type="text/x-python")
        curves = run.artifacts.put_text("[]", name="curves.json", media_type="application/json")
        checkpoint = run.artifacts.put_bytes(b"w", name="w.safetensors", media_type="x/y")

        def rung(rung: str, trial: str | None, source: str, fitness: float) -> list[p.Payload]:
            outcome = parts.MemberOutcome(
                source=source,
                seed=5,
                env_steps=100,
                checkpoint=checkpoint,
                fitness={"upright": (fitness, fitness), "effort": (1.0, 2.0)},
            )
            return [
                p.RungStarted(
                    rung=rung, trial=trial, iteration=None, number=0, env_steps=100, members=()
                ),
                p.RungFinished(
                    rung=rung,
                    members=(outcome,),
                    eval_seeds=(8, 9),
                    curves=curves,
                    env_steps=120,
                    wall_s=1.0,
                    isolation=("process",),
                ),
            ]

        run.append(
            p.CandidateProposed(
                candidate="a", iteration=0, slot=0, source=code, origin="random", note="first"
            ),
            p.CandidateProposed(
                candidate="b", iteration=0, slot=1, source=code, parents=("a",), attempt=1
            ),
            p.CandidateChecked(
                candidate="b",
                verdict="refused",
                findings=(
                    parts.Finding(
                        stage="gate",
                        kind="policy",
                        rule="import",
                        severity="error",
                        line=1,
                        message="no imports",
                        remedy="remove it",
                    ),
                ),
            ),
            p.CandidateSettled(candidate="b", state="rejected", reason="no imports"),
            *rung("r0", None, "a", 0.5),
            p.IterationFinished(iteration=0, best="a", fitness=0.5),
            p.WinnerSelected(candidate="a", fitness=0.5, reason="best"),
            p.TrialStarted(
                trial="confirm",
                arms=(
                    parts.TrialArm(arm="winner", source=code),
                    parts.TrialArm(arm="human", source=None),
                ),
                seeds=(5,),
                env_steps=100,
            ),
            *rung("c0", "confirm", "winner", 0.4),
        )
    return run_path


@pytest.fixture
def done_path(searched_path: Path) -> Path:
    with RunDirectory.resume(searched_path) as run:
        run.append(
            p.TrialFinished(
                trial="confirm",
                arms=(
                    parts.ArmStatistics(arm="winner", iqm=0.4, interval=(0.3, 0.5), method="t"),
                    parts.ArmStatistics(arm="human", iqm=None, interval=None),
                ),
                comparisons=(
                    parts.Comparison(
                        arm="winner",
                        over="human",
                        probability=0.9,
                        interval=(0.6, 1.0),
                        difference=0.2,
                        difference_interval=None,
                    ),
                ),
            ),
            p.RunFinished(),
        )
    return searched_path


def validate(name: str, text: str) -> None:
    schema = json.loads((_SCHEMAS / f"{name}.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(json.loads(text))


def test_schemas_in_docs_are_those_of_the_code(tmp_path: Path) -> None:
    main(tmp_path)
    committed = {file.name: file.read_text() for file in _SCHEMAS.glob("*.json")}
    assert committed == schema_files(), "run: python -m rewardgen.store.schemas"
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == committed


def test_show_says_everything_about_a_finished_run(done_path: Path) -> None:
    record = show_record(read_run(done_path))
    validate("show", record.model_dump_json())
    assert (record.run, record.task, record.task_version) == ("first", "cartpole/swing-up", 1)
    assert (record.state, record.winner, record.env_steps) == ("done", "a", 240)
    assert record.isolation == parts.Isolation(mode="standard", applied=("process",))
    first, second = record.candidates
    assert (first.id, first.source, first.fitness, first.origin) == ("a", "code", 0.5, "random")
    (member,) = first.members
    assert (member.train_seed, member.env_steps, member.checkpoint_step) == (5, 100, 100)
    assert (member.eval_seeds, member.fitness) == ((8, 9), (0.5, 0.5))
    assert member.metrics["effort"] == (1.0, 2.0)
    assert (second.state, second.reason, second.parents) == ("rejected", "no imports", ("a",))
    assert second.findings[0].rule == "import"
    winner, human = record.arms
    assert (winner.iqm, winner.interval, winner.search_fitness) == (0.4, (0.3, 0.5), 0.5)
    assert winner.improvements[0].over == "human"
    assert (human.members, human.source, human.source_sha256) == ((), None, None)
    trial = TrialRecord(run=record.run, arms=record.arms)
    validate("train", trial.model_dump_json())


def test_show_says_where_the_steps_went(done_path: Path) -> None:
    with RunDirectory.resume(done_path) as run:
        run.append(p.JobFinished(job="survey", env_steps=30))
    record = show_record(read_run(done_path))
    assert [(x.phase, x.env_steps, x.wall_s) for x in record.phases] == [
        ("survey", 30, None),
        ("search", 120, 1.0),
        ("confirm", 120, 1.0),
    ]
    assert sum(phase.env_steps for phase in record.phases) == record.env_steps


def test_show_says_what_a_language_model_was_asked(done_path: Path) -> None:
    assert show_record(read_run(done_path)).llm is None

    def reply(key: str, **changes: object) -> p.ReplyReceived:
        told = {"model": "m-1", "prompt_tokens": 100, "completion_tokens": 10, "cost_usd": 0.5}
        sha = key * 64
        kept = {"key": sha, "label": "", "request": sha, "reply": sha}
        return p.ReplyReceived.model_validate({**kept, **told, **changes})

    with RunDirectory.resume(done_path) as run:
        run.append(reply("a", attempts=3), reply("b", model="m-2", prompt_tokens=1, estimated=True))
        run.append(reply("c", cached=True, cost_usd=0.0, attempts=9, estimated=True))
        run.append(reply("a", attempts=3))  # a repetition counts once
    record = show_record(read_run(done_path))
    validate("show", record.model_dump_json())
    assert record.llm == LlmUsage(
        model="m-1, m-2",
        calls=2,
        retried=2,
        cached=1,
        prompt_tokens=101,
        completion_tokens=20,
        cost_usd=1.0,
        estimated=1,
    )
    assert record.cost_usd == record.llm.cost_usd
    with RunDirectory.resume(done_path) as run:
        run.append(reply("d", cost_usd=None))
    unpriced = show_record(read_run(done_path)).llm
    assert unpriced is not None
    assert (unpriced.calls, unpriced.cost_usd) == (3, None), "a part of it is no sum"


def test_show_works_before_the_end(searched_path: Path) -> None:
    record = show_record(read_run(searched_path))
    validate("show", record.model_dump_json())
    assert record.state == "interrupted", "nobody writes it any more"
    assert record.arms[0].iqm is None
    with RunDirectory.resume(searched_path):
        assert show_record(read_run(searched_path)).state == "running"


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, "mujoco on cpu"),
        ({"engine": None, "device": "cuda:0,cuda:1"}, "warp on cuda:0,cuda:1"),
        (
            {"engine": "warp", "device": "cpu", "cluster": "auto"},
            "warp on cpu, Ray cluster auto",
        ),
    ],
)
def test_what_simulated_is_told(
    tmp_path: Path, run_started: p.RunStarted, config: dict[str, str], expected: str
) -> None:
    with RunDirectory.create(tmp_path / "run") as run:
        run.append(run_started.model_copy(update={"config": config}))
    assert show_record(read_run(tmp_path / "run")).simulated_by == expected


def test_list_is_sorted_by_age_and_survives_damage(
    done_path: Path, run_started: p.RunStarted
) -> None:
    runs_dir = done_path.parent
    for name in ("zweiter", "dritter"):
        time.sleep(0.01)
        with RunDirectory.create(runs_dir / name) as run:
            run.append(run_started)
            if name == "zweiter":
                run.append(p.RunFailed(reason="no memory"))
    RunDirectory.create(runs_dir / "never begun").close()
    (runs_dir / "no run").mkdir()
    (runs_dir / "broken").mkdir()
    (runs_dir / "broken" / DATABASE_NAME).write_bytes(b"x" * 5000)
    record = list_record(runs_dir)
    validate("list", record.model_dump_json())
    assert [(entry.run, entry.state) for entry in record.runs] == [
        ("first", "done"),
        ("zweiter", "failed"),
        ("dritter", "interrupted"),
        ("broken", "unreadable"),
    ]
    assert "damaged" in record.runs[-1].reason
    assert record.runs[0].task == "cartpole/swing-up"


def test_the_records_of_tasks_and_checks_fit_their_schemas() -> None:
    validate("tasks-list", TaskListRecord(tasks=(TaskName(name="a/b"),)).model_dump_json())
    task = TaskRecord(
        name="a/b",
        class_="module:Class",
        description="Do it.",
        version=1,
        scene_sha256="0" * 64,
        human_reward="code",
        fitness=(FitnessRecord(name="x", unit="m", direction="higher", success=None),),
        features=(FeatureRecord(name="f", shape=(3,), unit="m", description="F.", private=False),),
        about="A task.",
        control_dt_s=0.02,
        episode_s=10.0,
        action="box",
        action_size=2,
        observation_size=3,
        causes={"fallen": "It fell."},
        cameras=("side",),
    )
    validate("tasks-show", task.model_dump_json(by_alias=True))
    assert json.loads(task.model_dump_json(by_alias=True))["class"] == "module:Class"
    check = CheckRecord(verdict="accepted", findings=(), isolation=parts.Isolation(mode="none"))
    validate("check", check.model_dump_json())


def test_runs_are_found_by_name_and_by_path(run_path: Path, tmp_path: Path) -> None:
    runs_dir = run_path.parent
    assert find_run("first", runs_dir) == run_path
    assert find_run(str(run_path), tmp_path / "nowhere") == run_path
    with pytest.raises(RunNotFoundError, match="did you mean 'first'"):
        find_run("frist", runs_dir)
    with pytest.raises(UsageError, match=r"there is no folder .*nowhere"):
        find_run("first", tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunNotFoundError, match="holds none"):
        find_run("first", tmp_path / "empty")


def test_new_runs_get_free_names(tmp_path: Path) -> None:
    assert new_run_path(tmp_path, "my run", "ant/run") == tmp_path / "my run"
    assert new_run_path(tmp_path, None, "ant/run") == tmp_path / "ant-run-1"
    (tmp_path / "ant-run-1").mkdir()
    assert new_run_path(tmp_path, None, "ant/run") == tmp_path / "ant-run-2"
    assert new_run_path(tmp_path, None, "some/where/go1.py:Trot") == tmp_path / "go1-Trot-1"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/tmp/x", ".hidden", "-x", "a\0b"])
def test_names_that_are_no_folder_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="plain folder name"):
        new_run_path(tmp_path, name, "ant/run")


def test_reading_runs_imports_nothing_heavy(done_path: Path) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from rewardgen.store.run_directory import read_run, RunDirectory\n"
        "from rewardgen.store.show import list_record, show_record\n"
        "import rewardgen.store.manifest, rewardgen.store.schemas, rewardgen.store.seeds\n"
        "path = Path(sys.argv[1])\n"
        "show_record(read_run(path)); list_record(path.parent)\n"
        "heavy = {'torch', 'mujoco', 'numpy', 'gymnasium', 'scipy', 'matplotlib'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(done_path)], check=True)
