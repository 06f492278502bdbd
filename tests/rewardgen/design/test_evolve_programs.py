"""Programs: text and back, validity and finiteness over odd feature tables."""

from __future__ import annotations

import math
from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rewardgen.analysis.columns import column_statistics
from rewardgen.check.gate import gate
from rewardgen.check.pipeline import check_reward
from rewardgen.design.designer import DesignContext
from rewardgen.design.evolve import EvolveDesigner
from rewardgen.design.evolve.emit import emit, parse
from rewardgen.design.evolve.grammar import (
    MAX_TERMS,
    ActionChange,
    Beyond,
    Capped,
    Effort,
    Exponential,
    Factor,
    Flag,
    Form,
    Linear,
    Program,
    ProgramError,
    Progress,
    Quadratic,
    Saturating,
    Signal,
    Term,
    Tolerance,
    check,
    signal_of,
)
from rewardgen.design.evolve.guide import OPERATORS, mutate
from rewardgen.design.evolve.space import Space, build_space
from rewardgen.design.evolve.start import draw_program, initial_programs
from rewardgen.design.evolve.syntax import GrammarError
from rewardgen.design.evolve.vary import crossover
from rewardgen.isolation.host import HostPool
from rewardgen.rewards import vocabulary
from rewardgen.rewards.format import parse_reward
from rewardgen_envs.features import Feature, FeatureTable
from rewardgen_envs.registry import load_task, task_names
from rewardgen_envs.task import BoxAction, DiscreteAction

STANDARD = (
    Feature("terminated", (), "bool", "1 if the episode was ended by a termination."),
    Feature("episode_time_s", (), "s", "Time since the start of the episode."),
)
RUNNER = (
    Feature("forward_velocity", (), "m/s", "Displacement along x per second."),
    Feature("torso_position", (3,), "m", "Position of the torso; x is forward, z is up."),
    Feature("pitch", (), "rad", "Pitch of the torso; 0 is upright."),
    Feature("foot_contact", (2,), "bool", "1 where the foot touches the ground."),
    Feature("turned", (), "rad", "How far the torso has turned; 2 pi is one full turn."),
    Feature("goal_distance", (), "m", "Distance to the goal."),
    Feature("contact_forces", (2, 3), "N", "Force of contacts."),
)
TABLES = {
    "runner": RUNNER,
    "single": (Feature("x", (), "m", "Where it is."),),
    "vectors": (Feature("a", (3,), "m/s", "One."), Feature("b", (7,), "rad", "Two.")),
    "booleans": (Feature("on", (), "bool", "A switch."), Feature("lit", (3,), "bool", "Lamps.")),
    "many": tuple(Feature(f"f{i}", (), "1", f"Number {i}.") for i in range(100)),
    "nothing": (),
}
ACTIONS = (BoxAction(1), BoxAction(6), DiscreteAction(5))


def context_of(
    name: str,
    action: BoxAction | DiscreteAction,
    sentence: str = "Run forward, turn over and stop at the goal.",
) -> DesignContext:
    shape = (action.size,) if isinstance(action, BoxAction) else ()
    last = Feature("last_action", shape, "1", "The action applied in the last control step.")
    table = FeatureTable((*TABLES[name], *STANDARD, last))
    data = random_features(table, 200, seed=3)
    return DesignContext(
        sentence=sentence,
        table=table,
        action=action,
        control_dt_s=0.02,
        episode_steps=500,
        count=8,
        seed=1,
        feature_ranges=column_statistics(table, data),
    )


def random_features(table: FeatureTable, rows: int, seed: int) -> Tensor:
    data = 3.0 * torch.randn(rows, table.width, generator=torch.Generator().manual_seed(seed))
    for feature in table:
        if feature.unit == "bool":
            columns = table.columns(feature.name)
            data[:, columns] = (data[:, columns] > 0).float()
    return data


def evaluate(
    source: str, table: FeatureTable, action: BoxAction | DiscreteAction
) -> tuple[Tensor, dict[str, Tensor]]:
    """Run a source on random transitions, trusted: the program wrote it."""
    namespace: dict[str, object] = {"torch": torch, "math": math}
    namespace |= {k: v for k, v in vars(vocabulary).items() if not k.startswith("_")}
    exec(compile(source, "reward", "exec"), namespace)
    rows = 16
    generator = torch.Generator().manual_seed(7)
    given_action = (
        torch.rand(rows, action.size, generator=generator) * 2 - 1
        if isinstance(action, BoxAction)
        else torch.randint(0, action.count, (rows,), generator=generator)
    )
    state, next_state = random_features(table, rows, 5), random_features(table, rows, 6)
    compute = namespace["compute_reward"]
    assert callable(compute)
    return compute(table.view(state), given_action, table.view(next_state))


def assert_sound(program: Program, context: DesignContext) -> None:
    """A program is valid, small, reads back, and gives finite float32 rows that sum up."""
    check(program)
    assert len(program.terms) <= MAX_TERMS
    signals = [signal_of(f.shape) for term in program.terms for f in term.factors]
    assert all(signal is None or signal.feature in context.table for signal in signals)
    source = emit(program, context.table, context.action)
    assert parse(source, context.table) == program
    assert emit(parse(source, context.table), context.table, context.action) == source
    assert all(len(line) <= 130 for line in source.splitlines())
    assert gate(parse_reward(source), context.table) == []
    reward, terms = evaluate(source, context.table, context.action)
    for value in (reward, *terms.values()):
        assert value.shape == (16,)
        assert value.dtype == torch.float32
        assert torch.isfinite(value).all()
    torch.testing.assert_close(sum(terms.values()), reward)
    assert list(terms) == [term.name for term in program.terms]


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("action", ACTIONS, ids=str)
@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 2**63 - 1))
def test_initial_programs_are_sound(
    name: str, action: BoxAction | DiscreteAction, seed: int
) -> None:
    context = context_of(name, action)
    programs = initial_programs(Random(seed), build_space(context), 8)
    assert len(programs) == 8
    for program in programs:
        assert_sound(program, context)


