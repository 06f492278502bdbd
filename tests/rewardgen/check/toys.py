"""A robot on a plane that is all numbers: evidence made by hand, without physics."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rewardgen.check.evidence import Evidence, Rows
from rewardgen.check.review import Review
from rewardgen.rewards.code import Output
from rewardgen.rewards.format import RewardCode, parse_reward
from rewardgen.rewards.inline import InlineReward
from rewardgen.rewards.transitions import Transitions
from rewardgen_envs.features import Feature, FeatureTable
from rewardgen_envs.task import BoxAction

HEAD = "def compute_reward(state, action, next_state):\n"
ACTIONS = 2
ROWS = 600
TABLE = FeatureTable(
    [
        Feature("forward_velocity", (), "m/s", "Velocity along x."),
        Feature("sideways_velocity", (), "m/s", "Velocity along y."),
        Feature("hand", (3,), "m", "Position of the hand."),
        Feature("pitch", (), "rad", "Angle of the torso; 0 is upright."),
        Feature("goal_distance", (), "m", "Distance to the goal."),
        Feature("fallen", (), "bool", "1 if the robot lies."),
        Feature("terminated", (), "bool", "1 if the episode was ended."),
        Feature("episode_time_s", (), "s", "Time since the start."),
        Feature("last_action", (ACTIONS,), "1", "The action applied last."),
    ]
)


def states(seed: int, rows: int = ROWS) -> Tensor:
    """Return states in which nothing has ended: all quantities vary and none knows another."""
    generator = torch.Generator().manual_seed(seed)
    made = torch.randn(rows, TABLE.width, generator=generator)
    for name in ("fallen", "terminated"):
        made[:, TABLE.columns(name)] = 0.0
    made[:, TABLE.columns("goal_distance")] = made[:, TABLE.columns("goal_distance")].abs()
    made[:, TABLE.columns("pitch")] = made[:, TABLE.columns("pitch")].clamp(-1.5, 1.5)
    return made


def rows_of(seed: int, rows: int = ROWS) -> Rows:
    """Return transitions whose fitness is the speed ahead."""
    generator = torch.Generator().manual_seed(seed + 100)
    next_state = states(seed, rows)
    action = torch.rand(rows, ACTIONS, generator=generator) * 2.0 - 1.0
    next_state[:, TABLE.columns("last_action")] = action
    fitness = next_state[:, TABLE.columns("forward_velocity").start].clone()
    terminated = torch.zeros(rows, dtype=torch.bool)
    return Rows(Transitions(states(seed + 50, rows), action, next_state), fitness, terminated)


def ending() -> Transitions:
    """Return transitions in which the robot falls."""
    rows = rows_of(7, 30).transitions
    for name in ("fallen", "terminated"):
        rows.next_state[:, TABLE.columns(name)] = 1.0
    return rows


def evidence(*, gamma: float = 0.99, steps: int = 200, sentence: str = "Run.") -> Evidence:
    """Return what a task of this robot would be known by."""
    return Evidence(
        table=TABLE,
        action=BoxAction(ACTIONS),
        sentence=sentence,
        causes=("fallen",),
        metric="speed",
        control_dt_s=0.05,
        episode_steps=steps,
        gamma=gamma,
        sources={"random": rows_of(1), "displaced": rows_of(2)},
        endings={"fallen": ending()},
    )


def source(lines: Sequence[str]) -> str:
    """Return a reward file of some lines."""
    return HEAD + "".join(f"    {line}\n" for line in lines)


def review(text: str, known: Evidence | None = None) -> Review:
    """Return the review of a reward, or of the lines of its function."""
    text = text if text.startswith("def ") else source(text.split("\n"))
    known = known or evidence()

    def ask(code: RewardCode, transitions: Transitions) -> Output:
        return InlineReward(code, known.table).evaluate(transitions)

    return Review(parse_reward(text), known, ask)
