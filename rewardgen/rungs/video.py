"""Renders policies side by side into one mp4, in a process of its own.

Run as ``python -m rewardgen.rungs.video``, with the job on stdin.
"""

from __future__ import annotations

import os
from pathlib import Path

import imageio_ffmpeg
import mujoco
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from rewardgen.rewards.fitness import METRIC, FitnessCode
from rewardgen.rungs.offscreen import HEIGHT, WIDTH, render_elsewhere, worked
from rewardgen.rungs.own_fitness import OwnFitness
from rewardgen_envs.adapters.mapped.task import MappedTask
from rewardgen_envs.adapters.mapped.worlds import MappedWorlds
from rewardgen_envs.base_task import BaseTask
from rewardgen_envs.cameras import chosen
from rewardgen_envs.engines.choice import CPU
from rewardgen_envs.errors import UsageError
from rewardgen_envs.metrics import FitnessTracker
from rewardgen_envs.registry import any_task
from rewardgen_envs.simulation import Simulation, Step
from rewardgen_envs.task import Task
from rewardgen_envs.worlds import Worlds
from rewardgen_policies.evaluation import TIME_LIMIT, run_episodes
from rewardgen_policies.stored import stored_policies

_FRAMES_PER_S = 25
_HELD_S = 1.0  # before a player begins anew
_LABEL_LENGTH = 34  # a reward file may lie deep
_FONT = ImageFont.load_default(24)


class VideoJob(BaseModel):
    """Which policies to render, in one episode each.

    Attributes:
        task: installed name or file:Class.
        labels: one per policy, written into its picture.
        checkpoints: one path per policy.
        eval_seed: the episode.
        fitness: the user's own fitness file that the run ranked by, or None.
        camera: one of the task's; None for the usual one.
        output: the mp4 to write.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str
    labels: tuple[str, ...]
    checkpoints: tuple[str, ...]
    eval_seed: int
    fitness: str | None = None
    camera: str | None = None
    output: str


def render(job: VideoJob) -> None:
    """Render a video.

    Raises:
        RenderError: this machine cannot render, or it failed.
    """
    render_elsewhere("rewardgen.rungs.video", job.model_dump_json(), f"video {job.output}")


def check_output(output: Path) -> None:
    """Refuse a file that a video cannot be written to.

    Raises:
        UsageError: it is no mp4, a directory, lies in none, or may not be written.
    """
    folder = output.parent
    if output.is_dir():
        raise UsageError(f"cannot write the video: {output} is a directory; name a file in it")
    if output.suffix.lower() != ".mp4":
        raise UsageError(f"cannot write the video: {output} must end in .mp4")
    if not folder.is_dir():
        raise UsageError(f"cannot write the video {output}: there is no directory {folder}")
    if not os.access(output if output.exists() else folder, os.W_OK):
        raise UsageError(f"cannot write the video {output}: permission denied")


def _needs_gl(text: str) -> bool:
    """Whether pictures are MuJoCo's; some environments draw their own, whatever that takes."""
    try:
        return not isinstance(any_task(VideoJob.model_validate_json(text).task), MappedTask)
    except UsageError:
        return True


def _render(text: str) -> None:
    """Render all films of a job and write them."""
    job = VideoJob.model_validate_json(text)
    task = any_task(job.task)
    task = task.filmed() if isinstance(task, MappedTask) else task
    stride = max(1, round(1.0 / _FRAMES_PER_S / task.control_dt_s))
    films = [
        _film(task, Path(checkpoint), label, job, stride)
        for label, checkpoint in zip(job.labels, job.checkpoints, strict=True)
    ]
    write_film(films, Path(job.output), frames_per_s=1.0 / (stride * task.control_dt_s))


def _film(
    task: BaseTask, checkpoint: Path, label: str, job: VideoJob, stride: int
) -> list[NDArray[np.uint8]]:
    """Return the frames of one evaluation episode, until it ends."""
    camera = _Camera(task, label, job, stride)
    act = stored_policies(task, [checkpoint], CPU)
    result = run_episodes(task, act, 1, [job.eval_seed], camera, threads=1)
    return camera.film(result.cause[0][0])


class RunningFitness:
    """Watches one episode: what its fitness would be if it ended now.

    Args:
        task: the task.
        own: the user's fitness file, or None for the task's metric.

    Raises:
        FitnessError: the file's code raised.
    """

    def __init__(self, task: BaseTask, own: str | None) -> None:
        self._task = task
        self._own = None if own is None else OwnFitness(FitnessCode(own), task)
        self._metrics = FitnessTracker(task.metrics, 1, task.episode_steps)
        self.metric = task.metric if own is None else METRIC
        self.value = 0.0

    def start(self, simulation: Worlds) -> None:
        """See the start of the episode."""
        if self._own is not None:
            self._own.start(simulation)

    def step(self, state: Tensor, action: Tensor, step: Step, simulation: Worlds) -> None:
        """Add one control step.

        Raises:
            FitnessError: the user's function raised.
        """
        if self._own is not None:
            self._own.step(state, action, step, simulation)
            self.value = self._own.result(1).item()
            return
        self._metrics.update(self._task.fitness(self._task.table.view(step.next_state)))
        result = self._metrics.result(step.length, step.terminated)
        self.value = result[self.metric.name].item()


