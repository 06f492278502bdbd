"""``rewardgen export``: from a finished run, or a file, to a folder that works elsewhere."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import jsonschema
import numpy as np
import onnxruntime
import pytest

from rewardgen import api
from rewardgen.cli.main import main
from rewardgen.export import play
from rewardgen.export.policy_files import read_policy
from rewardgen.export.results import export_run
from rewardgen.store.export_records import ExportRecord, PolicyRecord
from rewardgen.store.run_directory import RunDirectory, read_run
from rewardgen.store.show import show_record
from rewardgen_envs.registry import load_task
from rewardgen_policies.checkpoint import CheckpointError
from rewardgen_policies.evaluation import episode_stream, record
from tests.rewardgen.report.example_run import ExampleRun
from tests.rewardgen.run.tiny import call, command, run_command

SCHEMAS = Path(__file__).parents[3] / "docs" / "schemas"
GOOD = """def compute_reward(state, action, next_state):
    up = tolerance(next_state.pole_angle, margin=1.0)
    return up, {"up": up}
"""
DISCRETE = """from rewardgen_envs.task import DiscreteAction
from rewardgen_envs.registry import task_class


class Bang(task_class("cartpole/balance")):
    name = "mine/bang"

    @property
    def action(self):
        return DiscreteAction(2)

    def actuate(self, action, features):
        return (2.0 * action.double() - 1.0).unsqueeze(1)
"""
HUMAN = """def compute_reward(state, action, next_state):
    up = tolerance(next_state.pole_angle, margin=1.0) + 0.0 * action
    return up, {"up": up}
"""

Export = Callable[..., tuple[int, str, str]]


@pytest.fixture
def export(
    search: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., tuple[int, str, str]]:
    """Export from the tiny search; return exit status, stdout and stderr."""

    def run(*arguments: str, source: str = "tiny", out: Path | None = None) -> tuple[int, str, str]:
        where = [f"--runs-dir={search.parent}", f"--out={out or tmp_path / 'out'}"]
        status = main(["export", source, *where, *arguments])
        shown = capsys.readouterr()
        return status, shown.out, shown.err

    return run


@pytest.fixture(scope="module")
def winner(search: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the exported winner; read only."""
    out = tmp_path_factory.mktemp("exports") / "winner"
    api.export("tiny", out, runs_dir=search.parent)
    return out


