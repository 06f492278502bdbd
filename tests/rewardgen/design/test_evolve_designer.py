"""The designer: deterministic, novel, guided, better than chance on a known landscape."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from statistics import fmean

import pytest

from rewardgen.analysis.feedback import (
    Column,
    Feedback,
    Fitness,
    Hacking,
    Series,
    Term,
    TermStatus,
)
from rewardgen.design.designer import DesignContext, Tried
from rewardgen.design.evolve import EvolveDesigner, Strategy
from rewardgen.design.evolve.emit import emit, parse
from rewardgen.design.evolve.grammar import Factor, Linear, Program, Signal
from rewardgen.design.evolve.grammar import Term as ProgramTerm
from rewardgen.design.evolve.guide import moves
from rewardgen.design.evolve.learn import associations, learned, rank_correlation
from rewardgen.design.evolve.lexicon import Role, Want, role_of
from rewardgen.design.evolve.sentence import Sentence
from rewardgen.design.evolve.single import single_feature
from rewardgen.design.evolve.space import build_space
from rewardgen.design.evolve.words import stem
from rewardgen_envs.features import Feature, FeatureTable
from rewardgen_envs.task import BoxAction, DiscreteAction

TABLE = FeatureTable(
    [
        Feature("forward_velocity", (), "m/s", "Displacement of the torso per second."),
        Feature("torso_velocity", (3,), "m/s", "Velocity of the torso."),
        Feature("torso_height", (), "m", "Height of the torso."),
        Feature("torso_pitch", (), "rad", "Pitch of the torso; 0 is upright."),
        Feature("pitch_rate", (), "rad/s", "Angular velocity of the torso."),
        Feature("goal_distance", (), "m", "Distance to the goal."),
        Feature("joint_angles", (6,), "rad", "Angles of the joints."),
        Feature("terminated", (), "bool", "1 if the episode was ended by a termination."),
        Feature("episode_time_s", (), "s", "Time since the start."),
        Feature("last_action", (3,), "1", "The action applied in the last control step."),
    ]
)
CONTEXT = DesignContext(
    sentence="Make the robot run forward.",
    table=TABLE,
    action=BoxAction(3),
    control_dt_s=0.02,
    episode_steps=500,
    count=8,
    seed=5,
)


def fitness(*members: float) -> Fitness:
    mean = fmean(members)
    return Fitness(
        metric="m",
        unit="1",
        higher_is_better=True,
        mean=mean,
        low=mean - 1,
        high=mean + 1,
        members=members,
        episodes=4,
    )


def tried(
    candidate: str, source: str, score: float | None, columns: tuple[Column, ...] = ()
) -> Tried:
    feedback = Feedback() if score is None else Feedback(fitness=(fitness(score),), columns=columns)
    state = "rejected" if score is None else "evaluated"
    return Tried(candidate, 0, source, state, feedback)


def proposals_as_history(context: DesignContext) -> tuple[Tried, ...]:
    found = EvolveDesigner().propose(context)
    return tuple(tried(f"c{i}", p.source, float(i)) for i, p in enumerate(found))


# ---- the designer


def test_same_context_same_proposals_other_seed_others() -> None:
    history = proposals_as_history(CONTEXT)
    later = replace(CONTEXT, iteration=1, history=history, parents=history[-1:])
    for context in (CONTEXT, later):
        assert EvolveDesigner().propose(context) == EvolveDesigner().propose(context)
        assert EvolveDesigner().propose(context) != EvolveDesigner().propose(
            replace(context, seed=6)
        )


def test_iterations_are_novel_but_for_the_best_again_and_know_their_parents() -> None:
    history: tuple[Tried, ...] = ()
    for iteration in range(4):
        best = sorted(history, key=lambda t: -(t.feedback.score or 0))[:1]
        context = replace(
            CONTEXT, iteration=iteration, history=history, parents=tuple(best), seed=iteration
        )
        proposals = EvolveDesigner().propose(context)
        assert len(proposals) == 8
        known = {t.candidate: t.source for t in history}
        again = [p for p in proposals if p.origin == "again"]
        assert len(again) == (2 if iteration > 1 else 0)
        assert len({p.source for p in proposals}) == len(proposals)
        for slot, proposal in enumerate(proposals):
            assert set(proposal.parents) <= set(known)
            assert bool(proposal.parents) == (proposal.origin != "scratch")
            assert proposal.note
            if proposal in again:
                assert known[proposal.parents[0]] == proposal.source
            else:
                assert proposal.source not in known.values()
            history += (tried(f"{iteration}-{slot}", proposal.source, float(slot)),)


def test_who_did_well_is_tried_again_until_it_is_known_to_have_been_luck() -> None:
    programs = EvolveDesigner().propose(replace(CONTEXT, sentence="Do it."))
    history = tuple(tried(f"c{i}", p.source, float(i == 3)) for i, p in enumerate(programs))

    def again(history: tuple[Tried, ...]) -> int:
        context = replace(CONTEXT, sentence="Do it.", iteration=2, history=history)
        proposed = (EvolveDesigner().propose(replace(context, seed=seed)) for seed in range(8))
        return sum("c3" in p.parents for found in proposed for p in found if p.origin == "again")

    unlucky = tuple(tried(f"d{i}", programs[3].source, -1.0) for i in range(4))
    assert again(history) >= 7
    assert again((*history, *unlucky)) <= 3


def test_most_children_come_from_those_that_stand_best() -> None:
    """Of sixteen candidates those that pay for speed score; their children do so as well."""
    vague = replace(CONTEXT, sentence="Do it.")
    programs = EvolveDesigner().propose(replace(vague, count=16))
    history = tuple(
        tried(f"c{i}", p.source, float("forward_velocity" in p.source) + i / 100)
        for i, p in enumerate(programs)
    )
    context = replace(vague, iteration=1, history=history, parents=history[-1:])
    proposals = EvolveDesigner().propose(context)
    fast = {t.candidate for t in history if "forward_velocity" in t.source}
    assert len(fast) < 12
    children = [p for p in proposals if p.parents]
    assert sum(bool(fast & set(p.parents)) for p in children) >= len(children) - 1
    assert sum("forward_velocity" in p.source for p in children) >= len(children) - 1
    assert any(p.origin == "scratch" for p in proposals)


def test_candidates_of_equal_fitness_are_told_apart_by_training() -> None:
    """All end alike; the one that learned sooner is a parent most often."""
    proposals = EvolveDesigner().propose(CONTEXT)
    quick, slow = (Series(values=(m,), maximum=m, mean=m, minimum=m) for m in (0.9, 0.1))
    history = tuple(
        Tried(
            f"c{i}",
            0,
            p.source,
            "evaluated",
            Feedback(fitness=(fitness(1.0),), training_fitness={"m": quick if i == 5 else slow}),
        )
        for i, p in enumerate(proposals)
    )
    parents = [
        parent
        for seed in range(6)
        for p in EvolveDesigner().propose(
            replace(CONTEXT, iteration=1, history=history, parents=history[:1], seed=seed)
        )
        for parent in p.parents
    ]
    assert max(set(parents), key=parents.count) == "c5"


def test_while_all_scores_tie_it_guesses_anew() -> None:
    history = tuple(
        tried(f"c{i}", p.source, 0.0) for i, p in enumerate(EvolveDesigner().propose(CONTEXT))
    )
    context = replace(CONTEXT, iteration=1, history=history, parents=history[:1], seed=8)
    assert {p.origin for p in EvolveDesigner().propose(context)} == {"scratch"}


def test_first_guess_is_diverse_and_follows_the_sentence() -> None:
    programs = [parse(p.source, TABLE) for p in EvolveDesigner().propose(CONTEXT)]
    goals = [term.shape for program in programs for term in program.terms[:1]]
    speeds = [g for g in goals if "velocity" in str(g)]
    assert len(speeds) >= 4
    assert len({type(g) for g in goals}) >= 3


def test_random_ignores_parents_and_feedback() -> None:
    history = proposals_as_history(CONTEXT)
    context = replace(CONTEXT, iteration=1, history=history, parents=history[-1:], seed=9)
    proposals = EvolveDesigner(Strategy.RANDOM).propose(context)
    assert {p.origin for p in proposals} == {"scratch"}
    flipped = tuple(
        replace(t, feedback=Feedback(fitness=(fitness(-(t.feedback.score or 0)),))) for t in history
    )
    assert proposals == EvolveDesigner(Strategy.RANDOM).propose(
        replace(context, history=flipped, parents=flipped[:1])
    )


def test_a_space_that_is_used_up_still_fills_every_place() -> None:
    table = FeatureTable([f for f in TABLE if f.name in ("terminated", "episode_time_s")])
    history: tuple[Tried, ...] = ()
    for iteration in range(4):
        context = replace(
            CONTEXT, table=table, action=DiscreteAction(2), iteration=iteration, history=history
        )
        proposals = EvolveDesigner().propose(context)
        assert len(proposals) == 8
        history += tuple(
            tried(f"{iteration}-{slot}", p.source, float(slot)) for slot, p in enumerate(proposals)
        )


def test_newcomers_are_met_less_and_less() -> None:
    history = proposals_as_history(CONTEXT)
    newcomers = [
        sum(
            p.origin == "scratch"
            for seed in range(3)
            for p in EvolveDesigner().propose(
                replace(CONTEXT, iteration=i, history=history, parents=history[-1:], seed=seed)
            )
        )
        for i in (1, 6)
    ]
    assert newcomers[0] >= 12
    assert 3 <= newcomers[1] < newcomers[0]


def test_parents_of_other_designers_and_failures_do_not_stop_it() -> None:
    foreign = tried("llm", "def compute_reward(s, a, n):\n    return 1, {}\n", 3.0)
    rejected = tried("bad", "def (", None)
    context = replace(CONTEXT, iteration=1, history=(foreign, rejected), parents=(foreign,))
    assert len(EvolveDesigner().propose(context)) == 8


def test_context_refuses_private_features_and_no_proposals() -> None:
    secret = FeatureTable([*TABLE, Feature("secret", (), "1", "Hidden.", private=True)])
    with pytest.raises(ValueError, match="secret"):
        replace(CONTEXT, table=secret)
    with pytest.raises(ValueError, match="count"):
        replace(CONTEXT, count=0)


# ---- words


@pytest.mark.parametrize(
    ("left", "right"),
    [("running", "runs"), ("balance", "balancing"), ("reach", "reached"), ("goal", "goals")],
)
def test_forms_of_a_word_share_their_stem(left: str, right: str) -> None:
    assert stem(left) == stem(right)


def most_wanted(sentence: str) -> tuple[str, Want]:
    quantity = build_space(replace(CONTEXT, sentence=sentence)).quantities[0]
    return quantity.column, max(quantity.wants, key=quantity.wants.__getitem__)


@pytest.mark.parametrize(
    ("sentence", "column", "want"),
    [
        ("Run forward as fast as possible.", "forward_velocity", Want.MORE),
        ("Walk backwards.", "forward_velocity", Want.LESS),
        ("Reach the goal.", "goal_distance", Want.LESS),
        ("Stay upright.", "torso_pitch", Want.NEAR),
        ("Jump as high as you can.", "torso_height", Want.MORE),
    ],
)
def test_sentence_picks_quantity_and_direction(sentence: str, column: str, want: Want) -> None:
    assert most_wanted(sentence) == (column, want)


@pytest.mark.parametrize(
    ("sentence", "description", "want"),
    [
        ("Turn over backwards.", "Pitch rate, positive leans forward.", Want.LESS),
        ("Turn over backwards.", "Pitch rate, positive backward.", Want.MORE),
        ("Roll forward.", "Pitch rate, positive leans forward.", Want.MORE),
    ],
)
def test_direction_of_turning_follows_from_the_spec(
    sentence: str, description: str, want: Want
) -> None:
    wants = Sentence(sentence, []).read(Role.RATE, "spin", description, None, norm=False).wants
    assert max(wants, key=wants.__getitem__) is want


def test_norm_is_a_distance_only_between_two_things() -> None:
    table = FeatureTable(
        [
            Feature("torso_position", (3,), "m", "Position of the torso."),
            Feature("goal_vector", (2,), "m", "From the torso toward the goal."),
        ]
    )
    space = build_space(replace(CONTEXT, table=table, sentence="Reach the goal."))
    roles = {q.column: q.role for q in space.quantities}
    assert roles["norm(goal_vector)"] is Role.DISTANCE
    assert roles["norm(torso_position)"] is Role.POSITION
    assert roles["torso_position[2]"] is Role.HEIGHT


def test_asides_weigh_less_than_the_goal() -> None:
    reading = Sentence("Reach the goal with the torso upright.", [])
    goal = reading.read(Role.DISTANCE, "goal_distance", "To the goal.", None, norm=False)
    aside = reading.read(Role.ANGLE, "pitch", "0 is upright.", None, norm=False)
    assert max(goal.wants.values()) > max(aside.wants.values())


@pytest.mark.parametrize(
    ("name", "unit", "role"),
    [
        ("speed", "m/s", Role.VELOCITY),
        ("spin", "rad/s", Role.RATE),
        ("goal_distance", "m", Role.DISTANCE),
        ("hip_height", "m", Role.HEIGHT),
        ("place", "m", Role.POSITION),
        ("contact", "bool", Role.EVENT),
        ("rotations", "1", Role.COUNT),
        ("force", "N", Role.OTHER),
    ],
)
def test_roles_follow_from_units_and_names(name: str, unit: str, role: Role) -> None:
    assert role_of(name, unit, "Something.") is role


# ---- feedback


PITCH, SPEED = Signal("torso_pitch"), Signal("forward_velocity")
TWO_TERMS = Program(
    (
        ProgramTerm("a", 1.0, (Factor(Linear(SPEED)),)),
        ProgramTerm("b", 1.0, (Factor(Linear(PITCH)),)),
    )
)
FLAT = Series(values=(1.0,), maximum=1.0, mean=1.0, minimum=1.0)


def weight_of(operator: str, index: int, feedback: Feedback | None) -> float:
    space = build_space(CONTEXT)
    found = moves(TWO_TERMS, feedback, space)
    total = sum(m.weight for m in found)
    return sum(m.weight for m in found if (m.operator, m.index) == (operator, index)) / total


@pytest.mark.parametrize(
    ("status", "operator"),
    [
        (TermStatus.DEAD, "drop_term"),
        (TermStatus.SATURATED, "widen"),
        (TermStatus.DOMINANT, "weaken"),
    ],
)
def test_remarks_on_terms_steer_the_moves(status: TermStatus, operator: str) -> None:
    remark = Feedback(terms=(Term(name="b", series=FLAT, share=0.5, status=status),))
    assert weight_of(operator, 1, remark) > 2 * weight_of(operator, 1, None)
    assert weight_of(operator, 0, remark) <= weight_of(operator, 0, None)


def test_alarm_and_terminations_steer_the_moves() -> None:
    alarm = Hacking(since_env_steps=1.0, fitness_best=1.0, fitness_last=0.0, driver="b")
    assert weight_of("drop_term", 1, Feedback(hacking=alarm)) > 3 * weight_of("drop_term", 1, None)
    falling = Feedback(causes={"fell": FLAT})
    assert weight_of("add_survival", 0, falling) > 2 * weight_of("add_survival", 0, None)


def column(name: str, mean: float) -> Column:
    return Column(name=name, members=(mean,), low=mean - 1, median=mean, high=mean + 1)


def history_with(level: float) -> tuple[Tried, ...]:
    """Candidates whose fitness goes along with the pitch rate, by ``level`` up or down."""
    source = emit(TWO_TERMS, TABLE, BoxAction(3))
    return tuple(
        tried(
            str(i), source, float(i), (column("pitch_rate", level * i), column("torso_height", 0))
        )
        for i in range(10)
    )


@pytest.mark.parametrize(("level", "want"), [(1.0, Want.MORE), (-1.0, Want.LESS)])
def test_quantities_that_go_along_with_fitness_gain_relevance(level: float, want: Want) -> None:
    history, space = history_with(level), build_space(CONTEXT)
    found = associations(history)["pitch_rate"]
    assert found.level == pytest.approx(level * 10 / 18)
    before = space.find(Signal("pitch_rate"))
    after = learned(space, history).find(Signal("pitch_rate"))
    assert before is not None
    assert after is not None
    assert after.relevance > before.relevance + 0.3
    assert after.wants[want] > before.wants[want] + 0.5
    proposal = single_feature(replace(CONTEXT, history=history))
    term = parse(proposal.source, TABLE).terms[0]
    assert term.shape == Linear(Signal("pitch_rate"))
    assert term.weight == level


def test_single_needs_evaluated_candidates() -> None:
    with pytest.raises(ValueError, match="no feature correlates"):
        single_feature(CONTEXT)


def test_rank_correlation_is_spearmans_shrunk() -> None:
    assert rank_correlation([1, 2, 3, 10], [1, 2, 3, 4]) == pytest.approx(4 / 12)
    # ties share their rank: ranks 1.5 1.5 3 against 1 2 3
    assert rank_correlation([1, 1, 2], [1, 2, 3]) == pytest.approx(0.75**0.5 * 3 / 11)
    assert rank_correlation([1, 1, 1], [1, 2, 3]) == 0.0


# ---- a real search


def landscape(program: Program) -> float:
    """A made-up fitness: pay for speed, keep the pitch near 0, do not pay for height."""
    score = 0.0
    for term in program.terms:
        for factor in term.factors:
            text = str(factor.shape)
            score += 1.0 * ("forward_velocity" in text and term.weight > 0)
            score += 2.0 * ("torso_pitch" in text and "Tolerance" in text)
            score += 1.0 * ("pitch_rate" in text)
            score -= 1.0 * ("torso_height" in text) + 0.3 * ("joint_angles" in text)
    return score


def best_found(strategy: Strategy, seed: int) -> float:
    history: tuple[Tried, ...] = ()
    for iteration in range(5):
        best = sorted(history, key=lambda t: -(t.feedback.score or 0.0))[:1]
        context = replace(
            CONTEXT,
            sentence="Do it.",
            iteration=iteration,
            history=history,
            parents=tuple(best),
            seed=Random(f"{seed}/{iteration}").getrandbits(62),
        )
        for slot, proposal in enumerate(EvolveDesigner(strategy).propose(context)):
            score = landscape(parse(proposal.source, TABLE))
            history += (tried(f"{iteration}-{slot}", proposal.source, score),)
    return max(t.feedback.score or 0.0 for t in history)


@pytest.mark.slow
def test_search_beats_random_sampling_of_the_same_grammar() -> None:
    evolve = [best_found(Strategy.EVOLVE, seed) for seed in range(6)]
    chance = [best_found(Strategy.RANDOM, seed) for seed in range(6)]
    assert fmean(evolve) > fmean(chance) + 1.0
    assert sum(e >= c for e, c in zip(evolve, chance, strict=True)) >= 5
