"""Python files of a user, imported by their path."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from rewardgen_envs.base_task import TaskError


def load_module(path: Path) -> ModuleType:
    """Import a file.

    Raises:
        TaskError: it cannot be imported.
    """
    name = f"rewardgen_task_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise TaskError(f"{path} cannot be imported as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise TaskError(f"{path} fails on import: {type(error).__name__}: {error}") from error
    return module
