"""What a run will cost: environment steps, memory, time."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict

from rewardgen.config import CompareConfig, RunConfig, TrainConfig
from rewardgen.racing import fields, places
from rewardgen.rungs.gathering import POLICIES, TRANSITIONS, worlds_of_each
from rewardgen.rungs.jobs import SURVEY_WORLDS
from rewardgen.rungs.shares import processes
from rewardgen_envs.base_task import BaseTask, BoxAction
from rewardgen_envs.contacts import with_room
from rewardgen_envs.engines.available import require_engine
from rewardgen_envs.engines.choice import CPU, EngineChoice
from rewardgen_envs.errors import UsageError
from rewardgen_envs.task import Task
from rewardgen_envs.worlds import open_worlds
from rewardgen_policies.recipe import Recipe

_WORKER_BYTES = 700 * 2**20  # a worker process with torch and mujoco, before any world
_WORLD_BYTES = 256 * 2**10  # one persistent MjData of a robot
_LEARNING_SHARE = 0.75  # physics' share of a training's time, as measured by benchmarks

LEAST_FINALISTS, MOST_FINALISTS, CANDIDATES_PER_FINALIST = 4, 12, 10
"""How many candidates play off at the end of a search: of many, more were merely lucky."""

PLAYOFF_RUNGS, PLAYOFF_KEEP = 3, 0.5
"""After each rung of the play-off its worse half retires."""


class Estimate(BaseModel):
    """What a run would take.

    Attributes:
        env_steps: environment steps at most: all scores tie, nobody retires.
        steps_per_s: environment steps per second of physics and features, just measured.
        minutes: duration at that rate, if the weaker candidates retire as planned.
        memory_mib: peak memory of the training worker.
        cost_usd: money for the language model; 0 without one, None if it has no price.
        cost_at_most_usd: the same if every reply is as long as allowed, and repaired.
        model: the same in words; empty without one.
        missing: what has to be mended before the run can start; empty if nothing.
    """

    model_config = ConfigDict(frozen=True)

    env_steps: int
    steps_per_s: float
    minutes: float
    memory_mib: int
    cost_usd: float | None = 0.0
    cost_at_most_usd: float | None = 0.0
    model: str = ""
    missing: str = ""

    def __str__(self) -> str:
        missing = f". It cannot start yet: {self.missing}" if self.missing else ""
        return (
            f"up to {self.env_steps:,} environment steps, about {self.minutes:.1f} minutes at "
            f"{self.steps_per_s:,.0f} steps/s, {self.memory_mib:,} MiB of memory, "
            f"{self.model or '0.00 USD'}{missing}"
        )


def iteration_env_steps(config: RunConfig, task: BaseTask, recipe: Recipe) -> int:
    """Return the environment steps of an iteration at most: all scores tie, nobody retires."""
    raced = _raced_steps(config, task, recipe, [config.samples] * config.rungs)
    raced += prefilter_env_steps(config, task)
    # a rung that could have decided evaluates the incumbent, and a tie may follow
    return raced + config.rungs * _incumbent_steps(config, task)


def start_env_steps(config: RunConfig, task: BaseTask, recipe: Recipe) -> int:
    """Return the environment steps of training the reward that the search starts from."""
    if config.start is None:
        return 0
    return _raced_steps(config, task, recipe, [1] * config.rungs)


def prefilter_env_steps(config: RunConfig, task: BaseTask) -> int:
    """Return the environment steps of the transitions that an iteration is judged on, at most."""
    if not config.prefilter:
        return 0
    actors = 1 + POLICIES
    return actors * worlds_of_each(task, actors, TRANSITIONS) * task.episode_steps


def _raced_steps(config: RunConfig, task: BaseTask, recipe: Recipe, field: Sequence[int]) -> int:
    """Return the environment steps of an iteration with so many candidates in its rungs."""
    training = trained_steps(config.rung_env_steps, recipe)
    evaluation = config.eval_episodes * task.episode_steps
    return sum(field) * config.train_seeds * (training + evaluation)


def _incumbent_steps(config: RunConfig, task: BaseTask) -> int:
    """Return the environment steps of evaluating the best so far once more."""
    return config.train_seeds * config.eval_episodes * task.episode_steps


def survey_env_steps(task: BaseTask) -> int:
    """Return the environment steps of looking at the features under random actions, at most."""
    return SURVEY_WORLDS * task.episode_steps


def confirm_env_steps(config: RunConfig, task: BaseTask, recipe: Recipe) -> int:
    """Return the environment steps of confirming winner, human and sparse, at most."""
    per_member = trained_steps(config.confirm_steps, recipe)
    per_member += config.confirm_episodes * task.episode_steps
    return 3 * config.confirm_seeds * per_member


@dataclass(frozen=True)
class PlayoffRung:
    """A rung of the play-off.

    Attributes:
        seeds: how many members of each finalist train in it.
        env_steps: for how long.
        fresh: whether they start anew, on further seeds, or go on.
    """

    seeds: int
    env_steps: int
    fresh: bool


def playoff_rungs(config: RunConfig) -> list[PlayoffRung]:
    """Return the rungs of the play-off.

    Where the search is a race along training, so is the play-off: all train on twice as many seeds
    as there, a third of the way at a time. Without rungs in the search all train to the end, on
    more and more seeds: among good candidates how they do after a third of their training need not
    say how they end, and where luck decides, further seeds tell more.
    """
    if config.rungs > 1:
        seeds = 2 * config.train_seeds
        third = max(1, config.env_steps // PLAYOFF_RUNGS)
        return [PlayoffRung(seeds, third, fresh=rung == 0) for rung in range(PLAYOFF_RUNGS)]
    few = max(2, config.train_seeds)
    return [PlayoffRung(seeds, config.env_steps, fresh=True) for seeds in (few, few, 2 * few)]


def playoff_env_steps(
    config: RunConfig, task: BaseTask, recipe: Recipe, field: Sequence[int]
) -> int:
    """Return the environment steps of a play-off with so many candidates in its rungs."""
    return sum(
        candidates
        * rung.seeds
        * (trained_steps(rung.env_steps, recipe) + config.eval_episodes * task.episode_steps)
        for candidates, rung in zip(field, playoff_rungs(config), strict=True)
    )


def most_finalists(config: RunConfig) -> int:
    """Return how many candidates play off at most; a single one need not."""
    proposed = config.iterations * config.samples + (config.start is not None)
    tenth = min(MOST_FINALISTS, proposed // CANDIDATES_PER_FINALIST)
    most = min(proposed, max(LEAST_FINALISTS, tenth))
    return most if most > 1 else 0


def closing_env_steps(config: RunConfig, task: BaseTask, recipe: Recipe) -> int:
    """Return the environment steps of play-off and confirmation at most: nobody retires."""
    field = [most_finalists(config)] * PLAYOFF_RUNGS
    return playoff_env_steps(config, task, recipe, field) + confirm_env_steps(config, task, recipe)


def _planned_closing(config: RunConfig, task: BaseTask, recipe: Recipe) -> int:
    """Return the environment steps of play-off and confirmation if no scores tie."""
    field = [most_finalists(config)]
    for rung in playoff_rungs(config)[1:]:
        left = places(field[-1], PLAYOFF_KEEP) if field[-1] else 0
        field.append(0 if rung.fresh and left == 1 else left)
    return playoff_env_steps(config, task, recipe, field) + confirm_env_steps(config, task, recipe)


def trained_steps(env_steps: int, recipe: Recipe) -> int:
    """Return what a budget per member comes to in whole updates."""
    return recipe.updates(env_steps) * recipe.samples


def plan_env_steps(config: RunConfig | TrainConfig, task: BaseTask, recipe: Recipe) -> int:
    """Return the environment steps that a run comes to if nothing fails or ties.

    Raises:
        UsageError: ``max_env_steps`` does not even cover one iteration and the confirmation, or
            does not cover the whole of a training.
    """
    if isinstance(config, CompareConfig):
        return _comparison_steps(config, task, recipe)
    if isinstance(config, TrainConfig):
        per_rung = trained_steps(max(1, config.env_steps // config.rungs), recipe)
        per_rung += config.eval_episodes * task.episode_steps
        return _training_steps(config, config.rungs * per_rung)
    field = fields(config.samples, config.rungs, config.keep, config.wildcards)
    iteration = _raced_steps(config, task, recipe, field) + _incumbent_steps(config, task)
    iteration += prefilter_env_steps(config, task)
    closing = _planned_closing(config, task, recipe)
    return _search_steps(config, task, recipe, iteration, closing)


def most_env_steps(config: RunConfig | TrainConfig, task: BaseTask, recipe: Recipe) -> int:
    """Return the environment steps that no run exceeds.

    Raises:
        UsageError: ``max_env_steps`` does not even cover one iteration and the confirmation, or
            does not cover the whole of a training.
    """
    if isinstance(config, TrainConfig):
        return plan_env_steps(config, task, recipe)
    iteration = iteration_env_steps(config, task, recipe)
    closing = closing_env_steps(config, task, recipe)
    return _search_steps(config, task, recipe, iteration, closing)


def _search_steps(
    config: RunConfig, task: BaseTask, recipe: Recipe, iteration: int, closing: int
) -> int:
    """Return the environment steps of a search whose stages take so many each."""
    survey = survey_env_steps(task) + start_env_steps(config, task, recipe)
    total = survey + config.iterations * iteration + closing
    if config.max_env_steps is None:
        return total
    longest = iteration_env_steps(config, task, recipe)
    closing = closing_env_steps(config, task, recipe)
    least = survey + longest + closing
    if config.max_env_steps < least:
        raise UsageError(
            f"max_env_steps is {config.max_env_steps:,}, but the survey of the features takes up "
            f"to {survey:,}, one iteration {longest:,}, play-off and confirmation {closing:,}: "
            f"raise it to at least {least} ({least:,}), or lower env_steps, samples or seeds"
        )
    return min(total, config.max_env_steps)


def _training_steps(config: TrainConfig, per_member: int) -> int:
    """Return the environment steps of a training whose members take so many each."""
    members = largest_population(config)
    total, limit = members * per_member, config.max_env_steps
    if limit is not None and limit < total:
        raise UsageError(
            f"max_env_steps is {limit:,}, but {members} members (rewards times seeds) take up to "
            f"{per_member:,} each, in whole updates and with their evaluation: raise it to at "
            f"least {total} ({total:,}), or lower env_steps, seeds or eval_episodes"
        )
    return total


def _comparison_steps(config: CompareConfig, task: BaseTask, recipe: Recipe) -> int:
    """Return the environment steps of a race and its confirmation if no scores tie.

    Raises:
        UsageError: ``max_env_steps`` does not cover them.
    """
    field = fields(_arms(config), config.rungs, config.keep, config.wildcards)
    per_rung = trained_steps(max(1, config.env_steps // config.rungs), recipe)
    per_rung += config.eval_episodes * task.episode_steps
    total = config.transitions + sum(field) * config.seeds * per_rung
    if config.stage == "confirm":
        per_member = trained_steps(config.env_steps, recipe)
        per_member += config.confirm_episodes * task.episode_steps
        total += (field[-1] + 1) * config.confirm_seeds * per_member
    limit = config.max_env_steps
    if limit is not None and limit < total:
        raise UsageError(
            f"max_env_steps is {limit:,}, but the comparison takes about {total:,}: raise it to at "
            f"least {total}, or lower env_steps, seeds or confirm_seeds"
        )
    return total


def _arms(config: CompareConfig) -> int:
    """Return how many rewards race at most, the reference among them."""
    return len(config.rewards) + 1


def memory_bytes(
    task: BaseTask, recipe: Recipe, members: int, config: RunConfig | TrainConfig
) -> int:
    """Estimate the peak of memory in a population's training: main memory, or that of GPUs.

    On a GPU without the worlds: its engine knows what they take, and refuses too many.
    """
    action = task.action.size if isinstance(task.action, BoxAction) else 1
    # two feature rows, observations of now and then, action, and about 16 numbers per sample;
    # minibatches and buffers of the reward hosts hold about as much again
    row = 2 * task.table.width + 2 * task.observation_size + 2 * action + 16
    samples = members * recipe.samples
    weights = task.observation_size * recipe.hidden[0] + sum(
        a * b for a, b in zip(recipe.hidden, (*recipe.hidden[1:], action), strict=True)
    )
    learning = members * 2 * weights * 4 * 6 + 2 * 4 * samples * row
    if not config.engines[0].on_cpu:
        return learning
    workers = processes(members, config.threads, config.engines) * _WORKER_BYTES
    return workers + members * recipe.worlds * _WORLD_BYTES + learning


def check_memory(task: BaseTask, recipe: Recipe, config: RunConfig | TrainConfig) -> None:
    """Refuse a population that does not fit.

    Raises:
        UsageError: with how many members would fit.
    """
    if config.cluster is not None:  # nobody knows here what its nodes have
        return
    members = largest_population(config)
    available = _free_bytes(config.engines)
    needed = memory_bytes(task, recipe, members, config)
    if available is None or needed <= available:
        return
    too_many = bisect_right(
        range(members), available, lo=1, key=lambda n: memory_bytes(task, recipe, n, config)
    )
    raise UsageError(
        f"a population of {members:,} members needs about {needed / 2**30:,.1f} GiB"
        f"{'' if config.engines[0].on_cpu else ' of GPU memory besides its worlds'}, "
        f"{available / 2**30:.1f} GiB are free; about {too_many - 1:,} members would fit: "
        "lower samples, seeds, or the recipe's worlds"
    )


def largest_population(config: RunConfig | TrainConfig) -> int:
    """Return the number of members of the largest population of a run."""
    if isinstance(config, CompareConfig):
        confirmed = fields(_arms(config), config.rungs, config.keep, config.wildcards)[-1] + 1
        confirming = confirmed * config.confirm_seeds if config.stage == "confirm" else 0
        return max(_arms(config) * config.seeds, confirming)
    if isinstance(config, TrainConfig):
        return len(config.rewards) * config.seeds
    return max(
        config.samples * config.train_seeds,
        most_finalists(config) * max(rung.seeds for rung in playoff_rungs(config)),
        3 * config.confirm_seeds,
    )


def _free_bytes(engines: Sequence[EngineChoice]) -> int | None:
    """Return the memory that is free now where engines compute, None if nobody tells."""
    if engines[0].on_cpu:
        return available_bytes()
    # shares are equal, so that the fullest GPU decides
    return len(engines) * min(torch.cuda.mem_get_info(e.device)[0] for e in engines)


def available_bytes() -> int | None:
    """Return the main memory that is free now, None where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    free = [line for line in lines if line.startswith("MemAvailable:")]
    return int(free[0].split()[1]) * 1024 if free else None


