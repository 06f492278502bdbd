"""Each rule of lint and critic speaks about what it is for, with its figure, and not beside it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rewardgen.check.critic import critic
from rewardgen.check.evidence import Evidence
from rewardgen.check.lint import lint
from rewardgen.check.pipeline import STAGES, check_reward
from rewardgen.check.review import quantile
from tests.rewardgen.check.toys import TABLE, evidence, review

CLEAN = (
    "v = next_state.forward_velocity\ncost = 0.05 * (action**2).sum(1)\n"
    "return v - cost, {'v': v, 'cost': -cost}"
)


def said(text: str, known: Evidence | None = None) -> dict[str, tuple[str, str]]:
    """Return rule → severity and messages of what is said about a reward."""
    judged = review(text, known)
    found: dict[str, tuple[str, str]] = {}
    for each in [*lint(judged), *critic(judged)]:
        messages = found.get(each.rule, ("", ""))[1]
        found[each.rule] = (each.severity, f"{messages}\n{each.message}")
    return found


def test_a_clean_reward_is_left_be() -> None:
    assert {severity for severity, _ in said(CLEAN).values()} <= {"info"}


@pytest.mark.parametrize(
    ("text", "rule", "severity", "figure"),
    [
        (
            "d = 100.0 * (state.goal_distance - next_state.goal_distance)\nreturn d, {'d': d}",
            "difference-undiscounted",
            "warning",
            "0.99",
        ),
        (CLEAN.replace("0.05", "50.0"), "penalty-outweighs", "warning", "term 'cost' takes 3"),
        (
            "v = next_state.forward_velocity\nstep = -5.0 + 0.0 * v\nreturn v + step, {'v': v}",
            "dying-pays",
            "warning",
            "ending the episode by 'fallen'",
        ),
        (
            "v = next_state.forward_velocity\nh = 1e-4 * next_state.hand[:, 0].abs()\n"
            "return v + h, {'v': v, 'h': h}",
            "magnitude-ratio",
            "warning",
            "times as much",
        ),
        ("return 0.0 * next_state.pitch + 2.0, {}", "total-constant", "error", "is 2 in all of"),
        (
            "v = next_state.forward_velocity\nc = -0.1 * (action**2).sum(1)\n"
            "return -(v + c), {'v': v, 'c': c}",
            "total-negated",
            "error",
            "2 terms",
        ),
        ("return -next_state.forward_velocity, {}", "against-fitness", "error", "'speed'"),
        (CLEAN.replace("v - cost", "v + cost"), "effort-paid", "warning", "100%"),
        (
            CLEAN.replace("v - cost", "v - cost + 50.0 * (1.0 - next_state.fallen)"),
            "alive-outweighs",
            "warning",
            "pays 49",
        ),
        (CLEAN.replace("v - cost", "v - cost + 50.0"), "alive-outweighs", "warning", "at least"),
        (
            "v = next_state.forward_velocity\ngap = 2.0 * next_state.goal_distance\n"
            "return v + gap, {'v': v, 'gap': gap}",
            "error-paid",
            "warning",
            "'goal_distance'",
        ),
        (
            "v = next_state.forward_velocity\nlean = torch.rad2deg(next_state.pitch).abs()\n"
            "return v - 0.01 * lean, {'v': v, 'lean': -lean}",
            "degrees",
            "warning",
            "'pitch' is in radians",
        ),
        (
            "forward = next_state.sideways_velocity\nreturn forward, {'forward': forward}",
            "wrong-axis",
            "warning",
            "'forward' is computed from 'sideways_velocity'",
        ),
        (
            "v = next_state.forward_velocity\nup = 0.5 * torch.cos(next_state.pitch)\n"
            "return v, {'v': v, 'up': up}",
            "not-added",
            "warning",
            "term 'up' is computed and reported",
        ),
    ],
)
def test_a_mistake_is_told_with_its_figure(
    text: str, rule: str, severity: str, figure: str
) -> None:
    found = said(text)
    assert rule in found
    assert found[rule][0] == severity
    assert figure in found[rule][1]


def test_a_long_episode_is_told_of_and_warned_of_where_pay_is_rare() -> None:
    known = evidence(gamma=0.95, steps=1000)
    severity, message = said(CLEAN, known)["horizon"]
    assert severity == "info" and "50.0 times less" in message
    column = TABLE.columns("forward_velocity").start
    rare = quantile(known.sources["random"].transitions.next_state[:, column], 0.991)
    sparse = f"hit = (next_state.forward_velocity > {rare}).float()\nreturn hit, {{'hit': hit}}"
    assert said(sparse, known)["horizon"][0] == "warning"
    assert "horizon" not in said(sparse)


def test_a_cost_that_is_the_goal_is_no_penalty() -> None:
    known = evidence()
    # in random play nothing but the goal varies
    known.sources["random"].transitions.next_state[:, TABLE.columns("pitch")] = 0.0
    text = (
        "left = 20.0 - next_state.forward_velocity\nside = 20.0 * next_state.pitch\n"
        "return side - left, {'left': -left, 'side': side}"
    )
    assert "penalty-outweighs" not in said(text, known)
    # what fitness knows nothing of is one
    other = text.replace("forward_velocity", "sideways_velocity")
    assert said(other, known)["penalty-outweighs"][0] == "warning"


def test_without_fitness_the_critic_says_nothing_of_it() -> None:
    known = evidence()
    sources = {
        name: replace(rows, fitness=0.0 * rows.fitness) for name, rows in known.sources.items()
    }
    text = "v = next_state.forward_velocity\nreturn -v, {}"
    assert "against-fitness" in said(text, known)
    assert "against-fitness" not in said(text, replace(known, sources=sources))


@pytest.mark.parametrize(
    ("text", "plays"),
    [
        ("I would reward speed.", 0),
        ("def compute_reward(state, action, next_state):\n    return state.nothing, {}", 0),
        (
            "def compute_reward(state, action, next_state):\n"
            "    v = next_state.forward_velocity\n    return v, {'v': v}",
            1,
        ),
    ],
    ids=["no code", "refused by the gate", "accepted"],
)
def test_the_task_is_played_only_for_what_passes_the_stages_before(text: str, plays: int) -> None:
    played: list[Evidence] = []

    def collect() -> Evidence:
        played.append(evidence())
        return played[-1]

    known = evidence()
    check_reward(text, TABLE, known.action, stages=tuple(STAGES), evidence=collect)
    assert len(played) == plays
