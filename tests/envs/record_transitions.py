"""Record the transitions under trained policies that ``test_gymnasium_oracle.py`` replays.

    python tests/envs/record_transitions.py hopper/run 300000
    python tests/envs/record_transitions.py half-cheetah/run 300000
    python tests/envs/record_transitions.py ant/run 600000
    python tests/envs/record_transitions.py humanoid/run 400000

trains four policies on the task's human reward and writes 600 transitions of their episodes to
``tests/envs/recordings/``: up to 100 that terminate, the others at random. They hold where each
transition starts and what is done, so they stay valid when rewards, features or PPO change.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from rewardgen.config import recipe_path
from rewardgen.rewards.inline import InlineReward
from rewardgen_envs.registry import load_task
from rewardgen_envs.simulation import Simulation
from rewardgen_envs.task import Task
from rewardgen_policies.evaluation import Policies
from rewardgen_policies.recipe import Recipe, load_recipe
from rewardgen_policies.train import Member, train

TRANSITIONS = 600
TERMINATING = 100
WORLDS = 16
POLICIES = 4


def record(task: Task, policies: Policies) -> dict[str, np.ndarray]:
    """Play the policies for one episode length and keep some transitions."""
    simulation = Simulation(task, list(range(1000, 1000 + POLICIES)), WORLDS)
    generator = torch.Generator().manual_seed(0)
    kept: dict[bool, list[tuple[torch.Tensor, ...]]] = {True: [], False: []}
    for _ in range(task.episode_steps):
        observation = simulation.observation().view(POLICIES, WORLDS, -1)
        action = policies(observation).flatten(0, 1)
        before = [simulation.engine.field(name).clone() for name in ("qpos", "qvel")]
        step = simulation.step(action)
        # a few worlds per step are enough to choose from, and all that terminate
        worlds = torch.randperm(simulation.nworld, generator=generator)[:4].tolist()
        for world in {*worlds, *step.terminated.nonzero()[:, 0].tolist()}:
            row = (before[0][world], before[1][world], action[world])
            kept[bool(step.terminated[world])].append(row)
    ended = kept[True][:TERMINATING]
    order = torch.randperm(len(kept[False]), generator=generator)[: TRANSITIONS - len(ended)]
    rows = ended + [kept[False][i] for i in order]
    columns = [torch.stack(column).float().numpy() for column in zip(*rows, strict=True)]
    return dict(zip(("qpos", "qvel", "action"), columns, strict=True))


def main() -> None:
    """Train, record, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task")
    parser.add_argument("env_steps", type=int)
    arguments = parser.parse_args()
    task = load_task(arguments.task)
    reward = InlineReward.from_file(task.human_reward, task.table)
    members = [Member(reward, seed) for seed in range(POLICIES)]
    recipe_file = recipe_path(task.name, None)
    recipe = Recipe() if recipe_file is None else load_recipe(recipe_file)
    result = train(task, members, recipe, arguments.env_steps)
    path = Path(__file__).parent / "recordings" / f"{task.name.replace('/', '_')}.npz"
    path.parent.mkdir(exist_ok=True)
    np.savez_compressed(path, **record(task, Policies(result.states)))


if __name__ == "__main__":
    main()
