"""What this machine offers: ``rewardgen doctor``."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg
import mujoco
import torch

from rewardgen.isolation.computing import try_computing
from rewardgen.isolation.doctor import examine as examine_isolation
from rewardgen.isolation.protection import offered
from rewardgen.run.budget import available_bytes
from rewardgen.rungs import gl
from rewardgen.rungs.offscreen import gl_backends
from rewardgen_envs.cpus import cpu_count
from rewardgen_envs.registry import task_names

_NVIDIA = Path("/dev/nvidiactl")
_ENOUGH_BYTES = 4 * 2**30


@dataclass(frozen=True)
class Fact:
    """One thing about the machine.

    Attributes:
        name: what was looked at.
        ok: whether everything that needs it will work.
        text: what was found, and what to do if it is not enough.
    """

    name: str
    ok: bool
    text: str


def examine(runs_dir: Path) -> list[Fact]:
    """Look at everything that a run needs; takes a few seconds."""
    return [
        _python(),
        _physics(),
        examine_gpu(),
        _memory(),
        _disk(runs_dir),
        _isolation(),
        _rendering(),
    ]


def _python() -> Fact:
    version = ".".join(str(part) for part in sys.version_info[:3])
    text = f"Python {version}, torch {torch.__version__}, {len(task_names())} tasks installed"
    return Fact("python", True, text)


def _physics() -> Fact:
    text = f"MuJoCo {mujoco.__version__} on {cpu_count()} CPU cores"
    return Fact("physics", True, text)


def examine_gpu() -> Fact:
    """Compute on the GPU, if there is one, in a process that is locked as beside reward code."""
    if not torch.cuda.is_available():
        if not _NVIDIA.exists():
            return Fact("gpu", True, "no NVIDIA GPU")
        text = f"torch {torch.__version__} cannot use the NVIDIA GPU here: it is a build for the "
        return Fact("gpu", False, text + "CPU, or the driver is too old for it")
    name = torch.cuda.get_device_name()
    inside = try_computing("cuda", offered())
    if inside.failure is None and inside.protection.complete:
        return Fact("gpu", True, f"{name}: CUDA works in a locked process (tried out just now)")
    if inside.failure is None:
        gaps = inside.protection.gaps or "this system locks no process"
        return Fact("gpu", True, f"{name}: CUDA works, in a process not quite locked: {gaps}")
    outside = try_computing("cuda", "none")
    if outside.failure is None:
        return Fact(
            "gpu",
            True,
            f"{name}: CUDA works, but not in a locked process ({inside.failure}): rewards run in "
            "locked processes on the CPU, which takes longer; with --isolation none, on the GPU",
        )
    return Fact("gpu", False, f"{name}: CUDA does not work here: {outside.failure}")


def _memory() -> Fact:
    free = available_bytes()
    if free is None:
        return Fact("memory", True, "this system does not tell how much is free")
    enough = free >= _ENOUGH_BYTES
    text = f"{free / 2**30:.1f} GiB free"
    return Fact("memory", enough, text if enough else f"{text}; 4 GiB are enough for the demo")


def _disk(runs_dir: Path) -> Fact:
    place = runs_dir if runs_dir.is_dir() else Path.cwd()
    free = shutil.disk_usage(place).free
    writable = os.access(place, os.W_OK)
    text = f"{free / 2**30:.1f} GiB free in {place}" + ("" if writable else ", not writable")
    return Fact("disk", writable and free >= 2**30, text)


def _isolation() -> Fact:
    """Start a real reward host and report what was applied in it."""
    offer = examine_isolation()
    return Fact("isolation", offer.mode != "none" and offer.start_ms is not None, offer.sentence)


def _rendering() -> Fact:
    working, chosen = gl_backends(), gl.CHOSEN
    if chosen is not None and chosen not in working:
        offered = f"unset it to use {', '.join(working)}" if working else "nothing else does either"
        text = f"MUJOCO_GL is '{chosen}', which does not work here: {offered}"
        return Fact("rendering", False, text)
    ffmpeg = Path(imageio_ffmpeg.get_ffmpeg_exe()).name
    if working:
        return Fact("rendering", True, f"off-screen GL by {', '.join(working)}; {ffmpeg}")
    text = "no off-screen GL: runs work, videos do not; install libegl1 (Mesa) or libosmesa6"
    return Fact("rendering", False, text)
