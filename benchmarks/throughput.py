"""Environment steps per second of a whole training, against raw physics and SB3.

``ant/run`` with a population of 16 x 32 worlds: features, terminal rows, reward hosts and
learning included. One env-step is one control step of one world that entered an update. Every
side uses each sample 5 times in minibatches of a quarter of the rollout, networks 2 x 64 tanh.
The sides take turns in one run; the medians of their turns are compared.
"""

from __future__ import annotations

import os

# read when the libraries load: OpenMP threads must sleep while physics runs, on every side
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

import functools
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import mujoco
import numpy as np
import torch
from mujoco import batch

from benchmarks.harness import Benchmark, recipe_of, report
from benchmarks.rivals import AntBatchVecEnv, gymnasium_vec_env, sb3_ppo
from rewardgen.isolation.host import HostPool
from rewardgen.rewards.format import read_reward
from rewardgen.rewards.inline import InlineReward
from rewardgen_envs.engines.mujoco_batch import MujocoBatchEngine
from rewardgen_envs.registry import load_task
from rewardgen_envs.simulation import Simulation
from rewardgen_envs.task import Task
from rewardgen_policies.checkpoint import MemberState, save_checkpoint
from rewardgen_policies.evaluation import Policies
from rewardgen_policies.train import Member, Progress, train

MEMBERS, WORLDS, THREADS = 16, 32, 2
TURNS = 3
SB3_COUNTS = (16, 64, 128, 256)
TRAINED_UPDATES = 75  # "late in training": our side goes on from there, raw steps its states
WARM_STEPS, RAW_STEPS = 300, 20


@dataclass(frozen=True)
class Late:
    """A population late in training: what every member knows, and what its worlds do."""

    states: list[MemberState]
    physics: np.ndarray
    controls: np.ndarray

    def checkpoints(self, folder: Path) -> list[Path]:
        """Write one checkpoint per member."""
        paths = [folder / f"{i}.safetensors" for i in range(len(self.states))]
        for path, state in zip(paths, self.states, strict=True):
            save_checkpoint(state, path)
        return paths


@functools.cache
def late(task_name: str) -> Late:
    """Train a population, then record its worlds and 20 control steps of its actions."""
    task = load_task(task_name)
    recipe = recipe_of(task)
    source = InlineReward.from_file(task.human_reward, task.table)
    members = [Member(source, seed=9000 + i) for i in range(MEMBERS)]
    report(f"{task.name}: training {TRAINED_UPDATES * recipe.samples:,} steps per member first")
    trained = train(task, members, recipe, TRAINED_UPDATES * recipe.samples, threads=THREADS)
    policies = Policies(trained.states)
    engine = MujocoBatchEngine(task.model, MEMBERS * WORLDS, THREADS)
    simulation = Simulation(task, list(range(MEMBERS)), WORLDS, engine=engine)
    generator = torch.Generator().manual_seed(0)
    # the policies' own exploration: raw physics steps what training steps
    std = torch.stack([s.tensors["parameters.log_std"].exp() for s in trained.states])
    spread = std.view(MEMBERS, 1, -1).expand(-1, WORLDS, -1).flatten(0, 1)
    physics, controls = np.zeros(0), []
    for step in range(WARM_STEPS + RAW_STEPS):
        if step == WARM_STEPS:
            physics = state_rows(engine)
        mode = policies(simulation.observation().view(MEMBERS, WORLDS, -1)).flatten(0, 1)
        noise = torch.randn(mode.shape, generator=generator)
        action = (mode + spread * noise).clamp(-1.0, 1.0)
        if step >= WARM_STEPS:
            control = task.actuate(action, task.table.view(simulation.state))
            controls.append(control.numpy().copy())
        simulation.step(action)
    simulation.close()
    return Late(trained.states, physics, np.stack(controls))


def state_rows(engine: MujocoBatchEngine) -> np.ndarray:
    """Return the physics state of all worlds, (B, n), as ``mujoco.batch`` stores it."""
    fields = ("qpos", "qvel", "act", "qacc_warmstart")
    size = mujoco.mj_stateSize(engine.model, int(mujoco.mjtState.mjSTATE_INTEGRATION))
    rows = np.zeros((engine.nworld, size))
    data = mujoco.MjData(engine.model)
    for world, row in enumerate(rows):
        for name in fields:
            getattr(data, name)[...] = engine.field(name)[world].numpy()
        mujoco.mj_getState(engine.model, data, row, int(mujoco.mjtState.mjSTATE_INTEGRATION))
    return rows


