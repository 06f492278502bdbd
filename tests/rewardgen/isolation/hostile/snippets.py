"""The hostile snippets, read from the Markdown files beside this one.

A heading says ``name effect`` and perhaps ``unsafe``; the block below it is a whole reward. The
effect is what the code does to a machine where nothing holds it. There is no such control run of
what is ``unsafe``: it would harm the machine, needs what not every machine has, or speaks to a
process that is not there. Code that got through where only itself can see it says so by a term
named ``escaped`` that is not zero.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, cast, get_args

Effect = Literal[
    "leaks",  # a secret gets out
    "writes",  # a file is made, changed or removed
    "sends",  # a packet arrives
    "starts",  # a process or thread is left or started
    "signals",  # another process is reached by a signal
    "hangs",  # it does not come back
    "exhausts",  # it gets more memory or descriptors than it may have
    "crashes",  # its own process ends
    "tampers",  # what others rely on has changed
    "lies",  # the answer is not what was asked for
    "none",  # it is there to break whoever reads it
]
ESCAPED = "escaped"
HERE = Path(__file__).parent
_SECTION = re.compile(r"^## ([\w-]+) (\w+)( unsafe)?\n```python\n(.*?)^```$", re.M | re.S)
_REPEATED = re.compile(r"@(\d+)\*((?:@U\+[0-9A-F]+@|[^@])*)@")
_CHARACTER = re.compile(r"@U\+([0-9A-F]+)@")
_UNCONTROLLED = ("none", "lies", "exhausts")


@dataclass(frozen=True)
class Snippet:
    """One piece of hostile code.

    Attributes:
        name: unique.
        category: the file it is from.
        effect: what it does where nothing holds it.
        unsafe: whether it must not run there.
        text: the code, with placeholders.
    """

    name: str
    category: str
    effect: Effect
    unsafe: bool
    text: str

    @property
    def controlled(self) -> bool:
        """Whether its effect is shown by a control run."""
        return not self.unsafe and self.effect not in _UNCONTROLLED

    def source(self, places: Mapping[str, str]) -> str:
        """Return the code with its placeholders filled in.

        Args:
            places: placeholder without its @ → text.
        """
        text = _REPEATED.sub(lambda found: int(found[1]) * found[2], self.text)
        text = _CHARACTER.sub(lambda found: chr(int(found[1], 16)), text)
        for name, place in places.items():
            text = text.replace(f"@{name}@", place)
        return text


@cache
def snippets() -> tuple[Snippet, ...]:
    """Return all snippets.

    Raises:
        ValueError: a heading is not as it should be, or names an effect or snippet twice.
    """
    found = tuple(
        Snippet(name, file.stem, _effect(effect, name), bool(unsafe), text)
        for file in sorted(HERE.glob("*.md"))
        for name, effect, unsafe, text in _sections(file)
    )
    twice = [name for name, count in Counter(each.name for each in found).items() if count > 1]
    if twice:
        raise ValueError(f"names that are not unique: {', '.join(twice)}")
    return found


def _sections(file: Path) -> list[tuple[str, str, str, str]]:
    text = file.read_text()
    sections = _SECTION.findall(text)
    if len(sections) != len(re.findall("^## ", text, re.M)):
        raise ValueError(f"{file.name}: a heading without a name, an effect and a block of code")
    return sections


def _effect(word: str, name: str) -> Effect:
    if word not in get_args(Effect):
        raise ValueError(f"{name}: unknown effect '{word}'")
    return cast(Effect, word)
