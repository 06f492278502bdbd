"""What changed from one iteration's best to the next's, told once."""

from __future__ import annotations

import pytest

from rewardgen.report.changes import Change, generations, lineage
from rewardgen.report.code import diff_html, unified_diff
from rewardgen.report.render import render
from rewardgen.store.records import CandidateRecord, IterationRecord, ShowRecord
from rewardgen.store.run_directory import RunSnapshot


@pytest.fixture
def record(example_record: ShowRecord) -> ShowRecord:
    """Three iterations of two candidates; in the second, the best comes from another's line."""
    fitness = {"a1": 0.5, "a2": 0.4, "b1": 0.3, "b2": 0.6, "c1": 0.9, "c2": 0.7}
    parents = {"b1": ("a1",), "b2": ("a2",), "c1": ("b2", "a1"), "c2": ("b2",)}
    pattern = example_record.candidates[0]
    candidates = tuple(
        pattern.model_copy(
            update={
                "id": name,
                "iteration": "abc".index(name[0]),
                "parents": parents.get(name, ()),
                "state": "confirmed" if name == "c1" else "evaluated",
                "fitness": value,
                "source": f"first\nof {name}\n",
                "members": (),
            }
        )
        for name, value in fitness.items()
    )
    iterations = tuple(
        IterationRecord(
            iteration=number,
            candidates=(f"{letter}1", f"{letter}2"),
            best=best,
            fitness=0.55,
        )
        for number, (letter, best) in enumerate((("a", "a1"), ("b", "a1"), ("c", "c1")))
    )
    update = {"candidates": candidates, "iterations": iterations, "winner": "c1"}
    return example_record.model_copy(update=update)


def winner(record: ShowRecord) -> CandidateRecord:
    return next(c for c in record.candidates if c.id == record.winner)


def test_each_iteration_is_compared_with_the_one_before(record: ShowRecord) -> None:
    first, second, third = generations(record, [])
    assert [step.record.id for step in (first, second, third)] == ["a1", "b2", "c1"]
    assert (first.before, first.change) == (None, None)
    assert second.before is not None
    assert (second.before.id, second.before.fitness, second.record.fitness) == ("a1", 0.5, 0.6)
    assert second.change is not None
    assert second.change.text.splitlines()[1:] == [" first", "-of a1", "+of b2"]
    assert second.change.size == "+1 -1 lines"
    assert (second.leader, second.leader_fitness) == ("a1", 0.55)


def test_what_the_lineage_shows_is_not_shown_again(record: ShowRecord) -> None:
    ancestry = lineage(record, winner(record))
    assert [step.record.id for step in ancestry] == ["c1", "b2", "a1", "a2"]
    changes = [(c.before, c.after) for step in ancestry if (c := step.change) is not None]
    assert changes == [("b2", "c1"), ("a2", "b2")]
    _, second, third = generations(record, ancestry)
    assert second.change is not None, "b2 was made from a2, so a1 to b2 is news"
    assert third.before is not None
    assert third.change is None


def test_the_best_is_the_best_in_the_direction_of_the_metric(record: ShowRecord) -> None:
    lower = tuple(m.model_copy(update={"direction": "lower"}) for m in record.fitness)
    steps = generations(record.model_copy(update={"fitness": lower}), [])
    assert [step.record.id for step in steps] == ["a2", "b1", "c2"]


def test_an_iteration_without_finalists_is_passed_over(record: ShowRecord) -> None:
    candidates = tuple(
        c.model_copy(update={"state": "retired"}) if c.iteration == 1 else c
        for c in record.candidates
    )
    first, last = generations(record.model_copy(update={"candidates": candidates}), [])
    assert (first.iteration, last.iteration) == (1, 3)
    assert last.before is first.record


def test_no_change_is_said_to_be_none() -> None:
    same = Change("a", "b", unified_diff("a\n", "a\n"), diff_html("a\n", "a\n"))
    assert (same.text, same.html, same.size) == ("", "", "no line changed")


def test_the_report_shows_the_changes_as_diffs(
    record: ShowRecord, example_run: RunSnapshot
) -> None:
    bare = record.model_copy(update={"arms": (), "videos": {}})
    report = render(bare, example_run.artifacts)
    told = report.markdown.split("### The best of each iteration")[1]
    first, second, third = told.split("**Iteration ")[1:]
    assert first.startswith("1: a1**, fitness 0.500, ")
    assert "fitness 0.500 → 0.600" in second
    assert "a1 still leads, with 0.550 in the same episodes" in second
    assert "```diff\n@@ -1,2 +1,2 @@\n first\n-of a1\n+of b2\n```" in second
    assert "What changed since b2 is in the lineage above." in third
    assert "```diff\n@@ -1,2 +1,2 @@\n first\n-of b2\n+of c1\n```" in report.markdown
    assert report.html.count('<span class="gi">+of b2</span>') == 2, "since a1, and since a2"
    assert report.html.count('<span class="gi">+of c1</span>') == 1
    assert '<a class="soft" href="#change-c1">' in report.html
    assert 'id="change-c1"' in report.html