def ours(task: Task, start: Late, members: int, updates: int) -> Callable[[], float]:
    """Return a function that trains on from late members and returns env-steps per second."""
    recipe = recipe_of(task)
    code = read_reward(task.human_reward)

    def turn() -> float:
        with HostPool() as pool, tempfile.TemporaryDirectory() as folder:
            # two seeds per candidate, as in a search; each candidate has a host of its own
            sources = [pool.open(code, task.table, f"c{i}") for i in range(-(-members // 2))]
            paths = start.checkpoints(Path(folder))
            population = [Member(sources[i // 2], 9000 + i, paths[i]) for i in range(members)]
            marks: list[float] = []

            def mark(_: Progress) -> None:
                marks.append(time.perf_counter())

            steps = (updates + 1) * recipe.samples
            train(task, population, recipe, steps, rung=1, threads=THREADS, progress=mark)
        # the first update also starts processes; it is not counted
        return updates * recipe.samples * members / (marks[-1] - marks[0])

    return turn


def raw(task: Task, start: Late, *, persistent: bool) -> Callable[[], float]:
    """Return a function that steps recorded late states with recorded actions, nothing else."""
    physics = batch.Batch(task.model, len(start.physics), THREADS, persistent=persistent)
    control = physics.bind("ctrl")

    def turn() -> float:
        physics.state[:] = start.physics
        begin = time.perf_counter()
        for row in start.controls:
            control[:] = row
            physics.step(nstep=task.decimation)
        return start.controls.shape[0] * physics.nsim / (time.perf_counter() - begin)

    return turn


def sb3(make_env: Callable[[], Any], rollout: int, rollouts: int) -> Callable[[], float]:
    """Return a function that lets SB3 learn and returns env-steps per second."""
    torch.set_num_threads(THREADS)
    model = sb3_ppo(make_env(), seed=9000, rollout=rollout)
    model.learn(rollout)

    def turn() -> float:
        torch.set_num_threads(THREADS)
        start = time.perf_counter()
        model.learn(rollout * rollouts, reset_num_timesteps=False)
        return rollout * rollouts / (time.perf_counter() - start)

    return turn


def alternate(sides: dict[str, Callable[[], float]], turns: int) -> dict[str, list[float]]:
    """Let the sides take turns; return env-steps per second of every turn."""
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(turns):
        for name, side in sides.items():
            rates[name].append(side())
            report(f"turn {turn + 1}: {name} {rates[name][-1]:,.0f} env-steps/s")
    return rates


def summary(rates: dict[str, list[float]]) -> dict[str, Any]:
    """Return the median and all turns of every side."""
    return {
        name: {"median": statistics.median(turns), "turns": [round(x) for x in turns]}
        for name, turns in rates.items()
    }


def compare(task_name: str, counts: Sequence[int]) -> dict[str, Any]:
    """Measure one task: ours, raw physics, SB3 on Gymnasium's own class."""
    task = load_task(task_name)
    rollout, start = 2048, late(task_name)
    sides: dict[str, Callable[[], float]] = {
        "ours": ours(task, start, MEMBERS, updates=3),
        "raw": raw(task, start, persistent=False),
        "raw_persistent": raw(task, start, persistent=True),
    }
    for count in counts:
        sides[f"sb3_{count}"] = sb3(lambda n=count: gymnasium_vec_env(task, n), rollout, 8)
    if task_name == "ant/run":
        sides["sb3_batched_32"] = sb3(
            lambda: AntBatchVecEnv(task, WORLDS, THREADS, 9000), rollout, 12
        )
    return {"task": task_name, "sides": summary(alternate(sides, TURNS))}


def part_ant() -> dict[str, Any]:
    """ant/run: every side."""
    return compare("ant/run", SB3_COUNTS)


def part_half_cheetah() -> dict[str, Any]:
    """half-cheetah/run: ours, raw, SB3."""
    return compare("half-cheetah/run", SB3_COUNTS)


def part_small() -> dict[str, Any]:
    """hopper/run, and ant/run with a population of one."""
    hopper, ant = load_task("hopper/run"), load_task("ant/run")
    sides = {
        "ours_hopper": ours(hopper, late(hopper.name), MEMBERS, updates=4),
        "ours_ant_population_1": ours(ant, late(ant.name), 1, updates=10),
    }
    return {"task": "hopper/run, ant/run", "sides": summary(alternate(sides, TURNS))}


def combine(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the figures by which the benchmark is known."""
    sides = {name: side["median"] for name, side in parts[0]["sides"].items()}
    best = max(value for name, value in sides.items() if name in _GYMNASIUM)
    fastest = max(sides["raw"], sides["raw_persistent"])
    return {
        "env_steps_per_s": sides["ours"],
        "raw_env_steps_per_s": fastest,
        "sb3_env_steps_per_s": best,
        "sb3_batched_env_steps_per_s": sides["sb3_batched_32"],
        "share_of_raw": sides["ours"] / fastest,
        "times_sb3": sides["ours"] / best,
        "times_sb3_batched": sides["ours"] / sides["sb3_batched_32"],
    }


_GYMNASIUM = {f"sb3_{count}" for count in SB3_COUNTS}

BENCHMARK = Benchmark(
    name="throughput",
    summary="Environment steps per second of a whole training, against raw physics and SB3.",
    parts=(part_ant, part_half_cheetah, part_small),
    combine=combine,
)

if __name__ == "__main__":
    BENCHMARK.main()
