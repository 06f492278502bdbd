"""On what a run was made: machine and versions, for the report and for whoever resumes."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rewardgen.store.parts import Manifest
from rewardgen_envs.cpus import cpu_count

_PACKAGES = (
    "rewardgen-lab",
    "torch",
    "mujoco",
    "mujoco-warp",
    "warp-lang",
    "ray",
    "gymnasium",
    "numpy",
    "scipy",
)


def collect_manifest() -> Manifest:
    """Describe this machine and the installed versions; imports none of the packages."""
    return Manifest(
        python=platform.python_version(),
        system=platform.platform(),
        machine=platform.machine(),
        cpu=_cpu_model(),
        cpus=cpu_count(),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        packages={name: found for name in _PACKAGES if (found := _installed(name)) is not None},
    )


def differences(then: Manifest, now: Manifest) -> str:
    """Say what has changed that can change results; empty if nothing has."""
    found = [
        f"{name} {before}, now {after}"
        for name, before, after in (
            ("Python", then.python, now.python),
            ("processor", then.cpu, now.cpu),
            *(
                (name, then.packages.get(name, "missing"), now.packages.get(name, "missing"))
                for name in sorted(then.packages | now.packages)
            ),
        )
        if before != after
    ]
    if not found:
        return ""
    return (
        f"begun with {'; '.join(found)}: what is trained from here on may differ a little from "
        "what the run would have given"
    )


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu_model() -> str:
    """Return the processor's name where the system tells it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
