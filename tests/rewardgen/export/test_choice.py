"""Which reward and policy of a run are exported, and what is said where there are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from rewardgen.export.choice import Choice, NoPolicyError, choose
from rewardgen.store.records import MemberRecord, ShowRecord
from rewardgen.store.run_directory import RunDirectory, read_run
from rewardgen.store.show import show_record
from rewardgen_envs.errors import UsageError
from tests.rewardgen.report.example_run import ExampleRun, write_example_run


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> ShowRecord:
    path = tmp_path_factory.mktemp("runs") / "demo"
    write_example_run(path)
    return show_record(read_run(path))


@pytest.fixture
def searching(tmp_path: Path) -> ShowRecord:
    """A run that was interrupted after two iterations."""
    path = tmp_path / "demo"
    with RunDirectory.create(path) as run:
        example = ExampleRun(run)
        example.start()
        example.iteration(0)
        example.iteration(1)
    return show_record(read_run(path))


def chosen(
    record: ShowRecord,
    candidate: str | None = None,
    arm: str | None = None,
    member: int | None = None,
) -> Choice:
    return choose(record, candidate=candidate, arm=arm, member=member)


def members_changed(record: ShowRecord, arm: str, **changes: object) -> ShowRecord:
    """Return the run with the first policy of an arm changed."""

    def change(members: tuple[MemberRecord, ...]) -> tuple[MemberRecord, ...]:
        return (members[0].model_copy(update=changes), *members[1:])

    arms = tuple(
        each.model_copy(update={"members": change(each.members)}) if each.arm == arm else each
        for each in record.arms
    )
    return record.model_copy(update={"arms": arms})


def test_the_confirmed_winner_by_default(finished: ShowRecord) -> None:
    choice = chosen(finished)
    winner = next(arm for arm in finished.arms if arm.arm == "winner")
    assert (choice.name, choice.member, choice.confirmed, choice.notes) == ("winner", 0, True, ())
    assert choice.policy == winner.members[0]
    assert choice.checkpoint == winner.members[0].checkpoint
    assert choice.source == winner.source
    assert choice.what == f"candidate {finished.winner}, the winner"


def test_any_arm_candidate_and_member(finished: ShowRecord) -> None:
    assert chosen(finished, arm="human", member=3).policy == finished.arms[1].members[3]
    best = finished.winner
    choice = chosen(finished, candidate=best)
    assert (choice.name, choice.confirmed) == (best, False)
    assert choice.policy in next(c for c in finished.candidates if c.id == best).members
    sparse = chosen(finished, arm="sparse")
    assert sparse.source is None
    assert "no file" in sparse.notes[0]


def test_where_only_references_were_trained_they_are_named(finished: ShowRecord) -> None:
    arms = tuple(arm for arm in finished.arms if arm.arm != "winner")
    record = finished.model_copy(update={"arms": arms, "candidates": (), "winner": None})
    with pytest.raises(NoPolicyError, match="choose with --arm: human, sparse"):
        chosen(record)


def test_a_policy_that_failed_is_passed_over(finished: ShowRecord) -> None:
    record = members_changed(finished, "winner", failure="the reward is nan")
    assert chosen(record).member == 1
    with pytest.raises(UsageError, match=r"no policy number 0\. Valid: 1, 2, 3"):
        chosen(record, member=0)


def test_before_the_confirmation_the_best_candidate_so_far(searching: ShowRecord) -> None:
    assert searching.state == "interrupted"
    choice = chosen(searching)
    scores = {c.id: c.fitness for c in searching.candidates if c.fitness is not None}
    assert choice.name == max(scores, key=lambda name: scores[name])
    assert not choice.confirmed
    assert f"{choice.name} is the best candidate of its search" in choice.notes[0]
    lower = tuple(f.model_copy(update={"direction": "lower"}) for f in searching.fitness)
    worst = min(scores, key=lambda name: scores[name])
    assert chosen(searching.model_copy(update={"fitness": lower})).name == worst


def test_an_arm_whose_training_was_interrupted_is_not_called_confirmed(
    finished: ShowRecord,
) -> None:
    arms = tuple(arm.model_copy(update={"iqm": None}) for arm in finished.arms)
    choice = chosen(finished.model_copy(update={"arms": arms}))
    assert not choice.confirmed
    assert "interrupted while it trained this arm" in choice.notes[0]


def test_a_training_needs_its_arm_named_unless_it_has_one(finished: ShowRecord) -> None:
    update = {"verb": "train", "candidates": (), "winner": None, "arms": finished.arms[1:]}
    training = finished.model_copy(update=update)
    with pytest.raises(UsageError, match="several arms: choose with --arm: human, sparse"):
        chosen(training)
    alone = training.model_copy(update={"arms": finished.arms[1:2]})
    assert chosen(alone).name == "human"
    with pytest.raises(UsageError, match="has no candidates; its arms: human, sparse"):
        chosen(training, candidate="c1-1")


def test_what_is_not_there_is_answered_with_what_there_is(finished: ShowRecord) -> None:
    one = finished.candidates[0].id
    with pytest.raises(UsageError, match=rf"no candidate '{one}0'; did you mean '{one}'"):
        chosen(finished, candidate=f"{one}0")
    with pytest.raises(UsageError, match="no arm 'humn'; did you mean 'human'"):
        chosen(finished, arm="humn")
    with pytest.raises(UsageError, match=r"no policy number 99\. Valid: 0, 1"):
        chosen(finished, member=99)
    with pytest.raises(UsageError, match="--candidate or --arm, not both"):
        chosen(finished, candidate=one, arm="human")


def test_without_a_policy_it_says_why(finished: ShowRecord, tmp_path: Path) -> None:
    rejected = next(c for c in finished.candidates if c.state == "rejected")
    with pytest.raises(NoPolicyError, match=rf"{rejected.id} has no policy: it was rejected: "):
        chosen(finished, candidate=rejected.id)
    with RunDirectory.create(tmp_path / "new") as run:
        ExampleRun(run).start()
    new = show_record(read_run(tmp_path / "new"))
    with pytest.raises(NoPolicyError, match="run 'new' has no policy yet"):
        chosen(new)
    with pytest.raises(NoPolicyError, match="has no arms yet"):
        chosen(new, arm="winner")
