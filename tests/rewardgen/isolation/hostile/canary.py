"""Finding a secret again, however it was dressed up."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable

from torch import Tensor

_PART = 8


class Canary:
    """A secret that is found in text, also in parts, backwards, in hex and in base64."""

    def __init__(self) -> None:
        self._random = secrets.token_hex(_PART)
        self.text = f"sk_canary_{self._random}"
        halves = self._random[:_PART], self._random[_PART:]
        self._needles = {
            *halves,
            *(half[::-1] for half in halves),
            *(half.encode().hex() for half in halves),
            *(coded for start in range(3) for coded in _base64(self.text[start:])),
        }

    def sings(self, texts: Iterable[str]) -> bool:
        """Tell whether any text gives the secret away."""
        return any(needle in text for text in texts for needle in self._needles)

    def codes(self, rows: int) -> list[float]:
        """Return the secret as so many numbers, for a private feature."""
        codes = [float(code) for code in self.text.encode()]
        return [codes[row % len(codes)] for row in range(rows)]


def _base64(text: str) -> list[str]:
    whole = len(text) - len(text) % 3
    coded = base64.b64encode(text[:whole].encode()).decode()
    return [coded[-_PART - 4 : -4]]


def decoded(values: Tensor) -> str:
    """Return numbers as the text that they may be the codes of."""
    numbers = map(float, values.flatten())
    return "".join(chr(round(n)) if 32 <= n < 127 else " " for n in numbers)
