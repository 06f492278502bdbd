"""The check of a reward together with what is put around it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rewardgen.check.pipeline import CheckResult, check_reward
from rewardgen.isolation.host import HostPool
from rewardgen.rewards.wrappers.catalogue import Pbrs
from rewardgen_envs.registry import load_task
from tests.rewardgen.rewards.wrappers.test_wrapped_sources import EVERY

TASK = load_task("cartpole/balance")
CODE = """\
def compute_reward(state, action, next_state):
    up = tolerance(next_state.pole_angle, margin=1.0)
    moved = next_state.cart_position - state.cart_position
    terms = {"up": up, "moved": moved, "far": 9.0 * next_state.cart_position}
    return up, terms
"""


@pytest.fixture(scope="module")
def hosts() -> Iterator[HostPool]:
    with HostPool() as pool:
        yield pool


def check(wrapper: object, hosts: HostPool, code: str = CODE) -> CheckResult:
    return check_reward(code, TASK.table, TASK.action, hosts=hosts, wrapper=wrapper)


@pytest.mark.parametrize(
    "wrapper",
    [
        None,
        Pbrs(potential="up"),
        {"name": "pbrs", "potential": "far"},
        {"name": "dynamic_pbrs", "potential": "up", "fade_env_steps": 9},
        {"name": "multiplicative", "progress": "far", "factors": ["up"], "end": "moved"},
        {"name": "weighted_sum", "weights": {"up": 2.0, "moved": 0.5}},
        {"name": "krc", "terms": ["up"]},
        "par",
        "wco",
        {"name": "uwo", "weight": 0.5},
        {"name": "gate", "levels": [{"term": "up", "least": 0.5}, {"term": "moved"}]},
    ],
    ids=str,
)
def test_what_fits_is_accepted_without_a_word(wrapper: object, hosts: HostPool) -> None:
    result = check(wrapper, hosts)
    assert (result.verdict, result.findings) == ("accepted", ())


@pytest.mark.parametrize(
    ("wrapper", "rule", "says"),
    [
        ("prbs", "wrapper", "unknown wrapper 'prbs'; did you mean 'pbrs'? Valid: dynamic_pbrs"),
        ('{"name": pbrs}', "wrapper", "unknown wrapper '{\"name\": pbrs}'. Valid: dynamic_pbrs"),
        ({"name": "pbrs"}, "wrapper", "needs potential"),
        ({"name": "uwo", "weight": -1}, "wrapper", "greater than or equal to 0, got -1"),
        (
            {"name": "pbrs", "potential": "upp"},
            "wrapper-terms",
            "reads the term 'upp', which is not returned; did you mean 'up'? Valid: far, moved, up",
        ),
        (
            {"name": "multiplicative", "progress": "far", "factors": ["up", "slow"]},
            "wrapper-terms",
            "'slow', which is not returned. Valid: far, moved, up",
        ),
        (
            {"name": "pbrs", "potential": "moved"},
            "wrapper-state",
            "'moved' depends on state or action",
        ),
        ({"name": "multiplicative", "progress": "moved"}, "wrapper-state", "next_state alone"),
    ],
)
def test_what_does_not_fit_is_refused(
    wrapper: object, rule: str, says: str, hosts: HostPool
) -> None:
    result = check(wrapper, hosts)
    assert result.verdict == "refused"
    (finding,) = result.findings
    assert (finding.stage, finding.rule) == ("wrapper", rule)
    assert says in finding.message and finding.remedy


@pytest.mark.parametrize(
    ("wrapper", "named", "meant"),
    [
        ({"name": "multiplicative", "progress": "up", "factors": ["far"]}, ["far"], "0 to 1"),
        ("krc", ["moved", "far"], "-1 to 1"),
    ],
)
def test_a_range_that_a_wrapper_is_not_made_for_is_a_warning(
    wrapper: object, named: list[str], meant: str, hosts: HostPool
) -> None:
    result = check(wrapper, hosts)
    assert result.verdict == "accepted"
    for name, finding in zip(named, result.findings, strict=True):
        assert (finding.rule, finding.severity) == ("wrapper-range", "warning")
        assert f"'{name}'" in finding.message and meant in finding.message


def test_a_potential_by_generated_code_passes_the_same_check(hosts: HostPool) -> None:
    """What a term may not do as a part of the reward, it may not do as a potential."""
    for wrong, rule in (
        ("torch.randn_like(up)", "torch-name"),
        ("up - up.mean()", "row-wise"),
        ("(next_state.pole_angle * 0.0).log()", "not-finite"),
    ):
        code = CODE.replace('"far": 9.0 * next_state.cart_position', f'"far": {wrong}')
        result = check(Pbrs(potential="far"), hosts, code)
        assert result.verdict != "accepted"
        if rule != "torch-name":  # the gate's own words for randomness are tested with the gate
            assert result.findings[0].rule == rule


def test_code_that_fails_is_told_before_its_wrapper(hosts: HostPool) -> None:
    result = check({"name": "pbrs", "potential": "none"}, hosts, CODE.replace("up, terms", "up"))
    assert {finding.stage for finding in result.findings} == {"probe"}


def test_a_term_that_the_wrapper_reports_itself_is_refused(hosts: HostPool) -> None:
    result = check(Pbrs(potential="up"), hosts, CODE.replace('"moved"', '"shaping"'))
    assert [finding.rule for finding in result.findings] == ["wrapper-terms"]
    assert "give yours another name" in result.findings[0].message


def test_code_without_terms_suits_a_wrapper_of_the_reward_alone(hosts: HostPool) -> None:
    code = CODE.replace("up, terms", "up, {}")
    assert check("par", hosts, code).verdict == "accepted"
    for wrapper in EVERY:
        if wrapper.least_terms:
            (finding,) = check(wrapper, hosts, code).findings
            assert finding.rule == "wrapper-terms"
