"""What designers send to whoever writes, and what comes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rewardgen.llm.messages import Finish, Message


@dataclass(frozen=True)
class Letter:
    """A conversation that asks for one reward.

    Attributes:
        label: ``iteration-2/c2-1``, for people.
        sample: tells apart several answers to the same conversation.
        messages: the conversation.
    """

    label: str
    sample: int
    messages: tuple[Message, ...]


@dataclass(frozen=True)
class Answer:
    """What was written, and whether it was finished."""

    text: str
    finish: Finish = "stop"


class Correspondent(Protocol):
    """Who carries letters to somebody that answers them."""

    def ask(self, letters: Sequence[Letter]) -> list[Answer | None]:
        """Return the answers in the order of the letters; None where asking would cost too much.

        Raises:
            ContextLengthError: the letters are too long for the model.
            EndpointError: nobody answers, for a reason that no reward is to blame for.
        """
        ...
