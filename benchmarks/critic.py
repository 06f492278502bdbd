"""How often the critic speaks about mistakes planted in human rewards, and about the rewards.

Every registered task has a human reward. It is reviewed as it is, after edits that are no mistake
(controls), and with one mistake at a time (`reward_mutants.py`). The critic has spoken if lint or
critic has anything to say above `info`. Its thresholds were fixed on the tasks of ``DEVELOPMENT``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.harness import Benchmark, recipe_of, report
from benchmarks.reward_anatomy import known
from benchmarks.reward_mutants import KINDS, controls, mutants
from rewardgen.analysis.statistics import wilson_interval
from rewardgen.check.critic import critic
from rewardgen.check.evidence import Evidence, evidence_of
from rewardgen.check.lint import lint
from rewardgen.check.review import Review
from rewardgen.rewards.code import Output
from rewardgen.rewards.format import RewardCode, parse_reward
from rewardgen.rewards.inline import InlineReward
from rewardgen.rewards.transitions import Transitions
from rewardgen_envs.registry import load_task, task_names

SEED = 0
DEVELOPMENT = frozenset(
    {
        *("ant/isaac-run", "ant/run", "ball/push", "car/follow-path", "cartpole/balance"),
        *("cartpole/swing-up", "franka/open-cabinet", "go1/velocity", "hopper/back-flip"),
        *("hopper/run", "hopper/stand", "humanoid/stand", "metaworld/drawer-open"),
        *("metaworld/sweep-into", "metaworld/window-open", "panda/lift-cube"),
        *("quadcopter/hover", "shadow-hand/rotate-cube"),
    }
)
SIDES = ("development", "held out")
HUMAN, CONTROL = "human", "control"
Counted = dict[str, tuple[int, int]]
"""Spoken about, and reviewed."""


def rules_above_info(source: str, evidence: Evidence) -> list[str]:
    """Return the rules by which lint and critic speak about a reward."""
    asked: dict[str, InlineReward] = {}

    def ask(code: RewardCode, transitions: Transitions) -> Output:
        if code.sha256 not in asked:
            asked[code.sha256] = InlineReward(code, evidence.table)
        return asked[code.sha256].evaluate(transitions)

    review = Review(parse_reward(source), evidence, ask)
    found = [*lint(review), *critic(review)]
    return [finding.rule for finding in found if finding.severity != "info"]


def one_task(name: str) -> tuple[Counted, list[str]]:
    """Return what was counted for a task, and what the critic got wrong."""
    task = load_task(name)
    evidence = evidence_of(lambda: load_task(name), recipe_of(task).gamma)
    assert task.human_reward is not None, "every registered task has one"
    source = task.human_reward.read_text(encoding="utf-8")
    reviewed = [(HUMAN, "", source)]
    reviewed += [(CONTROL, m.variant, m.source) for m in controls(source, known(task), SEED)]
    reviewed += [(m.kind, m.variant, m.source) for m in mutants(source, known(task), SEED)]
    counted: Counted = {}
    wrong: list[str] = []
    for kind, variant, text in reviewed:
        rules = rules_above_info(text, evidence)
        spoken, count = counted.get(kind, (0, 0))
        counted[kind] = spoken + bool(rules), count + 1
        if bool(rules) != (kind in KINDS):
            wrong.append(" ".join((name, kind, variant, *rules)).replace("  ", " "))
    return counted, wrong


def part(side: str, names: Sequence[str] | None = None) -> dict[str, Any]:
    """Review the tasks of one side.

    Args:
        side: of ``SIDES``.
        names: tasks; by default all registered ones.
    """
    chosen = [
        name
        for name in (task_names() if names is None else names)
        if (name in DEVELOPMENT) == (side == SIDES[0])
    ]
    counts: Counted = {}
    wrong: list[str] = []
    for name in chosen:
        counted, mistaken = one_task(name)
        for kind, (spoken, count) in counted.items():
            before = counts.get(kind, (0, 0))
            counts[kind] = before[0] + spoken, before[1] + count
        wrong += mistaken
        report(f"{name}: {len(mistaken)} of {sum(n for _, n in counted.values())} wrong")
    return {"side": side, "tasks": len(chosen), "counts": counts, "wrong": wrong}


def share(right: int, count: int) -> dict[str, Any]:
    """Return a share with its 95 % Wilson interval."""
    if count == 0:
        return {"right": 0, "count": 0, "share": None, "interval": None}
    return {
        "right": right,
        "count": count,
        "share": round(right / count, 4),
        "interval": [round(end, 4) for end in wilson_interval(right, count)],
    }


def combine(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return side → what was reviewed → the share that was judged rightly, with interval."""
    sides = {part["side"]: part["counts"] for part in parts}
    sides["all"] = {
        kind: [sum(counts.get(kind, (0, 0))[i] for counts in sides.values()) for i in range(2)]
        for kind in (HUMAN, CONTROL, *KINDS)
    }
    figures: dict[str, Any] = {}
    for side, counts in sides.items():
        found: dict[str, Any] = {}
        for kind in (HUMAN, CONTROL, *KINDS):
            spoken, count = counts.get(kind, (0, 0))
            found[kind] = share(spoken if kind in KINDS else count - spoken, count)
        planted = [counts.get(kind, (0, 0)) for kind in KINDS]
        found["all mistakes"] = share(sum(s for s, _ in planted), sum(n for _, n in planted))
        figures[side] = found
    return figures


BENCHMARK = Benchmark(
    name="critic",
    summary="Share of planted mistakes that the critic speaks about, and of rewards it leaves be.",
    parts=tuple(partial(part, side) for side in SIDES),
    combine=combine,
)

if __name__ == "__main__":
    BENCHMARK.main()
