"""Training a population for one rung: a pure function of its arguments."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

import torch

from rewardgen_envs.adapters.mapped.task import MappedTask
from rewardgen_envs.base_task import BaseTask
from rewardgen_envs.cpus import cpu_count
from rewardgen_envs.engines.base import ContactsOverflow
from rewardgen_envs.engines.choice import CPU, EngineChoice, with_more_room
from rewardgen_envs.task import Task
from rewardgen_policies.members import Failure, Member, Progress, TrainResult
from rewardgen_policies.recipe import Recipe
from rewardgen_policies.rung import Rung, flush_denormals

__all__ = ["Failure", "Member", "Progress", "TrainResult", "train"]


def train(
    task: BaseTask,
    members: Sequence[Member],
    recipe: Recipe,
    env_steps: int,
    *,
    rung: int = 0,
    threads: int | None = None,
    engine: EngineChoice = CPU,
    progress: Callable[[Progress], None] | None = None,
) -> TrainResult:
    """Train a population for one rung.

    The result of a member depends on its own source, seed, checkpoint, settings and ``rung``,
    not on its neighbours; nor on ``threads``. To the last bit that holds where worlds, samples per
    minibatch and hidden sizes are multiples of 16, as in all recipes here: the BLAS of some
    processors rounds by where in memory a member's numbers lie. Members of a mapped task train one
    after another, by Stable-Baselines3, on the CPU.

    Args:
        task: the task.
        members: who trains.
        recipe: PPO settings.
        env_steps: control steps per member, rounded up to whole updates.
        rung: keys the random streams; fresh resets at its start.
        threads: for physics and updates; None for one per CPU of this process.
        engine: what simulates, and where everything is computed.
        progress: called after every update; may raise to stop.

    Raises:
        CheckpointError: a checkpoint cannot be used for this task and recipe.
        RecipeError: a member overrides what it may not, or with a bad value.
        EngineError: the engine cannot be had.
        ValueError: no members, or those of one source do not lie side by side.
    """
    if not members:
        raise ValueError("a population needs at least one member")
    if isinstance(task, MappedTask):
        from rewardgen_policies.sb3.training import train_members

        with _single_threaded_torch():
            return train_members(task, members, recipe, env_steps, rung, progress)
    assert isinstance(task, Task)
    threads = threads or cpu_count()
    updates = recipe.updates(env_steps)
    with _single_threaded_torch(), torch.no_grad():
        while True:
            rung_run = Rung(task, members, recipe, rung, threads, engine)
            try:
                return rung_run.run(updates, progress)
            except ContactsOverflow:
                # what the members learned meanwhile is void for all of them
                engine = with_more_room(engine)
            finally:
                rung_run.close()


@contextmanager
def _single_threaded_torch() -> Generator[None]:
    """Let each torch call use one thread: shards of members run in threads instead.

    Sums then do not depend on the number of threads, and no pool spins beside the physics.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    flush_denormals()
    try:
        yield
    finally:
        torch.set_num_threads(before)
        torch.set_flush_denormal(False)
