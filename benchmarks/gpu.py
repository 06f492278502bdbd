"""What a GPU gives: the same physics, env-steps per second by width, 16 policies at once, a search.

For whenever a machine with an NVIDIA GPU is at hand; elsewhere it says so and ends. Part 1: parity
with MuJoCo on the CPU, one control step at a time. Parts 2 and 3: physics alone and with learning,
1,024 to 65,536 worlds, recorded as a graph and launched kernel by kernel, both kinds of friction
cones. Part 4: a population of 16 against its members one after another. Part 5: a whole search.
"""

from __future__ import annotations

import copy
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import mujoco
import torch

from benchmarks.harness import Benchmark, recipe_of, report
from benchmarks.parity import step_errors
from rewardgen.rewards.inline import InlineReward
from rewardgen_envs.contacts import probed_budget
from rewardgen_envs.engines.choice import Budget, EngineChoice
from rewardgen_envs.registry import load_task
from rewardgen_envs.simulation import Simulation
from rewardgen_envs.task import BoxAction, Task
from rewardgen_policies.recipe import Recipe
from rewardgen_policies.train import Member, Progress, train

PARITY = ("cartpole/swing-up", "hopper/run", "half-cheetah/run", "ant/run", "humanoid/run")
WIDE = ("ant/run", "humanoid/run")
WORLDS = (1_024, 4_096, 16_384, 65_536)
MEMBERS, PARITY_WORLDS, PARITY_STEPS, TOLERANCE = 16, 256, 50, 1e-2
SLICE_S, UPDATES = 3.0, 6
SEARCH = {
    "task": "ant/run",
    "iterations": 5,
    "samples": 16,
    "train-seeds": 1,
    "env-steps": 1_000_000,
    "device": "cuda",
    "seed": 9300,
}


def random_actions(task: Task, worlds: int, steps: int, device: str) -> list[torch.Tensor]:
    """Return random actions for every world, the same on each device."""
    action = task.action
    assert isinstance(action, BoxAction)
    generator = torch.Generator().manual_seed(1)
    given = torch.rand(steps, worlds, action.size, generator=generator, device="cpu")
    return list((2.0 * given - 1.0).to(device))


def parity(task_name: str, device: str, worlds: int) -> dict[str, float]:
    """Return the share of (step, world) pairs within the tolerance, and the median error."""
    task = load_task(task_name)
    reference = Simulation(task, [3], worlds)
    other = Simulation(task, [3], worlds, engine=warp(task, device))
    errors = step_errors(reference, other, random_actions(task, worlds, PARITY_STEPS, "cpu"))
    worst = errors.amax(-1)
    return {
        "within": float((worst <= TOLERANCE).float().mean()),
        "median": float(worst.median()),
    }


def warp(task: Task, device: str, budget: Budget | None = None) -> EngineChoice:
    """Return MuJoCo Warp on a device, with room for a task's contacts."""
    return EngineChoice("warp", device, budget or probed_budget(task))


def physics(task_name: str, worlds: int, device: str, *, cone: str, graph: bool) -> float:
    """Return env-steps/s of stepping with random controls alone."""
    from rewardgen_envs.engines.mujoco_warp import MujocoWarpEngine

    task = load_task(task_name)
    model, budget = copy.copy(task.model), probed_budget(task)
    if cone == "pyramidal":  # which has up to twice the rows
        model.opt.cone = mujoco.mjtCone.mjCONE_PYRAMIDAL
        budget = Budget(budget.contacts, 2 * budget.rows)
    engine = MujocoWarpEngine(model, worlds, device, budget)
    controls = [a.to(torch.float32) for a in random_actions(task, worlds, 4, device)]
    engine.forward(None)
    step: Callable[[], None] = (
        partial(engine.step, task.decimation) if graph else partial(engine._step, task.decimation)
    )

    def steps(count: int) -> None:
        for i in range(count):
            engine.write("ctrl", controls[i % len(controls)], None)
            step()
        _finish(device)

    steps(5)
    taken, start = 0, time.perf_counter()
    while time.perf_counter() - start < SLICE_S:
        steps(10)
        taken += 10
    rate = taken * worlds / (time.perf_counter() - start)
    engine.close()
    return rate


