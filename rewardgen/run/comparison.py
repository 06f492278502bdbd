"""The stages of a comparison before training: what the check says, what the data say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from rewardgen.check.pipeline import CheckResult, check_reward
from rewardgen.check.samples import Samples
from rewardgen.compare.data_stage import (
    Compared,
    PaidReward,
    Reading,
    compare_on,
    data_record,
    interval,
    matrices,
    number,
    verdicts,
)
from rewardgen.compare.standing import Target
from rewardgen.compare.verdicts import Verdict
from rewardgen.config import CompareConfig
from rewardgen.isolation.host import HostPool
from rewardgen.isolation.session import HostFailure
from rewardgen.report.numbers import listed
from rewardgen.rewards.findings import RefusedRewardError, recorded
from rewardgen.rewards.wrappers.catalogue import plain
from rewardgen.run.compare_data import Transitions
from rewardgen.run.compare_inputs import Given, Inputs
from rewardgen.run.preflight import OWN_REWARDS, remarks
from rewardgen.run.session import task_facts
from rewardgen.rungs.scoring import score_rewards
from rewardgen.rungs.transition_log import as_log, rewards_of
from rewardgen.store.compare_records import ComparedReward, CompareRecord, Decision
from rewardgen.store.seeds import Purpose, derive_seed
from rewardgen.store.show import fitness_record
from rewardgen_envs.base_task import BaseTask
from rewardgen_envs.errors import UsageError
from rewardgen_policies.seam import RewardFailure

_PROBED_ROWS = 512
_CONSTANT = 1e-6


@dataclass(frozen=True)
class Checked:
    """Rewards and what the check says of those that need one.

    Attributes:
        inputs: what is compared.
        results: name → result, of code that nobody vouches for.
    """

    inputs: Inputs
    results: Mapping[str, CheckResult]

    @property
    def sound(self) -> list[Given]:
        """The rewards that may be run."""
        return [given for given in self.inputs.rewards if self.verdict(given) == "accepted"]

    def verdict(self, given: Given) -> str:
        """Return what the check says of a reward; the task's own are not checked."""
        result = self.results.get(given.name)
        return "accepted" if result is None else result.verdict


def check_inputs(inputs: Inputs, task: BaseTask, pool: HostPool) -> Checked:
    """Check all rewards that nobody vouches for.

    Raises:
        RefusedRewardError: none is left to compare, or the reference does not pass.
        HostUnavailable: no reward host can be started on this machine.
    """
    results = {
        given.name: check_reward(
            given.source or "", task.table, task.action, hosts=pool, wrapper=given.wrapper
        )
        for given in inputs.rewards
        if not given.own
    }
    checked = Checked(inputs, results)
    sound = {given.name for given in checked.sound}
    told = [line for name, result in results.items() for line in remarks(name, result)]
    if not any(given.compared and given.name in sound for given in inputs.rewards):
        raise RefusedRewardError("\n".join(["nothing is compared: no reward passes", *told]))
    if inputs.reference is not None and inputs.reference not in sound:
        line = f"nothing is compared: the reference {inputs.reference} does not pass"
        raise RefusedRewardError("\n".join([line, *told]))
    return checked


def static_record(
    config: CompareConfig, task: BaseTask, checked: Checked, pool: HostPool
) -> CompareRecord:
    """Return what can be said without a simulation; scales are those on made-up transitions."""
    rewards = [_static(given, checked, task, pool) for given in checked.inputs.rewards]
    return _record(config, task, checked.inputs, rewards, "static", _different_tasks(checked))


def _static(given: Given, checked: Checked, task: BaseTask, pool: HostPool) -> ComparedReward:
    base = _base(given, checked)
    result = checked.results.get(given.name)
    if given not in checked.sound or result is None or result.code is None:
        return base
    host = pool.open(result.code, task.table, given.name)
    try:
        output = host.evaluate(Samples(task.table, task.action).usual(_PROBED_ROWS))
    except HostFailure as failure:
        return base.model_copy(update={"decision": "failed", "reason": str(failure)})
    finally:
        host.close()
    values = output.reward.to(torch.float64)
    mean, scale = float(values.mean()), float(values.std())
    said: dict[str, object] = {"mean": mean, "scale": scale}
    if scale <= _CONSTANT * abs(mean):
        said["remarks"] = ("it pays the same on all made-up transitions",)
    return base.model_copy(update=said)


def data_stage(
    config: CompareConfig,
    task: BaseTask,
    checked: Checked,
    transitions: Transitions,
    pool: HostPool,
    notes: Sequence[str],
) -> CompareRecord:
    """Compare all rewards that passed their check on transitions.

    Raises:
        UsageError: the reference is trivial, or there are too few transitions.
        HostUnavailable: no reward host can be started.
    """
    sound = checked.sound
    rollout = transitions.gathered.rollout
    scores = score_rewards([given.reward for given in sound], task, pool, rollout)
    log, rows = as_log(transitions.gathered)
    paid: list[PaidReward] = []
    failed: dict[str, str] = {}
    for given, result in zip(sound, scores, strict=True):
        if isinstance(result, RewardFailure):
            failed[given.name] = str(result)
        else:
            paid.append(PaidReward(given.name, *rewards_of(result, rows), tuple(result.terms)))
    reference = checked.inputs.reference
    if not paid or reference in failed:
        told = "; ".join(f"{name}: {why}" for name, why in failed.items())
        raise RefusedRewardError(f"nothing is compared: {told}")
    metric = task.metric
    seed = derive_seed(config.seed, Purpose.STATISTICS)
    try:
        compared = compare_on(log, paid, Target(metric.sign, metric.success), seed)
    except ValueError as error:
        raise UsageError(f"{error}; raise --transitions, now {config.transitions:,}") from error
    said = [*notes, *_different_tasks(checked), *_terms_note(paid)]
    reference = _useful(compared, checked.inputs, said.append)
    found = dict(zip(compared.names, verdicts(compared, reference), strict=True))
    rewards = [
        _compared(given, checked, compared, found, reference, failed)
        for given in checked.inputs.rewards
    ]
    record = _record(config, task, checked.inputs, rewards, "data", said)
    return record.model_copy(
        update={
            "reference": reference,
            "incumbent": reference,
            "data": data_record(log, transitions.sha256, compared.features),
            "distances": matrices(compared, log.data.sources),
        }
    )


