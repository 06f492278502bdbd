"""Hostile rewards do to a bare machine what they say, and to this one nothing."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import pytest

if sys.platform != "linux":
    pytest.skip("locks exist on Linux only", allow_module_level=True)

from rewardgen.check.pipeline import check_reward
from rewardgen.rewards.format import RewardCode
from rewardgen_envs.task import BoxAction
from tests.rewardgen.isolation.hostile.arena import Arena
from tests.rewardgen.isolation.hostile.control import BareMachine
from tests.rewardgen.isolation.hostile.robot import ROBOT
from tests.rewardgen.isolation.hostile.snippets import ESCAPED, HERE, Snippet, snippets
from tests.rewardgen.isolation.hostile.world import World

EVERY = snippets()
CONTROLLED = [snippet for snippet in EVERY if snippet.controlled]
HANGING = [snippet for snippet in CONTROLLED if snippet.effect == "hangs"]
# the others that hang cost a second each
QUICKLY_STOPPED = frozenset(
    ("loop-at-the-second-call", "power-tower", "deaf-to-signals", "stops-itself", "flood-of-output",
     "half-an-answer", "wide-loop", "at-exit")
)  # fmt: skip
SLOW = [each for each in EVERY if each.effect == "hangs" and each.name not in QUICKLY_STOPPED]
# what the static gate lets through, so that a change to it shows what it does
PASSING = frozenset((HERE / "passing-the-gate.txt").read_text().split())
# what a whole check may accept: honest mistakes, and edits of the copies that a reward is given
ACCEPTABLE = ("lies", "none")
HONEST = "honest-edit-of-a-feature"
BEHAVED = Snippet(
    "behaved",
    "",
    "none",
    False,
    "def compute_reward(state, action, next_state):\n"
    "    effort = (action**2).sum(dim=-1)\n"
    "    return next_state.height - 0.1 * effort, {'effort': effort}\n",
)


def by_name(
    chosen: Sequence[Snippet], marked: Mapping[str, pytest.MarkDecorator] | None = None
) -> pytest.MarkDecorator:
    """Parametrize a test with snippets, some of them with a mark."""
    marks = marked or {}
    every = [
        pytest.param(
            snippet,
            id=f"{snippet.category}-{snippet.name}",
            marks=[marks[snippet.name]] if snippet.name in marks else [],
        )
        for snippet in chosen
    ]
    return pytest.mark.parametrize("snippet", every)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareMachine]:
    world = World(tmp_path_factory.mktemp("bare"))
    with BareMachine(world) as opened:
        yield opened
    world.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    opened = World(tmp_path_factory.mktemp("locked"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_API_KEY", opened.canary.text)
        yield opened
    opened.close()


@pytest.fixture(scope="module")
def arena(world: World) -> Iterator[Arena]:
    with Arena(world) as opened:
        yield opened


def test_the_suite_is_large_and_covers_every_way_out() -> None:
    sizes = Counter(snippet.category for snippet in EVERY)
    assert set(sizes) == {
        "crashes", "files", "hangs", "lies", "memory", "network", "parser", "processes",
        "protocol", "secrets", "tampering", "unicode",
    }  # fmt: skip
    assert min(sizes.values()) >= 8
    assert len(EVERY) >= 120
    assert len(CONTROLLED) >= 60
    assert {snippet.name for snippet in EVERY} >= PASSING


def test_a_reward_that_behaves_does_nothing_to_a_bare_machine(bare: BareMachine) -> None:
    assert bare.run(BEHAVED) == set()


@by_name([snippet for snippet in CONTROLLED if snippet not in HANGING])
def test_a_snippet_does_to_a_bare_machine_what_it_says(snippet: Snippet, bare: BareMachine) -> None:
    assert snippet.effect in bare.run(snippet)


def test_what_hangs_does_not_come_back(bare: BareMachine) -> None:
    behaved_hangs, *hangs = bare.hang([BEHAVED, *HANGING])
    assert [each.name for each, hung in zip(HANGING, hangs, strict=True) if not hung] == []
    assert not behaved_hangs, "there was too little time for anything"


@by_name(EVERY)
def test_a_snippet_does_nothing_when_it_is_checked(
    snippet: Snippet, world: World, arena: Arena
) -> None:
    source, hosts = snippet.source(world.places), arena.hosts(snippet.effect)
    result = check_reward(source, ROBOT, BoxAction(8), hosts=hosts)
    assert not world.canary.sings(f"{finding} {finding!r}" for finding in result.findings)
    stopped = any(finding.stage in ("parse", "gate") for finding in result.findings)
    assert stopped == (snippet.name not in PASSING)
    if result.verdict == "accepted":
        assert snippet.effect in ACCEPTABLE or snippet.name == HONEST
    arena.assert_unharmed()


def can_be_written(snippet: Snippet) -> bool:
    """Tell whether a file can hold it; half a character comes from a decoder only."""
    try:
        return bool(snippet.source({}).encode())
    except UnicodeEncodeError:
        return False


@by_name(
    [snippet for snippet in EVERY if can_be_written(snippet)],
    {snippet.name: pytest.mark.slow for snippet in SLOW},
)
def test_a_snippet_does_nothing_when_it_runs_unchecked(
    snippet: Snippet, world: World, arena: Arena
) -> None:
    source = snippet.source(world.places)
    outcome = arena.score(RewardCode(source), snippet.effect)  # as if nobody had looked
    assert not world.canary.sings(outcome.texts)
    for scores in outcome.scores:
        assert ESCAPED not in scores.terms or not bool(scores.terms[ESCAPED].any())
        for values in (scores.reward, *scores.terms.values()):
            assert bool(values.isfinite().all())
            assert values.shape == scores.valid.shape
    arena.assert_unharmed()
