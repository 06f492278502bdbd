"""Kills of a run's own process: what is lost, and whether every run comes to the same result.

Parts 1 to 4: six real runs each (``evolve``, ``cartpole/swing-up``), ten kill -9 to a run, at
moments drawn uniformly from the time after the first event of a run that nobody disturbed. Part 5:
more kills in the phases that are so short that fewer than five of those met them. ``evolve``
proposes within milliseconds; there the designer is ``llm``, and its endpoint thinks half a second.
An event counts as acknowledged once another process has read it from the log.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.harness import Benchmark, latest, report
from rewardgen.store import payloads as p
from rewardgen.store.events import DATABASE_NAME, read_events
from rewardgen.store.fold import Event, fold
from rewardgen.store.state import RunState
from tests.faults.test_endpoint import answered, thoughtful
from tests.rewardgen.llm.asking import KEY
from tests.rewardgen.llm.server import Answer, Received, ScriptedEndpoint

UNIFORM, RUNS, KILLS, ENOUGH = 4, 6, 10, 5
PHASES = ("propose", "check", "train", "evaluate", "confirm", "report")
SETTINGS = {
    "task": "cartpole/swing-up",
    "iterations": 2,
    "samples": 4,
    "train-seeds": 2,
    "env-steps": 8192,
    "rungs": 2,
    "eval-episodes": 2,
    "confirm-seeds": 2,
    "confirm-episodes": 2,
    "seed": 9400,
}
_POLL_S = 0.005
_THINKING_S = 0.5
_NAME = "run"
_PATIENCE_S = 300.0
# what a run that is taken up again records once more, or only then
_OF_THE_WAY = (p.Resumed, p.RungStarted, p.RunInterrupted, p.RunFailed, p.Note)


def command(verb: str, *arguments: str) -> list[str]:
    """Return a command line of this project."""
    return [sys.executable, "-m", "rewardgen.cli.main", verb, *arguments]


Begin = Callable[[Path], list[str]]
"""The command line that begins a run in a folder."""


def begin(path: Path, *more: str) -> list[str]:
    """Return the command line that begins the run, with more flags for another designer."""
    flags = [f"--{key}={value}" for key, value in SETTINGS.items()]
    place = (f"--runs-dir={path.parent}", f"--name={path.name}")
    return command("run", *flags, *more, "--no-render", *place)


@contextmanager
def asking() -> Generator[Begin]:
    """Return how to begin a run that asks a language model, which is there meanwhile."""

    def think(received: Received) -> Answer:
        time.sleep(_THINKING_S)
        return thoughtful(received)

    os.environ["OPENAI_API_KEY"] = KEY
    with ScriptedEndpoint(think) as endpoint:
        url = f"--base-url={endpoint.url}"
        yield partial(_begin_asking, url)


def _begin_asking(url: str, path: Path) -> list[str]:
    return begin(path, "--designer=llm", "--model=scripted", url, "--usd-per-mtok", "1", "2")


def steps_of(events: Sequence[Event]) -> list[Event]:
    """Return the events that an undisturbed run has too, once each."""
    return [event for event in events if not isinstance(event.payload, _OF_THE_WAY)]


@dataclass(frozen=True)
class Moment:
    """When to kill: so long after so many steps are recorded."""

    steps: int
    delay_s: float


@dataclass(frozen=True)
class Undisturbed:
    """The run that nobody kills.

    Attributes:
        outcome: what it came to.
        times_s: when each of its steps was recorded, the first at 0.
        phases: the phase that begins with each step.
    """

    outcome: dict[str, Any]
    times_s: list[float]
    phases: list[str]

    def moment(self, at_s: float) -> Moment:
        """Return the moment at some time of the run."""
        steps = sum(time_s <= at_s for time_s in self.times_s)
        return Moment(steps, at_s - self.times_s[steps - 1])

    def uniform(self, chance: random.Random, count: int) -> list[Moment]:
        """Draw moments from all of its time."""
        drawn = sorted(chance.uniform(0.0, self.times_s[-1]) for _ in range(count))
        return [self.moment(at_s) for at_s in drawn]

    def within(self, chance: random.Random, phase: str, count: int) -> list[Moment]:
        """Draw moments from one phase: each time one of its spells, then a time of that.

        Of a spell only the first half counts: another run may be a little faster.
        """
        spells = [i for i, name in enumerate(self.phases[:-1]) if name == phase]
        drawn = sorted(
            chance.uniform(self.times_s[i], (self.times_s[i] + self.times_s[i + 1]) / 2)
            for i in (chance.choice(spells) for _ in range(count))
        )
        return [self.moment(at_s) for at_s in drawn]


def phase_of(state: RunState, evaluating: bool = False) -> str:
    """Return what a run does after its last event.

    Args:
        state: what its events say.
        evaluating: whether an evaluation is under way, which no event tells.
    """
    trial = state.trials.get("confirm")
    if trial is not None:
        return "confirm" if trial.finished is None else "report"
    if any(rung.finished is None for rung in state.rungs.values()):
        return "evaluate" if evaluating else "train"
    if not state.iterations:
        return "survey"
    last = state.iterations[max(state.iterations)]
    if last.finished is None and not last.candidates:
        return "propose"
    known = [state.candidates[name] for name in last.candidates]
    if last.finished is None and all(c.state in ("proposed", "accepted") for c in known):
        return "check"
    return "decide"


def undisturbed(path: Path, beginning: Begin) -> Undisturbed:
    """Run to the end, and return what came of it."""
    subprocess.run(beginning(path), check=True, capture_output=True, text=True)
    events, state = list(read_events(path / DATABASE_NAME)), RunState()
    phases: list[str] = []
    for event in events:
        fold(state, [event])
        if steps_of([event]):
            phases.append(phase_of(state))
        elif isinstance(event.payload, p.RungStarted):
            phases[-1] = phase_of(state)
    times_s = [event.t_mono - events[0].t_mono for event in steps_of(events)]
    return Undisturbed(answered(path), times_s, phases)


@dataclass
class Hunted:
    """A run that is killed again and again.

    Attributes:
        path: where it lies.
        begin: begins it.
        calm: what it is compared with.
        kills: phase → how many kills met it there.
        late: kills that came after its end, and so did not come.
        lost: acknowledged events that were not in the log after a kill.
    """

    path: Path
    begin: Begin
    calm: Undisturbed
    kills: Counter[str] = field(default_factory=Counter[str])
    late: int = 0
    lost: int = 0

    def hunt(self, moments: Sequence[Moment]) -> bool:
        """Kill at the given moments, resume; return whether the result is the undisturbed one."""
        for moment in moments:
            self._life(moment)
        done = self._start().wait(_PATIENCE_S)
        return done == 0 and answered(self.path) == self.calm.outcome

    def _events(self) -> list[Event]:
        return list(read_events(self.path / DATABASE_NAME))

    def _start(self) -> subprocess.Popen[bytes]:
        where = (self.path.name, f"--runs-dir={self.path.parent}")
        begun = bool(self._events())
        arguments = command("resume", *where) if begun else self.begin(self.path)
        return subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _life(self, moment: Moment) -> None:
        """Start the run, kill it at a moment, see what is left."""
        before = len(self._events())
        process = self._start()
        seen = self._wait_for(process, moment.steps, before)
        until = time.monotonic() + moment.delay_s
        while process.poll() is None and time.monotonic() < until:
            seen = self._events()
            time.sleep(_POLL_S)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        if process.wait() != -signal.SIGKILL:
            self.late += 1
            return
        left = self._events()
        self.lost += sum(a != b for a, b in zip(seen, left, strict=False))
        self.lost += max(0, len(seen) - len(left))
        evaluating = any(self.path.glob("jobs/*-evaluate"))
        self.kills[phase_of(fold(RunState(), left), evaluating)] += 1

    def _wait_for(self, process: subprocess.Popen[bytes], steps: int, before: int) -> list[Event]:
        """Wait until a process works on the run and so many steps are recorded."""
        seen = self._events()
        while process.poll() is None and not (len(seen) > before and len(steps_of(seen)) >= steps):
            time.sleep(_POLL_S)
            seen = self._events()
        return seen


def hunt(
    part: int,
    draw: Callable[[Undisturbed, random.Random], list[list[Moment]]],
    beginning: Begin = begin,
) -> dict[str, Any]:
    """Make an undisturbed run, then one for each list of moments."""
    chance = random.Random(part)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        # a folder each: replies of a language model are kept beside the runs
        calm = undisturbed(Path(folder) / "calm" / _NAME, beginning)
        report(f"undisturbed: {len(calm.times_s)} steps in {calm.times_s[-1]:.1f} s")
        kills: Counter[str] = Counter()
        figures = {"runs": 0, "equal": 0, "late": 0, "lost": 0}
        for number, moments in enumerate(draw(calm, chance)):
            hunted = Hunted(Path(folder) / f"hunted-{number}" / _NAME, beginning, calm)
            figures["equal"] += hunted.hunt(moments)
            figures["runs"] += 1
            figures["late"] += hunted.late
            figures["lost"] += hunted.lost
            kills += hunted.kills
            report(f"run {number + 1}: {dict(hunted.kills)}, {figures}")
    return {**figures, "kills": dict(kills), "undisturbed_s": round(calm.times_s[-1], 2)}


def part_uniform(part: int) -> dict[str, Any]:
    """Kill at moments of all of a run's time."""
    return hunt(part, lambda calm, chance: [calm.uniform(chance, KILLS) for _ in range(RUNS)])


def part_aimed() -> dict[str, Any]:
    """Kill in the phases that too few kills have met."""
    met = Counter[str]()
    for figures in latest("kills")[:UNIFORM]:
        met.update(figures["kills"])
    with asking() as beginning:
        return hunt(
            UNIFORM + 1,
            lambda calm, chance: [
                calm.within(chance, "train" if phase == "evaluate" else phase, KILLS)
                for phase in PHASES
                if met[phase] < ENOUGH
            ],
            beginning,
        )


def combine(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the sums over all parts."""
    kills: Counter[str] = Counter()
    for part in parts:
        kills.update(part["kills"])
    sums = {name: sum(part[name] for part in parts) for name in ("runs", "equal", "late", "lost")}
    uniform = sum(sum(part["kills"].values()) for part in parts[:UNIFORM])
    return {**sums, "uniform": uniform, "in_all": kills.total(), "kills": dict(kills)}


BENCHMARK = Benchmark(
    name="kills",
    summary="What is lost when a run's process is killed.",
    parts=(*(partial(part_uniform, part) for part in range(1, UNIFORM + 1)), part_aimed),
    combine=combine,
)

if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    BENCHMARK.main()