class _Camera:
    """Watches one episode and takes its pictures."""

    def __init__(self, task: BaseTask, label: str, job: VideoJob, stride: int) -> None:
        self._task, self._label, self._stride = task, label, stride
        self._fitness = RunningFitness(task, job.fitness)
        if isinstance(task, Task):
            self._view = chosen(task.views, job.camera)
            self._renderer = mujoco.Renderer(task.model, HEIGHT, WIDTH)
        else:
            self._renderer = None
        self._frames: list[NDArray[np.uint8]] = []
        self._picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        self._steps = 0

    def start(self, simulation: Worlds) -> None:
        """Take the first picture."""
        self._fitness.start(simulation)
        self._shoot(simulation)

    def step(self, state: Tensor, action: Tensor, step: Step, simulation: Worlds) -> None:
        """Take a picture now and then; a world whose episode ended has begun anew already."""
        self._fitness.step(state, action, step, simulation)
        self._steps += 1
        if self._steps % self._stride == 0 and not bool(step.ended):
            self._shoot(simulation)

    def film(self, cause: str) -> list[NDArray[np.uint8]]:
        """Return all pictures, with the last one once more to say how the episode ended."""
        if self._renderer is not None:
            self._renderer.close()
        end = "" if cause == TIME_LIMIT else f"\nended: {cause.replace('_', ' ')}"
        return [*self._frames, self._captioned(end)]

    def _shoot(self, simulation: Worlds) -> None:
        if isinstance(simulation, MappedWorlds):
            self._picture = _fitted(simulation.picture(0))
        elif self._renderer is not None:
            assert isinstance(simulation, Simulation)
            self._renderer.update_scene(simulation.engine.snapshot(0), camera=self._view)
            self._picture = self._renderer.render()
        self._frames.append(self._captioned())

    def _captioned(self, end: str = "") -> NDArray[np.uint8]:
        """Write whose policy it is above, and how it is doing below."""
        metric = self._fitness.metric
        unit = "" if metric.unit == "1" else f" {metric.unit}"
        score = f"{metric.name.replace('_', ' ')} {self._fitness.value:.3g}{unit}"
        now = f"{self._steps * self._task.control_dt_s:.1f} s"
        label = self._label
        if len(label) > _LABEL_LENGTH:
            label = f"…{label[1 - _LABEL_LENGTH :]}"
        return _lettered(self._picture, label, f"{now}, {score}{end}")


def write_film(films: list[list[NDArray[np.uint8]]], output: Path, frames_per_s: float) -> None:
    """Write films side by side; one that ends early keeps its last frame, and so do all at the end.

    Raises:
        BrokenPipeError: ffmpeg gave up; it says why on stderr.
    """
    writer = imageio_ffmpeg.write_frames(
        str(output),
        (WIDTH * len(films), HEIGHT),
        fps=frames_per_s,
        codec="libx264",
        pix_fmt_out="yuv420p",
        macro_block_size=8,  # of which the size is a multiple: nothing is scaled
        output_params=["-movflags", "+faststart"],
    )
    writer.send(None)
    try:
        held = round(_HELD_S * frames_per_s)
        for i in range(max(len(frames) for frames in films) + held):
            row = [frames[min(i, len(frames) - 1)] for frames in films]
            writer.send(np.ascontiguousarray(np.concatenate(row, axis=1)))
    except OSError as error:  # its text is the command and a promise of what stderr holds
        raise BrokenPipeError from error
    writer.close()


def _fitted(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture of any size in the frame's, on black."""
    fitted = ImageOps.pad(Image.fromarray(picture).convert("RGB"), (WIDTH, HEIGHT))
    return np.asarray(fitted)


def _lettered(frame: NDArray[np.uint8], above: str, below: str) -> NDArray[np.uint8]:
    picture = Image.fromarray(frame)
    pen = ImageDraw.Draw(picture)
    pen.line(((WIDTH - 1, 0), (WIDTH - 1, HEIGHT)), fill=(0, 0, 0))  # the next one begins
    for text, corner, anchor in ((above, (12, 10), "la"), (below, (12, HEIGHT - 10), "ld")):
        pen.text(
            corner,
            text,
            font=_FONT,
            anchor=anchor,
            fill=(255, 255, 255),
            stroke_width=2,
            stroke_fill=(0, 0, 0),
        )
    return np.asarray(picture)


if __name__ == "__main__":
    worked(_render, _needs_gl)
