"""The first event of a run: everything it is made from."""

from __future__ import annotations

from collections.abc import Sequence

from rewardgen.config import RunConfig, TrainConfig
from rewardgen.rewards.fitness import FitnessCode
from rewardgen.run.budget import plan_env_steps
from rewardgen.run.session import task_facts
from rewardgen.store import parts
from rewardgen.store import payloads as p
from rewardgen.store.manifest import collect_manifest
from rewardgen_envs.base_task import BaseTask
from rewardgen_policies.recipe import Recipe


def run_started(
    verb: str,
    config: RunConfig | TrainConfig,
    task: BaseTask,
    recipe: Recipe,
    command: Sequence[str],
    designer: str | None,
    fitness: FitnessCode | None = None,
) -> p.RunStarted:
    """Return what is known of a run before anything is done.

    Args:
        verb: ``run`` or ``train``.
        config: its configuration.
        task: its task.
        recipe: PPO settings.
        command: what the user typed.
        designer: who proposes, or None.
        fitness: the user's own fitness, or None for the task's.
    """
    return p.RunStarted.model_validate(
        {
            "verb": verb,
            "command": tuple(command),
            "config": config.model_dump(mode="json", by_alias=True),
            "task": task_facts(
                task, config.text if isinstance(config, RunConfig) else None, fitness
            ),
            "recipe": recipe.model_dump(mode="json"),
            "recipe_sha256": recipe.sha256,
            "designer": designer,
            "seed": config.seed,
            "isolation": parts.Isolation(mode=config.isolation),
            "manifest": collect_manifest(),
            "budget_env_steps": plan_env_steps(config, task, recipe),
        }
    )
