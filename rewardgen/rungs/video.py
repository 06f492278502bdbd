"""Renders policies side by side into one mp4, in a process of its own.

EGL in a process that also trains has been seen to hang; here a hang or crash costs a video.
Run as ``python -m rewardgen.rungs.video JOB.json``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from pydantic import BaseModel, ConfigDict

_WIDTH, _HEIGHT, _FRAMES_PER_S = 480, 360, 25
_TIMEOUT_S = 600
_BACKENDS = ("egl", "osmesa", "glfw")


class VideoError(RuntimeError):
    """No video could be made; says why and what would help."""


class VideoJob(BaseModel):
    """Which policies to render, in one episode each.

    Attributes:
        task: installed name or file:Class.
        labels: one per policy, written into its picture.
        checkpoints: one path per policy.
        eval_seed: the episode.
        output: the mp4 to write.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str
    labels: tuple[str, ...]
    checkpoints: tuple[str, ...]
    eval_seed: int
    output: str


def render(job: VideoJob) -> None:
    """Render a video, trying the GL backends in turn.

    Raises:
        VideoError: no backend works here, or rendering failed.
    """
    chosen = os.environ.get("MUJOCO_GL")
    failures: list[str] = []
    for backend in (chosen,) if chosen else _BACKENDS:
        try:
            done = subprocess.run(
                [sys.executable, "-m", "rewardgen.rungs.video"],
                input=job.model_dump_json(),
                env={**os.environ, "MUJOCO_GL": backend},
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
        failures.append(f"{backend}: {lines[-1] if lines else f'status {done.returncode}'}")
    raise VideoError(
        "no video: this machine offers no working GL for off-screen rendering "
        f"({'; '.join(failures)}). Install libegl1 (Mesa) or libosmesa6, or set MUJOCO_GL."
    )


def _main() -> None:
    """Render one job, read from stdin; MUJOCO_GL is set."""
    import imageio_ffmpeg
    import mujoco
    import numpy as np

    from rewardgen_envs.registry import load_task
    from rewardgen_envs.simulation import Simulation
    from rewardgen_policies.checkpoint import load_policy

    job = VideoJob.model_validate_json(sys.stdin.read())
    task = load_task(job.task)
    stride = max(1, round(1.0 / _FRAMES_PER_S / task.control_dt_s))
    strips: list[list[np.ndarray]] = []
    for label, checkpoint in zip(job.labels, job.checkpoints, strict=True):
        policy = load_policy(task, Path(checkpoint))
        simulation = Simulation(task, [job.eval_seed], 1, threads=1)
        renderer = mujoco.Renderer(task.model, _HEIGHT, _WIDTH)
        frames: list[np.ndarray] = []
        ended = False
        for step in range(task.episode_steps):
            if step % stride == 0 and not ended:
                renderer.update_scene(simulation.engine.snapshot(0), camera=_camera(task.model))
                frames.append(_labelled(renderer.render(), label))
            ended = ended or bool(simulation.step(policy(simulation.observation())).ended)
        renderer.close()
        simulation.close()
        strips.append(frames)
    longest = max(len(frames) for frames in strips)
    writer = imageio_ffmpeg.write_frames(
        job.output,
        (_WIDTH * len(strips), _HEIGHT),
        fps=round(1.0 / (stride * task.control_dt_s)),
        codec="libx264",
        pix_fmt_out="yuv420p",
        output_params=["-movflags", "+faststart"],
    )
    writer.send(None)
    for i in range(longest):
        row = [frames[min(i, len(frames) - 1)] for frames in strips]
        writer.send(np.ascontiguousarray(np.concatenate(row, axis=1)))
    writer.close()


def _camera(model: object) -> str | int:
    import mujoco

    assert isinstance(model, mujoco.MjModel)
    found = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_CAMERA, "track")
    return "track" if found >= 0 else -1


def _labelled(frame: object, label: str) -> object:
    from PIL import Image, ImageDraw

    picture = Image.fromarray(frame)
    ImageDraw.Draw(picture).text((10, 8), label, fill=(255, 255, 255), stroke_width=2, stroke_fill=0)
    import numpy as np

    return np.asarray(picture)


if __name__ == "__main__":
    _main()
