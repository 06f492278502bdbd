"""Numbers as people read them; one place, so that every table writes them alike."""

from __future__ import annotations

import math
from collections.abc import Sequence


def number(value: float | None) -> str:
    """Return three significant digits, or a dash for no value."""
    if value is None or not math.isfinite(value):
        return "-"
    if value != 0.0 and (abs(value) < 1e-3 or abs(value) >= 1e5):
        return f"{value:.2e}"
    digits = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
    return f"{value:.{min(digits, 3)}f}"


def significant(value: float) -> str:
    """Return three significant digits or the whole part, however small the number is."""
    return f"{value:,.0f}" if 1e3 <= abs(value) < 1e6 else f"{value:.3g}"


def signed(value: float | None) -> str:
    """Return three significant digits with a sign."""
    if value is None:
        return "-"
    return number(value) if value < 0 else f"+{number(value)}"


def interval(ends: tuple[float, float] | None, *, with_sign: bool = False) -> str:
    """Return ``[low, high]``, or a dash."""
    if ends is None:
        return "-"
    write = signed if with_sign else number
    return f"[{write(ends[0])}, {write(ends[1])}]"


def percent(share: float) -> str:
    """Return a share as whole percent."""
    return f"{round(share * 100)} %"


def percent_interval(ends: tuple[float, float]) -> str:
    """Return an interval of shares as whole percent."""
    return f"[{ends[0] * 100:.0f}, {ends[1] * 100:.0f}] %"


def count(value: float) -> str:
    """Return a large count: ``950``, ``12.3 k``, ``4.10 M``."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= limit:
            scale = 1e3 if unit == "k" else limit
            return f"{value / scale:.3g} {unit}"
    return f"{value:,.0f}"


def duration(seconds: float) -> str:
    """Return a duration: ``42 s``, ``4 min 12 s``, ``3 h 05 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def memory(size_bytes: float) -> str:
    """Return a memory size in GiB."""
    return f"{size_bytes / 2**30:.1f} GiB"


def usd(amount: float | None) -> str:
    """Return an amount of money; of less than ten cents, what is left of it."""
    if amount is None:
        return "not known"
    if 0.0 < amount < 1e-4:
        return "< 0.0001 USD"
    return f"{amount:.{4 if 0.0 < amount < 0.1 else 2}f} USD"


def unit(name: str) -> str:
    """Return a unit with a space before it, or nothing for dimensionless numbers."""
    return "" if name in ("1", "", "bool") else f" {name}"


def listed(names: Sequence[str]) -> str:
    """Return names as a list in a sentence."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
