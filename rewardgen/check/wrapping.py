"""Whether a wrapper fits the reward that it is put around: its terms are there, and what it takes.

Asked of the reward in its host, as the probe does, on made-up transitions.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from rewardgen.check.probe import LARGE, PURITY
from rewardgen.check.samples import Samples
from rewardgen.isolation.host import RewardHost
from rewardgen.isolation.session import HostFailure
from rewardgen.rewards.code import Output
from rewardgen.rewards.findings import Finding, Severity, shortened
from rewardgen.rewards.transitions import Transitions
from rewardgen.rewards.wrappers.catalogue import Wrapper, WrapperError
from rewardgen.rewards.wrappers.rowwise import missing
from rewardgen_envs.features import FeatureTable
from rewardgen_envs.task import BoxAction, DiscreteAction

STAGE = "wrapper"


def refused(error: WrapperError) -> Finding:
    """Return that something is no wrapper."""
    return _finding("wrapper", str(error), "name one of these with its parameters, or none")


def fit(
    host: RewardHost, table: FeatureTable, action: BoxAction | DiscreteAction, wrapper: Wrapper
) -> list[Finding]:
    """Run a reward on a small batch, and look for what its wrapper takes.

    Args:
        host: where the reward runs.
        table: features of the task.
        action: its action space.
        wrapper: what is put around the reward.

    Raises:
        HostUnavailable: the host's process cannot be started.
    """
    samples = Samples(table, action)
    rows = samples.usual(LARGE)
    try:
        output = host.evaluate(rows)
        lacks = missing(wrapper, output.terms)
        if lacks:
            return [_finding("wrapper-terms", lacks, "return the terms that it reads, so named")]
        return [
            *_of_next_state(host, rows, samples.usual(LARGE), output, wrapper),
            *_within(output, wrapper),
        ]
    except HostFailure as error:
        return [dataclasses.replace(error.finding, stage=STAGE)]


def _of_next_state(
    host: RewardHost, rows: Transitions, others: Transitions, output: Output, wrapper: Wrapper
) -> Iterator[Finding]:
    """Compare with the terms of the same next states after other states and actions."""
    if not wrapper.of_next_state:
        return
    again = host.evaluate(Transitions(others.state, others.action, rows.next_state)).terms
    for name in wrapper.of_next_state:
        before, after = output.terms[name].nan_to_num(), again[name].nan_to_num()
        if bool(((after - before).abs() > PURITY * before.abs().clamp(min=1.0)).any()):
            yield _finding(
                "wrapper-state",
                f"term '{name}' depends on state or action, and wrapper {wrapper.name} takes it "
                "for a quantity of next_state alone",
                "compute it from next_state only",
            )


def _within(output: Output, wrapper: Wrapper) -> Iterator[Finding]:
    for name, (low, high) in wrapper.within(output.terms).items():
        values = output.terms[name]
        least, most = float(values.min()), float(values.max())
        if least < low - PURITY or most > high + PURITY:
            yield _finding(
                "wrapper-range",
                f"term '{name}' goes from {least:.3g} to {most:.3g} with usual states; wrapper "
                f"{wrapper.name} is made for {low:g} to {high:g}",
                "bound it, for example by tolerance or bounded",
                "warning",
            )


def _finding(rule: str, message: str, remedy: str, severity: Severity = "error") -> Finding:
    return Finding(STAGE, "contract", rule, severity, None, shortened(message), remedy)
