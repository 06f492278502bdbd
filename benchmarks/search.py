"""How long a search takes: ours against Stable-Baselines3 training the same reward files.

``half-cheetah/run``, 16 candidates x 2 iterations, evolve. Our side is ``rewardgen run`` as a
user starts it, from the start of the process to the recorded choice of the winner, play-off
included. SB3 trains every reward file that our search wrote for as many env-steps as the policies
of our winner had in the play-off, the longest training of our search, and evaluates it once; its
winner is the one with the best evaluation.
Both sides use each sample 5 times in minibatches of a quarter of 2,048 samples, networks
2 x 64 tanh, with the discount factor and the initial standard deviation of our recipe. Then both
winners are confirmed by our trainer in one population.
"""

from __future__ import annotations

import os

# as everywhere in the benchmarks: OpenMP threads must sleep while physics runs
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

import functools
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np

from benchmarks.harness import Benchmark, MissingPartError, latest, machine, recipe_of, report
from benchmarks.references import Key, find, keep
from benchmarks.sb3.processes import ROOT, Answer, Job, share, started, together, versions
from benchmarks.timeline import timeline
from rewardgen import api
from rewardgen.analysis.statistics import difference_of_iqms, estimate_iqm
from rewardgen.config import TrainConfig
from rewardgen.run.budget import PLAYOFF_RUNGS
from rewardgen.run.display import PlainDisplay
from rewardgen.store.events import DATABASE_NAME, read_events
from rewardgen.store.records import ShowRecord
from rewardgen_envs.registry import load_task

TASK = "half-cheetah/run"
# rungs of 74,000 env-steps: after 40,000 the order of half-cheetah's candidates says little about
# the order after 320,000 (rank correlation 0.34 on a development seed), after 80,000 it does (0.75)
ENV_STEPS, RUNGS, EVAL_EPISODES = 2_000_000, 27, 2
FLAGS = {
    "task": TASK,
    "iterations": "2",
    "samples": "16",
    "train-seeds": "1",
    "env-steps": str(ENV_STEPS),
    "rungs": str(RUNGS),
    "keep": "0.25",
    "eval-episodes": str(EVAL_EPISODES),
    "seed": "402",
}
# what follows the choice of the winner is not timed, so it may be short
AFTERWARDS = {"confirm-seeds": "2", "confirm-episodes": "1", "confirm-env-steps": "2048"}

SETTINGS = {  # name -> (kind of environment, processes at a time, environments of each)
    "gymnasium 2 x 16": ("gymnasium", 2, 16),
    "gymnasium 1 x 128": ("gymnasium", 1, 128),
    "gymnasium 2 x 64": ("gymnasium", 2, 64),
    "batch 2 x 32": ("batch", 2, 32),
}
RIVALS = ("gymnasium 2 x 16", "gymnasium 1 x 128")
"""Settings that the ratio may use: the faster one. The others are printed beside."""
SLICE_S, TURNS = 15.0, 4
WORKER = "benchmarks.sb3.rewards"
SB3_EVAL_SEEDS = tuple(range(60_000, 60_000 + EVAL_EPISODES))
SB3_PARTS, LIMIT_S = 8, 345.0
CONFIRM_PARTS, CONFIRM_SEEDS, CONFIRM_EPISODES = 5, 6, 5


