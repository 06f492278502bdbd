"""Error messages that list the valid choices. Imports nothing heavy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MANY, MOST_LISTED = 60, 20
"""From how many choices on not all are listed, and how many then are."""


def nearest(name: str, choices: Iterable[str]) -> str:
    """Return an error suffix: the nearest choice if there is one, and all valid choices.

    Of many, such as the candidates of a large run, the nearest are listed; of none, that is said.
    """
    names = sorted(choices)
    if not names:
        return "; there is none"
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    hint = f"; did you mean '{close[0]}'?" if close else "."
    if len(names) <= MANY:
        return f"{hint} Valid: {', '.join(names)}"
    listed = difflib.get_close_matches(name, names, n=MOST_LISTED, cutoff=0.0)
    return f"{hint} The nearest of {len(names):,}: {', '.join(listed)}"
