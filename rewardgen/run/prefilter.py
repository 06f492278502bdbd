"""What transitions say of a search's candidates before they are trained.

Candidates that rank policies as another one of their iteration does, or almost opposite to the
best so far, or that rank failures above successes, are refused like those that break a rule: the
check's record says why, a designer that can repair hears it, and a resumed run reads it again. Each
of these has a switch of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from rewardgen.compare.data_stage import (
    Fitted,
    PaidReward,
    Reading,
    compare_on,
    fit,
)
from rewardgen.compare.standing import Target
from rewardgen.compare.verdicts import Evidence, Verdict, decide
from rewardgen.config import PrefilterName
from rewardgen.isolation.host import HostPool
from rewardgen.report.numbers import number, percent
from rewardgen.rewards.findings import MAX_TEXT, Finding, Kind, Severity
from rewardgen.rewards.wrappers.catalogue import maybe_wrapper
from rewardgen.run.journal import CandidateEntry
from rewardgen.rungs.gathering import RANDOM, TRANSITIONS, Actor, gather
from rewardgen.rungs.jobs import RewardRef
from rewardgen.rungs.scoring import score_rewards
from rewardgen.rungs.transition_log import as_log, rewards_of
from rewardgen.store.compare_records import ViolationRecord
from rewardgen_envs.base_task import BaseTask
from rewardgen_envs.engines.choice import CPU
from rewardgen_policies.seam import RewardFailure, Rollout
from rewardgen_policies.stored import stored_policies

STAGE = "data"
DUPLICATE = "duplicate"
SIGN_ERROR = "sign-error"
RANKING = "ranking"
SHARES = "shares"
_TOLD_PAIRS = 3
_BEST = "the best reward so far"


class Prefilter:
    """Judges the candidates of one iteration on transitions of its own.

    Args:
        task: the task.
        switches: what it looks for.
        pool: starts hosts for code.
        policies: name → checkpoints that act beside random actions; none in the first iteration.
        gamma: discount factor of the training.
        seed: of the transitions and the resampling.
        threads: physics threads or None.
        transitions: how many are gathered, at least.
    """

    def __init__(
        self,
        task: BaseTask,
        switches: Sequence[PrefilterName],
        pool: HostPool,
        policies: Mapping[str, Path],
        *,
        gamma: float,
        seed: int,
        threads: int | None,
        transitions: int = TRANSITIONS,
    ) -> None:
        actors = [Actor(RANDOM)]
        actors += [
            Actor(name, stored_policies(task, [path], CPU)) for name, path in policies.items()
        ]
        gathered = gather(
            task, actors, transitions=transitions, seed=seed, gamma=gamma, threads=threads
        )
        self.env_steps = gathered.whole.numel()
        self._task = task
        self._switches = frozenset(switches)
        self._pool = pool
        self._seed = seed
        self._ranks = bool(policies) or task.metric.success is not None
        self._rollout: Rollout = gathered.rollout
        self._log, self._rows = as_log(gathered)
        self._fitted: Fitted = fit(self._log.data, seed)
        self._paid: dict[tuple[str, int], PaidReward | str] = {}

    def judge(
        self,
        entry: CandidateEntry,
        others: Sequence[CandidateEntry],
        best: CandidateEntry | None,
    ) -> list[Finding]:
        """Return what there is to say about a candidate.

        Args:
            entry: the candidate; it has passed its check.
            others: of the same iteration, accepted before it.
            best: the best candidate so far, which has the right sign; None before there is one.

        Raises:
            HostUnavailable: no host can be started; no fault of the candidate.
        """
        mine = self._paid_by(entry)
        if isinstance(mine, str):
            remedy = "give finite numbers in every state"
            return [_finding("scores", "error", mine, remedy, kind="runtime")]
        twins = self._all_paid(others if "duplicates" in self._switches else ())
        asked = [best] if best is not None and "sign" in self._switches else []
        leaders = [replace(paid, name=_BEST) for paid in self._all_paid(asked)]
        metric = self._task.metric
        target = Target(metric.sign, metric.success)
        rewards = [*twins, *leaders, mine]
        compared = compare_on(self._log, rewards, target, self._seed, self._fitted)
        reading = compared.readings[-1]
        pairs = {twin.name: compared.pair(mine.name, twin.name) for twin in twins}
        auc = reading.standing.auc if "ranking" in self._switches and self._ranks else None
        verdict = decide(Evidence(mine.name, reading.constant, pairs, None, auc))
        # the best may be tried again in other words: only its opposite is looked for
        opposite = bool(leaders) and compared.pair(mine.name, _BEST).opposite
        return self._findings(verdict, reading, mine, opposite=opposite)

    def _findings(
        self, verdict: Verdict, reading: Reading, mine: PaidReward, *, opposite: bool
    ) -> list[Finding]:
        shares = _shares(reading) if "shares" in self._switches else ""
        if verdict.decision == "duplicate":
            return [_finding(DUPLICATE, "error", verdict.reason, "change what it pays for")]
        if opposite:
            text = f"it ranks policies almost opposite to {_BEST}. {shares}"
            remedy = "look for a sign that is turned around, or a distance that is paid for"
            return [_finding(SIGN_ERROR, "error", text, remedy)]
        if verdict.decision == "constant" and "ranking" in self._switches:
            return [_finding(RANKING, "error", verdict.reason, "let it depend on the state")]
        if verdict.decision == "misranks":
            text = f"{verdict.reason}. {self._pairs(reading.standing.violations, mine)} {shares}"
            return [_finding(RANKING, "error", text, "pay more where the task is solved")]
        return [_finding(SHARES, "warning", shares, "")] if shares else []

    def _pairs(self, pairs: Sequence[ViolationRecord], mine: PaidReward) -> str:
        """Return pairs of episodes that are ranked wrongly, and what each term paid there."""
        data = self._log.data
        sums = np.add.reduceat(mine.terms, data.starts, axis=0)

        def told(number_of: int) -> str:
            values = zip(mine.term_names, sums[number_of], strict=True)
            return ", ".join(f"{name} {number(float(value))}" for name, value in values)

        return " ".join(
            f"An episode with fitness {number(pair.worse.fitness)} ({pair.worse.steps} steps; "
            f"{told(pair.worse.number)}) ranks above one with {number(pair.better.fitness)} "
            f"({pair.better.steps} steps; {told(pair.better.number)})."
            for pair in pairs[:_TOLD_PAIRS]
        )

    def _all_paid(self, entries: Sequence[CandidateEntry]) -> list[PaidReward]:
        """Return what candidates pay; without those that have no answer."""
        answers = [self._paid_by(entry) for entry in entries]
        return [answer for answer in answers if isinstance(answer, PaidReward)]

    def _paid_by(self, entry: CandidateEntry) -> PaidReward | str:
        """Return what a candidate pays on the transitions, or why it has no answer."""
        key = (entry.candidate, entry.attempt)
        if key not in self._paid:
            reward = RewardRef(
                kind="code",
                name=entry.candidate,
                source=entry.source,
                wrapper=maybe_wrapper(entry.wrapper),
            )
            result = score_rewards([reward], self._task, self._pool, self._rollout)[0]
            if isinstance(result, RewardFailure):
                self._paid[key] = str(result)
            else:
                values = rewards_of(result, self._rows)
                self._paid[key] = PaidReward(entry.candidate, *values, tuple(result.terms))
        return self._paid[key]


def _shares(reading: Reading) -> str:
    terms = [term for term in reading.terms if term.share is not None]
    told = ", ".join(f"{term.term} {percent(term.share or 0.0)}" for term in terms)
    return f"Share of the advantage on stored transitions: {told}." if told else ""


def _finding(
    rule: str, severity: Severity, message: str, remedy: str, *, kind: Kind = "contract"
) -> Finding:
    return Finding(
        stage=STAGE,
        kind=kind,
        rule=rule,
        severity=severity,
        line=None,
        message=message.strip()[:MAX_TEXT],
        remedy=remedy,
    )
