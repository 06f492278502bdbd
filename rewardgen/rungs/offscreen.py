"""Renders in a process of its own, with whichever GL library works on this machine.

EGL in a process that also trains has been seen to hang; here a hang or crash costs a picture.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import mujoco

from rewardgen.isolation.environment import of_workers
from rewardgen.rungs import gl

WIDTH, HEIGHT = 480, 360
_TIMEOUT_S = 600
_BACKENDS = ("egl", "osmesa", "glfw")
# the exit status of a rendering that failed although GL works
FAILED = 3


class RenderError(RuntimeError):
    """Nothing could be rendered; says why and what would help."""


def render_elsewhere(module: str, job: str, what: str) -> None:
    """Run ``python -m module`` with a job on stdin, trying the GL libraries in turn.

    Args:
        module: ends in ``worked(…)``.
        job: text.
        what: it makes, for errors: "video film.mp4".

    Raises:
        RenderError: no library works here, or rendering failed.
    """
    failures: list[str] = []
    for backend in (gl.CHOSEN,) if gl.CHOSEN else _BACKENDS:
        try:
            done = subprocess.run(
                [sys.executable, "-m", module],
                input=job,
                env={**of_workers(), gl.VARIABLE: backend},
                capture_output=True,
                text=True,
                timeout=_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            failures.append(f"{backend}: no end after {_TIMEOUT_S} s")
            continue
        if done.returncode == 0:
            return
        lines = done.stderr.strip().splitlines()
        if done.returncode == FAILED:
            raise RenderError(f"no {what}: {lines[-1] if lines else 'it could not be written'}")
        failures.append(f"{backend}: {lines[-1] if lines else f'status {done.returncode}'}")
    kind = what.split()[0]
    raise RenderError(
        f"no {kind}: this machine offers no working GL for off-screen rendering "
        f"({'; '.join(failures)}). Install libegl1 (Mesa) or libosmesa6"
        + (f", or unset MUJOCO_GL, which is '{gl.CHOSEN}'." if gl.CHOSEN else ".")
    )


def _always(job: str) -> bool:
    del job
    return True


def worked(render: Callable[[str], None], needs_gl: Callable[[str], bool] = _always) -> None:
    """Render one job, read from stdin, and leave with a status that ``render_elsewhere`` reads.

    Args:
        render: does it; MUJOCO_GL is set.
        needs_gl: whether a job needs GL at all.
    """
    job = sys.stdin.read()
    if needs_gl(job):
        _require_gl()
    try:
        render(job)
    except BrokenPipeError:
        sys.exit(FAILED)  # ffmpeg ended, and has said why
    except Exception as error:
        sys.stderr.write(f"{type(error).__name__}: {' '.join(str(error).split())}\n")
        sys.exit(FAILED)


def gl_backends() -> list[str]:
    """Return the GL libraries that can render here, each tried in a process of its own."""
    probe = "from rewardgen.rungs.offscreen import worked; worked(len)"
    working: list[str] = []
    for backend in _BACKENDS:
        try:
            done = subprocess.run(
                [sys.executable, "-c", probe],
                input="",
                text=True,
                env={**of_workers(), gl.VARIABLE: backend},
                capture_output=True,
                timeout=60,
                check=False,
            )
        except subprocess.TimeoutExpired:
            continue
        if done.returncode == 0:
            working.append(backend)
    return working


def _require_gl() -> None:
    """Draw an empty picture, so that what fails later is no matter of GL."""
    model = mujoco.MjSpec.from_string("<mujoco/>").compile()
    renderer = mujoco.Renderer(model, HEIGHT, WIDTH)
    renderer.update_scene(mujoco.MjData(model))
    renderer.render()
    renderer.close()
