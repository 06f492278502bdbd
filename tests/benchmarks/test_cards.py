"""docs/tasks.md and the cards say what tasks, baselines and measured speeds say."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.cards import CARDS, DOCS, overview, speeds
from rewardgen.report.card import card, verdict
from rewardgen.store.baselines import Baseline, BaselineArm, baseline_file, load_baseline
from rewardgen.tasks import describe_task, write_card
from rewardgen_envs.registry import task_names
from tests.every_task import every_task
from tests.rewardgen.store.test_stored_baselines import arm, baseline

FOLDER = DOCS / CARDS


def test_the_page_of_all_tasks_is_the_generated_one() -> None:
    assert (DOCS / "tasks.md").read_text(encoding="utf-8") == overview(), (
        "run: python -m benchmarks.cards"
    )


def test_every_task_has_a_card_and_a_picture_and_no_other_has() -> None:
    expected = {
        baseline_file(name, FOLDER).with_suffix(suffix).name
        for name in task_names()
        for suffix in (".md", ".jpg")
    }
    assert {file.name for file in FOLDER.iterdir()} == expected
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 3 * 2**20


@pytest.mark.parametrize("name", every_task())
def test_a_card_is_the_generated_one(name: str, tmp_path: Path) -> None:
    known = speeds()
    measured = [known[name]] if name in known else []
    shipped = baseline_file(name, FOLDER).with_suffix(".md")
    (tmp_path / shipped.with_suffix(".jpg").name).touch()
    written = write_card(name, tmp_path, measured, picture=False)
    assert written.read_text(encoding="utf-8") == shipped.read_text(encoding="utf-8"), (
        "run: python -m benchmarks.cards"
    )


def test_a_card_without_baseline_and_picture_says_how_to_measure() -> None:
    text = card(describe_task("cartpole/balance"), None, [], None)
    assert "Not measured yet: `rewardgen tasks baseline cartpole/balance`." in text
    assert "![" not in text
    assert "| pole\\_angle | 1 | rad |" in text


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("my tasks/jump.py:Jump", "yet: `rewardgen tasks baseline 'my tasks/jump.py:Jump'`."),
        ("tasks/jump.py:Jump@mass=0.2", "`rewardgen tasks baseline tasks/jump.py:Jump@mass=0.2`."),
        ("maps/car.yaml", "Not measured yet.\n"),
    ],
)
def test_a_card_of_ones_own_task_names_a_command_that_finds_it(written: str, told: str) -> None:
    record = describe_task("cartpole/balance").model_copy(update={"class_": written})
    assert told in card(record, None, [], None)


def judged(human: BaselineArm, sparse: BaselineArm, random: BaselineArm) -> Baseline:
    return baseline(human, sparse).model_copy(update={"random": random})


def spread(iqm: float, half: float) -> BaselineArm:
    """Ten policies, evenly spread."""
    points = tuple(iqm + half * offset / 4.5 for offset in (n - 4.5 for n in range(10)))
    return arm(iqm, half).model_copy(update={"points": points})


def test_overlapping_intervals_may_still_be_told_apart() -> None:
    """It is the difference's interval that tells: two of half a width each may overlap."""
    better, worse = spread(2.0, 1.0), spread(1.0, 1.0)
    assert "beats the sparse reward" in verdict(judged(better, worse, worse))
    assert better.interval[0] <= worse.interval[1]


def test_the_verdict_says_what_can_be_told_apart() -> None:
    strong, weak, wide = spread(3.0, 0.5), spread(1.0, 0.5), spread(2.0, 5.0)
    assert verdict(judged(strong, weak, weak)) == (
        "The human reward beats random actions; the human reward beats the sparse reward."
    )
    assert "loses to the sparse reward" in verdict(judged(weak, strong, weak))
    assert "cannot be told from random actions" in verdict(judged(strong, weak, wide))
    lower = judged(weak, strong, strong).model_copy(update={"higher_is_better": False})
    assert "beats the sparse reward" in verdict(lower)
    unsolved = judged(strong.model_copy(update={"success": 0.1}), weak, weak)
    assert verdict(unsolved).startswith("Nothing here solves the task yet; ")


@pytest.mark.parametrize("name", task_names())
def test_what_was_measured_is_shown(name: str) -> None:
    stored = load_baseline(baseline_file(name))
    if stored is None:
        pytest.skip("no baseline")
    text = baseline_file(name, FOLDER).with_suffix(".md").read_text(encoding="utf-8")
    assert f"--env-steps {stored.env_steps} --seeds {stored.train_seeds}" in text
