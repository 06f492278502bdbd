"""How fast every task steps: features, observation, fitness, terminations and resets included.

Per task: control steps of all worlds per second with random actions, beside control steps of the
physics alone (the same engine and controls, from the same states, without features and resets), in
turns of one run. Warp's CPU device is for tests; nothing is measured there.
"""

from __future__ import annotations

import os

# as everywhere in the benchmarks: OpenMP threads must sleep while physics runs
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

import functools
import itertools
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch

from benchmarks.harness import Benchmark, report
from rewardgen_envs.engines.available import make_warp
from rewardgen_envs.engines.base import Engine
from rewardgen_envs.engines.choice import CPU, EngineChoice
from rewardgen_envs.engines.mujoco_batch import MujocoBatchEngine
from rewardgen_envs.registry import load_task, task_names
from rewardgen_envs.simulation import Simulation
from rewardgen_envs.task import BoxAction, Task

WORLDS = 320  # 10 members of 32 worlds
SLICE_S, TURNS, WARM_STEPS = 1.0, 5, 20
PARTS = 6
RELOADED = 8
"""Steps after which the physics alone gets the task's states again: without resets what falls stays
fallen, which is other physics. Loading does not count."""
STATE = ("qpos", "qvel", "act", "qacc_warmstart", "mocap_pos")
"""Mocap bodies included: a hand that is pulled from afar is dearer than one that is followed."""


@torch.inference_mode()
def measure(name: str, choice: EngineChoice = CPU) -> dict[str, Any]:
    """Return a task's env-steps/s, whole and physics alone, in turns."""
    task = load_task(name)
    generator = torch.Generator().manual_seed(0)
    simulation = Simulation(task, [0], WORLDS, engine=choice)
    raw = _raw_engine(task, choice)
    view = task.table.view(simulation.state)
    controls = itertools.cycle([task.actuate(_action(task, generator), view) for _ in range(64)])

    steps = itertools.count()

    def whole() -> float:
        begin = time.perf_counter()
        simulation.observation()
        simulation.step(_action(task, generator))
        return time.perf_counter() - begin

    def physics() -> float:
        if next(steps) % RELOADED == 0:
            for field in STATE:
                raw.write(field, simulation.engine.field(field), None)
        begin = time.perf_counter()
        raw.write("ctrl", next(controls), None)
        raw.step(task.decimation)
        return time.perf_counter() - begin

    sides = {"task": whole, "raw": physics}
    turns: dict[str, list[float]] = {side: [] for side in sides}
    for run in sides.values():
        for _ in range(WARM_STEPS):
            run()
    for _ in range(TURNS):
        for side, run in sides.items():
            turns[side].append(WORLDS * _rate(run))
    simulation.close()
    raw.close()
    rates = {side: statistics.median(values) for side, values in turns.items()}
    # turn by turn: what else the machine does slows both sides of a turn
    share = statistics.median(a / b for a, b in zip(turns["task"], turns["raw"], strict=True))
    report(f"{name}: {rates['task']:,.0f} env-steps/s, {share:.2f} of raw")
    return {
        "task": name,
        "engine": f"{choice.name} on {choice.device}",
        "scene_sha256": task.scene_sha256,
        "worlds": WORLDS,
        "env_steps_per_s": rates["task"],
        "raw_per_s": rates["raw"],
        "share": share,
        "turns": turns,
    }


def _raw_engine(task: Task, choice: EngineChoice) -> Engine:
    """Return an engine that computes nothing but the physics."""
    if choice.name == "warp":
        return make_warp(task.model, WORLDS, choice)
    return MujocoBatchEngine(task.model, WORLDS, None, refresh=False)


def _action(task: Task, generator: torch.Generator) -> torch.Tensor:
    action = task.action
    if isinstance(action, BoxAction):
        return torch.rand(WORLDS, action.size, generator=generator) * 2.0 - 1.0
    return torch.randint(action.count, (WORLDS,), generator=generator)


def _rate(run: Callable[[], float]) -> float:
    """Return how often something runs per second that says how long it took."""
    seconds, count = 0.0, 0
    while seconds < SLICE_S:
        seconds += run()
        count += 1
    return count / seconds


def part(number: int) -> dict[str, Any]:
    """Measure a share of the tasks."""
    return {"tasks": [measure(name) for name in task_names()[number::PARTS]]}


def combine(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the speed of every task, and how many reach the share that is asked for."""
    measured = sorted((t for part in parts for t in part["tasks"]), key=lambda t: str(t["task"]))
    return {
        "tasks": {t["task"]: round(t["env_steps_per_s"]) for t in measured},
        "shares": {t["task"]: round(t["share"], 3) for t in measured},
        "least_share": min(t["share"] for t in measured),
        "below_60_percent": [t["task"] for t in measured if t["share"] < 0.6],
    }


BENCHMARK = Benchmark(
    name="task_steps",
    summary="Control steps per second of every task, and their share of raw physics.",
    parts=[functools.partial(part, number) for number in range(PARTS)],
    combine=combine,
)

if __name__ == "__main__":
    BENCHMARK.main()
