"""What the designer named evolve proposes with given seeds is fixed, to the last character."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from rewardgen.analysis.feedback import Feedback, Fitness
from rewardgen.design.designer import DesignContext, Proposal, Tried
from rewardgen.design.evolve import EvolveDesigner
from rewardgen_envs.features import Feature, FeatureTable
from rewardgen_envs.task import BoxAction

TABLE = FeatureTable(
    [
        Feature("forward_velocity", (), "m/s", "Displacement of the torso per second."),
        Feature("torso_height", (), "m", "Height of the torso."),
        Feature("torso_pitch", (), "rad", "Pitch of the torso; 0 is upright."),
        Feature("joint_angles", (6,), "rad", "Angles of the joints."),
        Feature("terminated", (), "bool", "1 if the episode was ended by a termination."),
        Feature("episode_time_s", (), "s", "Time since the start."),
        Feature("last_action", (3,), "1", "The action applied in the last control step."),
    ]
)
FIRST = DesignContext(
    sentence="Make the robot run forward, then stand still.",
    table=TABLE,
    action=BoxAction(3),
    control_dt_s=0.02,
    episode_steps=500,
    count=6,
    seed=0,
)
ITERATIONS = 3


def fitness(value: float) -> Fitness:
    return Fitness(
        metric="m",
        unit="1",
        higher_is_better=True,
        mean=value,
        low=value - 0.5,
        high=value + 0.5,
        members=(value - 0.25, value + 0.25),
        episodes=4,
    )


def searched(seed: int) -> list[Proposal]:
    """Return what is proposed in a search where a source's digest decides how good it is."""
    history: tuple[Tried, ...] = ()
    proposed: list[Proposal] = []
    for iteration in range(ITERATIONS):
        best = sorted(history, key=lambda t: -(t.feedback.score or 0.0))[:4]
        context = replace(
            FIRST,
            seed=100 * seed + iteration,
            iteration=iteration,
            history=history,
            parents=tuple(best),
        )
        for slot, proposal in enumerate(EvolveDesigner().propose(context)):
            proposed.append(proposal)
            value = int(hashlib.sha256(proposal.source.encode()).hexdigest()[:4], 16) / 2**16
            feedback = Feedback(fitness=(fitness(value),))
            name = f"c{iteration + 1}-{slot + 1}"
            history += (
                Tried(name, iteration, proposal.source, "evaluated", feedback, proposal.parents),
            )
    return proposed


@pytest.mark.parametrize(("seed", "digest"), [(0, "5c5fd43af5d71bf2"), (1, "3170bfcb5024ca0c")])
def test_proposals_are_what_they_were(seed: int, digest: str) -> None:
    told = "\0".join(
        f"{p.source}\0{' '.join(p.parents)}\0{p.origin}\0{p.note}" for p in searched(seed)
    )
    assert hashlib.sha256(told.encode()).hexdigest()[:16] == digest
