"""What evolve makes of the candidates so far: standings, traits, expectations."""

from __future__ import annotations

from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardgen.analysis.columns import ColumnStatistics
from rewardgen.analysis.feedback import Column, Feedback, Fitness, Series
from rewardgen.design.evolve.grammar import (
    Effort,
    Factor,
    Flag,
    Linear,
    Program,
    Progress,
    Signal,
    Term,
    Tolerance,
)
from rewardgen.design.evolve.lexicon import Role, Want
from rewardgen.design.evolve.merit import inherited, merit, own_share
from rewardgen.design.evolve.model import Model
from rewardgen.design.evolve.space import Quantity, Space
from rewardgen.design.evolve.standing import LEVEL, standings
from rewardgen.design.evolve.traits import ASIDE, MEANT, traits

SPEED, TILT = Signal("speed"), Signal("tilt")
SEEN = ColumnStatistics(0.0, -1.0, 0.0, 1.0)
SPACE = Space(
    quantities=(
        Quantity(SPEED, Role.VELOCITY, 1.0, {Want.MORE: 1.0}, 0.0, SEEN, 2.0),
        Quantity(TILT, Role.ANGLE, 0.5, {Want.NEAR: 1.0}, 0.0, SEEN, 1.0),
    ),
    has_actions=True,
    control_dt_s=0.02,
    ends=0.1,
)


def feedback(
    score: float,
    *,
    late: float = 0.0,
    env_steps: int = 300,
    columns: dict[str, float] | None = None,
    higher: bool = True,
) -> Feedback:
    """A candidate whose training fitness rose from 0 to ``late`` at the end of what it had."""
    values = tuple(late * step / 300 for step in range(100, env_steps + 1, 100))
    return Feedback(
        env_steps=env_steps,
        checkpoints=tuple(float(step) for step in range(100, env_steps + 1, 100)),
        fitness=(
            Fitness(
                metric="m",
                unit="1",
                higher_is_better=higher,
                mean=score,
                low=score,
                high=score,
                members=(score,),
                episodes=2,
            ),
        ),
        training_fitness={
            "m": Series(values=values, maximum=max(values), mean=values[0], minimum=min(values))
        },
        columns=tuple(
            Column(name=name, members=(value,), low=value, median=value, high=value)
            for name, value in (columns or {}).items()
        ),
    )


# ---- standings


def test_evaluation_and_late_training_count_alike() -> None:
    # from the median, by the better half: at the end -1 0 1, in late training 0 1 -1
    candidates = [feedback(0.1, late=0.5), feedback(0.2, late=0.9), feedback(0.3, late=0.0)]
    assert standings(candidates, SPACE) == pytest.approx([-0.5, 0.5, 0.0])


def test_lower_can_be_better() -> None:
    candidates = [feedback(s, late=s, higher=False) for s in (3.0, 1.0, 2.0)]
    assert standings(candidates, SPACE) == pytest.approx([-1.0, 1.0, 0.0])


def test_how_much_better_counts_how_much_worse_does_not() -> None:
    candidates = [feedback(s, late=s) for s in (-100.0, 0.0, 1.0, 1.5, 5.0)]
    # the better half is 0.5 and 4 above the median: root mean square (8.125)½
    unit = 8.125**0.5
    expected = [-1.0, -1.0 / unit, 0.0, 0.5 / unit, 4.0 / unit]
    assert standings(candidates, SPACE) == pytest.approx(expected)


def test_who_retired_is_expected_where_finishers_of_its_pace_ended() -> None:
    finishers = [feedback(x, late=x) for x in (1.0, 2.0, 3.0, 4.0)]
    # after 100 steps it was as far as the finisher that came to 3.5 would have been
    found = standings([*finishers, feedback(0.1, late=3.5, env_steps=100)], SPACE)
    assert found[4] > found[1]
    found = standings([*finishers, feedback(0.1, late=0.0, env_steps=100)], SPACE)
    assert found[4] == min(found)


def test_while_nobody_scores_what_the_sentence_speaks_of_decides() -> None:
    moved = [feedback(0.0, columns={"speed": v, "tilt": 0.3}) for v in (0.5, 2.0, 1.0)]
    third = 0.3 * NormalDist().inv_cdf(0.75)
    assert standings(moved, SPACE) == pytest.approx([-third, third, 0.0])
    tilted = [feedback(0.0, columns={"speed": 1.0, "tilt": t}) for t in (0.5, -0.1, 2.0)]
    assert standings(tilted, SPACE) == pytest.approx([0.0, third, -third])
    scored = standings([*moved, feedback(0.1, columns={"speed": 0.0, "tilt": 3.0})], SPACE)
    assert scored[3] == max(scored)
    assert scored[0] < scored[2] < scored[1]


