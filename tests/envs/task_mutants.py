"""Good tasks with one planted fault each, and the rules that may name it."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import numpy as np
import torch

from rewardgen_envs.metrics import Accumulation
from tests.envs.task_plants import (
    FEATURE,
    Plant,
    actuate,
    attributes,
    best_fitness_remembered,
    calls_counted_by_class,
    causes_renamed,
    derived_for_nothing,
    drop_first_action,
    feature,
    feature_rarely_nan,
    feature_renamed,
    features_overwritten,
    fitness,
    height,
    measured_for_nothing,
    nan_at_a_time,
    observation,
    physics_damped,
    reset,
    reset_all_alike,
    reset_first_half,
    reset_global_random,
    reset_keeps_half,
    reset_odd_rows,
    reset_own_generator,
    resets_counted_by_module,
    smoothed_action,
    smoothed_feature,
    start_remembered,
    start_remembered_for_fitness,
    terminations,
    with_one,
)


@dataclass(frozen=True)
class Mutant:
    """A fault, and the rules that may name it."""

    plant: Plant
    rules: tuple[str, ...]


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
        ("start remembered for fitness", start_remembered_for_fitness, "hidden-state"),
        ("action smoothed over calls", smoothed_action, "hidden-state"),
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
        ("measured for nothing", measured_for_nothing, "feature-undeclared"),
        ("derived for nothing", derived_for_nothing, "feature-undeclared"),
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
        (
            "termination by time",
            terminations(lambda x, f: x | (f.episode_time_s > 0.09)),
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
        (
            "lying is the goal",
            fitness(lambda _, f: height(f) < 0.9),
            "falling-pays",
            "success-threshold",
        ),
        ("lower is better", fitness(lambda _, f: -height(f)), "falling-pays", "success-threshold"),
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
