"""Wrappers behind flags: what is refused, and a training with one."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from rewardgen.cli.main import main
from rewardgen.cli.run import Run
from rewardgen.cli.train import Train
from rewardgen.rewards.wrappers.catalogue import Krc, Par, Pbrs, Wrapper

SCHEMAS = Path(__file__).parents[3] / "docs" / "schemas"
REWARD = """def compute_reward(state, action, next_state):
    up = tolerance(next_state.pole_angle, margin=1.0)
    return up, {"up": up, "place": next_state.cart_position}
"""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("good.py").write_text(REWARD)


def train(*arguments: str) -> int:
    flags = ["--seeds=1", "--env-steps=2000", "--eval-episodes=2", "--name=it"]
    return main(["train", "--task=cartpole/balance", *flags, *arguments])


@pytest.mark.parametrize("verb", [Run, Train])
def test_a_flag_takes_a_name_or_an_object(verb: type[Run] | type[Train]) -> None:
    def parsed(*given: str) -> Wrapper | None:
        return verb.parse(["--task=cartpole/balance", *given]).options.config.wrapper

    assert parsed() is None
    assert parsed("--wrapper", "None") is None
    assert parsed("--wrapper=krc") == Krc()
    assert parsed("--wrapper", "{name: pbrs, potential: up}") == Pbrs(potential="up")
    assert parsed("--wrapper", '{"name": "par", "slope": 2}') == Par(slope=2.0)


def test_a_flag_goes_over_the_preset(tmp_path: Path) -> None:
    preset = tmp_path / "mine.yaml"
    preset.write_text("wrapper: {name: pbrs, potential: up}\n")
    assert Run.parse([str(preset)]).options.config.wrapper == Pbrs(potential="up")
    assert Run.parse([str(preset), "--wrapper=krc"]).options.config.wrapper == Krc()
    assert Run.parse([str(preset), "--wrapper=None"]).options.config.wrapper is None


@pytest.mark.parametrize(
    ("given", "status", "says"),
    [
        ("krcc", 2, "--wrapper: unknown wrapper 'krcc'; did you mean 'krc'? Valid: dynamic_pbrs"),
        ("{name: pbrs}", 2, "wrapper pbrs needs potential; its parameters: potential"),
        ("{name: pbrs, potental: up}", 2, "no parameter 'potental'; did you mean 'potential'?"),
        ("{name: krc, term: [up]}", 2, "has no parameter 'term'; did you mean 'terms'?"),
        ("{name: uwo, weight: -1}", 2, "greater than or equal to 0, got -1"),
        ("{name: [", 2, "cannot read '{name: ['"),
        ("{name: krc, name: par}", 2, "key 'name' is given twice"),
        ("{name: pbrs, potential: high}", 1, "reads the term 'high', which is not returned"),
    ],
)
def test_what_cannot_be_wrapped_is_not_trained(
    given: str, status: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("--reward=good.py", "--wrapper", given) == status
    assert says in capsys.readouterr().err
    assert not Path("runs").exists()


def test_human_and_sparse_alone_are_not_wrapped(capsys: pytest.CaptureFixture[str]) -> None:
    assert train("--reward=human", "--wrapper=krc") == 2
    assert "goes around reward files, and there is none" in capsys.readouterr().err


def test_a_preset_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.yaml").write_text("task: cartpole/balance\nwrapper: {name: krcc}\n")
    assert main(["run", "mine.yaml"]) == 2
    assert "mine.yaml: wrapper: unknown wrapper 'krcc'" in capsys.readouterr().err


def test_check_takes_a_wrapper(capsys: pytest.CaptureFixture[str]) -> None:
    check = ["check", "good.py", "--task=cartpole/balance"]
    assert main([*check, "--wrapper={name: pbrs, potential: up}"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "accepted"
    assert main([*check, "--wrapper={name: pbrs, potential: high}"]) == 1
    assert "[wrapper-terms]" in capsys.readouterr().out


@pytest.mark.slow
def test_a_training_with_memory_and_why_no_file_holds_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    wrapper = "{name: dynamic_pbrs, potential: place, fade_env_steps: 4000}"
    assert train("--reward=good.py", "--reward=human", "--wrapper", wrapper, "--json") == 0
    record = json.loads(capsys.readouterr().out.splitlines()[-1])
    schema = json.loads((SCHEMAS / "train.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(record)
    around = {"name": "dynamic_pbrs", "potential": "place", "fade_env_steps": 4000}
    assert {arm["arm"]: arm["wrapper"] for arm in record["arms"]} == {
        "good.py": around,
        "human": None,
    }
    assert main(["show", "it"]) == 0
    assert "good.py is wrapped in {" in " ".join(capsys.readouterr().out.split())
    said = "wrapper dynamic_pbrs remembers the potential that a state had when it was met"
    assert main(["export", "reward", "it", "--arm=good.py", "--out=alone"]) == 2
    assert said in capsys.readouterr().err
    assert main(["export", "it", "--arm=good.py", "--out=both"]) == 0
    assert said in capsys.readouterr().err
    assert (Path("both") / "policy.onnx").is_file()
    assert not (Path("both") / "reward.py").exists()
    assert said in (Path("both") / "README.md").read_text()