def test_equals_stand_alike() -> None:
    assert standings([feedback(1.0), feedback(1.0)], SPACE) == [0.0, 0.0]


def test_until_the_way_is_gone_what_comes_after_it_does_not_count() -> None:
    """To rest level is easy; who turned is ahead where the sentence wants that first."""
    turned = Quantity(
        Signal("turned"), Role.ANGLE, 1.0, {Want.MORE: 1.0}, 0.0, SEEN, 1.0, milestones=(6.28,)
    )
    level = Quantity(Signal("level"), Role.EVENT, 2.0, {Want.MORE: 1.0}, 0.0, SEEN, 1.0)
    candidates = [feedback(0.0, columns={"turned": t, "level": 1.0 - t}) for t in (0.0, 0.2, 0.9)]
    third = LEVEL * NormalDist().inv_cdf(0.75)
    for follows, sign in ((0.0, -1.0), (1.9, 1.0)):
        space = replace(SPACE, quantities=(turned, replace(level, follows=follows)))
        found = standings(candidates, space)
        assert found == pytest.approx([-sign * third, 0.0, sign * third])
    # beyond the target more is not better; of those who arrived the more level is ahead
    arrived = [
        feedback(0.0, columns={"turned": t, "level": x})
        for t, x in ((6.5, 0.5), (40.0, 0.1), (0.0, 1.0))
    ]
    assert standings(arrived, space) == pytest.approx([third, 0.0, -third])


# ---- traits


def program(*terms: Term) -> Program:
    return Program(terms)


GOAL = Term("speed_gain", 1.0, (Factor(Linear(SPEED)),))


def distance(left: Program, right: Program) -> float:
    one, two = traits(left, SPACE), traits(right, SPACE)
    return sum((one.get(n, 0.0) - two.get(n, 0.0)) ** 2 for n in one.keys() | two.keys()) ** 0.5


def test_what_changes_nothing_in_training_changes_no_trait() -> None:
    cost = Term("effort", -0.1, (Factor(Effort()),))
    scaled = program(
        Term("other_name", 10.0, GOAL.factors), Term("effort", -1.0, (Factor(Effort()),))
    )
    assert traits(program(GOAL, cost), SPACE) == pytest.approx(traits(scaled, SPACE))


def test_traits_say_quantity_want_shape_and_costs() -> None:
    alive = Term("alive", 0.1, (Factor(Flag(Signal("terminated"), wanted=False)),))
    found = traits(program(GOAL, alive), SPACE)
    assert found["speed more"] == 1.0
    assert found["velocity more"] == 0.5
    assert found["speed more Linear"] == 0.5
    assert found["alive"] == pytest.approx(2 / 3)  # a tenth of the goal's weight
    slower = program(Term("speed_gain", -1.0, GOAL.factors))
    assert "speed less" in traits(slower, SPACE)


def test_traits_say_how_much_of_it_the_sentence_asks_for() -> None:
    level = Factor(Tolerance(TILT, -0.1, 0.1, 0.5))  # asked for half as much as speed
    assert asked(program(GOAL)) == (1.0, 0.0)
    assert asked(program(Term("speed_gain", -1.0, GOAL.factors))) == (0.0, 1.0)
    assert asked(program(Term("tilt_goal", 1.0, (level,)))) == pytest.approx((0.5, 0.5))
    # a term of a tenth of the weight counts two thirds, a condition seven tenths
    second = Term("tilt_goal", 0.1, (level,))
    assert asked(program(GOAL, second)) == pytest.approx((1.0, 2 / 3 * 0.5))
    held = Term("speed_gain", 1.0, (*GOAL.factors, level))
    assert asked(program(held)) == pytest.approx((1.0, 0.7 * 0.5))
    cost = Term("effort", -0.1, (Factor(Effort()),))
    assert asked(program(GOAL, cost)) == (1.0, 0.0)


def asked(of: Program) -> tuple[float, float]:
    found = traits(of, SPACE)
    return found[MEANT], found[ASIDE]


def test_progress_is_weighed_by_the_second() -> None:
    rise = Term("rise", 50.0, (Factor(Progress(Linear(SPEED))),))
    assert traits(program(rise), SPACE)["speed more"] == 1.0
    assert traits(program(rise, GOAL), SPACE)["speed more"] == pytest.approx(2.0)


