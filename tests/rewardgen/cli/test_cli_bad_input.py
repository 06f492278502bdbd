"""Bad input: the error names the culprit and the valid choices, and nothing is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from rewardgen.cli.main import main
from rewardgen.cli.run import Run

GOOD = "def compute_reward(state, action, next_state):\n    x = next_state.pole_angle\n"


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a command that must end in status 2, and return what it complains about."""
    assert main(list(arguments)) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["rum"], ["'rum'", "did you mean 'run'", "resume"]),
        (["tasks"], ["tasks list", "tasks check"]),
        (["run", "nonsense"], ["'nonsense'", "demo", "smoke"]),
        (["run", "demoo"], ["did you mean 'demo'"]),
        (["run"], ["no task given", "--task", "ant/run", "cartpole/balance"]),
        (["run", "--dry-run"], ["no task given", "--task"]),
        (["run", "--designer", "replay"], ["--from RUN"]),
        (["run", "smoke", "--text", " ", "--dry-run"], ["--text", "it says nothing"]),
        (["run", "--task", "ant/run", "--device", "gpu"], ["--device", "cuda:N", "got 'gpu'"]),
        (["run", "--task", "ant/walk"], ["'ant/walk'", "ant/run", "cartpole/balance"]),
        (["tasks", "show", "hoper/run"], ["did you mean 'hopper/run'"]),
        (["resume", "nothing"], ["'nothing'"]),
        (["show", "nothing"], ["'nothing'"]),
        (["check", "nowhere.py"], ["nowhere.py"]),
        (["train", "--task", "ant/run", "--reward", "missing.py"], ["missing.py"]),
        (["run", "--task", "cartpole/balance", "--name", "../up"], ["'../up'", "--runs-dir"]),
        (["run", "smoke", "--dry-run", "--name", "../up"], ["'../up'", "--runs-dir"]),
        (["run", "smoke", "--dry-run", "--name", "a b/c"], ["'a b/c'", "--runs-dir"]),
        (["run", "smoke", "--dry-run", "--name", ""], ["''", "plain folder name"]),
        (["run", "--task", "ant/run", "--recipe", "none.yaml"], ["none.yaml"]),
    ],
)
def test_unknown_names(
    arguments: list[str],
    names: list[str],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    complaint = refused(capsys, *arguments)
    for name in names:
        assert name in complaint
    assert not list(tmp_path.iterdir()), "something was started"


def test_an_unknown_preset_key_names_the_nearest(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    preset = tmp_path / "mine.yaml"
    preset.write_text("itterations: 3\n")
    complaint = refused(capsys, "run", str(preset))
    assert "'itterations'" in complaint
    assert "did you mean 'iterations'" in complaint


@pytest.mark.parametrize(
    ("line", "culprit"),
    [
        ("iterations: 0", "iterations"),
        ("seed: -1", "seed"),
        ("designer: gpt", "designer"),
        ("env_steps: many", "env_steps"),
        ("keep: 2.0", "keep"),
    ],
)
def test_bad_values_in_a_preset(
    line: str, culprit: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    preset = tmp_path / "mine.yaml"
    preset.write_text(line + "\n")
    assert culprit in refused(capsys, "run", str(preset))


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [1\n", "\x00"])
def test_a_preset_that_is_no_mapping(
    text: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    preset = tmp_path / "mine.yaml"
    preset.write_text(text)
    assert str(preset) in refused(capsys, "run", str(preset))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (
            ["run", "smoke", "--seed", "-5"],
            "--seed: Input should be greater than or equal to 0, got -5",
        ),
        (
            ["run", "--iterations", "0", "--env-steps=many"],
            "--iterations: Input should be greater than or equal to 1, got 0; --env-steps: Input "
            "should be a valid integer, unable to parse string as an integer, got 'many'",
        ),
        (
            ["run", "smoke", "--threads", "0"],
            "--threads: Input should be greater than or equal to 1, got 0",
        ),
        (
            ["train", "--task", "ant/run", "--seeds", "0"],
            "--seeds: Input should be greater than or equal to 1, got 0",
        ),
        (
            ["run", "--designer", "evolv"],
            "--designer: unknown value 'evolv'; did you mean 'evolve'? Valid: evolve, "
            "llm, manual, replay",
        ),
        (
            ["check", "x.py", "--isolation", "non"],
            "--isolation: unknown value 'non'; did you mean 'none'? Valid: none, standard, strict",
        ),
        (
            ["check", "x.py", "--stage=prob"],
            "--stage: unknown value 'prob'; did you mean 'probe'? Valid: critic, gate, lint, probe",
        ),
    ],
)
def test_bad_flags_are_explained_in_one_line(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refused(capsys, *arguments) == f"rewardgen: {complaint}\n"


def test_a_flag_and_a_preset_get_the_same_words(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    preset = tmp_path / "mine.yaml"
    preset.write_text("keep: 2.0\nisolation: standart\n")
    in_file = refused(capsys, "run", str(preset)).partition(f"{preset}: ")[2]
    behind_flags = refused(capsys, "run", "--keep", "2.0", "--isolation", "standart")
    assert behind_flags.removeprefix("rewardgen: ").replace("--", "") == in_file
    assert "keep: " in in_file
    assert "did you mean 'standard'" in in_file


def test_flags_go_over_the_preset_and_none_is_no_value(tmp_path: Path) -> None:
    preset = tmp_path / "mine.yaml"
    preset.write_text("samples: 4\nthreads: 2\nmax_hours: 1\n")
    config = Run.parse([str(preset), "--threads=None", "--max-hours", "0.5"]).options.config
    assert (config.samples, config.threads, config.max_hours) == (4, None, 0.5)


def test_an_unknown_flag_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["run", "--iteration", "3"])
    assert stop.value.code == 2
    assert "--iterations" in capsys.readouterr().err


def test_a_key_given_twice_is_refused_with_its_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    preset = tmp_path / "mine.yaml"
    preset.write_text("samples: 4\nseed: 1\nsamples: 9\n")
    complaint = refused(capsys, "run", str(preset))
    assert f"{preset}: line 3: key 'samples' is given twice, first on line 1" in complaint


@pytest.mark.parametrize("verb", [["list"], ["show", "x"], ["resume", "x"], ["render", "x"]])
def test_a_folder_of_runs_that_is_none(
    verb: list[str],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    assert "there is no folder nope" in refused(capsys, *verb, "--runs-dir", "nope")
    assert "file is no folder of runs" in refused(capsys, *verb, "--runs-dir=file")


def test_no_runs_yet_is_no_error(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["list"]) == 0
    assert "no runs yet" in capsys.readouterr().out


def test_a_population_that_does_not_fit(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    complaint = refused(
        capsys, "run", "--task", "ant/run", "--samples", "200000", f"--runs-dir={tmp_path}"
    )
    assert "members would fit" in complaint
    assert not list(tmp_path.iterdir())


def test_a_budget_below_one_iteration(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    complaint = refused(capsys, "run", "demo", "--max-env-steps=1000", f"--runs-dir={tmp_path}")
    assert "max_env_steps is 1,000" in complaint


def test_a_run_of_the_same_name_is_not_overwritten(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "run.sqlite").write_bytes(b"garbage that is no database")
    assert main(["run", "smoke", "--name=mine", f"--runs-dir={tmp_path}"]) == 1
    assert "mine" in capsys.readouterr().err
    assert (tmp_path / "mine" / "run.sqlite").read_bytes() == b"garbage that is no database"


@pytest.mark.parametrize(
    ("text", "rule", "status"),
    [
        (GOOD + "    return x, {'x': x}\n", "accepted", 0),
        (GOOD + "    return next_state.pole_angel, {'x': x}\n", "pole_angle", 1),
        ("def compute_reward(state, action):\n    return action, {}\n", "signature", 1),
        ("I would reward the pole.\n", "refused", 1),
        (GOOD + "    while True:\n        pass\n    return x, {}\n", "endless-loop", 1),
        (GOOD + "    return x[:2], {'x': x}\n", "shape", 1),
        (GOOD + "    return x, {'x': 1.0}\n", "float", 1),
        (GOOD + "    return x / 0.0 * 0.0, {'x': x}\n", "finite", 1),
    ],
)
def test_check_says_what_is_wrong_with_a_reward(
    text: str, rule: str, status: int, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "reward.py"
    file.write_text(text)
    assert main(["check", str(file), "--task", "cartpole/balance"]) == status
    assert rule in capsys.readouterr().out
