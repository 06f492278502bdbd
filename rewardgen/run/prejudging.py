"""Where a search asks the prefilter: with which policies, about whom, and what it records."""

from __future__ import annotations

from pathlib import Path

from rewardgen.config import RunConfig
from rewardgen.isolation.host import HostPool
from rewardgen.rewards.findings import recorded
from rewardgen.run.journal import CandidateEntry, RunJournal
from rewardgen.run.prefilter import DUPLICATE, STAGE, Prefilter
from rewardgen.rungs.gathering import POLICIES, spread
from rewardgen.store.payloads import CandidateChecked
from rewardgen.store.seeds import Purpose, derive_seed
from rewardgen_envs.base_task import BaseTask


class Prejudging:
    """Asks the prefilter about candidates; makes one anew for each iteration.

    Args:
        config: of the search; says what is looked for.
        task: the task.
        journal: the run's record.
        pool: starts hosts for code.
        gamma: discount factor of the training.
    """

    def __init__(
        self, config: RunConfig, task: BaseTask, journal: RunJournal, pool: HostPool, gamma: float
    ) -> None:
        self._config = config
        self._task = task
        self._journal = journal
        self._pool = pool
        self._gamma = gamma
        self._of: tuple[int, Prefilter] | None = None

    def __call__(self, entry: CandidateEntry, checked: CandidateChecked) -> CandidateChecked:
        """Return the verdict on an accepted candidate, with what transitions say of it.

        A reward that the user starts from, and one that is trained once more, is left alone.

        Raises:
            HostUnavailable: no host can be started; no fault of the candidate.
        """
        if self._is_wanted(entry):
            return checked
        findings = self._prefilter(entry.iteration).judge(
            entry, self._accepted(entry), self._best(entry.iteration)
        )
        refused = any(finding.severity == "error" for finding in findings)
        return checked.model_copy(
            update={
                "verdict": "refused" if refused else checked.verdict,
                "findings": (*checked.findings, *(recorded(finding) for finding in findings)),
            }
        )

    def _is_wanted(self, entry: CandidateEntry) -> bool:
        if entry.iteration == 0 and self._config.start is not None:
            return True
        known = {(t.source, str(t.wrapper)) for t in self._journal.history(before=entry.iteration)}
        return (entry.source, str(entry.wrapper)) in known

    def _accepted(self, entry: CandidateEntry) -> list[CandidateEntry]:
        """Return the candidates of the same iteration that were accepted before."""
        others = self._journal.proposals(entry.iteration) or []
        checks = [(other, self._journal.check(other.candidate)) for other in others]
        return [
            other
            for other, check in checks
            if other.candidate != entry.candidate
            and check is not None
            and check.verdict == "accepted"
        ]

    def _best(self, iteration: int) -> CandidateEntry | None:
        over = [each for each in self._journal.finished_iterations() if each.iteration < iteration]
        best = over[-1].best if over else None
        return None if best is None else self._journal.entry(best)

    def _prefilter(self, iteration: int) -> Prefilter:
        if self._of is None or self._of[0] != iteration:
            made = Prefilter(
                self._task,
                self._config.prefilter,
                self._pool,
                self._policies(iteration),
                gamma=self._gamma,
                seed=derive_seed(self._config.seed, Purpose.SURVEY, iteration=iteration + 1),
                threads=self._config.threads,
            )
            self._journal.record_prefilter(iteration, made.env_steps)
            self._of = (iteration, made)
        return self._of[1]

    def _policies(self, iteration: int) -> dict[str, Path]:
        """Return policies of earlier candidates, from the least to the most fit."""
        scored = [
            (t.feedback.score, t.candidate)
            for t in self._journal.history(before=iteration)
            if t.feedback.score is not None and self._journal.checkpoints(t.candidate)
        ]
        if not scored:
            return {}
        ordered = [candidate for _, candidate in sorted(scored)]
        chosen = spread(ordered, POLICIES)
        first = {name: self._journal.checkpoints(name)[0] for name in chosen}
        return {name: self._journal.artifact_path(artifact) for name, artifact in first.items()}


def is_duplicate(checked: CandidateChecked) -> bool:
    """Whether a candidate was refused because another one ranks policies alike."""
    return any((f.stage, f.rule) == (STAGE, DUPLICATE) for f in checked.findings)


def data_remarks(checked: CandidateChecked) -> tuple[str, ...]:
    """Return what transitions say of an accepted candidate, for its designer."""
    return tuple(f.message for f in checked.findings if f.stage == STAGE)
