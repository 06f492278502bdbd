"""What every designer is told of a task, before anything was tried."""

from __future__ import annotations

from rewardgen.config import DesignConfig, RunConfig
from rewardgen.design.designer import DesignContext
from rewardgen_envs.base_task import BaseTask


def task_context(config: DesignConfig, task: BaseTask, *, count: int, seed: int) -> DesignContext:
    """Return the context of a first iteration.

    Args:
        config: may hold the user's own words.
        task: the task; private features are left out.
        count: how many proposals are wanted.
        seed: the only source of chance.
    """
    return DesignContext(
        sentence=config.text or task.description,
        table=task.table.public(),
        action=task.action,
        control_dt_s=task.control_dt_s,
        episode_steps=task.episode_steps,
        count=count,
        seed=seed,
        wrapper=config.wrapper if isinstance(config, RunConfig) else None,
        # a file that is written alone would have to be told apart from what it is made for
        may_wrap=isinstance(config, RunConfig) and config.wrapper is None,
    )