def validated(name: str, value: object) -> None:
    schema = json.loads((SCHEMAS / f"{name}.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(value)


def play_it(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run play.py as a user would, from an unrelated folder."""
    return subprocess.run(
        [sys.executable, str(folder / "play.py"), *arguments],
        cwd=folder.parent,
        capture_output=True,
        text=True,
        check=False,
    )


def last_line(folder: Path, *arguments: str) -> float:
    done = play_it(folder, *arguments)
    assert done.returncode == 0, done.stderr
    return float(done.stdout.splitlines()[-1])


def test_the_winner_becomes_a_folder_that_is_described_by_json(
    export: Export, search: Path, tmp_path: Path
) -> None:
    status, output, errors = export("--json")
    assert (status, errors) == (0, "")
    printed = json.loads(output.splitlines()[-1])
    validated("export", printed)
    result = ExportRecord.model_validate(printed)
    out = tmp_path / "out"
    expected = ["reward.py", "policy.onnx", "policy.json", "play.py", "README.md"]
    assert list(result.files) == expected
    assert sorted(file.name for file in out.iterdir()) == sorted(expected)
    assert (result.folder, result.run, result.name) == (str(out), "tiny", "winner")
    shown = show_record(read_run(search))
    arm = shown.arms[0]
    assert result.reward is not None
    assert result.policy is not None
    assert result.reward.sha256 == arm.source_sha256
    assert result.reward.transitions == 1000
    assert result.reward.max_difference <= 1e-6
    assert result.policy.max_difference <= 1e-5
    assert result.policy.evaluation.fitness == arm.members[0].fitness
    assert result.policy.evaluation.eval_seeds == arm.members[0].eval_seeds
    assert result.policy.evaluation.confirmed
    about = json.loads((out / "policy.json").read_text())
    validated("policy", about)
    policy = PolicyRecord.model_validate(about)
    assert policy.train_seed == arm.members[0].train_seed
    assert policy.checkpoint_sha256 == arm.members[0].checkpoint
    assert policy.control_dt_s == pytest.approx(0.04)
    assert [column.copies for column in policy.observation][:2] == [
        "cart_position",
        "cart_velocity",
    ]
    assert str(search) not in (out / "README.md").read_text()


@pytest.mark.slow
def test_any_arm_and_policy_of_it(export: Export, search: Path, tmp_path: Path) -> None:
    status, output, _ = export("--arm=human", "--member=1")
    assert status == 0
    run = read_run(search)
    (arm,) = (arm for arm in show_record(run).arms if arm.arm == "human")
    member = arm.members[1]
    assert f"policy 1 of human (training seed {member.train_seed})" in output
    assert arm.source is not None
    assert arm.source.strip() in (tmp_path / "out" / "reward.py").read_text()
    task = load_task("cartpole/balance")
    state = read_policy(run.artifacts.path(member.checkpoint or ""), task)
    session = onnxruntime.InferenceSession(
        str(tmp_path / "out" / "policy.onnx"), providers=["CPUExecutionProvider"]
    )
    for episode in record(task, [state], member.eval_seeds, threads=1)[0]:
        observations = task.observation(task.table.view(episode.state))
        (found,) = session.run(None, {"observation": observations.numpy()})
        np.testing.assert_allclose(found, episode.action, rtol=0.0, atol=1e-5)


def test_play_prints_last_what_the_evaluator_reported(winner: Path) -> None:
    evaluation = json.loads((winner / "policy.json").read_text())["evaluation"]
    done = play_it(winner)
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.splitlines()
    reported = float(np.mean(evaluation["fitness"]))
    assert reported > 0.0
    assert float(last) == pytest.approx(reported, rel=0.05)
    assert f"the evaluator reported {reported:.6g}" in lines[-1]
    assert lines[0].startswith(f"seed {evaluation['eval_seeds'][0]}: ")


def test_play_keeps_onnxruntime_from_calling_home(
    winner: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    monkeypatch.setattr(play, "HERE", winner)
    play.load_policy(json.loads((winner / "policy.json").read_text()))
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"


def test_play_takes_other_seeds(winner: Path) -> None:
    evaluation = json.loads((winner / "policy.json").read_text())["evaluation"]
    done = play_it(winner, "--seeds", "5", str(evaluation["eval_seeds"][1]))
    new, known, *rest, last = done.stdout.splitlines()
    assert new.startswith("seed 5: ")
    assert "reported" not in new
    assert float(known.split("reported ")[1]) == pytest.approx(evaluation["fitness"][1], rel=1e-5)
    assert not any("evaluator reported" in line for line in rest)
    first = float(new.removeprefix("seed 5: "))
    assert float(last) == pytest.approx((first + evaluation["fitness"][1]) / 2, rel=0.05)


def test_play_says_that_the_task_has_changed_or_is_gone(winner: Path, tmp_path: Path) -> None:
    out = tmp_path / "winner"
    shutil.copytree(winner, out)
    about = json.loads((out / "policy.json").read_text())
    changed = {**about, "task_version": 7, "task": "nowhere.py:Task"}
    (out / "policy.json").write_text(json.dumps(changed))
    done = play_it(out)
    assert (done.returncode, done.stdout) == (2, "")
    assert "nowhere.py does not exist" in done.stderr
    done = play_it(out, "--episodes=1", "--task=cartpole/balance")
    assert done.returncode == 0
    assert "is not what it was when the policy was evaluated" in done.stderr
    other = play_it(out, "--episodes=1", "--task=half-cheetah/run")
    assert (other.returncode, other.stdout) == (2, "")
    assert "the policy takes 5 numbers and gives 1, 'half-cheetah/run' shows 17" in other.stderr
    assert float(done.stdout.splitlines()[-1]) == pytest.approx(
        about["evaluation"]["fitness"][0], rel=0.05
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--episodes=0"], "at least 1"), (["--episodes=1", "--seeds", "5"], "not allowed with")],
)
def test_play_refuses_nonsense(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        play.main(arguments)
    assert said in capsys.readouterr().err


def test_play_derives_the_evaluators_random_numbers() -> None:
    assert [play.stream(seed) for seed in (0, 7, 2**60)] == [
        episode_stream(seed) for seed in (0, 7, 2**60)
    ]


@pytest.mark.slow
def test_a_candidate_of_the_search(export: Export, search: Path, tmp_path: Path) -> None:
    shown = show_record(read_run(search))
    candidate = next(c for c in shown.candidates if c.members and c.members[0].checkpoint)
    status, output, _ = export(f"--candidate={candidate.id}")
    assert status == 0
    assert "on seeds of the search" in output
    text = (tmp_path / "out" / "reward.py").read_text()
    assert f"Reward of candidate {candidate.id}, of run 'tiny'." in text
    assert candidate.source.strip() in text
    about = json.loads((tmp_path / "out" / "policy.json").read_text())
    assert not about["evaluation"]["confirmed"]


def test_the_sparse_reward_is_no_file(export: Export, tmp_path: Path) -> None:
    status, _, errors = export("--arm=sparse")
    assert status == 0
    assert "the sparse reward is the task's own and no file: only its policy is here" in errors
    assert not (tmp_path / "out" / "reward.py").exists()
    assert (tmp_path / "out" / "policy.onnx").is_file()
    assert "no file" in (tmp_path / "out" / "README.md").read_text()


@pytest.mark.slow
def test_by_default_it_lies_in_the_runs_folder(
    search: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(search, copy)
    assert main(["export", str(copy)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(copy / "export" / "winner")
    assert (copy / "export" / "winner" / "policy.onnx").is_file()
    assert main(["show", str(copy)]) == 0, "the run is as it was"


def test_without_the_packages_the_reward_is_exported_still(
    export: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("onnx", "onnxruntime"):
        monkeypatch.setitem(sys.modules, name, None)
    status, output, errors = export("--json")
    assert status == 0
    assert "no policy was written: it takes pip install onnx onnxruntime" in errors
    result = json.loads(output.splitlines()[-1])
    assert result["policy"] is None
    assert result["files"] == ["reward.py", "README.md"]
    status, _, errors = export("--arm=sparse", out=tmp_path / "other")
    assert status == 1
    assert "pip install onnx onnxruntime" in errors
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--candidate=c9-9"], 2, "has no candidate 'c9-9'"),
        (["--arm=humn"], 2, "did you mean 'human'"),
        (["--member=99"], 2, "has no policy number 99. Valid: 0, 1"),
        (["--task=cartpole/balance"], 2, "--task belongs to a reward file"),
        (["--isolation=non"], 2, "--isolation: unknown value 'non'; did you mean 'none'?"),
    ],
)
def test_what_is_refused(
    arguments: list[str], status: int, said: str, export: Export, tmp_path: Path
) -> None:
    found, output, errors = export(*arguments)
    assert (found, output) == (status, "")
    assert said in errors
    assert not list(tmp_path.iterdir())


def test_a_run_that_has_no_policy_yet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with RunDirectory.create(tmp_path / "new") as run:
        ExampleRun(run).start()
    assert main(["export", "new", f"--runs-dir={tmp_path}"]) == 1
    assert "run 'new' has no policy yet" in capsys.readouterr().err
    assert not (tmp_path / "new" / "export").exists()
    assert main(["export", "other", f"--runs-dir={tmp_path}"]) == 2


def test_a_folder_with_something_in_it_is_left_alone(export: Export, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "precious").write_text("kept")
    status, _, errors = export()
    assert status == 2
    assert "exists and is not empty" in errors
    assert [path.name for path in out.iterdir()] == ["precious"]
    (out / "precious").unlink()
    assert export()[0] == 0, "an empty folder will do"
    file = tmp_path / "file"
    file.touch()
    assert "exists and is not empty" in export(out=file)[2]
    assert "cannot write" in export(out=file / "below")[2]


def test_a_reward_file_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "up.py").write_text(GOOD)
    out = tmp_path / "deep" / "out"
    arguments = ["export", str(tmp_path / "up.py"), "--task=cartpole/balance", f"--out={out}"]
    assert main([*arguments, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    validated("export", printed)
    assert printed["files"] == ["reward.py", "README.md"]
    assert (printed["run"], printed["name"], printed["policy"]) == (None, "up.py", None)
    assert printed["reward"]["features"] == ["pole_angle"]
    assert "def tolerance(" in (out / "reward.py").read_text()
    assert "def quat_apply(" not in (out / "reward.py").read_text()


@pytest.mark.parametrize(
    ("text", "arguments", "status", "said"),
    [
        (GOOD, [], 2, "needs a task and a folder"),
        (GOOD, ["--task=cartpole/balance"], 2, "needs a task and a folder"),
        (GOOD, ["--task=cartpole/balanc", "--out=out"], 2, "did you mean 'cartpole/balance'"),
        (GOOD, ["--task=cartpole/balance", "--out=out", "--arm=human"], 2, "belong to a run"),
        (GOOD, ["--task=ant/run", "--out=out"], 1, "no feature 'pole_angle'"),
        (GOOD + "x = (\n", ["--task=cartpole/balance", "--out=out"], 1, "[syntax]"),
        ("pay well", ["--task=cartpole/balance", "--out=out"], 1, "is refused"),
        (GOOD.replace("up, {", "up[:2], {"), ["--task=cartpole/balance", "--out=out"], 1, "shape"),
        (None, ["--task=cartpole/balance", "--out=out"], 2, "cannot read reward file up.py"),
    ],
)
def test_a_file_that_cannot_be_exported_leaves_nothing_behind(
    text: str | None,
    arguments: list[str],
    status: int,
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    if text is not None:
        Path("up.py").write_text(text)
    assert main(["export", "up.py", *arguments]) == status
    assert said in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == (["up.py"] if text is not None else [])


@pytest.mark.slow
def test_a_users_task_with_discrete_actions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A training on a task from a file, whose path the export must make hold anywhere."""
    monkeypatch.chdir(tmp_path)
    Path("bang.py").write_text(DISCRETE)
    Path("up.py").write_text(HUMAN)
    flags = ["--seeds=2", "--env-steps=2000", "--eval-episodes=2", "--name=it"]
    done = call(command("train", "--task=bang.py:Bang", "--reward=up.py", *flags))
    assert done.returncode == 0, done.stderr
    assert main(["export", "it", "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["folder"] == "runs/it/export/up"
    folder = Path(result["folder"]).resolve()
    about = json.loads((folder / "policy.json").read_text())
    assert (about["action"], about["action_size"], about["action_columns"]) == ("discrete", 2, [])
    assert about["task"] == f"{tmp_path / 'bang.py'}:Bang"
    assert last_line(folder) == pytest.approx(np.mean(about["evaluation"]["fitness"]), rel=0.05)
    moved = tmp_path / "moved.py"
    Path("bang.py").rename(moved)
    assert "bang.py does not exist" in play_it(folder).stderr
    assert last_line(folder, f"--task={moved}:Bang") > 0.0


def test_a_task_that_sees_other_numbers_now_is_refused(search: Path) -> None:
    run = read_run(search)
    policy = show_record(run).arms[0].members[0]
    with pytest.raises(CheckpointError, match=r"task 'ant/run' now needs.*restore the task"):
        read_policy(run.artifacts.path(policy.checkpoint or ""), load_task("ant/run"))


def test_changes_of_the_task_since_the_run_are_noted(search: Path, tmp_path: Path) -> None:
    run = read_run(search)
    started = run.state.started
    assert started is not None
    facts = started.task.model_copy(update={"version": 3, "scene_sha256": "0" * 64})
    run.state.started = started.model_copy(update={"task": facts})
    notes = export_run(run, tmp_path / "out", arm="sparse").notes
    assert "the task is at version 2, in the run at 3" in notes
    assert any("scene has changed" in note for note in notes)


@pytest.mark.slow
def test_a_run_with_a_fitness_of_ones_own(tmp_path: Path) -> None:
    fitness = tmp_path / "spin.py"
    fitness.write_text(
        "def fitness(state, action, next_state):\n"
        "    return next_state.pole_angular_velocity.abs()\n"
    )
    given = [*run_command(tmp_path, "spin"), "--text=spin the pole", f"--fitness={fitness}"]
    done = call([*given, "--iterations=1"])
    assert done.returncode == 0, done.stderr
    result = api.export("spin", tmp_path / "out", runs_dir=tmp_path)
    assert "fitness.py" in result.files
    assert result.policy is not None
    assert result.policy.evaluation.metric == "own_fitness"
    assert "spin the pole" in (tmp_path / "out" / "reward.py").read_text()
    assert "spin the pole" in (tmp_path / "out" / "README.md").read_text()
    reported = float(np.mean(result.policy.evaluation.fitness))
    assert reported != 0.0
    assert last_line(tmp_path / "out") == pytest.approx(reported, rel=0.05)


def test_play_draws_the_scales_of_every_episode_from_the_scene_as_it_is(tmp_path: Path) -> None:
    """The scales of one episode must not multiply those of the one before."""
    flags = ["--seeds=1", "--env-steps=4000", "--eval-episodes=4", "--name=it"]
    arguments = ["--reward=human", *flags, f"--runs-dir={tmp_path}"]
    done = call(command("train", "--task=half-cheetah/run@mass=0.4,motor=0.4", *arguments))
    assert done.returncode == 0, done.stderr
    result = api.export("it", tmp_path / "out", runs_dir=tmp_path)
    assert result.policy is not None
    reported = result.policy.evaluation.fitness
    played = play_it(tmp_path / "out").stdout.splitlines()[: len(reported)]
    found = [float(line.partition(": ")[2].partition(",")[0]) for line in played]
    assert found == pytest.approx(reported, rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize(("task", "env_steps"), [("hopper/run", 100_000), ("ant/run", 100_000)])
def test_play_repeats_episodes_full_of_contacts(task: str, env_steps: int, tmp_path: Path) -> None:
    """After a difference in the last bit contacts lead an episode elsewhere within seconds."""
    flags = ["--seeds=2", f"--env-steps={env_steps}", "--eval-episodes=5", "--name=it"]
    arguments = ["--reward=human", *flags, f"--runs-dir={tmp_path}"]
    done = call(command("train", f"--task={task}", *arguments))
    assert done.returncode == 0, done.stderr
    result = api.export("it", tmp_path / "out", runs_dir=tmp_path)
    assert result.policy is not None
    reported = float(np.mean(result.policy.evaluation.fitness))
    assert last_line(tmp_path / "out") == pytest.approx(reported, rel=0.05)
