"""Removing folders that anybody may have filled."""

from __future__ import annotations

import subprocess
from pathlib import Path


def remove(folder: Path) -> None:
    """Remove a folder if it can be done, however deep it is and whatever modes its parts have.

    Python's own ``rmtree`` calls itself for each level, and stops at a folder that it may not read.
    """
    for command in (("chmod", "-R", "u+rwx"), ("rm", "-rf")):
        subprocess.run(
            [*command, "--", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
