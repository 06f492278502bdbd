"""Which GL library MuJoCo loads; imports nothing.

MuJoCo loads the one that ``MUJOCO_GL`` names as soon as it is imported, and cannot be imported if
that is missing. Only rendering needs it, which has a process of its own.
"""

from __future__ import annotations

import os

VARIABLE = "MUJOCO_GL"
_NONE = "disable"

CHOSEN = os.environ.get(VARIABLE)
"""What the user wants to render with; None to try what there is."""


def spare() -> None:
    """Keep MuJoCo from loading a GL library in this process and its children."""
    if CHOSEN is not None:
        os.environ[VARIABLE] = _NONE