def _useful(compared: Compared, inputs: Inputs, note: Callable[[str], None]) -> str | None:
    """Return the reference; None where nobody asked for it and nothing is left of it.

    Raises:
        UsageError: nothing is left of one that was asked for.
    """
    reference = inputs.reference
    if reference is None or not compared.trivial(reference):
        return reference
    left = compared.readings[compared.place(reference)].left
    told = (
        f"the reference {reference} is almost pure shaping or a constant on these transitions "
        f"({left:.1%} of it is left), so nothing has a distance to it"
    )
    if inputs.asked:
        raise UsageError(f"{told}: choose another with --reference, or other data with --data RUN")
    note(told)
    return None


def _compared(
    given: Given,
    checked: Checked,
    compared: Compared,
    found: Mapping[str, Verdict],
    reference: str | None,
    failed: Mapping[str, str],
) -> ComparedReward:
    base = _base(given, checked)
    if given.name in failed:
        return base.model_copy(update={"decision": "failed", "reason": failed[given.name]})
    if given.name not in found:
        return base
    place, verdict = compared.place(given.name), found[given.name]
    reading: Reading = compared.readings[place]
    said: dict[str, object] = {
        "mean": reading.mean,
        "scale": reading.scale,
        "left": reading.left,
        "floor": number(compared.floor[place]),
        "ranking": reading.standing.record(),
        "terms": reading.terms,
        "remarks": reading.remarks,
        "decision": verdict.decision,
        "reason": verdict.reason,
        "duplicate_of": verdict.duplicate_of,
    }
    if reference is not None and reference != given.name:
        other = compared.place(reference)
        d = compared.lstd_val
        said["distance"] = number(d.value[place, other])
        said["distance_interval"] = interval(d.low[place, other], d.high[place, other])
    near = compared.nearest(given.name)
    if near is not None:
        said["nearest"], said["nearest_distance"] = near
    return base.model_copy(update=said)


def _base(given: Given, checked: Checked) -> ComparedReward:
    result = checked.results.get(given.name)
    verdict = checked.verdict(given)
    decision: Decision = "accepted"
    reason = "it is the task's own" if given.own else "it passes its check"
    findings = () if result is None else tuple(recorded(finding) for finding in result.findings)
    if verdict != "accepted":
        decision = "refused" if verdict == "refused" else "failed"
        errors = [finding for finding in findings if finding.severity == "error"]
        reason = errors[0].message if errors else verdict
    return ComparedReward(
        name=given.name,
        kind=given.kind,
        source_sha256=given.sha256,
        wrapper=plain(given.wrapper),
        compared=given.compared,
        findings=findings,
        decision=decision,
        reason=reason,
    )


def _different_tasks(checked: Checked) -> list[str]:
    """Say why several files that know none of the task's features were refused."""
    foreign = [
        name
        for name, result in checked.results.items()
        if any(finding.rule == "unknown-feature" for finding in result.findings)
    ]
    if not foreign:
        return []
    return [f"{listed(foreign)} read features that this task does not have: for another task?"]


def _terms_note(paid: Sequence[PaidReward]) -> list[str]:
    names = [set(reward.term_names) for reward in paid if reward.term_names]
    if len(names) < 2 or all(each == names[0] for each in names):
        return []
    common = sorted(name for name in names[0] if all(name in each for each in names))
    told = listed(common) if common else "none"
    return [
        "the rewards have terms of different names; that is allowed: distances and rankings are of "
        f"their totals, shares of each reward's own terms. Names in common: {told}"
    ]


def _record(
    config: CompareConfig,
    task: BaseTask,
    inputs: Inputs,
    rewards: Sequence[ComparedReward],
    stage: str,
    notes: Sequence[str],
) -> CompareRecord:
    facts = task_facts(task, None, None)
    return CompareRecord.model_validate(
        {
            "run": None,
            "task": task.name,
            "task_version": task.version,
            "stage": stage,
            "fitness": fitness_record(facts.metrics[0]),
            "reference": inputs.reference,
            "incumbent": None,
            "rewards": tuple(rewards),
            "notes": tuple(notes),
        }
    )


def raced(record: CompareRecord) -> list[ComparedReward]:
    """Return the rewards that are trained: those that nothing speaks against, and the task's own.

    A reference is trained too: it is what the others have to beat.
    """
    return [
        reward
        for reward in record.rewards
        if reward.decision == "race"
        or (reward.kind in OWN_REWARDS and reward.compared)
        or reward.name == record.reference
    ]
