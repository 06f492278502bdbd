"""What it costs that reward code runs in locked processes of its own, mode ``strict``.

Part 1: ``ant/run``, 16 members x 32 worlds, 8 candidates with two seeds each: the share of a
training's wall time that the trainer waits for scores; beside it the same scores computed inline.
Part 2: one call with 64 transitions and a reward of one operation, beside one byte each way between
two processes that do nothing else, in turns; and the time from a candidate's text to its first
answer.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

import socket
import statistics
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch

from benchmarks.harness import Benchmark, recipe_of, report
from benchmarks.throughput import MEMBERS, THREADS
from rewardgen.isolation.host import HostOptions, HostPool, RewardHost
from rewardgen.isolation.protection import Mode
from rewardgen.rewards.code import compile_reward, evaluate
from rewardgen.rewards.format import parse_reward, read_reward
from rewardgen.rewards.inline import InlineReward
from rewardgen.rewards.transitions import Transitions
from rewardgen_envs.features import Feature, FeatureTable
from rewardgen_envs.registry import load_task
from rewardgen_policies.seam import RewardSource, Rollout, Scores, SourceSpec
from rewardgen_policies.train import Member, Progress, train

MODE: Mode = "strict"
TURNS, UPDATES = 3, 4
CALL_TURNS, CALLS, STARTS = 20, 200, 40
ROWS = 64
SMALL = "def compute_reward(state, action, next_state):\n    return next_state.x + 1.0, {}\n"


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
    with HostPool(HostOptions(MODE)) as pool:
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


def part_training() -> dict[str, Any]:
    """Let both kinds take turns."""
    shares: dict[str, list[float]] = {"host": [], "inline": []}
    for number in range(TURNS):
        for kind, values in shares.items():
            seconds, waited = turn(kind)
            values.append(waited / seconds)
            report(f"turn {number + 1}: {kind} {waited / seconds:.2%} of {seconds:.2f} s")
    return {
        "mode": MODE,
        "share_of_wall": statistics.median(shares["host"]),
        "inline_share_of_wall": statistics.median(shares["inline"]),
        "turns": {kind: [round(x, 4) for x in values] for kind, values in shares.items()},
    }


@contextmanager
def echo() -> Generator[Callable[[], None]]:
    """Yield a function that sends a byte to another process and waits for it to come back."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        ours.close()
        while theirs.recv(1):
            theirs.send(b"x")
        os._exit(0)
    theirs.close()

    def there_and_back() -> None:
        ours.send(b"x")
        ours.recv(1)

    try:
        yield there_and_back
    finally:
        ours.close()
        os.waitpid(child, 0)


def microseconds(call: Callable[[], object]) -> list[float]:
    """Return how long each of some calls takes."""
    found: list[float] = []
    for _ in range(CALLS):
        start = time.perf_counter()
        call()
        found.append(1e6 * (time.perf_counter() - start))
    return found


def part_calls() -> dict[str, Any]:
    """Let a reward host, a bare byte and the same code inline take turns; then start hosts."""
    torch.set_num_threads(1)
    table = FeatureTable([Feature("x", (), "1", "")])
    rows = Transitions(*(torch.zeros(ROWS, 1) for _ in range(3)))
    code = parse_reward(SMALL)
    function = compile_reward(code)
    with echo() as there_and_back, HostPool(HostOptions(MODE)) as pool:
        host = pool.open(code, table)
        calls: dict[str, Callable[[], object]] = {
            "us_per_call": lambda: host.evaluate(rows),
            "us_floor": there_and_back,
            "us_inline": lambda: evaluate(
                function, table, rows.state, rows.action, rows.next_state
            ),
        }
        host.evaluate(rows)
        times: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(CALL_TURNS):
            for name, call in calls.items():
                times[name] += microseconds(call)
        starts: list[float] = []
        for _ in range(STARTS):
            start = time.perf_counter()
            other = pool.open(code, table)
            other.evaluate(rows)
            starts.append(1e3 * (time.perf_counter() - start))
            other.close()
    medians = {name: round(statistics.median(values), 1) for name, values in times.items()}
    return {"mode": MODE, **medians, "start_ms": round(statistics.median(starts), 2)}


def combine(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the figures of both parts."""
    return {name: value for part in parts for name, value in part.items()}


BENCHMARK = Benchmark(
    name="isolation",
    summary="What locked processes for reward code cost.",
    parts=(part_training, part_calls),
    combine=combine,
)

if __name__ == "__main__":
    BENCHMARK.main()