def test_a_small_change_is_nearer_than_another_goal() -> None:
    level = Factor(Tolerance(TILT, -0.1, 0.1, 0.5))
    small = program(GOAL, Term("tilt_goal", 0.3, (level,)))
    smaller = program(GOAL, Term("tilt_goal", 0.1, (level,)))
    other = program(Term("tilt_goal", 1.0, (level,)))
    assert 0.0 < distance(small, smaller) < distance(small, program(GOAL)) < distance(small, other)


# ---- the model


def test_expectation_is_the_posterior_of_its_kernel() -> None:
    """One candidate and one new program, by hand: mean = k / (k0 + noise) · value."""
    model = Model([{"a": 1.0}, {"a": -1.0}], [1.0, -1.0])
    k = model.kernel
    signal = 1.0 - k.noise
    near = signal  # of a program with itself: additive inner product 1 and likeness 1
    far = signal * (-k.additive + (1.0 - k.additive) * np.exp(-0.5 * 4.0 / k.length**2))
    expected = (near - far) / (near - far + k.noise)
    assert model.mean([{"a": 1.0}])[0] == pytest.approx(expected, rel=1e-6)


def test_nothing_is_expected_of_the_unknown_and_draws_say_so() -> None:
    model = Model([{"a": 1.0}, {"b": 1.0}, {"a": 1.0, "b": 0.1}], [1.0, -2.0, 1.0])
    known, unknown = {"a": 1.0}, {"c": 3.0}
    mean = model.mean([known, unknown])
    assert mean[0] > mean[1]
    assert mean[1] == pytest.approx(0.0, abs=0.2)  # the average standing
    draws = np.random.default_rng(0).standard_normal((4000, 2))
    spread = model.sample([known, unknown], draws).std(0)
    assert spread[1] > 1.5 * spread[0]


def test_draws_have_the_posterior_mean() -> None:
    model = Model([{"a": 1.0}, {"b": 1.0}], [1.0, -1.0])
    programs = [{"a": 1.0}, {"a": 0.9}, {"b": 1.0}]
    draws = model.sample(programs, np.random.default_rng(1).standard_normal((20_000, 3)))
    assert draws.mean(0) == pytest.approx(model.mean(programs), abs=0.02)
    assert (
        float(np.corrcoef(draws[:, 0], draws[:, 1])[0, 1]) > 0.9
    )  # programs that are alike go up and down together


def test_a_good_trait_is_found_through_noise() -> None:
    rng = np.random.default_rng(2)
    programs = [{name: float(rng.integers(2)) for name in "abcdef"} for _ in range(60)]
    values = [2.0 * p["a"] - p["b"] + rng.normal(0.0, 1.0) for p in programs]
    mean = Model(programs, values).mean([{"a": 1.0}, {"b": 1.0}, {"c": 1.0}])
    assert mean[0] > mean[2] > mean[1]


def test_where_nothing_is_known_the_sentence_says_what_to_expect() -> None:
    model = Model([{MEANT: 1.0}, {MEANT: 1.0, "a": 1.0}], [0.3, 0.3])
    asked_for, in_part, another = model.mean([{MEANT: 1.0}, {MEANT: 0.5}, {"a": 1.0}])
    assert asked_for > in_part > another


def test_what_was_seen_outweighs_the_sentence() -> None:
    rng = np.random.default_rng(3)
    programs = [{MEANT: float(rng.integers(2)), ASIDE: float(rng.integers(2))} for _ in range(40)]
    model = Model(programs, [p[ASIDE] - p[MEANT] for p in programs])
    assert model.kernel.trust == 0.0
    asked_for, another = model.mean([{MEANT: 1.0, ASIDE: 0.0}, {MEANT: 0.0, ASIDE: 1.0}])
    assert another > asked_for


@given(st.lists(st.tuples(st.floats(-2, 2), st.floats(-2, 2)), min_size=1, max_size=12))
@settings(max_examples=40, deadline=None)
def test_the_model_is_finite_and_draws_within_reason(rows: list[tuple[float, float]]) -> None:
    programs = [{"a": a, "b": b} for a, b in rows]
    model = Model(programs, [a - b * b for a, b in rows])
    values = model.sample([*programs, {"z": 1.0}], np.ones((2, len(rows) + 1)))
    assert np.isfinite(values).all()
    assert np.abs(model.mean(programs)).max() < 20.0


