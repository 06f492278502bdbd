"""Rewards in stages: what sentences and descriptions say, what is written, what it pays."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardgen.design.designer import DesignContext
from rewardgen.design.evolve.emit import emit, parse
from rewardgen.design.evolve.grammar import (
    Beyond,
    Capped,
    Factor,
    Flag,
    Form,
    Linear,
    Program,
    Progress,
    Signal,
    Term,
    Tolerance,
    signal_of,
)
from rewardgen.design.evolve.guide import moves
from rewardgen.design.evolve.lexicon import Role, Want
from rewardgen.design.evolve.sentence import NAMED_EVENT, Sentence, later_clause, milestones
from rewardgen.design.evolve.space import Quantity, build_space
from rewardgen.design.evolve.stages import draw_stages, is_journey, journeys, way_of
from rewardgen.design.evolve.start import initial_programs
from rewardgen.design.evolve.vary import stage, wanted
from rewardgen_envs.features import Feature, FeatureTable
from rewardgen_envs.task import BoxAction

ROLLED, LEVEL = Signal("rolled"), Signal("level")
TABLE = FeatureTable(
    [
        Feature("rolled", (), "rad", "How far the drone has rolled; 2 pi is one full turn."),
        Feature("climb", (), "m", "How far the drone has climbed; 3 at the top."),
        Feature("level", (), "bool", "1 if the drone hovers level."),
        Feature("evenness", (), "1", "Cosine of the roll: 1 is level."),
        Feature("gimbals", (2,), "rad", "Angles of the gimbals, in turn."),
        Feature("speed", (), "m/s", "Speed of the drone."),
        Feature("terminated", (), "bool", "1 if the episode was ended by a termination."),
        Feature("episode_time_s", (), "s", "Time since the start."),
        Feature("last_action", (2,), "1", "The action applied in the last control step."),
    ]
)
CONTEXT = DesignContext(
    sentence="Roll the drone over and hover level.",
    table=TABLE,
    action=BoxAction(2),
    control_dt_s=0.02,
    episode_steps=500,
    count=8,
    seed=5,
)
SPACE = build_space(CONTEXT)


@pytest.mark.parametrize(
    ("role", "description", "expected"),
    [
        (Role.HEIGHT, "Height of the torso's centre; 1.25 when standing.", (1.25,)),
        (Role.DISTANCE, "How far it went; 3 is home, -0.5 the wall, 0 the start.", (3.0, -0.5)),
        (Role.ANGLE, "How far it turned; 2 pi is one full turn.", (-6.28, 6.28)),
        (Role.ANGLE, "Angle from upright, in (-pi, pi].", ()),
        (Role.ANGLE, "Angles of hip and knee, in turn; 0 is stretched.", ()),
        (Role.COUNT, "Laps, between [0, 7] so far.", ()),
    ],
)
def test_descriptions_name_places_on_a_way(
    role: Role, description: str, expected: tuple[float, ...]
) -> None:
    assert milestones(role, description) == expected


def test_only_what_follows_a_connective_is_the_later_clause() -> None:
    assert (
        later_clause("Jump up, then Land on both feet and wait.") == " land on both feet and wait."
    )
    assert later_clause("Run forward as fast as possible without falling.") == ""
    assert later_clause("Stand by the wall of sand.") == ""


def test_a_sentence_with_a_sequence_gives_a_way_and_an_end() -> None:
    rolled, level = SPACE.find(ROLLED), SPACE.find(LEVEL)
    assert rolled is not None
    assert level is not None
    assert is_journey(SPACE, rolled, Want.MORE)
    assert not is_journey(SPACE, rolled, Want.NEAR)
    assert not is_journey(SPACE, level, Want.MORE)
    assert level.follows > 1.0
    for index in (0, 1):
        gimbal = SPACE.find(Signal("gimbals", (index,)))
        assert gimbal is not None
        assert gimbal.milestones == ()
    programs = initial_programs(Random(1), SPACE, 60)
    staged = [p for p in programs if way_of(list(p.terms)) is not None]
    assert 10 <= len(staged) <= 50
    assert sum("level" in str(p) for p in staged) > len(staged) / 2


def test_one_goal_alone_has_no_stages() -> None:
    single = build_space(replace(CONTEXT, sentence="Roll the drone over."))
    assert journeys(single) == []
    assert "Capped" not in str(initial_programs(Random(1), single, 60))
    program = Program((Term("a", 1.0, (Factor(Linear(ROLLED)),)),))
    assert stage(Random(0), program, 0, single) is None
    assert all(move.operator != "stage" for move in moves(program, None, single))
    assert any(move.operator == "stage" for move in moves(program, None, SPACE))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**63 - 1), want=st.sampled_from((Want.MORE, Want.LESS)))
def test_the_way_comes_first_and_every_end_is_behind_its_gate(seed: int, want: Want) -> None:
    rolled = SPACE.find(ROLLED)
    assert rolled is not None
    first, *ends = draw_stages(Random(seed), SPACE, rolled, want)
    assert isinstance(first.shape, Progress)
    assert isinstance(first.shape.potential, Capped)
    assert (first.weight > 0.0) == (want is Want.MORE)
    limit = first.shape.potential.limit
    assert ends
    for end in ends:
        gate = end.factors[1].shape
        assert end.weight > 0.0
        assert signal_of(end.shape) != ROLLED
        assert signal_of(gate) == ROLLED
        assert not end.factors[1].floor
        match gate:
            case Beyond(_, threshold, above):
                assert above == (limit > 0.0)
                assert 0.5 <= threshold / limit <= 0.905
            case Tolerance(_, low, high, _):
                opening = low if limit > 0.0 else high
                assert 0.5 <= opening / limit <= 0.905
            case _:
                raise AssertionError(gate)


def paid(program: Program, rolled: list[float], level: list[float]) -> list[float]:
    """Return what a program pays along a trajectory."""
    data = torch.zeros(len(rolled), TABLE.width)
    data[:, TABLE.columns("rolled")] = torch.tensor(rolled).unsqueeze(1)
    data[:, TABLE.columns("level")] = torch.tensor(level).unsqueeze(1)
    namespace: dict[str, object] = {"torch": torch, "math": math}
    exec(emit(program, TABLE, BoxAction(2)), namespace)
    compute = namespace["compute_reward"]
    assert callable(compute)
    action = torch.zeros(len(rolled) - 1, 2)
    reward, _ = compute(TABLE.view(data[:-1]), action, TABLE.view(data[1:]))
    return reward.tolist()


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_way_pays_once_and_the_end_from_the_gate_on(sign: float) -> None:
    way = Progress(Capped(ROLLED, sign * 6.0, 3.0, above=sign > 0.0))
    gate = Factor(Beyond(ROLLED, sign * 5.0, above=sign > 0.0))
    program = Program(
        (
            Term("way", sign * 3.0, (Factor(way),)),
            Term("end", 2.0, (Factor(Flag(LEVEL)), gate)),
        )
    )
    assert parse(emit(program, TABLE, BoxAction(2)), TABLE) == program
    rolled = [sign * x for x in (0.0, 2.0, 1.0, 5.5, 7.0, 40.0)]
    level = [1.0, 1.0, 1.0, 0.0, 1.0, 1.0]
    assert paid(program, rolled, level) == pytest.approx([2.0, -1.0, 4.5, 0.5 + 2.0, 2.0])


def test_the_operator_turns_a_plain_goal_into_stages_and_adds_ends() -> None:
    plain = Program(
        (Term("a", 1.0, (Factor(Linear(ROLLED)),)), Term("b", 0.1, (Factor(Flag(LEVEL)),)))
    )
    # what is held already is not asked for again, so some draws add nothing
    made, *_ = [m for m in (stage(Random(i), plain, 0, SPACE) for i in range(20)) if m is not None]
    way = way_of(list(made.terms))
    assert way is not None
    assert way.signal == ROLLED
    assert len(made.terms) == 3
    assert signal_of(made.terms[-1].factors[1].shape) == ROLLED
    more = [m for m in (stage(Random(i), made, 1, SPACE) for i in range(20)) if m is not None]
    assert len(more) >= 5
    assert all(m.terms[:3] == made.terms and len(m.terms) == 4 for m in more)


def test_an_angle_at_the_end_of_a_turn_is_held_by_its_cosine() -> None:
    """A whole turn later the angle itself is far from where it was; wanted is the same place."""
    rolled = SPACE.find(ROLLED)
    assert rolled is not None
    tilted = Quantity(
        Signal("tilt"), Role.ANGLE, 1.0, {Want.NEAR: 1.0}, 0.0, rolled.seen, 1.0, follows=1.0
    )
    space = replace(SPACE, quantities=(replace(rolled, follows=0.0), tilted))
    _, end, *_ = draw_stages(Random(0), space, rolled, Want.MORE)
    assert isinstance(end.shape, Tolerance)
    assert end.shape.signal == Signal("tilt", (), Form.COSINE)
    assert (end.shape.high, end.shape.margin) == (math.inf, 1.0)
    assert wanted(end, 0, space) == (tilted, Want.NEAR)


def test_an_event_is_wanted_only_if_its_whole_name_is_asked_for() -> None:
    sentence = Sentence("Keep the pole up and standing, without falling.", [])
    named = sentence.read(Role.EVENT, "standing", "1 if it stands.", None, False)
    of_pole = sentence.read(Role.EVENT, "pole_fallen", "1 if it fell.", None, False)
    assert named.wants[Want.MORE] == of_pole.wants[Want.MORE] + NAMED_EVENT


def test_what_is_to_hold_at_the_end_is_what_the_sentence_wants() -> None:
    space = build_space(CONTEXT)
    (rolled,) = [q for q in space.quantities if q.signal == ROLLED]
    flags = [
        factor.shape
        for seed in range(200)
        for term in draw_stages(Random(seed), space, rolled, Want.MORE)[1:]
        for factor in term.factors
        if isinstance(factor.shape, Flag)
    ]
    assert len(flags) > 50
    assert all(flag.wanted for flag in flags)
