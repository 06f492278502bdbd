"""``docs/compose-rewards.md`` is followed to the letter, with small numbers; its tables are so."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from rewardgen.design.wrapping import named_wrapper
from rewardgen.rewards.wrappers.catalogue import WRAPPERS, Pbrs
from tests.guides import Block, follow
from tests.rewardgen.rewards.wrappers.test_wrapped_sources import EVERY

GUIDE = Path(__file__).parents[4] / "docs" / "compose-rewards.md"
SMALL = {
    r"--seeds 3": "--seeds 1 --eval-episodes 1",
    r"env_steps=20_000": "env_steps=1",
    r"--env-steps \d+": "--env-steps 1",
    r"--samples \d+": "--samples 2 --rungs 1 --train-seeds 1 --eval-episodes 1 --no-render "
    "--confirm-seeds 2 --confirm-episodes 1",
}


def small(block: Block) -> str:
    text = block.text
    for pattern, replacement in SMALL.items():
        text = re.sub(pattern, replacement, text)
    return text


@pytest.mark.slow
def test_following_the_guide_ends_in_a_wrapped_search(tmp_path: Path) -> None:
    follow(GUIDE, tmp_path, small)
    for run, wrapper in (("shaped", "pbrs"), ("bounded", "par")):
        report = (tmp_path / "runs" / run / "report.html").read_text()
        assert f"wrapped in <code>{{&#34;name&#34;: &#34;{wrapper}&#34;" in report


def test_the_line_of_a_reply_is_one() -> None:
    (line,) = re.findall(r"^`(Wrapper: .*)`$", GUIDE.read_text(), re.M)
    assert named_wrapper(line) == Pbrs(potential="height").model_dump()


def test_the_tables_are_those_of_the_catalogue() -> None:
    text = GUIDE.read_text()
    for table in (wrapper_table(), parameter_table()):
        assert table in text, f"\n{table}"


def wrapper_table() -> str:
    """The guide's table of wrappers."""
    rows = ["| name | pays | from | for | remembers |", "|---|---|---|---|---|"]
    for name, kind in WRAPPERS.items():
        kept = {wrapper.memory for wrapper in EVERY if wrapper.name == name}
        remembers = "".join(kept) + (" (`per: episode`)" if len(kept) > 1 else "")
        formula = kind.formula.replace("|", "\\|")
        rows.append(f"| `{name}` | {formula} | {kind.origin} | {kind.use} | {remembers} |")
    return "\n".join(rows)


def parameter_table() -> str:
    """The guide's table of parameters."""
    rows = ["| parameter | meaning | default |", "|---|---|---|"]
    for name, kind in WRAPPERS.items():
        for parameter, field in kind.model_fields.items():
            if parameter == "name":
                continue
            meaning = " ".join((field.description or "").split())
            default = field.get_default()
            told = "" if field.is_required() else f"`{json.dumps(default)}`"
            assert meaning and not isinstance(default, BaseModel)
            rows.append(f"| `{name}`: `{parameter}` | {meaning} | {told} |")
    return "\n".join(rows)