def learning(task_name: str, members: int, recipe: Recipe, device: str) -> float:
    """Return env-steps/s of a whole training; the first two updates, which compile, not counted."""
    task = load_task(task_name)
    human = InlineReward.from_file(task.human_reward, task.table)
    times: list[float] = []

    def note(progress: Progress) -> None:
        del progress
        _finish(device)
        times.append(time.perf_counter())

    population = [Member(human, 9000 + i) for i in range(members)]
    steps = UPDATES * recipe.samples
    train(task, population, recipe, steps, engine=warp(task, device), progress=note)
    return (UPDATES - 2) * recipe.samples * members / (times[-1] - times[1])


def _finish(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize(device)


def wide_recipe(task_name: str, worlds: int) -> Recipe:
    """Return a task's recipe with so many worlds, and rollouts of 24 steps."""
    return recipe_of(load_task(task_name)).model_copy(update={"worlds": worlds, "steps": 24})


def part_parity(device: str = "cuda", worlds: int = PARITY_WORLDS) -> dict[str, Any]:
    """Compare both engines on several tasks."""
    figures: dict[str, Any] = {}
    for name in PARITY:
        figures[name] = parity(name, device, worlds)
        report(f"{name}: {figures[name]}")
    return figures


def part_width(
    task_name: str, device: str = "cuda", widths: Sequence[int] = WORLDS
) -> dict[str, Any]:
    """Measure a task at several widths."""
    rows: list[dict[str, Any]] = []
    for worlds in widths:
        row: dict[str, Any] = {"worlds": worlds}
        for cone in ("elliptic", "pyramidal"):
            for graph in (True, False):
                how = f"{cone}, {'graph' if graph else 'kernel by kernel'}"
                row[how] = round(physics(task_name, worlds, device, cone=cone, graph=graph))
        row["learning"] = round(learning(task_name, 1, wide_recipe(task_name, worlds), device))
        rows.append(row)
        report(f"{task_name}: {row}")
    return {"task": task_name, "rows": rows, "memory_gib": _peak_gib(device)}


def _peak_gib(device: str) -> float:
    return 0.0 if device == "cpu" else round(torch.cuda.max_memory_allocated() / 2**30, 2)


def part_population(device: str = "cuda", worlds: int = 256) -> dict[str, Any]:
    """Measure 16 members at once, and one by itself."""
    recipe = wide_recipe("ant/run", worlds)
    rates: dict[str, list[float]] = {"together": [], "alone": []}
    for _ in range(3):
        rates["together"].append(learning("ant/run", MEMBERS, recipe, device))
        rates["alone"].append(learning("ant/run", 1, recipe, device))
        report(f"{rates}")
    ratio = max(rates["together"]) / max(rates["alone"])
    return {"worlds": worlds, "members": MEMBERS, **rates, "times_faster": round(ratio, 2)}


def part_search() -> dict[str, Any]:
    """Search with 16 candidates in each of 5 iterations; the figure is of the whole process."""
    with tempfile.TemporaryDirectory() as folder:
        flags = [f"--{name}={value}" for name, value in SEARCH.items()]
        command = [sys.executable, "-m", "rewardgen.cli.main", "run", *flags, "--no-render"]
        start = time.perf_counter()
        done = subprocess.run(
            [*command, "--json", f"--runs-dir={folder}"],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            cwd=Path(__file__).parents[1],
        )
        minutes = (time.perf_counter() - start) / 60.0
    record = json.loads(done.stdout.splitlines()[-1])
    arms = {arm["arm"]: [arm["iqm"], arm["interval"]] for arm in record["arms"]}
    return {"minutes": round(minutes, 1), "arms": arms, "env_steps": record["env_steps"]}


def combine(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the figures of all parts."""
    return {"parts": list(parts)}


BENCHMARK = Benchmark(
    name="gpu",
    summary="What a GPU gives.",
    parts=(
        part_parity,
        *(partial(part_width, name) for name in WIDE),
        part_population,
        part_search,
    ),
    combine=combine,
)


def main() -> None:
    """Measure where there is something to measure."""
    if torch.cuda.is_available():
        BENCHMARK.main()
    else:
        print("no NVIDIA GPU here: nothing is measured")


if __name__ == "__main__":
    main()
