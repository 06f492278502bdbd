"""One picture of a task, in a process of its own: ``python -m rewardgen.rungs.picture``."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import mujoco
from PIL import Image
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from rewardgen.rungs.offscreen import HEIGHT, WIDTH, render_elsewhere, worked
from rewardgen_envs.cameras import chosen
from rewardgen_envs.registry import load_task
from rewardgen_envs.simulation import Simulation, Step
from rewardgen_envs.task import Task
from rewardgen_envs.worlds import Worlds
from rewardgen_policies.evaluation import Policies, RandomPolicy, run_episodes
from rewardgen_policies.stored_policy import load_policy


class PictureJob(BaseModel):
    """What to take a picture of.

    Attributes:
        task: installed name or file:Class.
        policies: folder of stored policies; where the task has none, actions are random.
        camera: one of the task's; None for the usual one.
        eval_seed: the episode.
        at_s: time in the episode, or its last moment if it ends before.
        output: the picture to write; its ending names the format.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str
    policies: str
    camera: str | None = None
    eval_seed: int = 0
    at_s: float = 1.5
    output: str


def take(job: PictureJob) -> None:
    """Take a picture.

    Raises:
        RenderError: this machine cannot render, or it failed.
    """
    render_elsewhere("rewardgen.rungs.picture", job.model_dump_json(), f"picture {job.output}")


def _take(text: str) -> None:
    job = PictureJob.model_validate_json(text)
    task = load_task(job.task)
    photographer = _Photographer(task, job)
    policy = load_policy(task.name, Path(job.policies))
    act = RandomPolicy(task, job.eval_seed) if policy is None else Policies([policy])
    with suppress(_TakenError):
        run_episodes(task, act, 1, [job.eval_seed], photographer, threads=1)
    photographer.picture.save(job.output)


class _TakenError(Exception):
    """The picture is taken: nobody wants to see the rest of the episode."""


class _Photographer:
    """Watches one episode and takes one picture of it."""

    def __init__(self, task: Task, job: PictureJob) -> None:
        self._view = chosen(task.views, job.camera)
        self._left = max(1, round(job.at_s / task.control_dt_s))
        self._renderer = mujoco.Renderer(task.model, HEIGHT, WIDTH)
        self.picture = Image.new("RGB", (WIDTH, HEIGHT))

    def start(self, simulation: Worlds) -> None:
        """Take one at the start, in case the episode ends at once."""
        self._shoot(simulation)

    def step(self, state: Tensor, action: Tensor, step: Step, simulation: Worlds) -> None:
        """Take it when it is time; a world whose episode ended has begun anew already."""
        if bool(step.ended):
            raise _TakenError
        self._left -= 1
        self._shoot(simulation)
        if self._left == 0:
            raise _TakenError

    def _shoot(self, simulation: Worlds) -> None:
        assert isinstance(simulation, Simulation)
        self._renderer.update_scene(simulation.engine.snapshot(0), camera=self._view)
        self.picture = Image.fromarray(self._renderer.render())


if __name__ == "__main__":
    worked(_take)
