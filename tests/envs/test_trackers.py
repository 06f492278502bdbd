"""Each rule on a sequence computed by hand; two worlds, the second restarted midway."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rewardgen_envs.features import Feature
from rewardgen_envs.quantities import Quantities
from rewardgen_envs.trackers import Rule, Tracker, TrackerState

DT_S = 0.5
X = [[1.0, 4.0], [3.0, 2.0], [0.0, 1.0], [2.0, 5.0]]
AFTER_STEP = 1  # world 1 restarts after the second step, at x = 7
RESTART_X = 7.0

BY_HAND = {
    Rule.PREVIOUS: [[0.0, 0.0], [1.0, 4.0], [3.0, 7.0], [0.0, 1.0]],
    Rule.TIME_SINCE: [[0.0, 0.0], [0.0, 0.0], [0.5, 0.0], [0.0, 0.0]],
    Rule.ACCUMULATED: [[1.0, 4.0], [4.0, 6.0], [4.0, 1.0], [6.0, 6.0]],
    Rule.MAXIMUM: [[1.0, 4.0], [3.0, 4.0], [3.0, 7.0], [3.0, 7.0]],
    Rule.STREAK: [[1.0, 1.0], [2.0, 2.0], [0.0, 1.0], [1.0, 2.0]],
}
AT_RESTART = {
    Rule.PREVIOUS: RESTART_X,
    Rule.TIME_SINCE: 0.0,
    Rule.ACCUMULATED: 0.0,
    Rule.MAXIMUM: RESTART_X,
    Rule.STREAK: 0.0,
}


def tracker(rule: Rule, source: object = "x", name: str = "tracked", **more: str) -> Tracker:
    return Tracker(Feature(name, (), "1", "Tracked."), source, rule, **more)


def started(*trackers: Tracker, x: Tensor | None = None) -> TrackerState:
    state = TrackerState(trackers, DT_S)
    zero = torch.zeros(2, dtype=torch.float64) if x is None else x
    state.reset(torch.arange(2), {"x": zero, "again": torch.zeros(2)}, 2)
    return state


@pytest.mark.parametrize("rule", Rule)
def test_rule_gives_the_values_computed_by_hand(rule: Rule) -> None:
    state = started(tracker(rule))
    for step, x in enumerate(X):
        value = state.update({"x": torch.tensor(x, dtype=torch.float64)})["tracked"]
        assert value.tolist() == BY_HAND[rule][step], (rule, step)
        if step == AFTER_STEP:
            at = {"x": torch.tensor([RESTART_X], dtype=torch.float64)}
            value = state.reset(torch.tensor([1]), at, 2)["tracked"]
            assert value.tolist() == [AT_RESTART[rule]]


@pytest.mark.parametrize("rule", Rule)
def test_restart_quantity_begins_anew_before_the_steps_own_value_counts(rule: Rule) -> None:
    state = started(tracker(rule, restart="again"))
    never, again = torch.zeros(2), torch.tensor([0.0, 1.0])
    for x in X[:2]:
        state.update({"x": torch.tensor(x, dtype=torch.float64), "again": never})
    value = state.update({"x": torch.tensor(X[2], dtype=torch.float64), "again": again})["tracked"]
    fresh = {
        Rule.PREVIOUS: 1.0,
        Rule.TIME_SINCE: 0.0,
        Rule.ACCUMULATED: 1.0,
        Rule.MAXIMUM: 1.0,
        Rule.STREAK: 1.0,
    }
    assert value.tolist() == [BY_HAND[rule][2][0], fresh[rule]]


def test_time_since_counts_from_the_reset() -> None:
    state = started(tracker(Rule.TIME_SINCE))
    nothing = {"x": torch.zeros(2, dtype=torch.float64)}
    times = [state.update(nothing)["tracked"].tolist() for _ in range(3)]
    assert times == [[0.5, 0.5], [1.0, 1.0], [1.5, 1.5]]


def test_a_tracker_builds_on_earlier_ones_and_on_functions() -> None:
    def long_streak(quantities: Quantities) -> Tensor:
        return quantities.streak >= 2.0

    state = started(
        tracker(Rule.STREAK, name="streak"),
        tracker(Rule.ACCUMULATED, long_streak, name="long_steps"),
        tracker(Rule.MAXIMUM, "long_steps", name="most"),
    )
    last: dict[str, Tensor] = {}
    for x in X:
        last = state.update({"x": torch.tensor(x, dtype=torch.float64)})
    assert last["streak"].tolist() == [1.0, 4.0]
    assert last["long_steps"].tolist() == [1.0, 3.0]
    assert last["most"].tolist() == [1.0, 3.0]


def test_tracks_tensors_of_any_shape() -> None:
    shaped = Tracker(Feature("tracked", (2, 3), "m", "Tracked."), "x", Rule.MAXIMUM)
    first, second = torch.randn(2, 2, 3).double(), torch.randn(2, 2, 3).double()
    state = started(shaped, x=first)
    assert torch.equal(state.update({"x": second})["tracked"], torch.maximum(first, second))


def test_values_handed_out_do_not_change_afterwards() -> None:
    state = started(*[tracker(rule, name=rule.value) for rule in Rule])
    live = torch.tensor(X[0], dtype=torch.float64)
    values = state.update({"x": live})
    copies = {name: value.clone() for name, value in values.items()}
    live.fill_(100.0)  # the engine overwrites its arrays at the next step
    state.update({"x": live})
    state.reset(torch.tensor([0]), {"x": torch.tensor([9.0], dtype=torch.float64)}, 2)
    for name, value in values.items():
        assert torch.equal(value, copies[name]), name


def test_previous_keeps_a_copy_of_the_live_array() -> None:
    state = started(tracker(Rule.PREVIOUS))
    live = torch.tensor([1.0, 2.0], dtype=torch.float64)
    state.update({"x": live})
    live.fill_(5.0)
    assert state.update({"x": live})["tracked"].tolist() == [1.0, 2.0]


def test_unknown_source_names_the_valid_ones() -> None:
    state = TrackerState((tracker(Rule.MAXIMUM, "heigt"),), DT_S)
    with pytest.raises(AttributeError, match="did you mean 'height'"):
        state.reset(torch.arange(1), {"height": torch.zeros(1)}, 1)
