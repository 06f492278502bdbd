"""The probe: run a reward in its host on made-up and stored transitions before any training.

It finds out what no syntax tree shows: shapes, numbers that are not finite, dependence on
anything but a row's own values, and code that does not end.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

import torch
from torch import Tensor

from rewardgen.check.samples import Samples, take
from rewardgen.isolation.host import RewardHost
from rewardgen.isolation.session import HostFailure
from rewardgen.rewards.code import Output
from rewardgen.rewards.findings import Finding, Kind, Severity
from rewardgen.rewards.transitions import Transitions
from rewardgen_envs.features import FeatureTable
from rewardgen_envs.task import BoxAction, DiscreteAction

SMALL, LARGE = 8, 64
MAX_STORED = 1024
PURITY = 1e-5
LARGE_REWARD = 1e4

_Answers = tuple[tuple[str, Tensor], ...]


def probe(
    host: RewardHost,
    table: FeatureTable,
    action: BoxAction | DiscreteAction,
    transitions: Transitions | None = None,
) -> list[Finding]:
    """Run a reward on small batches.

    Args:
        host: where the reward runs.
        table: features of the task.
        action: its action space.
        transitions: rows from earlier rollouts of the task, if there are any.

    Returns:
        Findings; the first error ends the probe.

    Raises:
        HostUnavailable: the host's process cannot be started.
    """
    findings: list[Finding] = []
    try:
        for finding in _findings(host, Samples(table, action), table, transitions):
            findings.append(finding)
            if finding.severity == "error":
                break
    except HostFailure as error:
        findings.append(dataclasses.replace(error.finding, stage="probe"))
    return findings


def _findings(
    host: RewardHost, samples: Samples, table: FeatureTable, stored: Transitions | None
) -> Iterator[Finding]:
    usual = samples.usual(LARGE)
    answers = _ask(host, usual)
    yield from _determinism(host, usual, answers)
    yield from _row_by_row(host, usual, answers)
    yield from _finite(answers, "made-up states", "error")
    at_rest = _ask(host, samples.zero(SMALL))
    yield from _finite(at_rest, "a state of rest, all zeros", "error")
    if stored is not None:
        rows = take(stored, torch.arange(min(MAX_STORED, len(stored.state))))
        width = table.public_width
        known = Transitions(rows.state[:, :width], rows.action, rows.next_state[:, :width])
        yield from _finite(_ask(host, known), "states of earlier rollouts", "error")
    extreme = _ask(host, samples.extreme(LARGE))
    yield from _finite(extreme, "extreme states", "warning")
    yield from _magnitude(answers)


def _ask(host: RewardHost, transitions: Transitions) -> _Answers:
    output: Output = host.evaluate(transitions)
    return (("the reward", output.reward), *((f"term '{n}'", v) for n, v in output.terms.items()))


def _determinism(host: RewardHost, usual: Transitions, answers: _Answers) -> Iterator[Finding]:
    again = _ask(host, usual)
    if [name for name, _ in answers] != [name for name, _ in again]:
        yield _finding(
            "contract",
            "term-names",
            "the terms differ between two calls with the same transitions",
            "return the same terms every time",
        )
        return
    for (name, first), (_, second) in zip(answers, again, strict=True):
        if not torch.equal(first.nan_to_num(), second.nan_to_num()):
            yield _finding(
                "contract",
                "determinism",
                f"{name} differs between two calls with the same transitions",
                "use no random numbers and keep no state between calls",
            )
            return


def _row_by_row(host: RewardHost, usual: Transitions, answers: _Answers) -> Iterator[Finding]:
    """Compare with the answers for the same rows in another order and in a smaller batch."""
    reversed_rows = torch.arange(LARGE - 1, -1, -1)
    for rows in (reversed_rows, torch.arange(SMALL)):
        others = dict(_ask(host, take(usual, rows)))
        for name, values in answers:
            expected, got = values[rows].nan_to_num(), others.get(name, values[rows]).nan_to_num()
            allowed = PURITY * expected.abs().clamp(min=1.0)
            if name not in others or bool(((got - expected).abs() > allowed).any()):
                yield _finding(
                    "contract",
                    "row-wise",
                    f"{name} of a transition depends on the other transitions of the batch",
                    "reduce along dim=-1 only; no mean, max or normalization over the batch",
                )
                return


def _finite(answers: _Answers, where: str, severity: Severity) -> Iterator[Finding]:
    # a term first: it is the cause, the reward only its sum
    for name, values in (*answers[1:], answers[0]):
        broken = values[~torch.isfinite(values)]
        if len(broken):
            yield _finding(
                "runtime",
                "not-finite",
                f"{name} is {float(broken[0])} in {len(broken)} of {len(values)} transitions with "
                f"{where}",
                "bound exponents, clamp what is divided by or taken the root or logarithm of",
                severity,
            )
            return


def _magnitude(answers: _Answers) -> Iterator[Finding]:
    for name, values in answers:
        largest = float(values.abs().max())
        if math.isfinite(largest) and largest > LARGE_REWARD:
            yield _finding(
                "runtime",
                "magnitude",
                f"{name} reaches {largest:.3g} with usual states",
                "scale it to about 1",
                "warning",
            )
            return


def _finding(
    kind: Kind, rule: str, message: str, remedy: str, severity: Severity = "error"
) -> Finding:
    return Finding("probe", kind, rule, severity, None, message, remedy)
