"""What a process remembers from its start that reward code has no business to know."""

from __future__ import annotations

import sys
import sysconfig
from importlib.metadata import MetadataPathFinder


def forget_packages() -> None:
    """Forget which packages are installed: importing has listed the folders they lie in.

    What was imported stays; of what was not, only the standard library and the insides of packages
    can still be found.
    """
    standard = sysconfig.get_path("stdlib")
    for folder in sys.path:
        if not folder.startswith(standard) or folder.endswith("-packages"):
            sys.path_importer_cache.pop(folder, None)
    MetadataPathFinder().invalidate_caches()
