"""Runs policy.onnx in plain MuJoCo, on the episodes on which it was evaluated.

One MjData, stepped by mj_step. What the policy sees, how episodes start and what counts come from
the task's definition in rewardgen_envs, which knows neither training nor rewards. Needs mujoco,
onnxruntime and rewardgen-lab (for the task); policy.json lies beside this file and says the rest.

The last line is the fitness: the mean over the episodes.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import mujoco
import torch

from rewardgen_envs.engines.mujoco_data import MujocoDataEngine
from rewardgen_envs.errors import UsageError
from rewardgen_envs.registry import load_task
from rewardgen_envs.simulation import Simulation
from rewardgen_envs.task import BoxAction, Task

if TYPE_CHECKING:
    from rewardgen.rungs.own_fitness import OwnFitness

HERE = Path(__file__).resolve().parent
Act = Callable[[torch.Tensor], torch.Tensor]
"""Observation (1, O) → action (1, A), or (1,) if discrete."""


def main(arguments: list[str] | None = None) -> int:
    """Play the episodes, print each one's fitness and, last, their mean."""
    given = _parse(arguments)
    about = json.loads((HERE / "policy.json").read_text(encoding="utf-8"))
    torch.set_num_threads(1)
    try:
        task = load_task(given.task or about["task"])
        act = load_policy(about)
    except (UsageError, ImportError) as error:
        return _complain(str(error))
    shown, taken = _numbers(task)
    takes, gives = len(about["observation"]), about["action_size"]
    if (shown, taken) != (takes, gives):
        return _complain(
            f"the policy takes {takes} numbers and gives {gives}, '{task.name}' shows {shown} and "
            f"takes {taken}: the policy is of task '{about['task']}'"
        )
    if (task.version, task.scene_sha256) != (about["task_version"], about["scene_sha256"]):
        _complain(
            f"task '{task.name}' is not what it was when the policy was evaluated: its version or "
            "scene has changed, or MuJoCo has; the fitness may differ for that reason"
        )
    evaluation = about["evaluation"]
    reported = dict(zip(evaluation["eval_seeds"], evaluation["fitness"], strict=True))
    seeds: list[int] = given.seeds or list(reported)[: given.episodes]
    fitness: list[float] = []
    for seed in seeds:
        fitness.append(play(task, act, seed, render=given.render))
        before = f", reported {reported[seed]:.6g}" if seed in reported else ""
        print(f"seed {seed}: {fitness[-1]:.6g}{before}", flush=True)
    unit = "" if evaluation["unit"] == "1" else f" in {evaluation['unit']}"
    print(f"{evaluation['metric']}{unit}, mean of {len(seeds)} episodes:")
    if reported.keys() >= set(seeds):
        print(_comparison(fmean(fitness), fmean(reported[seed] for seed in seeds)))
    print(fmean(fitness))
    return 0


def _numbers(task: Task) -> tuple[int, int]:
    """Return how many numbers a policy of the task takes and gives, or has to choose from."""
    action = task.action
    return task.observation_size, action.size if isinstance(action, BoxAction) else action.count


def play(task: Task, act: Act, eval_seed: int, *, render: bool = False) -> float:
    """Return the fitness of one episode; one that diverges counts as in the evaluation."""
    # a copy: domain randomization changes it, and the task's own says what is scaled
    model = copy.copy(task.model)
    data = mujoco.MjData(model)
    engine = MujocoDataEngine(model, data)
    simulation = Simulation(task, [stream(eval_seed)], 1, engine=engine)
    own = own_fitness(task)
    if own is not None:
        own.start(simulation)
    with _viewer(task, model, data, render) as show:
        while True:
            state = simulation.state
            action = act(simulation.observation())
            step = simulation.step(action)
            if own is not None:
                own.step(state, action, step, simulation)
            show()
            if bool(step.ended):
                break
    if own is not None:
        return float(own.result(1))
    metric = task.metric
    return float(step.fitness[metric.name]) if bool(step.valid) else metric.after_termination


def own_fitness(task: Task) -> OwnFitness | None:
    """Return the user's own fitness, if the run had one in place of the task's."""
    path = HERE / "fitness.py"
    if not path.is_file():
        return None
    from rewardgen.rewards.fitness import read_fitness
    from rewardgen.rungs.own_fitness import OwnFitness

    return OwnFitness(read_fitness(path), task)


def load_policy(about: dict[str, Any]) -> Act:
    """Return the policy.

    Raises:
        ImportError: onnxruntime is not installed.
    """
    # it reports to its maker from 1.31 on, and its own switch comes too late
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime
    except ImportError:
        raise ImportError("it runs the policy by onnxruntime: pip install onnxruntime") from None
    session = onnxruntime.InferenceSession(
        str(HERE / about["file"]), providers=["CPUExecutionProvider"]
    )

    def act(observation: torch.Tensor) -> torch.Tensor:
        (action,) = session.run([about["output"]], {about["input"]: observation.numpy()})
        return torch.as_tensor(action)

    return act


def stream(eval_seed: int) -> int:
    """Return the seed of an evaluation episode's random numbers, as the evaluator derives it."""
    key = f"evaluation episode/{eval_seed}".encode()
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big") >> 1


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run the exported policy in plain MuJoCo.")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--episodes", type=_count, help="only the first so many of the evaluation")
    which.add_argument("--seeds", type=int, nargs="+", help="other evaluation seeds")
    parser.add_argument("--render", action="store_true", help="show it in MuJoCo's viewer")
    parser.add_argument("--task", help="where the task is now, as path/to/file.py:Class")
    return parser.parse_args(arguments)


def _count(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return int(text)


def _complain(text: str) -> int:
    print(f"play.py: {text}", file=sys.stderr)
    return 2


def _comparison(found: float, reported: float) -> str:
    relative = abs(found - reported) / abs(reported) if reported else float(found != reported)
    return f"the evaluator reported {reported:.6g}: {100.0 * relative:.2f} % off"


@contextmanager
def _viewer(
    task: Task, model: mujoco.MjModel, data: mujoco.MjData, render: bool
) -> Generator[Callable[[], None]]:
    """Yield what shows the present state, at the pace of real time; nothing without ``render``."""
    if not render:
        yield lambda: None
        return
    from mujoco import viewer

    with viewer.launch_passive(model, data) as window:

        def show() -> None:
            window.sync()
            time.sleep(task.control_dt_s)

        yield show


if __name__ == "__main__":
    sys.exit(main())
