"""``rewardgen generate``: sentences to checked files, with and without a language model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rewardgen.cli.main import main
from tests.rewardgen.llm.server import Answer, Received, ScriptedEndpoint, completion, refusal
from tests.rewardgen.llm.small_model import serve_small_model

KEY = "sk-test-0123456789abcdef"
CODE = """\
def compute_reward(state, action, next_state):
    spin = bounded(next_state.pole_angular_velocity, 5.0)
    return spin, {"spin": spin}
"""
MODEL = ["--designer=llm", "--model=m"]
REPLY = f"Pay for turning.\n\n```python\n{CODE}```\n"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def generate(folder: Path, *more: str) -> int:
    given = ["generate", "--task=cartpole/swing-up", "--text=spin on the spot", "--json"]
    return main([*given, f"--out={folder / 'out'}", f"--runs-dir={folder / 'runs'}", *more])


def with_model(url: str) -> list[str]:
    return [f"--base-url={url}", "--designer=llm", "--model=m", "--usd-per-mtok", "1", "2"]


def printed(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    return json.loads(capsys.readouterr().out.splitlines()[-1])


@pytest.mark.slow
def test_without_a_key_programs_are_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    assert generate(tmp_path, "-n", "3") == 0
    record = printed(capsys)
    files = sorted((tmp_path / "out").glob("*.py"))
    assert [str(f) for f in files] == [r["file"] for r in record["rewards"]]
    assert len({f.read_text() for f in files}) == 3
    for file in files:
        assert main(["check", str(file), "--task=cartpole/swing-up"]) == 0
    assert not (tmp_path / "runs").exists()
    assert main(["check", str(files[0]), "--task=cartpole/swing-up"]) == 0


def test_a_model_is_asked_once_for_each_and_repairs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def script(received: Received) -> Answer:
        told = received.body["messages"]
        assert "spin on the spot" in told[1]["content"]
        if len(told) == 4:
            return completion(REPLY if "two" in told[2]["content"] else "Still only prose.")
        return completion("Only prose." if received.number == 0 else f"two\n{REPLY}{REPLY}")

    with ScriptedEndpoint(script) as endpoint:
        assert generate(tmp_path, *with_model(endpoint.url), "-n", "2") == 0
        record = printed(capsys)
        assert len(endpoint.received) == 4
    verdicts = sorted((r["verdict"], r["repaired"]) for r in record["rewards"])
    assert verdicts == [("accepted", True), ("refused", True)]
    (good,) = (tmp_path / "out").glob("*.py")
    assert good.read_text() == CODE
    (bad,) = (tmp_path / "out" / "rejected").glob("*.py")
    assert bad.read_text() == "Still only prose."
    assert record["cost_usd"] == pytest.approx(4 * 200 / 1e6)


def test_a_cost_that_nobody_told_is_the_most_that_it_can_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ScriptedEndpoint([completion(REPLY, usage={})]) as endpoint:
        given = [f"--out={tmp_path / 'out'}", f"--runs-dir={tmp_path / 'runs'}", "-n", "1"]
        given += ["--task=cartpole/swing-up", *with_model(endpoint.url)]
        assert main(["generate", *given, "--max-completion-tokens=1000"]) == 0
    assert "1 of 1 accepted, at most 0.00" in capsys.readouterr().out


def test_a_reward_is_changed_in_words(tmp_path: Path) -> None:
    start = tmp_path / "start.py"
    start.write_text(CODE)
    with ScriptedEndpoint([completion(REPLY)]) as endpoint:
        words = [f"--start={start}", "--feedback=turn the other way", "-n", "1"]
        assert generate(tmp_path, *with_model(endpoint.url), *words) == 0
        said = endpoint.received[0].body["messages"][1]["content"]
    assert CODE.strip() in said
    assert "- turn the other way" in said
    assert "How to read this" not in said  # nothing was trained, so there is nothing to read


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--feedback=faster"], "--start FILE"),
        (["--text="], "text: it says nothing"),
        (["--text= \n"], "text: it says nothing"),
        (["--start=human", *MODEL, "--feedback= "], "feedback: it says nothing"),
        (["--start=human", "--feedback=faster"], "evolve reads no words"),
        (["--designer=replay"], "rewardgen run"),
        (["--designer=llm"], "--model"),
        (["--designer=llm", "--model=nobody-knows"], "--usd-per-mtok IN OUT"),
        (["--model=gpt-5-mini"], "--designer llm"),
        ([*MODEL, "--base-url=localhost:8000"], "base_url: must begin with http"),
        ([*MODEL, "--usd-per-mtok", "-1", "2"], "usd_per_mtok: "),
        ([*MODEL, "--usd-per-mtok", "nan", "2"], "usd_per_mtok: "),
        ([*MODEL, "--usd-per-mtok", "1", "2", "--max-cost-usd=inf"], "max_cost_usd: "),
        ([*MODEL, "--unpriced", "--max-cost-usd=1"], ": unpriced and max_cost_usd exclude"),
        (["-n", "0"], "n: "),
        (["--task=cartpole/swingup"], "cartpole/swing-up"),
    ],
)
def test_what_cannot_work_asks_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], says: str
) -> None:
    assert generate(tmp_path, *more) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made_is_refused_before_anything_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").write_text("a file")
    assert generate(tmp_path, f"--out={tmp_path / 'out' / 'rewards'}") == 2
    assert f"{tmp_path / 'out'} is a file" in capsys.readouterr().err
    if Path("/proc").is_dir():  # where not even root can write
        assert generate(tmp_path, "--out=/proc/rewards") == 2
        assert "/proc cannot be written to (" in capsys.readouterr().err


def test_nothing_is_paid_for_that_cannot_be_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / ".replies").write_text("a file")
    with ScriptedEndpoint([completion(REPLY)]) as endpoint:
        assert generate(tmp_path, *with_model(endpoint.url)) == 1
        assert not endpoint.received
    assert f"cannot write {tmp_path / 'runs' / '.replies'}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "flag",
    [
        "--base-url=http://me:sk-PASSWORD@host/v1",
        "--base-url=http://host/v1?api_key=sk-PASSWORD",
        "--api-key-env=sk-PASSWORD",
    ],
)
def test_a_key_in_the_wrong_place_is_not_repeated(
    flag: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert generate(tmp_path, *MODEL, flag) == 2
    errors = capsys.readouterr().err
    assert flag.partition("=")[0].removeprefix("--").replace("-", "_") in errors
    assert "PASSWORD" not in errors


def test_earlier_files_are_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "reward_1.py").write_text("mine")
    assert generate(tmp_path) == 2
    assert "holds rewards already" in capsys.readouterr().err
    assert (tmp_path / "out" / "reward_1.py").read_text() == "mine"


def test_an_endpoint_that_refuses_is_no_verdict_on_rewards(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ScriptedEndpoint([refusal(401, f"bad key {KEY}")]) as endpoint:
        assert generate(tmp_path, *with_model(endpoint.url)) == 1
    said = capsys.readouterr()
    assert "OPENAI_API_KEY" in said.err
    assert said.err.endswith("is kept; once that is mended, repeat the command to go on\n")
    assert KEY not in said.err + said.out
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_real_model_of_small_wit_ends_in_findings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """135 million weights cannot write a reward; what they do write must be dealt with."""
    with serve_small_model(context_tokens=8192) as model:
        given = [f"--base-url={model.base_url}", f"--model={model.model}", "--designer=llm"]
        limits = ["--usd-per-mtok", "0", "0", "--max-completion-tokens=200", "-n", "2"]
        status = generate(tmp_path, *given, *limits)
    record = printed(capsys)
    assert len(record["rewards"]) == 2
    for reward in record["rewards"]:
        assert Path(reward["file"]).is_file()
        assert (reward["verdict"] == "accepted") == (not reward["findings"])
        assert reward["repaired"] or reward["verdict"] == "accepted"
    assert status == (0 if any(r["verdict"] == "accepted" for r in record["rewards"]) else 1)