@pytest.mark.parametrize(
    ("parents", "unexplained", "share"),
    [
        # nobody has children yet: the first guess
        ({"a": (), "b": ()}, {"a": 1.0, "b": -1.0}, 0.5),
        # one child like its parent; a guess of four pairs of mean square 1: (4 / 2 + 1) / (4 + 1)
        ({"a": (), "b": ("a",)}, {"a": 1.0, "b": 1.0}, 3 / 5),
        # one that is the opposite: (4 / 2 - 1) / (4 + 1)
        ({"a": (), "b": ("a",)}, {"a": 1.0, "b": -1.0}, 1 / 5),
        # two parents count as their mean, 2: (4 / 2 * 19 / 3 + 2 * 3) / (4 * 19 / 3 + 2 * 2)
        ({"a": (), "b": (), "c": ("a", "b")}, {"a": 3.0, "b": 1.0, "c": 3.0}, 56 / 88),
        # a parent that was not evaluated says nothing
        ({"b": ("a",)}, {"b": 1.0}, 0.5),
        # the model explains everybody
        ({"a": (), "b": ("a",)}, {"a": 0.0, "b": 0.0}, 0.5),
    ],
)
def test_what_children_have_of_their_parents(
    parents: dict[str, tuple[str, ...]], unexplained: dict[str, float], share: float
) -> None:
    assert inherited(parents, unexplained) == pytest.approx(share)


@pytest.mark.parametrize("share", [-1.0, 0.0, 0.3, 1.0])
def test_many_children_outweigh_the_first_guess(share: float) -> None:
    rng = np.random.default_rng(0)
    own = rng.normal(size=2000)
    luck = rng.normal(size=2000) * (1.0 - abs(share))
    children = {f"c{i}": (f"p{i}",) for i in range(2000)}
    unexplained = {f"p{i}": float(value) for i, value in enumerate(own)}
    unexplained |= {f"c{i}": float(value) for i, value in enumerate(share * own + luck)}
    # 0.09 is four standard errors of the slope; it is never below 0
    assert inherited(children, unexplained) == pytest.approx(max(0.0, share), abs=0.09)


@pytest.mark.parametrize(
    ("programs", "share"),
    [
        # nobody was tried twice: the first guess
        ([[1.0], [-1.0]], 0.5),
        # mean square 1; six guessed pairs of 1/2 and one of 1: 4 / 7
        ([[1.0, 1.0], [-1.0]], 4 / 7),
        # one of -1: 2 / 7
        ([[1.0, -1.0], [1.0]], 2 / 7),
        # three tests are three pairs of 4, of a mean square of 4
        ([[2.0, 2.0, 2.0]], 6 / 9),
        # the model explains everybody
        ([[0.0, 0.0], [0.0]], 0.5),
    ],
)
def test_which_share_is_the_programs_own(programs: list[list[float]], share: float) -> None:
    assert own_share(programs) == pytest.approx(share)


@pytest.mark.parametrize("share", [0.05, 0.4, 0.9])
def test_merits_are_those_that_made_the_tests(share: float) -> None:
    """Made of a known share, the share is found, and merits are off by as much as they say."""
    rng = np.random.default_rng(1)
    own = rng.normal(size=4000) * share**0.5
    luck = rng.normal(size=(4000, 3)) * (1.0 - share) ** 0.5
    programs = [list(map(float, row)) for row in own[:, None] + luck]
    # 0.04 is four standard errors
    assert own_share(programs) == pytest.approx(share, abs=0.04)
    guesses = [merit(tests, share, size=1.0) for tests in programs]
    error = np.asarray([guess.mean for guess in guesses]) - own
    assert error.std() == pytest.approx(guesses[0].deviation, rel=0.05)
    # no other multiple of the mean is closer
    assert abs(float(np.mean(error * [guess.mean for guess in guesses]))) < 0.02


def test_merit_by_hand() -> None:
    # one test of 2, half of it luck: 1; the variance of own is 2, half of it is left
    once = merit([2.0], 0.5, 4.0)
    assert (once.mean, once.deviation) == (pytest.approx(1.0), pytest.approx(1.0))
    # two tests: 2 * 0.5 / 1.5 of their mean
    twice = merit([2.0, 4.0], 0.5, 4.0)
    assert twice.mean == pytest.approx(2.0)
    assert twice.deviation == pytest.approx((2.0 / 3.0) ** 0.5)
