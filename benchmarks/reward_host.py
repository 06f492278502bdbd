"""What the reward host costs: its share of the wall time of a training.

``ant/run``, 16 members x 32 worlds, 8 candidates with two seeds each. The same training with
hosts, and the time that the trainer spends waiting for scores, measured inside one run; beside
it the same scores computed inline.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.harness import Benchmark, recipe_of, report
from benchmarks.throughput import MEMBERS, THREADS
from rewardgen.isolation.host import HostPool, RewardHost
from rewardgen.rewards.format import read_reward
from rewardgen.rewards.inline import InlineReward
from rewardgen_envs.registry import load_task
from rewardgen_policies.seam import RewardSource, Rollout, Scores, SourceSpec
from rewardgen_policies.train import Member, Progress, train

TURNS, UPDATES = 3, 4


class Timed:
    """A source that counts the seconds its caller waits for it.

    Args:
        source: the source.
    """

    def __init__(self, source: RewardSource) -> None:
        self._source = source
        self.waited_s = 0.0

    @property
    def spec(self) -> SourceSpec:
        """That of the source."""
        return self._source.spec

    def prefetch(self, rollout: Rollout) -> None:
        """Time the source's own."""
        start = time.perf_counter()
        if isinstance(self._source, RewardHost):
            self._source.prefetch(rollout)
        self.waited_s += time.perf_counter() - start

    def score(self, rollout: Rollout) -> Scores:
        """Time the source's own."""
        start = time.perf_counter()
        scores = self._source.score(rollout)
        self.waited_s += time.perf_counter() - start
        return scores


def turn(kind: str) -> tuple[float, float]:
    """Train and return (seconds, seconds spent waiting for scores), first update not counted."""
    task = load_task("ant/run")
    recipe = recipe_of(task)
    with HostPool() as pool:
        code = read_reward(task.human_reward)
        sources = [
            Timed(pool.open(code, task.table) if kind == "host" else InlineReward(code, task.table))
            for _ in range(MEMBERS // 2)
        ]
        marks: list[tuple[float, float]] = []

        def mark(_: Progress) -> None:
            marks.append((time.perf_counter(), sum(s.waited_s for s in sources)))

        members = [Member(sources[i // 2], seed=9000 + i) for i in range(MEMBERS)]
        steps = (UPDATES + 1) * recipe.samples
        train(task, members, recipe, steps, threads=THREADS, progress=mark)
    (start, waited_before), (stop, waited) = marks[0], marks[-1]
    return stop - start, waited - waited_before


def part() -> dict[str, Any]:
    """Let both kinds take turns."""
    shares: dict[str, list[float]] = {"host": [], "inline": []}
    for number in range(TURNS):
        for kind, values in shares.items():
            seconds, waited = turn(kind)
            values.append(waited / seconds)
            report(f"turn {number + 1}: {kind} {waited / seconds:.2%} of {seconds:.2f} s")
    return {
        "share_of_wall": statistics.median(shares["host"]),
        "inline_share_of_wall": statistics.median(shares["inline"]),
        "turns": {kind: [round(x, 4) for x in values] for kind, values in shares.items()},
    }


def combine(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the figures of the only part."""
    return dict(parts[0])


BENCHMARK = Benchmark(
    name="reward_host",
    summary="The reward host's share of a training's wall time.",
    parts=(part,),
    combine=combine,
)

if __name__ == "__main__":
    BENCHMARK.main()