def estimate(task: BaseTask, recipe: Recipe, config: RunConfig | TrainConfig) -> Estimate:
    """Simulate about a second of the largest population on this machine, and extrapolate.

    Raises:
        EngineError: this machine cannot, whatever a cluster can.
    """
    require_engine(config.engines[0])
    members = largest_population(config)
    engine = with_room(task, config.engines[0]) if isinstance(task, Task) else CPU
    # members of a mapped task train one after another
    seeds = range(members) if isinstance(task, Task) else range(1)
    simulation = open_worlds(
        task, list(seeds), recipe.worlds, threads=config.threads, engine=engine
    )
    action, device = task.action, torch.device(engine.device)
    count = simulation.nworld
    steps, start = 0, time.perf_counter()
    while time.perf_counter() - start < 1.0:
        if isinstance(action, BoxAction):
            given = torch.rand(count, action.size, device=device) * 2.0 - 1.0
        else:
            given = torch.randint(action.count, (count,), device=device)
        simulation.step(given)
        steps += count
    rate = steps / (time.perf_counter() - start)
    simulation.close()
    planned = plan_env_steps(config, task, recipe)
    return Estimate(
        env_steps=most_env_steps(config, task, recipe),
        steps_per_s=rate,
        minutes=planned / (rate * _LEARNING_SHARE) / 60.0,
        memory_mib=memory_bytes(task, recipe, members, config) // 2**20,
    )
