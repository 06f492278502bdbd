"""What is put around a reward is told where the reward is, harmless whatever it holds."""

from __future__ import annotations

import html

from pydantic import JsonValue

from rewardgen.report.changes import lineage
from rewardgen.report.console import candidate_text, show_text
from rewardgen.report.render import render
from rewardgen.store.records import ShowRecord
from rewardgen.store.run_directory import RunSnapshot

PBRS: JsonValue = {"name": "pbrs", "potential": "upright"}
TOLD = '{"name": "pbrs", "potential": "upright"}'


def wrapped(record: ShowRecord, wrapper: JsonValue) -> ShowRecord:
    """Return the run with a wrapper around its winner, as a candidate and as an arm."""
    around = {"wrapper": wrapper}
    return record.model_copy(
        update={
            "candidates": tuple(
                c.model_copy(update=around) if c.id == record.winner else c
                for c in record.candidates
            ),
            "arms": tuple(
                a.model_copy(update=around) if a.arm == "winner" else a for a in record.arms
            ),
        }
    )


def test_the_terminal_tells_it(example_record: ShowRecord) -> None:
    record = wrapped(example_record, PBRS)
    assert f"winner is wrapped in {TOLD}" in show_text(record)
    assert "wrapped" not in show_text(example_record)
    texts = {c.id: candidate_text(c, "") for c in record.candidates}
    assert [name for name, text in texts.items() if f"wrapper {TOLD}" in text] == [record.winner]


def test_the_report_tells_it_of_arm_and_winner(
    example_record: ShowRecord, example_run: RunSnapshot
) -> None:
    report = render(wrapped(example_record, PBRS), example_run.artifacts)
    assert html.unescape(report.html).count(f"rapped in <code>{TOLD}</code>") == 2
    assert report.markdown.replace("\\", "").count(f"is wrapped in {TOLD}.") == 2


def test_what_a_designer_wrote_instead_of_a_wrapper_does_no_harm(
    example_record: ShowRecord, example_run: RunSnapshot
) -> None:
    hostile = "</code><script>alert(1)</script>\x1b[2J"
    record = wrapped(example_record, hostile)
    assert "<script" not in render(record, example_run.artifacts).html
    assert "\x1b[2J" not in show_text(record)


def test_a_change_of_the_wrapper_alone_is_a_change(example_record: ShowRecord) -> None:
    parent, child = example_record.candidates[:2]
    changed = {"source": parent.source, "wrapper": PBRS, "parents": (parent.id,)}
    same = child.model_copy(update=changed)
    record = example_record.model_copy(update={"candidates": (parent, same)})
    change = lineage(record, same)[0].change
    assert change is not None
    assert f"+# wrapper: {TOLD}" in change.text
