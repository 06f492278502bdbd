"""``docs/gymnasium.md`` is followed to the letter, with small numbers; its maps are sound."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from rewardgen.tasks import check_task
from rewardgen_envs.adapters.mapped.formula import FUNCTIONS
from rewardgen_envs.adapters.mapped.map_file import FeatureEntry, MapFile, MetricEntry
from tests.guides import ROOT, Block, blocks, follow

GUIDE = ROOT / "docs" / "gymnasium.md"
EXAMPLES = ROOT / "docs" / "examples" / "gymnasium"
FAST = {"worlds": 4, "steps": 32, "epochs": 1, "minibatches": 2, "schedule": "fixed"}
SMALL = {
    r"--env-steps \d+": "--env-steps 128 --recipe fast.yaml --eval-episodes 1",
    r"--confirm-seeds \d+": "--confirm-seeds 2 --confirm-episodes 1 --rungs 1",
    r"--samples \d+": "--samples 2",
    r"^pip .*$": "",
}


def small(block: Block) -> str:
    text = block.text
    if block.kind == "bash":
        for pattern, replacement in SMALL.items():
            text = re.sub(pattern, replacement, text, flags=re.M)
    # a shorter episode: the whole survey of features has 64 of them
    return f"{text}steps: 40\n" if block.kind == "yaml" else text


@pytest.mark.slow
def test_following_the_guide_ends_in_a_confirmed_search(tmp_path: Path) -> None:
    (tmp_path / "fast.yaml").write_text(yaml.safe_dump(FAST))
    followed = follow(GUIDE, tmp_path, small)
    assert "earliness" in followed.output
    for run in ("car-training", "car-search"):
        assert (tmp_path / "runs" / run / "report.html").is_file()


def test_the_guides_map_is_the_example_without_its_reward() -> None:
    (block,) = [b for b in blocks(GUIDE) if b.kind == "yaml"]
    example = yaml.safe_load((EXAMPLES / "mountain_car.yaml").read_text())
    del example["human_reward"], example["step_s"], example["fitness"]["reached"]
    assert yaml.safe_load(block.text) == example


def test_every_entry_and_function_is_in_the_guide() -> None:
    text = GUIDE.read_text()
    rows = "\n".join(line for line in text.splitlines() if line.startswith("|"))
    for model in (MapFile, FeatureEntry, MetricEntry):
        names = [field.alias or name for name, field in model.model_fields.items()]
        assert [name for name in names if f"`{name}`" not in rows] == []
    assert ", ".join(FUNCTIONS) in " ".join(text.split())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("mountain_car", "gymnasium"),
        ("point_maze", "gymnasium_robotics"),
        ("empty_room", "minigrid"),
    ],
)
def test_the_examples_are_accepted(name: str, module: str) -> None:
    pytest.importorskip(module)
    record = check_task(str(EXAMPLES / f"{name}.yaml"))
    assert record.verdict == "accepted"
    assert {finding.rule for finding in record.findings} <= {
        "fitness-constant",  # random actions never arrive
        "term-constant",
        "starts-equal",
    }


@pytest.mark.slow
def test_a_grid_world_seen_as_a_picture(tmp_path: Path) -> None:
    pytest.importorskip("minigrid")
    text = (EXAMPLES / "empty_room.yaml").read_text()
    wrapped = 'observation: [image]\nwrappers: ["minigrid.wrappers:RGBImgPartialObsWrapper"]'
    (tmp_path / "map.yaml").write_text(text.replace("observation: [image, direction]", wrapped))
    features = "empty_room_features.py"
    (tmp_path / features).write_text((EXAMPLES / features).read_text())
    record = check_task(str(tmp_path / "map.yaml"))
    assert record.verdict == "accepted"
