"""What is tried before a run directory is created: the task simulates, the rewards can be used."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from rewardgen.check.pipeline import CheckResult, check_reward
from rewardgen.config import ConfigError, RunConfig, TrainConfig
from rewardgen.isolation.host import HostOptions, HostPool
from rewardgen.report.text import finding_text
from rewardgen.rewards.findings import RefusedRewardError, recorded
from rewardgen.rewards.fitness import FitnessCode, read_fitness
from rewardgen.rewards.format import read_source
from rewardgen.rungs.executor import ExecutorError, LocalExecutor
from rewardgen.rungs.jobs import SurveyJob
from rewardgen.rungs.node import require_cluster
from rewardgen_envs.adapters.mapped.task import MappedTask
from rewardgen_envs.base_task import BaseTask, BoxAction, TaskError
from rewardgen_envs.engines.available import require_engine
from rewardgen_envs.engines.choice import CPU
from rewardgen_envs.errors import UsageError
from rewardgen_envs.names import nearest
from rewardgen_envs.worlds import open_worlds
from rewardgen_policies.sb3.settings import require_sb3

OWN_REWARDS = ("human", "sparse")
"""Rewards that a task brings along; any other name is a reward file."""
_WORLDS = 2


def try_task(task: BaseTask) -> None:
    """Simulate one control step.

    Raises:
        UsageError: the task does not give what it declares, or fails.
    """
    action = task.action
    if isinstance(action, BoxAction):
        idle = torch.zeros(_WORLDS, action.size)
    else:
        idle = torch.zeros(_WORLDS, dtype=torch.int64)
    try:
        simulation = open_worlds(task, [0], _WORLDS, threads=1)
        try:
            simulation.observation()
            simulation.step(idle)
        finally:
            simulation.close()
    except UsageError:
        raise
    except Exception as error:
        raise TaskError(
            f"task '{task.name}' fails within one control step: {type(error).__name__}: {error}; "
            "'rewardgen tasks check' says more"
        ) from error


def own_fitness(config: RunConfig) -> FitnessCode | None:
    """Return the user's own fitness, or None for the task's.

    Raises:
        UsageError: own words without one, or its file cannot be used.
    """
    if config.fitness is not None:
        return read_fitness(config.fitness)
    if config.text is not None:
        raise ConfigError(
            "--text replaces the task's sentence, so the search needs to know what to rank by: "
            "give --fitness FILE with def fitness(state, action, next_state), one number per "
            "transition; or write rewards without a search by 'rewardgen generate'"
        )
    return None


def try_fitness(task: str, fitness: FitnessCode) -> None:
    """Run a fitness file on a few random episodes, in a process of the kind that evaluates.

    Raises:
        UsageError: it fails, or ends the process.
    """
    with tempfile.TemporaryDirectory() as folder, LocalExecutor(Path(folder)) as executor:
        try:
            job = SurveyJob(task=task, seed=0, worlds=_WORLDS, fitness=fitness.source)
            executor.survey("fitness", job)
        except ExecutorError as error:
            raise UsageError(f"the fitness file cannot be tried: {error}") from error


def check_engines(config: RunConfig | TrainConfig, task: BaseTask) -> None:
    """Refuse an engine or a device that this machine does not have, or a cluster out of reach.

    A mapped task brings its own physics, and Stable-Baselines3 has to be there to train it.

    Raises:
        EngineError: says what is missing.
        UsageError: an engine or a device for a mapped task, or no Stable-Baselines3.
        ClusterError: Ray is not installed, or nobody listens where the cluster should be.
    """
    if isinstance(task, MappedTask):
        require_sb3()
        if config.engines != (CPU,):
            raise ConfigError(
                f"task '{task.name}' is a Gymnasium environment: it steps itself, and is trained "
                "on the CPU; leave out --engine and --device"
            )
    if config.cluster is not None:  # its nodes have devices of their own
        require_cluster(config.cluster)
        return
    for engine in config.engines:
        require_engine(engine)


def check_rewards(config: TrainConfig, task: BaseTask) -> dict[str, CheckResult]:
    """Check the reward files of a training against its task; ``human`` and ``sparse`` are none.

    Raises:
        UsageError: a name is unknown or given twice, or a file cannot be read.
        RefusedRewardError: a reward does not pass its check; carries what is wrong with each.
        HostUnavailable: no reward host can be started on this machine.
    """
    files = _files(config)
    texts = {name: read_source(Path(name)) for name in files}
    if not texts:
        if config.wrapper is not None:
            raise ConfigError(
                f"wrapper {config.wrapper.name} goes around reward files, and there is none: name "
                "one with --reward ('rewardgen tasks show TASK' prints the human reward)"
            )
        return {}
    with HostPool(HostOptions(mode=config.isolation)) as pool:
        results = {
            name: check_reward(text, task.table, task.action, hosts=pool, wrapper=config.wrapper)
            for name, text in texts.items()
        }
    bad = [f"{name} {x.verdict}" for name, x in results.items() if x.verdict != "accepted"]
    if bad:
        lines = [line for name, result in results.items() for line in remarks(name, result)]
        raise RefusedRewardError("\n".join([f"nothing is trained: {', '.join(bad)}", *lines]))
    return results


def check_start(config: RunConfig, task: BaseTask, source: str) -> None:
    """Check the reward that a search starts from.

    Raises:
        RefusedRewardError: it does not pass; carries what is wrong with it.
        HostUnavailable: no reward host can be started on this machine.
    """
    with HostPool(HostOptions(mode=config.isolation)) as pool:
        result = check_reward(source, task.table, task.action, hosts=pool, wrapper=config.wrapper)
    if result.verdict != "accepted":
        name = str(config.start)
        lines = [f"nothing is searched: {name} {result.verdict}", *remarks(name, result)]
        raise RefusedRewardError("\n".join(lines))


def remarks(name: str, result: CheckResult) -> list[str]:
    """Return the findings about a reward file as ``rewardgen check`` prints them."""
    return [finding_text(name, recorded(finding)) for finding in result.findings]


def _files(config: TrainConfig) -> list[str]:
    if len(set(config.rewards)) != len(config.rewards):
        raise UsageError("a reward is given twice; each names an arm of its own")
    files = [name for name in config.rewards if name not in OWN_REWARDS]
    for name in files:
        path = Path(name)
        if path.name == name and not path.suffix and not path.is_file():
            raise UsageError(
                f"unknown reward '{name}'{nearest(name, OWN_REWARDS)}, or a reward file; "
                "give --reward once for each"
            )
    return files
