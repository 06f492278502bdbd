"""Bad input: the error names the culprit and the valid choices, and nothing is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from rewardgen.cli.main import main

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
        (["run", "--task", "ant/walk"], ["'ant/walk'", "ant/run", "cartpole/balance"]),
        (["tasks", "show", "hoper/run"], ["did you mean 'hopper/run'"]),
        (["resume", "nothing"], ["'nothing'"]),
        (["show", "nothing"], ["'nothing'"]),
        (["check", "nowhere.py"], ["nowhere.py"]),
        (["train", "--task", "ant/run", "--reward", "missing.py"], ["missing.py"]),
        (["run", "--task", "cartpole/balance", "--name", "../up"], ["'../up'", "--runs-dir"]),
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
    "arguments",
    [
        ["run", "--seed", "-1"],
        ["run", "--iterations", "0"],
        ["run", "--designer", "gpt"],
        ["run", "--iteration", "3"],
        ["train", "--task", "ant/run", "--seeds", "0"],
    ],
)
def test_bad_flags_end_in_status_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert arguments[-2].lstrip("-") in capsys.readouterr().err


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
        (GOOD + "    while True:\n        pass\n    return x, {}\n", "while", 1),
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
