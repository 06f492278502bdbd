"""The terms of a reward along training: whose are told, and that all scales can be read."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from rewardgen.analysis.feedback import TermStatus
from rewardgen.report import plots, render, terms
from rewardgen.report.curves import Band, CurveReader
from rewardgen.report.numbers import percent, significant, usd
from rewardgen.report.render import Report
from rewardgen.report.terms import TermStory, other_stories, winner_story
from rewardgen.store.records import FitnessRecord, ShowRecord
from rewardgen.store.run_directory import RunSnapshot

METRIC = FitnessRecord(name="speed", unit="m/s", direction="higher", success=None)


@pytest.fixture(scope="module")
def winner(example_record: ShowRecord, example_run: RunSnapshot) -> TermStory:
    story = winner_story(example_record, CurveReader(example_run.artifacts))
    assert story is not None
    return story


def panels(svg: bytes) -> int:
    """How many axes a figure has."""
    ids = [element.get("id", "") for element in ElementTree.fromstring(svg).iter()]
    return sum(re.fullmatch(r"axes_\d+", name) is not None for name in ids)


def test_the_winner_is_told_by_all_its_confirmed_policies(winner: TermStory) -> None:
    assert (winner.who, winner.runs, winner.confirmed) == ("winner", 10, True)
    assert [term.name for term in winner.terms] == ["upright", "slow", "effort"]
    upright, slow, effort = winner.terms
    assert slow.series.maximum == pytest.approx(2000 * upright.series.maximum)
    assert (effort.series.minimum, effort.series.maximum) == (-0.001, -0.001)
    assert [term.status for term in winner.terms] == [
        TermStatus.OK,
        TermStatus.DOMINANT,
        TermStatus.DEAD,
    ]
    assert upright.share == pytest.approx(0.06)
    assert panels(winner.svg) == 4, "fitness and each term"


def test_without_a_confirmation_the_winner_is_told_by_the_search(
    example_record: ShowRecord, example_run: RunSnapshot
) -> None:
    reader = CurveReader(example_run.artifacts)
    story = winner_story(example_record.model_copy(update={"arms": ()}), reader)
    assert story is not None
    assert (story.who, story.runs, story.confirmed) == ("2.5", 2, False)
    others = other_stories(example_record, reader, story)
    assert "2.5" not in [other.who for other in others], "told once"


def test_every_candidate_that_passed_all_rungs_is_told(
    example_record: ShowRecord, example_run: RunSnapshot, winner: TermStory
) -> None:
    told = other_stories(example_record, CurveReader(example_run.artifacts), winner)
    passed = [c.id for c in example_record.candidates if c.state in ("evaluated", "confirmed")]
    assert [story.who for story in told] == passed
    assert len(passed) == 7
    # two rungs in one curve, from the first update to the last
    assert all(story.runs == 2 for story in told)


def test_of_many_candidates_the_best_are_told(
    example_record: ShowRecord, example_run: RunSnapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (terms, render):
        monkeypatch.setattr(module, "MOST_TOLD", 3)
    monkeypatch.setattr(render, "_MOST_LISTED", 5)
    report = render.render(example_record, example_run.artifacts)
    drawn = {name for name in report.figures if name not in ("arms", "learning", "search")}
    passed = [c for c in example_record.candidates if c.state in ("evaluated", "confirmed")]
    best = sorted(passed, key=lambda c: (c.id != "2.5", -(c.fitness or 0.0)))[:3]
    assert drawn == {"terms-winner", *(f"terms-{c.id}" for c in best)}
    assert "Terms of the best candidates that passed every rung (3 of 7)" in report.html
    for text in (report.html, report.markdown):
        assert "The best 5; 13 more: " in text


def test_an_arm_named_by_a_path_names_no_file(
    example_record: ShowRecord, example_run: RunSnapshot
) -> None:
    arms = tuple(
        arm.model_copy(update={"arm": f"../../{arm.arm}.py"}) for arm in example_record.arms
    )
    record = example_record.model_copy(update={"verb": "train", "winner": None, "arms": arms})
    reader = CurveReader(example_run.artifacts)
    assert winner_story(record, reader) is None
    told = other_stories(record, reader, None)
    assert [story.who for story in told] == [arm.arm for arm in arms]
    assert [story.figure for story in told] == ["terms-arm-1", "terms-arm-2", "terms-arm-3"]


def test_the_tables_say_what_is_wrong_with_a_term(example_report: Report) -> None:
    section = example_report.markdown.split("### Its terms along training")[1]
    rows = {line.split(" | ")[0].strip("| "): line for line in section.splitlines()[:12]}
    assert "| 94 % | dominant: decides almost alone" in rows["slow"]
    assert "| -0.001 to -0.001 | 0 % | dead: hardly varies" in rows["effort"]
    assert rows["upright"].rstrip().endswith("| 6 % |  |")
    assert '<span class="badge dead">dead</span> hardly varies' in example_report.html
    assert "over 10 policies trained on fresh seeds" in example_report.html
    folded = example_report.html.split("Terms of the candidates that passed every rung (7)")[1]
    assert "over 2 policies of the search" in folded


# ---- the figure


def band(label: str, values: list[float], runs: int = 3) -> Band:
    steps = np.linspace(0.0, 1000.0, len(values))
    mean = np.array(values)
    return Band(label, steps, mean, mean - 0.1, mean + 0.1, np.stack([mean] * runs))


def ticks(svg: bytes) -> set[str]:
    """The texts of a figure, which its comments repeat."""
    return set(re.findall(r"<!-- (.*?) -->", svg.decode()))


def test_small_terms_keep_a_scale_of_their_own_beside_large_ones() -> None:
    bands = [band("huge", [0.0, 4e4]), band("tiny", [0.0, 4e-5], runs=1)]
    texts = ticks(plots.terms(bands, None, METRIC, "c1-1"))
    assert {"huge", "tiny", "15,000", "1.5e-05"} <= texts
    assert "fitness: speed m/s" not in texts


@pytest.mark.parametrize("value", [0.0, 1.0, -300.0])
def test_a_constant_term_is_drawn_on_an_axis_whose_ticks_differ(value: float) -> None:
    nearly = [value, value * (1.0 + 1e-9)]
    svg = plots.terms([band("alive", nearly, runs=1)], None, METRIC, "winner")
    numbers = [text for text in ticks(svg) if re.fullmatch(r"-?[\d.,]+", text)]
    vertical = [n for n in numbers if n not in ("0", "1,000")]
    assert len(set(vertical)) >= 2


@pytest.mark.parametrize("name", ["$\\nonsense{$", "a & <b> -- c", "x" * 200])
def test_any_name_can_be_drawn(name: str) -> None:
    for svg in (
        plots.terms([band(name, [0.0, 1.0])], band("f", [0.0, 1.0]), METRIC, name),
        plots.learning_curves([band(name, [0.0, 1.0])], METRIC),
    ):
        assert ElementTree.fromstring(svg).tag.endswith("svg")


# ---- numbers


def test_small_numbers_keep_their_digits() -> None:
    assert [significant(v) for v in (0.0, 0.00123456, -12.345, 1234.5, 1e7)] == [
        "0",
        "0.00123",
        "-12.3",
        "1,234",
        "1e+07",
    ]
    assert [usd(v) for v in (None, 0.0, 1e-6, 0.0042, 0.25, 12.345)] == [
        "not known",
        "0.00 USD",
        "< 0.0001 USD",
        "0.0042 USD",
        "0.25 USD",
        "12.35 USD",
    ]
    assert [percent(v) for v in (-0.001, 0.946, 1.0)] == ["0 %", "95 %", "100 %"]
