"""Wrappers by name: what is accepted, and what is said of anything else."""

from __future__ import annotations

import json

import pytest

from rewardgen.rewards.wrappers.catalogue import (
    WRAPPERS,
    Gate,
    Krc,
    Pbrs,
    Wrapper,
    WrapperError,
    wrapper_of,
)
from tests.rewardgen.rewards.wrappers.test_wrapped_sources import EVERY


@pytest.mark.parametrize("wrapper", EVERY, ids=lambda w: w.name)
def test_a_wrapper_survives_json(wrapper: Wrapper) -> None:
    again = wrapper_of(json.loads(wrapper.model_dump_json()))
    assert again == wrapper and again.sha256 == wrapper.sha256
    assert wrapper_of(wrapper) is wrapper


def test_names_are_those_of_the_classes() -> None:
    assert {name: kind.model_fields["name"].default for name, kind in WRAPPERS.items()} == {
        name: name for name in WRAPPERS
    }


def test_a_bare_name_is_enough_where_nothing_is_needed() -> None:
    assert wrapper_of("krc") == Krc()
    assert wrapper_of({"name": "krc", "terms": ["a", "b"]}) == Krc(terms=("a", "b"))


def test_order_of_levels_is_kept() -> None:
    levels = [{"term": "a", "least": 0.5}, {"term": "b", "least": 1}, {"term": "c"}]
    gate = wrapper_of({"name": "gate", "levels": levels})
    assert isinstance(gate, Gate)
    assert gate.reads == ("a", "b", "c") and gate.least == (0.5, 1.0)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("pbr", r"unknown wrapper 'pbr'; did you mean 'pbrs'\? Valid: dynamic_pbrs, gate, krc"),
        ({"name": "potential"}, r"unknown wrapper 'potential'.* Valid: dynamic_pbrs"),
        ({"potential": "a"}, r"an object with its name .* Valid names: pbrs, dynamic_pbrs"),
        (["pbrs"], r"an object with its name"),
        (3, r"an object with its name"),
        ({"name": "pbrs"}, r"pbrs needs potential; its parameters: potential"),
        ({"name": "pbrs", "potential": ""}, r"pbrs: potential: .*at least 1 character"),
        (
            {"name": "pbrs", "potential": "a", "potentail": "b"},
            r"no parameter 'potentail'; did you mean 'potential'\? Valid: potential",
        ),
        ({"name": "dynamic_pbrs", "potential": "a", "fade_env_steps": 0}, r"greater than or equal"),
        ({"name": "weighted_sum", "weights": {}}, r"weights: .*at least 1 item"),
        ({"name": "weighted_sum", "weights": {"a": -1.0}}, r"weights.a: .*equal to 0, got -1.0"),
        ({"name": "weighted_sum", "weights": {"a": 0.0}}, r"every weight is 0"),
        ({"name": "weighted_sum", "weights": {"a": float("inf")}}, r"finite"),
        ({"name": "krc", "terms": ["a", "a"]}, r"terms: 'a' is named twice"),
        ({"name": "gate", "levels": [{"term": "a", "least": 1}]}, r"at least 2 items"),
        ({"name": "gate", "levels": [{"term": "a"}, {"term": "b"}]}, r"level 'a' needs least"),
        (
            {"name": "gate", "levels": [{"term": "a", "least": 1}, {"term": "b", "least": 1}]},
            r"least of 'b' opens nothing",
        ),
        (
            {"name": "gate", "levels": [{"term": "a", "least": 1}, {"term": "a"}]},
            r"'a' is named twice",
        ),
        (
            {"name": "gate", "levels": [{"term": "a", "least": 1}, {"term": "b"}], "per": "world"},
            r"per: .*'step' or 'episode', got 'world'",
        ),
        ({"name": "par", "references": []}, r"references: .*at least 1 item"),
        ({"name": "par", "references": [0.0] * 11}, r"references: .*at most 10 items"),
        ({"name": "par", "slope": 0.0}, r"slope: .*greater than 0, got 0.0"),
        ({"name": "wco", "terms": ["a"]}, r"an ensemble of 'a' alone"),
        ({"name": "uwo", "weight": -0.5}, r"weight: .*equal to 0, got -0.5"),
        ({"name": "multiplicative"}, r"needs progress; its parameters: progress, factors, end"),
    ],
)
def test_what_is_wrong_is_said_with_what_is_valid(given: object, says: str) -> None:
    with pytest.raises(WrapperError, match=says):
        wrapper_of(given)


def test_wrappers_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        setattr(Pbrs(potential="a"), "potential", "b")  # noqa: B010
