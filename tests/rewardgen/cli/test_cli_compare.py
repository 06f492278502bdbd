"""``rewardgen compare``: its stages before training, and what it refuses."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from rewardgen.cli.main import main
from tests.guides import ROOT

SIGNATURE = "def compute_reward(state, action, next_state):\n"
HEAD = SIGNATURE + "    up = torch.cos(next_state.pole_angle)\n"
GOOD = (
    HEAD
    + "    alive = 1.0 - next_state.terminated\n    return up + alive, dict(up=up, alive=alive)\n"
)
SCALED = HEAD + (
    "    alive = 1.0 - next_state.terminated\n"
    "    return 3.0 * (up + alive), dict(up=3.0 * up, alive=3.0 * alive)\n"
)
NEGATED = HEAD + "    down = -up - 1.0 + next_state.terminated\n    return down, dict(down=down)\n"
SIGNATURE = "def compute_reward(state, action, next_state):\n"
ELSEWHERE = SIGNATURE + "    h = next_state.torso_height\n    return h, dict(h=h)\n"
# finite on made-up transitions, not in a simulation at this moment
LATE = HEAD + (
    "    now = (next_state.episode_time_s - 0.4).abs() < 0.001\n"
    "    x = torch.where(now, torch.inf, up)\n    return x, dict(x=x)\n"
)
FLAT = SIGNATURE + "    x = 0.0 * next_state.pole_angle\n    return x, dict(x=x)\n"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    texts = {
        "good": GOOD,
        "scaled": SCALED,
        "negated": NEGATED,
        "elsewhere": ELSEWHERE,
        "late": LATE,
        "flat": FLAT,
    }
    for name, text in texts.items():
        Path(f"{name}.py").write_text(text)


def compare(*arguments: str, task: str = "cartpole/balance") -> int:
    return main(["compare", *arguments, f"--task={task}", "--transitions=3000", "--threads=1"])


def printed(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    record = json.loads(capsys.readouterr().out.splitlines()[-1])
    schema = json.loads((ROOT / "docs" / "schemas" / "compare.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(record)
    return record


def test_the_data_stage_decides_and_writes_its_report(
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = ["good.py", "scaled.py", "negated.py", "elsewhere.py", "late.py", "flat.py", "sparse"]
    assert compare(*given, "--out=there", "--json") == 1
    record = printed(capsys)
    decided = {reward["name"]: reward["decision"] for reward in record["rewards"]}
    assert decided == {
        "good.py": "race",
        "scaled.py": "duplicate",
        "negated.py": "sign_error",
        "elsewhere.py": "refused",
        "late.py": "failed",
        "flat.py": "constant",
        "sparse": "race",
        "human": "race",
    }
    rewards = {reward["name"]: reward for reward in record["rewards"]}
    assert rewards["scaled.py"]["duplicate_of"] == "good.py"
    assert not rewards["human"]["compared"]
    assert rewards["good.py"]["floor"] is not None
    assert "inf" in rewards["late.py"]["reason"]
    notes = " ".join(record["notes"])
    assert "elsewhere.py read features that this task does not have" in notes
    assert "terms of different names; that is allowed" in notes
    page = Path("there/comparison.html").read_text()
    assert record["data"]["sha256"] in page
    assert json.loads(Path("there/comparison.json").read_text()) == record
    with Path("there/figures/distances.csv").open() as file:
        rows = list(csv.reader(file))
    assert {"good.py", "negated.py", "human"} < set(rows[0])
    assert Path("there/figures/shares.svg").read_text().startswith("<?xml")
    assert not Path("runs").exists()

    # the same transitions again, from their file: the same numbers
    stored = "--data=there/transitions.safetensors"
    assert compare("good.py", "scaled.py", stored, "--json") == 0
    again = printed(capsys)
    assert again["data"] == record["data"]
    twin = {reward["name"]: reward for reward in again["rewards"]}["good.py"]
    assert twin["distance"] == pytest.approx(rewards["good.py"]["distance"])


def test_the_text_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert compare("good.py", "scaled.py", "negated.py") == 0
    said = capsys.readouterr().out
    assert "d(human)" in said and "floor" in said and "sha256" in said
    assert "scaled.py: duplicate: it ranks policies as good.py does" in said
    assert "negated.py: sign error?" in said


def test_the_static_stage_simulates_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert compare("good.py", "flat.py", "elsewhere.py", "--stage=static", "--json") == 1
    record = printed(capsys)
    assert record["data"] is None
    rewards = {reward["name"]: reward for reward in record["rewards"]}
    assert rewards["good.py"]["decision"] == "accepted"
    assert rewards["good.py"]["scale"] > 0.1
    assert rewards["flat.py"]["remarks"] == ["it pays the same on all made-up transitions"]
    assert rewards["elsewhere.py"]["findings"][0]["rule"] == "unknown-feature"


def test_files_of_the_same_name_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    for folder, text in (("a", GOOD), ("b", SCALED)):
        Path(folder).mkdir()
        Path(folder, "reward.py").write_text(text)
    assert compare("a/reward.py", "b/reward.py", "--reference=none", "--json") == 0
    rewards = printed(capsys)["rewards"]
    assert [reward["name"] for reward in rewards] == ["a/reward.py", "b/reward.py"]
    assert rewards[1]["duplicate_of"] == "a/reward.py"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name what to compare"),
        (["good.py", "good.py"], "good.py is given twice"),
        (["good.py", "./good.py"], "./good.py is given twice, first as good.py"),
        (["missing.py", "good.py"], "cannot read reward file missing.py"),
        (["humn", "good.py"], "unknown reward 'humn'; did you mean 'human'?"),
        (["nowhere:c1-1", "good.py"], "unknown reward 'nowhere:c1-1'"),
        (["good.py", "--reference=none"], "good.py alone has nothing to be compared with"),
        (["human"], "it is the reference itself"),
        (["good.py", "--stage=rac"], "--stage: unknown value 'rac'; did you mean 'race'?"),
        (["good.py", "--confirm-seeds=3"], "--confirm-seeds"),
        (["good.py", "--data=nowhere"], "no run 'nowhere'"),
        (["good.py", "--data=gone.safetensors"], "gone.safetensors"),
        (["good.py", "--data=good.py", "--data=x.safetensors"], "used alone"),
    ],
)
def test_bad_usage(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(*arguments) in (1, 2)
    told = capsys.readouterr()
    assert said in told.err
    assert not told.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["good.py", "--reference=flat.py"], "the reference flat.py is almost pure shaping or a"),
        (["good.py", "--reference=elsewhere.py"], "the reference elsewhere.py does not pass"),
        (["elsewhere.py"], "nothing is compared: no reward passes"),
        (["scaled.py", "good.py", "--reference=late.py"], "nothing is compared: late.py:"),
        (["flat.py", "--stage=race", "--reference=good.py", "--name=r"], "nothing to race, 1 of 2"),
    ],
)
def test_what_only_the_transitions_show(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(*arguments) in (1, 2)
    told = capsys.readouterr()
    assert said in told.err
    assert not told.out
    assert not Path("runs").exists()


def test_stored_transitions_of_another_task(capsys: pytest.CaptureFixture[str]) -> None:
    assert compare("good.py", "sparse", "--out=there") == 0
    capsys.readouterr()
    stored = "--data=there/transitions.safetensors"
    assert compare("human", "sparse", stored, task="cartpole/swing-up") == 2
    assert "is of task 'cartpole/balance', not of 'cartpole/swing-up'" in capsys.readouterr().err
