"""``rewardgen check --critic``, with a language model and without."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from rewardgen.cli.main import main
from tests.rewardgen.llm.asking import KEY
from tests.rewardgen.llm.server import Answer, ScriptedEndpoint, completion

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="locks exist on Linux only")
GOOD = '    up = next_state.pole_angle_cosine\n    return up, {"up": up}'
NEGATED = '    up = next_state.pole_angle_cosine\n    return -up, {"up": up}'
PAYS_EFFORT = (
    "    up = next_state.pole_angle_cosine\n    effort = 0.1 * (action**2).sum(dim=1)\n"
    '    return up + effort, {"up": up, "effort": effort}'
)
AGAINST = json.dumps({"ok": False, "issues": [{"line": 99, "problem": "hangs", "remedy": "-"}]})


def checked(
    capsys: pytest.CaptureFixture[str], folder: Path, body: str, *flags: str
) -> tuple[int, dict[str, Any]]:
    """Check a reward with the critic; return the exit status and the record."""
    file = folder / "reward.py"
    file.write_text(f"def compute_reward(state, action, next_state):\n{body}\n")
    given = ["check", str(file), "--task=cartpole/swing-up", "--critic", "--json"]
    status = main([*given, f"--runs-dir={folder}", *flags])
    return status, json.loads(capsys.readouterr().out.splitlines()[-1])


def rules(record: dict[str, Any]) -> dict[str, str]:
    """Return rule → severity of what is above info."""
    return {f["rule"]: f["severity"] for f in record["findings"] if f["severity"] != "info"}


def test_without_a_model(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, record = checked(capsys, tmp_path, GOOD)
    assert (status, record["verdict"], rules(record)) == (0, "accepted", {})
    assert record["cost_usd"] == 0.0
    status, record = checked(capsys, tmp_path, PAYS_EFFORT)
    assert (status, record["verdict"]) == (0, "accepted")
    assert rules(record) == {"effort-paid": "warning"}
    (found,) = [f for f in record["findings"] if f["rule"] == "effort-paid"]
    assert (found["stage"], found["line"]) == ("critic", 3)
    status, record = checked(capsys, tmp_path, NEGATED)
    assert (status, record["verdict"]) == (1, "refused")
    assert rules(record)["against-fitness"] == "error"


@pytest.mark.parametrize(
    ("answer", "verdict", "rule"),
    [
        (completion(AGAINST), "refused", "model-review"),
        (completion("It is fine."), "accepted", "no-review"),
    ],
)
def test_with_a_model(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    answer: Answer,
    verdict: str,
    rule: str,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with ScriptedEndpoint([answer]) as endpoint:
        flags = ["--model=scripted", f"--base-url={endpoint.url}", "--usd-per-mtok", "1", "2"]
        status, record = checked(capsys, tmp_path, GOOD, *flags)
        assert (status, record["verdict"]) == (int(verdict == "refused"), verdict)
        assert [f["rule"] for f in record["findings"] if f["rule"].endswith("-review")] == [rule]
        assert record["cost_usd"] == pytest.approx((100 * 1.0 + 50 * 2.0) / 1e6)
        if verdict == "refused":  # the reply was kept: nothing is paid twice
            again = checked(capsys, tmp_path, GOOD, *flags)
            assert again[1]["findings"] == record["findings"]
            assert (again[1]["cost_usd"], len(endpoint.received)) == (0.0, 1)


def test_what_the_critic_needs(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "reward.py"
    file.write_text(f"def compute_reward(state, action, next_state):\n{GOOD}\n")
    assert main(["check", str(file), "--stage=critic"]) == 2
    assert "--task NAME" in capsys.readouterr().err
    assert main(["check", str(file), "--task=cartpole/swing-up", "--model=x"]) == 2
    assert "add --critic" in capsys.readouterr().err
