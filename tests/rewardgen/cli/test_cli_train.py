"""``rewardgen train``: what it refuses before anything is created, and what it says of failures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rewardgen.cli.main import main
from rewardgen.isolation.host import HostOptions, HostPool
from rewardgen.isolation.processes import HostUnavailable
from rewardgen.run import preflight
from rewardgen_envs.registry import load_task

HEAD = "def compute_reward(state, action, next_state):\n    x = next_state.pole_angle\n"
GOOD = HEAD + "    return x, {'x': x}\n"
# infinite in a simulation only: none of the probe's made-up transitions is at this moment
INFINITE_AFTER_2_S = """def compute_reward(state, action, next_state):
    now = (next_state.episode_time_s - 2.0).abs() < 0.001
    x = torch.where(now, torch.inf, next_state.pole_angle)
    return x, {"x": x, "steep": next_state.cart_velocity.exp()}
"""
BROKEN_TASK = """from rewardgen_envs.registry import task_class


class Broken(task_class("cartpole/balance")):
    name = "mine/broken"

    def measure(self, physics, variables):
        values = super().measure(physics, variables)
        return values | {"cart_velocity": values["cart_velocity"].unsqueeze(-1)}


class Crashing(task_class("cartpole/balance")):
    name = "mine/crashing"

    def fitness(self, features):
        return {"balanced_share": features.no_such_feature}
"""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def train(*arguments: str, task: str = "cartpole/balance") -> int:
    """Train as briefly as possible and return the exit status."""
    flags = ["--seeds=2", "--env-steps=2000", "--eval-episodes=2", "--name=it"]
    return main(["train", f"--task={task}", *flags, *arguments])


@pytest.mark.parametrize("more", [[], ["--dry-run"]])
@pytest.mark.parametrize(
    ("text", "place", "finding"),
    [
        (HEAD + "    return next_state.pole_angel, {'x': x}\n", ":3: error", "pole_angle"),
        (HEAD + "    return x.unsqueeze(-1), {'x': x}\n", ": error", "[shape]"),
        (HEAD + "    return x, {'x': 1.0}\n", ": error", "[not-a-tensor]"),
        (
            HEAD + "    while True:\n        pass\n    return x, {}\n",
            ":3: error",
            "a loop that nothing ends",
        ),
        (HEAD + "    return x +, {}\n", ":3: error", "[syntax]"),
        ("def other(x):\n    return x\n", ": error", "[no-function]"),
        ("I would reward the pole.\n", ": error", "[no-code]"),
    ],
)
def test_a_reward_that_fails_its_check_is_not_trained(
    text: str, place: str, finding: str, more: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("bad.py").write_text(text)
    Path("good.py").write_text(GOOD)
    rewards = ["--reward=good.py", "--reward=bad.py", "--reward=human"]
    assert train(*rewards, *more) == 1
    shown = capsys.readouterr()
    assert f"bad.py{place}" in shown.err
    assert finding in shown.err
    assert "good.py" not in shown.err
    assert not shown.out
    assert not Path("runs").exists()


def test_a_machine_without_reward_hosts_is_no_fault_of_the_reward(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unavailable(options: HostOptions) -> HostPool:
        raise HostUnavailable("no process can be started")

    monkeypatch.setattr(preflight, "HostPool", unavailable)
    Path("good.py").write_text(GOOD)
    assert train("--reward=good.py") == 1
    assert "no process can be started" in capsys.readouterr().err
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("rewards", "said"),
    [
        (["humn"], "unknown reward 'humn'; did you mean 'human'? Valid: human, sparse, or a"),
        (["human,sparse"], "unknown reward 'human,sparse'"),
        (["human", "human"], "given twice"),
        (["missing.py"], "cannot read reward file missing.py"),
        (["in/missing"], "cannot read reward file in/missing"),
    ],
)
def test_an_unknown_reward(
    rewards: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(*(f"--reward={name}" for name in rewards)) == 2
    assert said in capsys.readouterr().err
    assert not Path("runs").exists()


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize("verb", ["train", "run"])
@pytest.mark.parametrize(
    ("name", "said"),
    [("Broken", "feature 'cart_velocity' has shape"), ("Crashing", "fails within one control")],
)
def test_a_task_that_does_not_simulate_is_refused(
    verb: str, name: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("mine.py").write_text(BROKEN_TASK)
    assert main([verb, f"--task=mine.py:{name}", "--env-steps=2000"]) == 2
    assert said in capsys.readouterr().err
    assert not Path("runs").exists()


def test_a_dry_run_estimates_and_starts_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    Path("good.py").write_text(GOOD)
    rewards = ["--reward=good.py", "--reward=human"]
    assert train(*rewards, "--dry-run") == 0
    assert "environment steps, about" in capsys.readouterr().out
    assert train(*rewards, "--dry-run", "--json") == 0
    estimate = json.loads(capsys.readouterr().out)
    trained = 2 * 2 * 2000
    evaluated = 2 * 2 * 2 * load_task("cartpole/balance").episode_steps
    assert trained + evaluated <= estimate["env_steps"] < 2 * trained + evaluated
    assert not Path("runs").exists()


@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_a_training_beyond_max_env_steps_is_not_started(
    more: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("--max-env-steps=3999", *more) == 2
    said = capsys.readouterr().err
    assert "max_env_steps is 3,999, but 2 members" in said
    assert not Path("runs").exists()
    enough = said.partition("at least ")[2].split()[0]
    assert train(f"--max-env-steps={enough}", "--dry-run") == 0


def test_max_hours_leaves_a_training_that_can_be_resumed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert train("--rungs=2", "--max-hours=1e-9") == 130
    said = capsys.readouterr().err
    assert "max_hours is over" in said
    assert "rewardgen resume it" in said


def test_why_a_member_failed_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    Path("late.py").write_text(INFINITE_AFTER_2_S)
    assert train("--reward=late.py", "--reward=sparse") == 1
    table, progress = capsys.readouterr()
    assert "late.py: warning [not-finite] term 'steep'" in progress, "a warning stops nothing"
    assert main(["show", "it"]) == 0
    shown = capsys.readouterr().out
    for text in (table, shown):
        assert "0 of 2" in text
        assert "late.py: 2 of 2 runs failed: " in text
    assert "state      done" in shown
    assert "designer" not in shown
    assert list(Path("runs/it/tensorboard/train-sparse").glob("seed-*/events*"))
    assert main(["show", "it", "human"]) == 2
    assert "training run: it has arms (late.py, sparse)" in capsys.readouterr().err
