"""The designers that ask somebody who writes: a language model, or a person with a chat window.

Both get the same prompts and answer in the same form; they differ in who carries the letters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from rewardgen.design.designer import DesignContext, ExhaustedError, Proposal, Refused
from rewardgen.design.letters import Answer, Correspondent, Letter
from rewardgen.design.prompting import FULL_PARENTS, first_messages, repair_messages
from rewardgen.design.wrapping import named_wrapper
from rewardgen.llm.errors import ContextLengthError
from rewardgen.llm.messages import Message
from rewardgen.rewards.findings import Finding
from rewardgen.rewards.format import reply_code

_NOTE_LENGTH = 200

# what a reply without a reward says about itself → rule, message, remedy
_FAULTS: dict[str, tuple[str, str, str]] = {
    "empty": ("empty-reply", "the reply holds no text", "answer with the code"),
    "refusal": ("refused-reply", "the model refused to answer", "write the reward as asked"),
    "content_filter": (
        "filtered-reply",
        "the endpoint's content filter withheld the reply",
        "write the reward as asked",
    ),
    "length": (
        "cut-off-reply",
        "the reply was cut off at the longest allowed length",
        "answer shorter: little reasoning, then the whole code",
    ),
}


@dataclass(frozen=True)
class WritingDesigner:
    """Proposes what a correspondent writes, and asks once more about what was refused.

    Attributes:
        name: ``llm`` or ``manual``.
        correspondent: who carries the letters.
    """

    name: str
    correspondent: Correspondent

    def propose(self, context: DesignContext) -> list[Proposal]:
        """Return ``context.count`` proposals, each from a letter of its own; fewer at the cap.

        Raises:
            ExhaustedError: the cost cap leaves no letter.
            EndpointError: nobody answers.
        """
        parents = tuple(tried.candidate for tried in context.parents[:FULL_PARENTS])
        origin = "rewrite" if parents else "scratch"

        def letters(shown: int) -> list[Letter]:
            messages = first_messages(context, full_parents=shown)
            return [_letter(context, slot, messages) for slot in range(context.count)]

        asked = self._ask(letters, len(parents))
        answers = [answer for answer in asked if answer is not None]
        if not answers:
            raise ExhaustedError("another request could cost more than is left of the cap")
        return [_proposal(answer, parents, origin, context) for answer in answers]

    def repair(self, context: DesignContext, refused: Sequence[Refused]) -> list[Proposal | None]:
        """Return what the correspondent makes of the findings about each; else None.

        That is at the cap, and where the model's context does not hold even a shortened letter.

        Raises:
            EndpointError: nobody answers.
        """
        try:
            answers = self._ask_to_repair(context, refused)
        except ContextLengthError:
            if len(refused) == 1:
                return [None]
            # what was answered is kept, and not asked again
            return [proposal for bad in refused for proposal in self.repair(context, [bad])]
        return [
            None if answer is None else _proposal(answer, (), "repair", context)
            for answer in answers
        ]

    def _ask_to_repair(
        self, context: DesignContext, refused: Sequence[Refused]
    ) -> list[Answer | None]:
        def letters(shown: int) -> list[Letter]:
            return [
                _letter(
                    context,
                    bad.slot,
                    repair_messages(
                        context,
                        bad.source,
                        bad.findings,
                        full_parents=shown,
                        wrapper=bad.wrapper if context.may_wrap else None,
                    ),
                    suffix="-repair",
                )
                for bad in refused
            ]

        return self._ask(letters, len(context.parents))

    def _ask(self, letters: Callable[[int], list[Letter]], parents: int) -> list[Answer | None]:
        """Ask with as many parents as the model's context holds.

        Args:
            letters: how many parents are shown in full → the letters.
            parents: how many there are.

        Raises:
            EndpointError: nobody answers, or even the shortest letter is too long.
        """
        for shown in range(min(FULL_PARENTS, parents), 0, -1):
            with suppress(ContextLengthError):
                return self.correspondent.ask(letters(shown))
        return self.correspondent.ask(letters(0))


def _letter(
    context: DesignContext, slot: int, messages: Sequence[Message], suffix: str = ""
) -> Letter:
    label = f"iteration-{context.iteration + 1}/c{context.iteration + 1}-{slot + 1}{suffix}"
    # a prompt that comes again in a later iteration wants other answers
    sample = context.iteration * context.count + slot
    return Letter(label, sample, tuple(messages))


def _proposal(
    answer: Answer, parents: tuple[str, ...], origin: str, context: DesignContext
) -> Proposal:
    # parsed by the check alone, where it can do no harm
    source, note = reply_code(answer.text), _note(answer.text)
    wrapper = named_wrapper(answer.text) if context.may_wrap else None
    return Proposal(source, parents, origin, note=note, fault=_fault(answer), wrapper=wrapper)


def _fault(answer: Answer) -> Finding | None:
    finish = "empty" if answer.finish == "stop" and not answer.text.strip() else answer.finish
    if finish not in _FAULTS:
        return None
    rule, message, remedy = _FAULTS[finish]
    return Finding("reply", "contract", rule, "error", None, message, remedy)


def _note(text: str) -> str:
    """Return what stands before the code, shortened."""
    said = " ".join(text.partition("```")[0].split())
    if "def compute_reward" in said:
        return ""
    return said if len(said) <= _NOTE_LENGTH else said[: _NOTE_LENGTH - 1] + "…"
