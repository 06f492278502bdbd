"""What a process may read in its environment: named here, so that no key is ever among it."""

from __future__ import annotations

import os
import re

_REWARDS = ("LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_WORKERS = (
    *_REWARDS,
    "DISPLAY",
    "HOME",
    "LANGUAGE",
    "LOGNAME",
    "PATH",
    "TEMP",
    "TMP",
    "TMPDIR",
    "USER",
    "VIRTUAL_ENV",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
)
# of the interpreter and libraries; REWARDGEN_TASK_ is for whoever writes a task
_FAMILIES = (
    "CUDA_",
    "EGL_",
    "GOMP_",
    "KMP_",
    "LC_",
    "LIBGL_",
    "MESA_",
    "MKL_",
    "MUJOCO_",
    "NVIDIA_",
    "OMP_",
    "OPENBLAS_",
    "PYTHON",
    "REWARDGEN_TASK_",
    "TORCH",
    "XDG_",
)
# of those, what a process may know that trains beside reward code
_TRAINERS = ("CUDA_", "NVIDIA_", "REWARDGEN_TASK_")
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL", re.IGNORECASE)

# OpenMP threads that spin while they wait take the cores from the physics threads: a step of
# 512 ants then costs 5 times as much. They must sleep instead; read at the library's start.
_OPENMP = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}


def of_rewards() -> dict[str, str]:
    """Return all that the environment of reward code holds: no home, one thread."""
    kept = {name: os.environ[name] for name in _REWARDS if name in os.environ}
    return {**kept, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def of_locked_trainers(scratch: str) -> dict[str, str]:
    """Return the same for a process that also trains: its GPU, and where it may write."""
    gpu = {n: v for n, v in os.environ.items() if _is_of(n, _TRAINERS)}
    home = dict.fromkeys(("HOME", "TMPDIR", "CUDA_CACHE_PATH"), scratch)
    return {**of_rewards(), **gpu, **home}


def of_workers() -> dict[str, str]:
    """Return all that the environment of a process holds that trains, evaluates or renders."""
    kept = {n: v for n, v in os.environ.items() if n in _WORKERS or _is_of(n, _FAMILIES)}
    return {**kept, **_OPENMP}


def _is_of(name: str, families: tuple[str, ...]) -> bool:
    return name.startswith(families) and not _SECRET.search(name)
