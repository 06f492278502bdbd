"""The report of a comparison: names of others are escaped, figures come with their numbers."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from rewardgen.report.compare_plots import clustered, drawings
from rewardgen.report.comparison_page import comparison_html, write_comparison
from rewardgen.report.comparison_text import comparison_text
from rewardgen.store.compare_records import (
    ComparedReward,
    CompareRecord,
    MatrixRecord,
    RaceRungRecord,
    TermRecord,
)
from rewardgen.store.records import FitnessRecord

NAMES = ("<b>one</b>.py", "two $x$.py", "three.py", "flat.py")
VALUES = (
    (0.0, 0.9, 0.1, None),
    (0.9, 0.0, 0.8, None),
    (0.1, 0.8, 0.0, None),
    (None, None, None, None),
)


def record() -> CompareRecord:
    terms = tuple(
        TermRecord(term=f"t{i}", share=share, mean=0.0, spread=1.0, status="ok")
        for i, share in enumerate((1.2, -0.4, 0.2))
    )
    rewards = tuple(
        ComparedReward(
            name=name, kind="file", source_sha256=None, terms=terms, decision="race", reason=name
        )
        for name in NAMES
    )
    empty = tuple((None,) * 4 for _ in NAMES)
    return CompareRecord(
        run=None,
        task="robot/task",
        task_version=1,
        stage="race",
        fitness=FitnessRecord(name="speed", unit="m/s", direction="higher", success=None),
        reference=None,
        incumbent=None,
        rewards=rewards,
        distances=(
            MatrixRecord(
                method="lstd_val",
                names=NAMES,
                values=VALUES,
                intervals=empty,
                floor=(0.01, 0.02, 0.03, None),
                by_source={},
            ),
        ),
        race=(
            RaceRungRecord(rung=1, fitness={NAMES[0]: 1.0, NAMES[1]: 2.0}),
            RaceRungRecord(rung=2, fitness={NAMES[1]: 3.0}),
        ),
    )


def rows(table: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(table)))


def test_near_rewards_adjoin() -> None:
    order = clustered(record().distances[0])
    assert sorted(order) == [0, 1, 2, 3]
    assert abs(order.index(0) - order.index(2)) == 1


def test_every_figure_has_its_numbers() -> None:
    drawn = drawings(record())
    assert set(drawn) == {"distances", "shares", "waterfall"}
    heading, *body = rows(drawn["distances"].table)
    for name, *values in body:
        for other, value in zip(heading[1:], values, strict=True):
            known = VALUES[NAMES.index(name)][NAMES.index(other)]
            assert value == ("" if known is None else str(known))
    assert rows(drawn["waterfall"].table) == [
        ["rung", NAMES[0], NAMES[1]],
        ["1", "1.0", "2.0"],
        ["2", "", "3.0"],
    ]
    heading, first, *_ = rows(drawn["shares"].table)
    assert heading == ["reward", "t0", "t1", "t2"]
    assert [float(x) for x in first[1:]] == [1.2, -0.4, 0.2]
    assert drawings(record())["shares"].svg == drawn["shares"].svg


def test_names_of_others_are_no_markup(tmp_path: Path) -> None:
    page = comparison_html(record())
    assert "<b>one</b>" not in page
    assert "&lt;b&gt;one" in page
    assert "<script" not in page
    written = write_comparison(record(), tmp_path)
    assert written.read_text() == page
    assert CompareRecord.model_validate_json((tmp_path / "comparison.json").read_text()) == record()


def test_the_text_names_every_reward_and_reason() -> None:
    said = comparison_text(record())
    for name in NAMES:
        assert f"{name}: race: {name}" in said
