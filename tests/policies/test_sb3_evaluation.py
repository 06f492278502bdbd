"""Policies that SB3 trained, in the evaluation: deterministic, on its own seeds; pictures too."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import gymnasium
import numpy as np
import torch

from rewardgen.rewards.sparse import OriginalReward
from rewardgen_envs.adapters.mapped.task import MappedTask
from rewardgen_envs.features import Feature
from rewardgen_envs.metrics import Accumulation, Metric
from rewardgen_policies.checkpoint import save_checkpoint
from rewardgen_policies.evaluation import TERMINATED, TIME_LIMIT, evaluate_random, run_episodes
from rewardgen_policies.members import Member
from rewardgen_policies.recipe import Recipe
from rewardgen_policies.sb3.model import make_policy
from rewardgen_policies.sb3.policies import Sb3Policies
from rewardgen_policies.sb3.state import Sb3Network, load_sb3_state
from rewardgen_policies.train import train

RECIPE = Recipe(worlds=2, steps=16, epochs=1, minibatches=2, schedule="fixed")


class Screen(gymnasium.Env[np.ndarray, np.int64]):
    """A light spot on a screen of 40 by 48, which wants to be on the right; ends on the left."""

    observation_space = gymnasium.spaces.Box(0, 255, (40, 48, 1), np.uint8)
    action_space = gymnasium.spaces.Discrete(2)
    metadata: ClassVar[dict[str, Any]] = {"render_modes": [], "render_fps": 10}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.column = int(self.np_random.integers(10, 30))
        return self._picture(), {}

    def step(self, action: np.int64) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.column = min(40, self.column + (3 if action else -3))
        return self._picture(), float(self.column), self.column < 4, False, {}

    def _picture(self) -> np.ndarray:
        picture = np.zeros((40, 48, 1), np.uint8)
        picture[10:30, self.column : self.column + 6] = 255
        return picture


gymnasium.register("tests/Screen-v0", Screen)


class Spot(MappedTask):
    """The policy sees pixels, rewards a number."""

    name = "screen/right"
    description = "Move the spot to the right."
    env = "tests/Screen-v0"
    features = (Feature("column", (), "1", "Column of the spot."),)
    sources: ClassVar = {"column": "env.column"}
    metrics = (
        Metric("right", "1", "Column of the spot, on average.", Accumulation.TIME_AVERAGE),
        Metric("env_return", "1", "Sum of the rewards.", Accumulation.TOTAL),
    )
    scores: ClassVar = {"right": "column", "env_return": "env_reward"}
    steps = 12


def test_policies_see_pixels_and_are_evaluated_alike_twice(tmp_path: Path) -> None:
    task = Spot()
    members = [Member(OriginalReward(task), seed) for seed in (1, 2)]
    result = train(task, members, RECIPE, 2 * RECIPE.samples)
    paths = [tmp_path / f"{i}.safetensors" for i in range(2)]
    for state, path in zip(result.states, paths, strict=True):
        save_checkpoint(state, path)
    assert load_sb3_state(paths[0]).network == Sb3Network((1, 40, 48), 2, True, (64, 64))
    one, two = (run_episodes(task, Sb3Policies(task, paths), 2, (7, 8, 9)) for _ in range(2))
    assert torch.equal(one.fitness["right"], two.fitness["right"])
    alone = run_episodes(task, Sb3Policies(task, paths[1:]), 1, (7, 8, 9))
    assert torch.equal(alone.fitness["right"][0], one.fitness["right"][1])
    assert set(one.cause[0]) <= {TERMINATED, TIME_LIMIT}


def test_a_convolutional_policy_tells_left_from_right() -> None:
    torch.manual_seed(0)
    policy = make_policy(Sb3Network((1, 40, 48), 2, True, (64, 64)))
    left, right = torch.zeros(1, 1, 40, 48), torch.zeros(1, 1, 40, 48)
    left[..., :6], right[..., -6:] = 255, 255
    assert not torch.equal(policy.predict_values(left), policy.predict_values(right))


def test_causes_and_totals_of_random_episodes() -> None:
    result = evaluate_random(Spot(), range(20))
    ended = torch.tensor([[cause == TERMINATED for cause in causes] for causes in result.cause])
    early = result.length < Spot.steps
    assert bool(early.any())
    assert bool((ended | ~early).all())
    # the reward is the column: the total is the average over the nominal length, times that
    torch.testing.assert_close(result.fitness["env_return"], result.fitness["right"] * Spot.steps)