@pytest.mark.parametrize("name", TABLES)
@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 2**63 - 1))
def test_chains_of_mutations_and_crossovers_stay_sound(name: str, seed: int) -> None:
    context = context_of(name, ACTIONS[1])
    rng, space = Random(seed), build_space(context)
    program = draw_program(rng, space)
    for _ in range(8):
        mutated = mutate(rng, program, None, space, steps=1)
        program = program if mutated is None else mutated[0]
        child = crossover(rng, program, draw_program(rng, space))
        program = program if child is None else child
        assert_sound(program, context)


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_operator_changes_some_program_and_keeps_it_sound(operator: str) -> None:
    context = context_of("runner", ACTIONS[0])
    rng, space = Random(0), build_space(context)
    changed: list[Program] = []
    for _ in range(200):
        program = draw_program(rng, space)
        child = OPERATORS[operator](rng, program, rng.randrange(len(program.terms)), space)
        if child is not None and child != program:
            changed.append(child)
    assert len(changed) > 5
    for child in changed[:6]:
        assert_sound(child, context)


def test_every_kind_of_shape_reads_back() -> None:
    context = context_of("runner", ACTIONS[1])
    pitch, height = Signal("pitch"), Signal("torso_position", (2,))
    force, place = Signal("contact_forces", (1, 2)), Signal("torso_position", (), Form.NORM)
    groups = (
        (Factor(Linear(pitch)), Factor(Tolerance(height, 0.5, math.inf, 0.2), 0.5)),
        (Factor(Linear(force, -1.0, 2.0)), Factor(Beyond(height, -0.3, above=False))),
        (Factor(Linear(Signal("pitch", (), Form.COSINE), 0.5)),),
        (Factor(Exponential(Signal("pitch", (), Form.ABSOLUTE), 0.2, 0.3)),),
        (Factor(Saturating(place, -2.0, 1.0)), Factor(Flag(Signal("foot_contact", (1,)), False))),
        (Factor(Quadratic(pitch, 0.0, 3.0)),),
    )
    more = (
        (Factor(Progress(Exponential(pitch, -0.5, 0.25))),),
        (Factor(Progress(Linear(height, 1.0, 1.0))),),
        (Factor(Progress(Capped(Signal("turned"), 6.28, 6.28))), Factor(Beyond(height, 0.5))),
        (Factor(Progress(Capped(pitch, -3.14, 1.0, above=False))),),
        (Factor(Effort()),),
        (Factor(ActionChange()), Factor(Tolerance(pitch, -math.inf, -1e-05, 2000.0))),
    )
    for factors in (groups, more):
        program = Program(tuple(Term(f"t{i}", -0.5, f) for i, f in enumerate(factors)))
        assert_sound(program, context)


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("def f(:", "line 1"),
        ("import torch\n", "not one function"),
        ("def compute_reward(state, action, next_state):\n    return 1, {}\n", "does not end"),
        (
            "def compute_reward(state, action, next_state):\n"
            "    a = next_state.pitch\n    reward = 2.0 * a\n    return reward, {'a': a}\n",
            "not the sum",
        ),
        (
            "def compute_reward(state, action, next_state):\n"
            "    a = next_state.pitcher\n    reward = a\n    return reward, {'a': a}\n",
            "pitcher",
        ),
        (
            "def compute_reward(state, action, next_state):\n"
            "    a = torch.sin(next_state.pitch)\n    reward = a\n    return reward, {'a': a}\n",
            "torch.sin",
        ),
    ],
)
def test_other_python_is_refused_with_its_culprit(source: str, complaint: str) -> None:
    with pytest.raises(GrammarError, match=complaint):
        parse(source, context_of("runner", ACTIONS[0]).table)


def test_rules_of_the_grammar_are_checked() -> None:
    pitch = Signal("pitch")
    term = Term("a", 1.0, (Factor(Linear(pitch)),))
    bad = {
        "twice": (term, term),
        "0 terms": (),
        "weight": (Term("a", 0.0, term.factors),),
        "floor needs": (Term("a", 1.0, (Factor(Linear(pitch), 0.5),)),),
        "no sense": (Term("a", 1.0, (Factor(Tolerance(pitch, 1.0, 0.0, 1.0)),)),),
        "factors": (Term("a", 1.0, term.factors * 4),),
    }
    for complaint, terms in bad.items():
        with pytest.raises(ProgramError, match=complaint):
            check(Program(terms))


def test_space_without_features_still_gives_programs() -> None:
    space: Space = build_space(context_of("nothing", ACTIONS[0]))
    assert space.quantities == ()
    assert len(initial_programs(Random(0), space, 3)) == 3


@pytest.mark.slow
def test_proposals_for_every_registered_task_pass_the_whole_check() -> None:
    with HostPool() as hosts:
        for name in task_names():
            task = load_task(name)
            context = DesignContext(
                sentence=task.description,
                table=task.table.public(),
                action=task.action,
                control_dt_s=task.control_dt_s,
                episode_steps=task.episode_steps,
                count=3,
                seed=11,
            )
            for proposal in EvolveDesigner().propose(context):
                result = check_reward(proposal.source, context.table, task.action, hosts=hosts)
                assert result.verdict == "accepted", (name, proposal.source, result.findings)
