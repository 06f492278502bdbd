"""Which reward and which policy of a run are exported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rewardgen.rewards.wrappers.catalogue import Wrapper, maybe_wrapper
from rewardgen.store.records import ArmRecord, CandidateRecord, MemberRecord, ShowRecord
from rewardgen_envs.errors import UsageError
from rewardgen_envs.names import nearest

WINNER = "winner"


class NoPolicyError(Exception):
    """The run, or what was chosen of it, has no trained policy."""


@dataclass(frozen=True)
class Choice:
    """A reward of a run and one policy trained on it.

    Attributes:
        name: the arm, or the candidate's id.
        what: the same in words.
        source: the reward file; None for the sparse reward, which is none.
        member: number of the policy among those of this reward.
        policy: the policy.
        checkpoint: its artifact.
        confirmed: whether its fitness is of fresh seeds rather than of the search.
        notes: what the user should know of the choice.
        wrapper: what is put around the reward, or None.
    """

    name: str
    what: str
    source: str | None
    member: int
    policy: MemberRecord
    checkpoint: str
    confirmed: bool
    notes: tuple[str, ...] = ()
    wrapper: Wrapper | None = None


def choose(
    record: ShowRecord, *, candidate: str | None, arm: str | None, member: int | None
) -> Choice:
    """Choose a reward and a policy of a run.

    Without a candidate or arm: the confirmed winner; before the confirmation the best candidate so
    far; in a training its only arm. Without a member: the first that has a policy.

    Args:
        record: the run.
        candidate: a candidate's id.
        arm: name of an arm.
        member: number of a policy among those of the reward, from 0.

    Raises:
        UsageError: no such candidate, arm or member, or it must be named; lists what there is.
        NoPolicyError: no policy has been trained yet, or none on this reward.
    """
    if candidate is not None and arm is not None:
        raise UsageError("give --candidate or --arm, not both")
    if candidate is not None:
        return _of_candidate(_candidate(record, candidate), member)
    if arm is not None:
        return _of_arm(record, _arm(record, arm), member)
    arms = {each.arm: each for each in record.arms if _trained(each.members)}
    if WINNER in arms:
        return _of_arm(record, arms[WINNER], member)
    if record.verb == "run":
        return _best_so_far(record, member)
    if len(arms) > 1:
        raise UsageError(f"'{record.run}' has several arms: choose with --arm: {', '.join(arms)}")
    if not arms:
        raise NoPolicyError(f"run '{record.run}' has no policy yet")
    return _of_arm(record, next(iter(arms.values())), member)


def _candidate(record: ShowRecord, name: str) -> CandidateRecord:
    found = {each.id: each for each in record.candidates}
    if not found:
        arms = ", ".join(each.arm for each in record.arms)
        raise UsageError(f"run '{record.run}' has no candidates; its arms: {arms or 'none yet'}")
    if name not in found:
        raise UsageError(f"run '{record.run}' has no candidate '{name}'{nearest(name, found)}")
    return found[name]


def _arm(record: ShowRecord, name: str) -> ArmRecord:
    found = {each.arm: each for each in record.arms}
    if not found:
        raise NoPolicyError(f"run '{record.run}' has no arms yet: it has confirmed nothing")
    if name not in found:
        raise UsageError(f"run '{record.run}' has no arm '{name}'{nearest(name, found)}")
    return found[name]


def _best_so_far(record: ShowRecord, member: int | None) -> Choice:
    scored = [
        (each.fitness, each)
        for each in record.candidates
        if each.fitness is not None and _trained(each.members)
    ]
    if not scored:
        arms = ", ".join(each.arm for each in record.arms if _trained(each.members))
        if arms:
            raise NoPolicyError(
                f"no candidate of run '{record.run}' has a policy; choose with --arm: {arms}"
            )
        raise NoPolicyError(f"run '{record.run}' has no policy yet")
    sign = 1.0 if record.fitness[0].direction == "higher" else -1.0
    chosen = record.selection.candidate if record.selection is not None else None
    best = max(scored, key=lambda pair: (pair[1].id == chosen, sign * pair[0]))[1]
    note = f"the run has confirmed no winner yet; {best.id} is the best candidate of its search"
    return replace(_of_candidate(best, member), notes=(note,))


def _of_candidate(candidate: CandidateRecord, member: int | None) -> Choice:
    what = f"candidate {candidate.id}"
    fate = f"it was {candidate.state}" + (f": {candidate.reason}" if candidate.reason else "")
    number, checkpoint = _policy(what, candidate.members, member, fate)
    return Choice(
        name=candidate.id,
        what=what,
        source=candidate.source,
        member=number,
        policy=candidate.members[number],
        checkpoint=checkpoint,
        confirmed=False,
        wrapper=maybe_wrapper(candidate.wrapper),
    )


def _of_arm(record: ShowRecord, arm: ArmRecord, member: int | None) -> Choice:
    what = f"arm '{arm.arm}'"
    number, checkpoint = _policy(what, arm.members, member, "none of its runs finished")
    if arm.arm == WINNER and record.winner is not None:
        what = f"candidate {record.winner}, the winner"
    notes: list[str] = []
    if arm.iqm is None:
        notes.append("the run was interrupted while it trained this arm")
    if arm.source is None:
        notes.append("the sparse reward is the task's own and no file: only its policy is here")
    return Choice(
        name=arm.arm,
        what=what,
        source=arm.source,
        member=number,
        policy=arm.members[number],
        checkpoint=checkpoint,
        confirmed=arm.iqm is not None,
        notes=tuple(notes),
        wrapper=maybe_wrapper(arm.wrapper),
    )


def _policy(
    what: str, members: Sequence[MemberRecord], number: int | None, fate: str
) -> tuple[int, str]:
    """Return the number and the checkpoint of the policy that is asked for, or of the first."""
    trained = _trained(members)
    if not trained:
        raise NoPolicyError(f"{what} has no policy: {fate}")
    chosen = next(iter(trained)) if number is None else number
    if chosen not in trained:
        choices = ", ".join(map(str, trained))
        raise UsageError(f"{what} has no policy number {chosen}. Valid: {choices}")
    return chosen, trained[chosen]


def _trained(members: Sequence[MemberRecord]) -> dict[int, str]:
    """Return number → checkpoint of the members that were evaluated and did not fail."""
    return {
        number: member.checkpoint
        for number, member in enumerate(members)
        if member.checkpoint is not None and member.fitness and member.failure is None
    }
