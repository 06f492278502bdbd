"""Good tasks with one planted fault each, and the rules that may name it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from rewardgen_envs.draw import Draw
from rewardgen_envs.features import FeatureView
from rewardgen_envs.metrics import Accumulation
from rewardgen_envs.physics import Physics
from rewardgen_envs.quantities import Quantities
from rewardgen_envs.task import Initial, Task

Plant = Callable[[type[Task]], type[Task]]
Values = dict[str, Tensor]


@dataclass(frozen=True)
class Mutant:
    """A fault, and the rules that may name it."""

    plant: Plant
    rules: tuple[str, ...]


# a scalar feature that measure() computes and the observation shows
FEATURE = {"cartpole/balance": "cart_velocity", "hopper/run": "torso_pitch_rate"}


def attributes(change: Callable[[type[Task]], dict[str, Any]]) -> Plant:
    """Plant a fault into class attributes."""
    return lambda base: type("Changed", (base,), change(base))


def observation(edit: Callable[[Tensor], Tensor]) -> Plant:
    """Plant a fault into what the policy sees."""

    def plant(base: type[Task]) -> type[Task]:
        class Changed(base):
            def observation(self, features: FeatureView) -> Tensor:
                return edit(super().observation(features))

        return Changed

    return plant


def feature(edit: Callable[[Tensor, Physics], Tensor]) -> Plant:
    """Plant a fault into one feature."""

    def plant(base: type[Task]) -> type[Task]:
        name = FEATURE[base.name]

        class Changed(base):
            def measure(self, physics: Physics, variables: Quantities) -> Values:
                measured = super().measure(physics, variables)
                return measured | {name: edit(measured[name], physics)}

        return Changed

    return plant


def reset(edit: Callable[[Initial, Tensor, Task], Initial]) -> Plant:
    """Plant a fault into the starts of episodes."""

    def plant(base: type[Task]) -> type[Task]:
        class Changed(base):
            def reset(self, mask: Tensor, draw: Draw) -> Initial:
                return edit(super().reset(mask, draw), mask, self)

        return Changed

    return plant


def terminations(edit: Callable[[Tensor, FeatureView], Tensor]) -> Plant:
    """Plant a fault into every cause of termination."""

    def plant(base: type[Task]) -> type[Task]:
        class Changed(base):
            def terminations(self, features: FeatureView) -> Values:
                values = super().terminations(features)
                return {k: edit(v, features) for k, v in values.items()}

        return Changed

    return plant


def fitness(edit: Callable[[Tensor, FeatureView], Tensor], **metric: object) -> Plant:
    """Plant a fault into the ranking metric: its value and its declaration."""

    def plant(base: type[Task]) -> type[Task]:
        class Changed(base):
            metrics = (replace(base.metrics[0], **metric),)

            def fitness(self, features: FeatureView) -> Values:
                return {k: edit(v, features) for k, v in super().fitness(features).items()}

        return Changed

    return plant


def actuate(edit: Callable[[Tensor], Tensor]) -> Plant:
    """Plant a fault into how actions reach the actuators."""

    def plant(base: type[Task]) -> type[Task]:
        class Changed(base):
            def actuate(self, action: Tensor, features: FeatureView) -> Tensor:
                return super().actuate(edit(action), features)

        return Changed

    return plant


# ---- faults that need more than one expression


def reset_all_alike(start: Initial, mask: Tensor, task: Task) -> Initial:
    still = {k: v * 0 for k, v in start.variables.items()}
    return replace(start, qpos=start.qpos * 0 + 0.01, qvel=start.qvel * 0, variables=still)


def reset_own_generator(start: Initial, mask: Tensor, task: Task) -> Initial:
    own = torch.Generator().manual_seed(0)
    noise = torch.rand(start.qpos.shape, generator=own, dtype=torch.float64)
    return replace(start, qpos=start.qpos * 0 + 0.01 * noise, qvel=start.qvel * 0)


def reset_global_random(start: Initial, mask: Tensor, task: Task) -> Initial:
    return replace(start, qpos=0.01 * torch.rand_like(start.qpos), qvel=start.qvel * 0)


def reset_first_half(start: Initial, mask: Tensor, task: Task) -> Initial:
    qpos = start.qpos.clone()
    qpos[len(mask) // 2 :] = torch.from_numpy(task.model.qpos0)
    return replace(start, qpos=qpos)


def reset_odd_rows(start: Initial, mask: Tensor, task: Task) -> Initial:
    obeyed = mask & (torch.arange(len(mask)) % 2 == 0)
    return replace(start, qvel=torch.where(obeyed.unsqueeze(1), start.qvel, 0.0))


def reset_keeps_half(base: type[Task]) -> type[Task]:
    class Changed(base):
        last: Initial | None = None

        def reset(self, mask: Tensor, draw: Draw) -> Initial:
            start = super().reset(mask, draw)
            last, self.last = self.last, start
            if last is not None and last.qpos.shape == start.qpos.shape:
                start.qpos[1::2] = last.qpos[1::2]
            return start

    return Changed


def smoothed_feature(base: type[Task]) -> type[Task]:
    name = FEATURE[base.name]

    class Changed(base):
        smooth: Tensor | None = None

        def measure(self, physics: Physics, variables: Quantities) -> Values:
            measured = super().measure(physics, variables)
            now = measured[name].clone()
            old = now if self.smooth is None or self.smooth.shape != now.shape else self.smooth
            self.smooth = 0.9 * old + 0.1 * now
            return measured | {name: self.smooth}

    return Changed


def start_remembered(base: type[Task]) -> type[Task]:
    name = FEATURE[base.name]

    class Changed(base):
        start: Tensor | None = None

        def reset(self, mask: Tensor, draw: Draw) -> Initial:
            initial = super().reset(mask, draw)
            self.start = initial.qvel[:, 0].clone()
            return initial

        def measure(self, physics: Physics, variables: Quantities) -> Values:
            measured = super().measure(physics, variables)
            if self.start is not None and self.start.shape == measured[name].shape:
                measured[name] = measured[name] + self.start
            return measured

    return Changed


def calls_counted_by_class(base: type[Task]) -> type[Task]:
    name = FEATURE[base.name]

    class Changed(base):
        calls: ClassVar[dict[str, int]] = {"count": 0}

        def measure(self, physics: Physics, variables: Quantities) -> Values:
            measured = super().measure(physics, variables)
            self.calls["count"] += 1
            return measured | {name: measured[name] + 1e-3 * self.calls["count"]}

    return Changed


_MEMORY: list[float] = []


def resets_counted_by_module(start: Initial, mask: Tensor, task: Task) -> Initial:
    _MEMORY.append(float(start.qvel.abs().max()))
    return replace(start, qvel=start.qvel + 1e-3 * len(_MEMORY))


def best_fitness_remembered(base: type[Task]) -> type[Task]:
    class Changed(base):
        best = 0.0

        def fitness(self, features: FeatureView) -> Values:
            values = {k: v.float() for k, v in super().fitness(features).items()}
            self.best = max(self.best, *(float(v.max()) for v in values.values())) + 1e-3
            return {k: v + self.best for k, v in values.items()}

    return Changed


def physics_damped(x: Tensor, physics: Physics) -> Tensor:
    physics.qvel.mul_(0.9)
    return x


def feature_rarely_nan(x: Tensor, physics: Physics) -> Tensor:
    speed = physics.qvel.norm(dim=1)
    return torch.where((speed > 1.0) & (speed < 1.3), torch.nan, x)


def feature_renamed(base: type[Task]) -> type[Task]:
    class Changed(base):
        def measure(self, physics: Physics, variables: Quantities) -> Values:
            measured = super().measure(physics, variables)
            return {("other" if k == FEATURE[base.name] else k): v for k, v in measured.items()}

    return Changed


def causes_renamed(base: type[Task]) -> type[Task]:
    class Changed(base):
        def terminations(self, features: FeatureView) -> Values:
            return {f"{k}_": v for k, v in super().terminations(features).items()}

    return Changed


def features_overwritten(base: type[Task]) -> type[Task]:
    class Changed(base):
        def observation(self, features: FeatureView) -> Tensor:
            getattr(features, FEATURE[base.name]).mul_(0.5)
            return super().observation(features)

    return Changed


def drop_first_action(action: Tensor) -> Tensor:
    used = action.clone()
    used[:, 0] = 0.0
    return used


def with_one(seen: Tensor) -> Tensor:
    return torch.cat([seen, torch.ones_like(seen[..., :1])], dim=-1)


# 0 / 0 at the second control step; both control steps of the tests' tasks are below 0.05 s
def nan_at_a_time(x: Tensor, features: FeatureView) -> Tensor:
    early = (features.episode_time_s > 0.0) & (features.episode_time_s < 0.05)
    return torch.where(early, torch.nan, x.float())


CONSTANT = ("observation-constant", "feature-constant")
MUTANTS: dict[str, Mutant] = {
    name: Mutant(plant, rules)
    for name, plant, *rules in (
        # observation
        ("observation zero", observation(torch.zeros_like), "observation-constant"),
        ("observation column constant", observation(with_one), "observation-constant"),
        ("observation NaN", observation(lambda x: x * torch.nan), "observation-finite"),
        ("observation NaN where negative", observation(torch.sqrt), "observation-finite"),
        ("feature constant", feature(lambda x, _: torch.zeros_like(x)), *CONSTANT),
        ("feature NaN", feature(lambda x, _: (x - 1e3).sqrt()), "feature-finite"),
        ("feature rarely NaN", feature(feature_rarely_nan), "feature-finite"),
        # resets
        ("reset all alike", reset(reset_all_alike), "reset-ignores-draw"),
        ("reset by own generator", reset(reset_own_generator), "reset-ignores-draw"),
        (
            "reset by global random",
            reset(reset_global_random),
            "reset-ignores-draw",
            "nondeterminism",
        ),
        ("reset first half", reset(reset_first_half), "reset-mask"),
        ("reset odd rows", reset(reset_odd_rows), "reset-mask"),
        ("reset keeps half", reset_keeps_half, "reset-mask", "hidden-state"),
        # state
        ("feature smoothed over calls", smoothed_feature, "hidden-state"),
        ("start remembered", start_remembered, "hidden-state"),
        ("calls counted by the class", calls_counted_by_class, "hidden-state"),
        ("resets counted by the module", reset(resets_counted_by_module), "hidden-state"),
        ("best fitness remembered", best_fitness_remembered, "hidden-state"),
        ("physics changed by measure", feature(physics_damped), "measure-writes"),
        ("features changed by observation", features_overwritten, "writes-features"),
        # declarations
        (
            "unit missing",
            attributes(lambda b: {"features": (replace(b.features[0], unit=""), *b.features[1:])}),
            "unit-missing",
        ),
        (
            "sentence missing",
            attributes(
                lambda b: {"features": (*b.features[:-1], replace(b.features[-1], description=" "))}
            ),
            "sentence-missing",
        ),
        (
            "cause without sentence",
            attributes(lambda b: {"causes": dict.fromkeys(b.causes, "")}),
            "sentence-missing",
        ),
        (
            "metric without unit",
            attributes(lambda b: {"metrics": (replace(b.metrics[0], unit=""),)}),
            "unit-missing",
        ),
        ("description missing", attributes(lambda b: {"description": ""}), "sentence-missing"),
        (
            "human reward missing",
            attributes(lambda b: {"human_reward": b.human_reward.with_name("nothing.py")}),
            "human-reward-missing",
        ),
        # shapes and types
        (
            "feature declared as vector",
            attributes(
                lambda b: {
                    "features": tuple(
                        replace(f, shape=(2,)) if f.name == FEATURE[b.name] else f
                        for f in b.features
                    )
                }
            ),
            "feature-shape",
        ),
        ("feature as column", feature(lambda x, _: x.unsqueeze(1)), "feature-shape"),
        ("feature reduced", feature(lambda x, _: x.mean()), "feature-shape"),
        ("feature never computed", feature_renamed, "feature-missing"),
        ("fitness as column", fitness(lambda x, _: x.unsqueeze(-1)), "result-shape"),
        (
            "reset too short",
            reset(lambda start, _, __: replace(start, qvel=start.qvel[:, :-1])),
            "reset-shape",
        ),
        (
            "observation for two dimensions only",
            observation(lambda x: torch.cat([x, 2 * x[:, :1]], dim=1)),
            "leading-dimensions",
        ),
        ("observation in double", observation(lambda x: x.double()), "result-dtype"),
        ("termination as number", terminations(lambda x, _: x.float()), "result-dtype"),
        # terminations
        ("termination always", terminations(lambda x, _: x | True), "termination-always"),
        (
            "termination after a step",
            terminations(lambda x, f: x | (f.episode_time_s > 0)),
            "termination-always",
        ),
        ("termination undeclared", causes_renamed, "names"),
        # fitness
        ("fitness NaN", fitness(lambda x, _: x * torch.nan), "fitness-finite"),
        ("fitness NaN at a time", fitness(nan_at_a_time), "fitness-finite"),
        ("fitness zero", fitness(lambda x, _: torch.zeros_like(x)), "fitness-constant"),
        ("fitness one", fitness(lambda x, _: torch.ones_like(x)), "fitness-constant"),
        ("fitness is the time", fitness(lambda _, f: f.episode_time_s), "fitness-constant"),
        (
            "falling counts much",
            fitness(lambda x, _: x, after_termination=2.0, success=None),
            "falling-pays",
        ),
        ("falling counts a little", fitness(lambda x, _: x, after_termination=0.6), "falling-pays"),
        ("falling gives a bonus", fitness(lambda x, f: x + 3.0 * f.terminated), "falling-pays"),
        (
            "falling is the goal",
            fitness(lambda _, f: f.terminated),
            "falling-pays",
            "success-threshold",
        ),
        (
            "falling ends a cost",
            fitness(
                lambda _, f: 1.0 + f.last_action.square().sum(-1),
                higher_is_better=False,
                success=None,
            ),
            "falling-pays",
        ),
        (
            "falling ends a distance",
            fitness(
                lambda _, f: -1.0 - f.last_action.abs().sum(-1) - f.episode_time_s,
                accumulation=Accumulation.FINAL,
                success=None,
            ),
            "falling-pays",
        ),
        (
            "direction reversed",
            fitness(lambda x, _: x, higher_is_better=False),
            "success-threshold",
            "falling-pays",
        ),
        # nondeterminism
        (
            "random feature",
            feature(lambda x, _: x + 1e-3 * torch.randn_like(x)),
            "nondeterminism",
        ),
        (
            "random observation",
            observation(lambda x: x + float(np.random.rand())),
            "nondeterminism",
        ),
        (
            "random termination",
            terminations(lambda x, _: x | (torch.rand(x.shape) < 0.3)),
            "nondeterminism",
        ),
        ("random fitness", fitness(lambda x, _: x + random.random()), "nondeterminism"),
        ("random control", actuate(lambda x: x + 0.01 * torch.randn_like(x)), "nondeterminism"),
        (
            "random part of reset",
            reset(lambda s, _, __: replace(s, qvel=s.qvel + 1e-4 * torch.randn_like(s.qvel))),
            "nondeterminism",
        ),
        # neighbours
        ("neighbour in feature", feature(lambda x, _: x.roll(1, 0)), "row-independence"),
        ("mean over worlds", feature(lambda x, _: x - 0.1 * x.mean()), "row-independence"),
        ("first world added", feature(lambda x, _: x + x[:1]), "row-independence"),
        ("sum over worlds before", feature(lambda x, _: x.cumsum(0)), "row-independence"),
        (
            "neighbour in observation",
            observation(lambda x: x - x.mean(0, keepdim=True)),
            "row-independence",
        ),
        (
            "neighbour in termination",
            terminations(lambda x, _: x | x.roll(1, 0)),
            "row-independence",
        ),
        (
            "neighbour in fitness",
            fitness(lambda x, _: x.float() - x.float().amax()),
            "row-independence",
        ),
        ("neighbour in control", actuate(lambda x: x.roll(1, 0)), "row-independence"),
        # actions
        ("action unused", actuate(drop_first_action), "action-without-effect"),
    )
}
