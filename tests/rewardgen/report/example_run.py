"""A whole run as its events would leave it, with plausible numbers; nothing is simulated.

Six candidates in each of three iterations, raced over two rungs, one rejected and one failed,
then a confirmation of three arms on ten seeds. All numbers follow from one seed.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np

from rewardgen.analysis.statistics import (
    difference_of_iqms,
    estimate_iqm,
    probability_of_improvement,
)
from rewardgen.store import parts
from rewardgen.store import payloads as p
from rewardgen.store.manifest import collect_manifest
from rewardgen.store.run_directory import RunDirectory
from rewardgen.store.seeds import Purpose, derive_seeds

SEED = 7
ITERATIONS = 3
SAMPLES = 6
RUNG_STEPS = 100_000
CONFIRM_STEPS = 200_000
UPDATES = 24

HUMAN = '''"""Upright, centred, gently."""


def compute_reward(state, action, next_state):
    upright = (next_state.pole_up + 1.0) / 2.0
    centred = tolerance(next_state.cart_position, margin=2.0)
    gentle = (4.0 + tolerance(action[..., 0], margin=1.0)) / 5.0
    return upright * centred * gentle, {"upright": upright, "centred": centred}
'''

_TERMS = (
    "upright = (next_state.pole_up + 1.0) / 2.0",
    "centred = tolerance(next_state.cart_position, margin={a:.2f})",
    "slow = torch.exp(-{b:.2f} * next_state.pole_velocity**2)",
    "effort = -{c:.3f} * action[..., 0] ** 2",
)


def candidate_source(iteration: int, slot: int) -> str:
    """Return the code of an example candidate."""
    a, b, c = 1.5 + 0.25 * slot, 0.1 * (1 + iteration), 0.01 * (1 + slot)
    used = (1, 2, 3, 3, 4, 4)[(slot + iteration) % 6]
    lines = [line.format(a=a, b=b, c=c) for line in _TERMS[:used]]
    names = [line.split(" ")[0] for line in lines]
    body = "\n    ".join(lines)
    terms = ", ".join(f'"{name}": {name}' for name in names)
    total = " + ".join(names)
    return (
        f'"""Candidate {iteration}.{slot}."""\n\n\ndef compute_reward(state, action, next_state):\n'
        f"    {body}\n    return {total}, {{{terms}}}\n"
    )


class ExampleRun:
    """Writes the events of an example run, in the order in which a search would."""

    def __init__(
        self,
        run: RunDirectory,
        *,
        seed: int = SEED,
        human_advantage: float = 0.0,
        confirm_seeds: int = 10,
        video: bytes | None = None,
    ) -> None:
        self._run = run
        self._random = np.random.default_rng(seed)
        self._human_advantage = human_advantage
        self._confirm_seeds = confirm_seeds
        self._video = video
        self._fitness: dict[str, float] = {}
        self._sources: dict[str, str] = {}

    def write(self) -> None:
        """Write the whole run."""
        self.start()
        for iteration in range(ITERATIONS):
            self.iteration(iteration)
        self.confirm()
        if self._video is not None:
            for arm in ("winner", "human"):
                video = self._run.artifacts.put_bytes(
                    self._video, name=f"{arm}.mp4", media_type="video/mp4"
                )
                self._run.append(p.VideoRendered(source=arm, video=video))
        self._run.append(p.RunFinished())

    def start(self) -> None:
        """Write the first event."""
        self._run.append(
            p.RunStarted(
                verb="run",
                command=("rewardgen", "run", "configs/demo.yaml"),
                config={
                    "task": "cartpole/swing-up",
                    "iterations": ITERATIONS,
                    "samples": SAMPLES,
                    "train_seeds": 2,
                    "confirm_seeds": self._confirm_seeds,
                    "env_steps": 2 * RUNG_STEPS,
                },
                task=parts.TaskFacts(
                    name="cartpole/swing-up",
                    version=1,
                    description="Swing the hanging pole up and keep it upright.",
                    scene_sha256="ab" * 32,
                    metrics=(
                        parts.MetricFacts(
                            name="upright_share", unit="1", higher_is_better=True, success=0.6
                        ),
                    ),
                ),
                recipe={"learning_rate": 3e-4, "epochs": 5, "gamma": 0.99},
                recipe_sha256="cd" * 32,
                designer="evolve",
                seed=SEED,
                isolation=parts.Isolation(
                    mode="standard", applied=("process", "clean environment")
                ),
                manifest=collect_manifest(),
                budget_env_steps=10_000_000,
            )
        )

    def iteration(self, iteration: int) -> None:
        """Write one round."""
        self._run.append(p.IterationStarted(iteration=iteration))
        trained: list[str] = []
        for slot in range(SAMPLES):
            name = self._propose(iteration, slot)
            if slot == 4 and iteration == 0:
                self._reject(name)
            else:
                self._run.append(p.CandidateChecked(candidate=name, verdict="accepted"))
                trained.append(name)
        failing = trained[-1] if iteration == 1 else None
        first = self._rung(iteration, 0, trained, failing)
        survivors = sorted(first, key=lambda n: -first[n])[: max(1, len(first) // 2)]
        for name in trained:
            if name == failing:
                self._settle(name, "failed", "term 'slow' is not finite at step 4,096")
            elif name not in survivors:
                self._settle(
                    name, "retired", f"rank {_rank(first, name)} of {len(first)} after rung 1"
                )
        last = self._rung(iteration, 1, survivors, None)
        for name in survivors:
            self._settle(name, "evaluated", f"fitness {last[name]:.3f} after the last rung")
        self._fitness.update(last)
        best = max(self._fitness, key=self._fitness.__getitem__)
        text = self._run.artifacts.put_text(
            f"Best so far: {best}, fitness {self._fitness[best]:.3f}.", name="feedback.md"
        )
        self._run.append(
            p.IterationFinished(
                iteration=iteration, best=best, fitness=self._fitness[best], feedback=text
            )
        )

    def confirm(self) -> None:
        """Write selection and confirmation."""
        winner = max(self._fitness, key=self._fitness.__getitem__)
        self._run.append(
            p.WinnerSelected(
                candidate=winner,
                fitness=self._fitness[winner],
                reason="highest search-time fitness of the candidates that passed every rung",
            )
        )
        human = self._run.artifacts.put_text(HUMAN, name="human.py", media_type="text/x-python")
        arms = {"winner": self._sources[winner], "human": human, "sparse": None}
        quality = {"winner": 0.76, "human": 0.62 + self._human_advantage, "sparse": 0.12}
        seeds = derive_seeds(SEED, Purpose.TRIAL_TRAINING, self._confirm_seeds)
        self._run.append(
            p.TrialStarted(
                trial="confirm",
                arms=tuple(parts.TrialArm(arm=a, source=s) for a, s in arms.items()),
                seeds=seeds,
                env_steps=CONFIRM_STEPS,
            )
        )
        points = self._train(
            "confirm-0", "confirm", None, [(a, s) for a in arms for s in seeds], quality
        )
        self._run.append(_statistics(points))
        self._settle(winner, "confirmed", f"IQM over {len(seeds)} fresh seeds")

    def _propose(self, iteration: int, slot: int) -> str:
        name = f"{iteration}.{slot}"
        parents: tuple[str, ...] = ()
        if self._fitness:
            ranked = sorted(self._fitness, key=lambda n: -self._fitness[n])
            parents = tuple(ranked[: 2 if slot % 3 == 2 else 1])
        source = self._run.artifacts.put_text(
            candidate_source(iteration, slot), name=f"{name}.py", media_type="text/x-python"
        )
        self._sources[name] = source
        self._run.append(
            p.CandidateProposed(
                candidate=name,
                iteration=iteration,
                slot=slot,
                parents=parents,
                source=source,
                origin=("random", "mutation", "crossover")[len(parents)],
            )
        )
        return name

    def _reject(self, name: str) -> None:
        finding = parts.Finding(
            stage="probe",
            kind="contract",
            rule="row-wise",
            severity="error",
            line=4,
            message="the reward of a transition depends on its neighbours",
            remedy="reduce over the last axis only",
        )
        self._run.append(p.CandidateChecked(candidate=name, verdict="refused", findings=(finding,)))
        self._settle(name, "rejected", finding.message)

    def _settle(self, name: str, state: parts.FinalState, reason: str) -> None:
        self._run.append(p.CandidateSettled(candidate=name, state=state, reason=reason))

    def _rung(
        self, iteration: int, number: int, names: list[str], failing: str | None
    ) -> dict[str, float]:
        members = [
            (name, seed)
            for name in names
            for seed in derive_seeds(
                SEED, Purpose.SEARCH_TRAINING, 2, iteration=iteration, slot=int(name[-1])
            )
        ]
        quality = {
            name: (0.25 + 0.15 * iteration + 0.04 * int(name[-1])) * (0.6 + 0.4 * number)
            for name in names
        }
        points = self._train(
            f"{iteration}-{number}", None, iteration, members, quality, number, failing
        )
        return {name: float(np.mean(values)) for name, values in points.items() if values}

    def _train(
        self,
        rung: str,
        trial: str | None,
        iteration: int | None,
        members: list[tuple[str, int]],
        quality: dict[str, float],
        number: int = 0,
        failing: str | None = None,
    ) -> dict[str, list[float]]:
        """Write one rung; return the mean fitness of every member, by source."""
        steps = RUNG_STEPS if trial is None else CONFIRM_STEPS
        self._run.append(
            p.RungStarted(
                rung=rung,
                trial=trial,
                iteration=iteration,
                number=number,
                env_steps=steps,
                members=tuple(parts.MemberKey(source=n, seed=s) for n, s in members),
            )
        )
        purpose = Purpose.SEARCH_EVALUATION if trial is None else Purpose.TRIAL_EVALUATION
        eval_seeds = derive_seeds(SEED, purpose, 10, iteration=iteration or 0, rung=number)
        outcomes: list[parts.MemberOutcome] = []
        curves: list[dict[str, list[float | None]]] = []
        points: dict[str, list[float]] = {name: [] for name, _ in members if name != failing}
        for name, seed in members:
            level = float(np.clip(quality[name] + self._random.normal(0.0, 0.06), 0.0, 0.98))
            curves.append(self._curve(level, steps, number))
            if name == failing:
                outcomes.append(
                    parts.MemberOutcome(
                        source=name, seed=seed, env_steps=4096, failure="term 'slow' is not finite"
                    )
                )
                continue
            episodes = np.clip(level + self._random.normal(0.0, 0.03, len(eval_seeds)), 0.0, 1.0)
            points[name].append(float(np.mean(episodes)))
            checkpoint = self._run.artifacts.put_bytes(
                f"{rung} {name} {seed}".encode(),
                name=f"{name}-{seed}.safetensors",
                media_type="application/octet-stream",
            )
            outcomes.append(
                parts.MemberOutcome(
                    source=name,
                    seed=seed,
                    env_steps=steps,
                    checkpoint=checkpoint,
                    fitness={"upright_share": tuple(float(v) for v in episodes)},
                )
            )
        stored = self._run.artifacts.put_text(
            json.dumps(curves), name=f"{rung}-curves.json", media_type="application/json"
        )
        self._run.append(
            p.RungFinished(
                rung=rung,
                members=tuple(outcomes),
                eval_seeds=eval_seeds,
                curves=stored,
                env_steps=steps * len(members),
                wall_s=12.0,
            )
        )
        return points

    def _curve(self, level: float, steps: int, number: int) -> dict[str, list[float | None]]:
        done = [steps * (i + 1) // UPDATES for i in range(UPDATES)]
        start = 0.5 if number else 0.0
        rise = [start + (1.0 - start) / (1.0 + math.exp(6.0 - 12.0 * d / steps)) for d in done]
        noise = self._random.normal(0.0, 0.02, UPDATES)
        fitness = [max(0.0, level * r + float(n)) for r, n in zip(rise, noise, strict=True)]
        return {
            "env_steps": [float(number * steps + d) for d in done],
            "fitness/upright_share": [None, *fitness[1:]],
            "return": [None, *(300.0 * f for f in fitness[1:])],
            # of very different scales: one decides alone, one hardly moves
            "term/upright": [f / 2.0 for f in fitness],
            "term/slow": [1000.0 * f for f in fitness],
            "term/effort": [-0.001] * UPDATES,
            "advantage_share/upright": [0.06] * UPDATES,
            "advantage_share/slow": [0.94] * UPDATES,
            "advantage_share/effort": [0.0] * UPDATES,
        }


def _rank(scores: dict[str, float], name: str) -> int:
    return 1 + sum(score > scores[name] for score in scores.values())


def _statistics(points: dict[str, list[float]]) -> p.TrialFinished:
    estimates = {arm: estimate_iqm(values, seed=0) for arm, values in points.items()}
    comparisons = tuple(
        _comparison(arm, over, points)
        for arm, over in (("winner", "human"), ("winner", "sparse"), ("sparse", "human"))
    )
    return p.TrialFinished(
        trial="confirm",
        arms=tuple(
            parts.ArmStatistics(arm=a, iqm=e.value, interval=e.interval, method=e.method)
            for a, e in estimates.items()
        ),
        comparisons=comparisons,
    )


def _comparison(arm: str, over: str, points: dict[str, list[float]]) -> parts.Comparison:
    improvement = probability_of_improvement(points[arm], points[over])
    difference = difference_of_iqms(points[arm], points[over], seed=0)
    assert improvement.interval is not None
    return parts.Comparison(
        arm=arm,
        over=over,
        probability=improvement.value,
        interval=improvement.interval,
        difference=difference.value,
        difference_interval=difference.interval,
    )


def write_example_run(
    path: Path,
    *,
    human_advantage: float = 0.0,
    confirm_seeds: int = 10,
    video: bytes | None = None,
    iterations: int | None = None,
) -> None:
    """Write an example run into a new directory; stopped after some iterations if asked to."""
    with RunDirectory.create(path) as run:
        example = ExampleRun(
            run, human_advantage=human_advantage, confirm_seeds=confirm_seeds, video=video
        )
        if iterations is None:
            example.write()
            return
        example.start()
        for iteration in range(iterations):
            example.iteration(iteration)
        run.append(p.RunInterrupted(reason="interrupted by the user"))