@functools.cache
def longest() -> int:
    """Return the env-steps of the winner's policies in the play-off, in whole updates."""
    recipe = recipe_of(load_task(TASK))
    return PLAYOFF_RUNGS * recipe.updates(ENV_STEPS // PLAYOFF_RUNGS) * recipe.samples


# ---- our side


def command(folder: Path) -> list[str]:
    """Return the command line of our search."""
    flags = {**FLAGS, **AFTERWARDS, "runs-dir": str(folder), "name": "search"}
    words = [word for name, value in flags.items() for word in (f"--{name}", value)]
    return [sys.executable, "-m", "rewardgen.cli.main", "run", *words, "--no-render"]


def search() -> tuple[dict[str, Any], ShowRecord]:
    """Search once, in a process of its own; return where the time went, and the run."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = time.time()
        subprocess.run(command(folder), cwd=ROOT, check=True, stdout=sys.stderr)
        events = list(read_events(folder / "search" / DATABASE_NAME))
        return timeline(events, began), api.load(folder / "search")


def part_search() -> dict[str, Any]:
    """Our search; the reward files that it writes are those of SB3 too."""
    figures, record = search()
    return {
        "side": "ours",
        "command": "rewardgen run " + " ".join(f"--{k} {v}" for k, v in FLAGS.items()),
        "scene_sha256": record.scene_sha256,
        "longest_env_steps": longest(),
        **figures,
        "candidates": [
            {"id": c.id, "sha256": c.source_sha256, "fitness": c.fitness, "source": c.source}
            for c in record.candidates
            if c.state != "rejected"
        ],
    }


def part_again() -> dict[str, Any]:
    """The same search once more, between or after SB3's trainings: the machine may change."""
    figures, _ = search()
    before = _side(latest("search"), "ours")["winner"]
    if figures["winner"] != before:
        report(f"the search chose {figures['winner']}, and {before} before: something has changed")
    return {"side": "again", **figures}


# ---- SB3's side


def part_sweep() -> dict[str, Any]:
    """Env-steps per second of SB3 on the first of our reward files, settings in turns."""
    source = _side(latest("search"), "ours")["candidates"][0]["source"]
    job: Job = {"do": "time", "source": source, "seconds": SLICE_S}
    rates: dict[str, list[float]] = {name: [] for name in SETTINGS}
    start_s: dict[str, float] = {}
    with ExitStack() as stack:
        sides = {}
        for name, (kind, count, worlds) in SETTINGS.items():
            processes = stack.enter_context(started(WORKER, (kind, str(worlds)), count))
            start_s[name] = max(process.ready() for process in processes)
            together(processes, {**job, "seconds": 0.0})
            sides[name] = processes
        for turn in range(TURNS):
            for name, processes in sides.items():
                answers = together(processes, job)
                rates[name].append(sum(a["env_steps"] / a["seconds"] for a in answers))
                report(f"turn {turn + 1}: {name}: {rates[name][-1]:,.0f} env-steps/s")
    medians = {name: statistics.median(turns) for name, turns in rates.items()}
    return {
        "side": "sweep",
        "rates": medians,
        "turns": {name: [round(x) for x in turns] for name, turns in rates.items()},
        "start_s": start_s,
        "setting": max(RIVALS, key=lambda name: medians[name]),
    }


def reference_key(candidate: dict[str, Any], setting: str) -> Key:
    """Return all that SB3's training on a reward depends on."""
    recipe = recipe_of(load_task(TASK))
    return {
        "reward_sha256": candidate["sha256"],
        "scene_sha256": load_task(TASK).scene_sha256,
        "env_steps": longest(),
        "setting": setting,
        "gamma": recipe.gamma,
        "init_std": recipe.init_std,
        "versions": versions(),
        "machine": machine(),  # the wall time is what is asked for
    }


def part_sb3(number: int) -> dict[str, Any]:
    """Train SB3 on a share of the reward files; those that are kept already are not repeated."""
    setting = _side(latest("search"), "sweep")["setting"]
    kind, count, worlds = SETTINGS[setting]
    share_of = _side(latest("search"), "ours")["candidates"][number::SB3_PARTS]
    keys = {c["id"]: reference_key(c, setting) for c in share_of}
    missing = [c for c in share_of if find("search", keys[c["id"]]) is None]

    def done(job: Job, answer: Answer) -> None:
        name = job["candidate"]
        report(f"sb3 on {name}: fitness {answer['fitness']} in {answer['wall_s']:.1f} s")
        keep("search", keys[name], {**answer, "candidate": name})

    if missing:
        with started(WORKER, (kind, str(worlds)), count) as processes:
            for process in processes:
                process.ready()
            share(processes, _jobs(missing), done)
    results = {c["id"]: find("search", keys[c["id"]]) for c in share_of}
    left = [name for name, result in results.items() if result is None]
    if left:
        report(f"not trained yet: {', '.join(left)}; repeat this part")
    return {
        "side": "sb3",
        "setting": setting,
        "trained": {
            c["id"]: {"sha256": c["sha256"], **result}
            for c in share_of
            if (result := results[c["id"]]) is not None
        },
    }


def _jobs(candidates: Sequence[dict[str, Any]]) -> Generator[Job]:
    """Yield one training per candidate, none after the time of a part is over."""
    begin = time.perf_counter()
    for candidate in candidates:
        if time.perf_counter() - begin > LIMIT_S:
            return
        yield {
            "do": "train",
            "candidate": candidate["id"],
            "source": candidate["source"],
            "env_steps": longest(),
            "seed": int(candidate["sha256"][:6], 16),
            "eval_seeds": SB3_EVAL_SEEDS,
        }


# ---- both winners


def part_confirm(number: int) -> dict[str, Any]:
    """Train both winners' rewards in one population, on seeds that no search used."""
    ours, sb3 = winners(latest("search"))
    figures: dict[str, Any] = {"side": "confirm", "ours": ours["id"], "sb3": sb3["id"]}
    if ours["sha256"] == sb3["sha256"]:
        report("both sides chose the same reward file: there is nothing to confirm")
        return figures
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for side, candidate in (("ours", ours), ("sb3", sb3)):
            (folder / f"{side}.py").write_text(candidate["source"], encoding="utf-8")
        record = api.train(
            TrainConfig(
                task=TASK,
                reward=(str(folder / "ours.py"), str(folder / "sb3.py")),
                seeds=CONFIRM_SEEDS,
                seed=500 + number,
                name="confirm",
                runs_dir=folder,
                env_steps=longest(),
                eval_episodes=CONFIRM_EPISODES,
            ),
            display=PlainDisplay(),
        )
    a, b = ([float(np.mean(m.fitness)) for m in arm.members] for arm in record.arms)
    return {**figures, "points": {"ours": a, "sb3": b}}


def winners(parts: Sequence[dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the candidates that our search chose, and that SB3's evaluations choose.

    Raises:
        MissingPartError: SB3 has not trained all reward files yet.
    """
    ours = _side(parts, "ours")
    candidates = {c["id"]: c for c in ours["candidates"]}
    trained = _trained(parts)
    if len(trained) < len(candidates):
        raise MissingPartError(f"SB3 has trained {len(trained)} of {len(candidates)} reward files")
    scores = {name: t["fitness"] for name, t in trained.items() if t["fitness"] is not None}
    return candidates[ours["winner"]], candidates[max(scores, key=lambda name: scores[name])]


def _trained(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return SB3's trainings of the present reward files at the present setting."""
    ours, setting = _side(parts, "ours"), _side(parts, "sweep")["setting"]
    hashes = {c["id"]: c["sha256"] for c in ours["candidates"]}
    return {
        name: result
        for part in parts
        if part["side"] == "sb3" and part["setting"] == setting
        for name, result in part["trained"].items()
        if result["sha256"] == hashes.get(name) and result["env_steps"] == ours["longest_env_steps"]
    }


def _side(parts: Sequence[dict[str, Any]], side: str) -> dict[str, Any]:
    for part in parts:
        if part["side"] == side:
            return part
    raise MissingPartError(f"the part that measures '{side}' has not been run")


# ---- figures


def combine(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return both wall times, their ratio, and the difference of the winners if confirmed.

    A busy neighbour only ever slows a side down, so that the ratio is of both at their fastest:
    the fastest of three runs of the same search, and for SB3 the start of its processes and its
    fastest training times all rewards, shared evenly by its processes. The ratio of the means is
    given beside. ``null`` while some rewards are not trained yet.
    """
    ours = _side(parts, "ours")
    sweep = next((part for part in parts if part["side"] == "sweep"), None)
    again = [part for part in parts if part["side"] == "again"]
    walls = [part["wall_s"] for part in (ours, *again)]
    figures: dict[str, Any] = {
        "wall_s": min(walls),
        "sb3_wall_s": None,
        "ratio": None,
        "mean_wall_s": statistics.mean(walls),
        "walls": walls,
    }
    if sweep is None:
        return figures
    trained = _trained(parts)
    count, setting = len(ours["candidates"]), sweep["setting"]
    figures |= {"setting": setting, "trained": len(trained), "rewards": count}
    figures["sb3_env_steps"] = steps = count * ours["longest_env_steps"]
    figures["sb3_wall_s_by_slices"] = {
        name: sweep["start_s"][name] + steps / rate for name, rate in sweep["rates"].items()
    }
    if len(trained) < count:
        return figures
    processes = SETTINGS[setting][1]
    seconds = [result["wall_s"] for result in trained.values()]
    for name, each in (("", min(seconds)), ("mean_", statistics.mean(seconds))):
        figures[f"sb3_{name}wall_s"] = sweep["start_s"][setting] + count * each / processes
    figures["ratio"] = figures["sb3_wall_s"] / figures["wall_s"]
    figures["ratio_of_means"] = figures["sb3_mean_wall_s"] / figures["mean_wall_s"]
    first, second = winners(parts)
    figures |= {"winner": first["id"], "sb3_winner": second["id"]}
    return figures | _difference(parts, first, second)


def _difference(
    parts: Sequence[dict[str, Any]], ours: dict[str, Any], sb3: dict[str, Any]
) -> dict[str, Any]:
    """Return our winner minus SB3's, as a share of SB3's."""
    if ours["sha256"] == sb3["sha256"]:
        return {"difference": 0.0, "interval": (0.0, 0.0), "excludes_minus_10_percent": True}
    confirmed = [
        part["points"]
        for part in parts
        if part["side"] == "confirm" and (part["ours"], part["sb3"]) == (ours["id"], sb3["id"])
    ]
    if len(confirmed) < CONFIRM_PARTS:
        return {}
    a = [x for points in confirmed for x in points["ours"]]
    b = [x for points in confirmed for x in points["sb3"]]
    base, difference = estimate_iqm(b, 0), difference_of_iqms(a, b, seed=0)
    assert difference.interval is not None
    scale = abs(base.value)
    interval = [x / scale for x in difference.interval]
    return {
        "winner_iqm": estimate_iqm(a, 0).value,
        "sb3_winner_iqm": base.value,
        "difference": difference.value / scale,
        "interval": interval,
        "excludes_minus_10_percent": interval[0] > -0.10,
        "points": len(a),
    }


def _numbered(
    part: Callable[[int], dict[str, Any]], count: int
) -> list[Callable[[], dict[str, Any]]]:
    return [functools.partial(part, number) for number in range(count)]


BENCHMARK = Benchmark(
    name="search",
    summary="A search of ours against Stable-Baselines3 training the same reward files.",
    parts=(
        part_search,
        part_sweep,
        *_numbered(part_sb3, SB3_PARTS)[: SB3_PARTS // 2],
        part_again,
        *_numbered(part_sb3, SB3_PARTS)[SB3_PARTS // 2 :],
        part_again,
        *_numbered(part_confirm, CONFIRM_PARTS),
    ),
    combine=combine,
)

if __name__ == "__main__":
    BENCHMARK.main()
