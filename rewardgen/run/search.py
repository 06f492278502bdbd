"""The search: iterations of propose → check → race → feed back.

The program is deterministic given the journal: every expensive step is recorded once and read
back when the program is repeated. ``resume`` is therefore nothing but running it again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial

from rewardgen.analysis.columns import ColumnStatistics
from rewardgen.analysis.feedback import Failure, Feedback
from rewardgen.analysis.summary import summarize
from rewardgen.config import RunConfig
from rewardgen.design.designer import (
    DesignContext,
    Designer,
    ExhaustedError,
    Proposal,
    Refused,
    Repairs,
    Tried,
)
from rewardgen.racing import left, survivors, wildcards
from rewardgen.report.numbers import unit
from rewardgen.rewards.findings import restored
from rewardgen.rewards.wrappers.catalogue import maybe_wrapper, plain
from rewardgen.run.context import task_context
from rewardgen.run.display import Display
from rewardgen.run.journal import CandidateEntry, RunJournal, rung_name
from rewardgen.run.opinions import Opinions
from rewardgen.run.pausing import PausedError, pause_if_late
from rewardgen.run.population import RungCurves, Runner, mean_fitness
from rewardgen.run.prejudging import data_remarks, is_duplicate
from rewardgen.run.screening import Screening
from rewardgen.run.verdicts import failures, rejection, verdict
from rewardgen.rungs.rung import Place, RungOutcome, Workshop
from rewardgen.store.parts import FinalState
from rewardgen.store.payloads import CandidateChecked
from rewardgen.store.seeds import Purpose, derive_seed, derive_seeds
from rewardgen_envs.base_task import BaseTask
from rewardgen_envs.metrics import Metric

Context = Callable[[], DesignContext]
"""Makes what a designer is told; in a long search that takes a while, and a resumed iteration whose
proposals are recorded needs it only for repairs."""

PARENTS = 4
"""How many of the best candidates so far a designer starts from."""


@dataclass(frozen=True)
class Incumbent:
    """The best candidate so far.

    Attributes:
        candidate: its id.
        checkpoints: artifacts of its policies after its last rung.
        fitness: mean fitness when it was last compared, in the metric's unit.
    """

    candidate: str
    checkpoints: tuple[str, ...]
    fitness: float


def best_first(candidates: Sequence[Tried], incumbent: Incumbent) -> list[Tried]:
    """Return the candidates that have a score: the incumbent, then by score."""
    return sorted(
        (t for t in candidates if t.feedback.score is not None),
        key=lambda t: (t.candidate != incumbent.candidate, -(t.feedback.score or 0.0)),
    )


@dataclass
class Search:
    """One run's search; ``run`` returns the winner.

    Attributes:
        config: the run's configuration.
        task: the task.
        metrics: what ranks, first, and what else is reported.
        designer: who proposes.
        feature_ranges: statistics of the features under random actions.
        workshop: trains and evaluates populations.
        journal: the run's record.
        screening: checks proposals before they cost simulation.
        display: what people watch.
        iteration_env_steps: what an iteration costs at most.
        closing_env_steps: what play-off and confirmation will cost at most.
        deadline: monotonic time after which no further rung starts, or None.
        start: a reward that is trained before the designer's first iteration, or None.
        opinions: who is asked about candidates that pass the other checks, or None.
        prejudge: looks at what the check has accepted once more, on transitions; or None.
    """

    config: RunConfig
    task: BaseTask
    metrics: tuple[Metric, ...]
    designer: Designer
    feature_ranges: dict[str, ColumnStatistics]
    workshop: Workshop
    journal: RunJournal
    screening: Screening
    display: Display
    iteration_env_steps: int
    closing_env_steps: int
    deadline: float | None = None
    start: Proposal | None = None
    opinions: Opinions | None = None
    prejudge: Callable[[CandidateEntry, CandidateChecked], CandidateChecked] | None = None

    @property
    def metric(self) -> Metric:
        """The metric that ranks."""
        return self.metrics[0]

    def run(self) -> Incumbent | None:
        """Search, and return the winner; None if no candidate could be trained.

        Raises:
            PausedError: ``max_hours`` is over, or the run is to pause after every iteration.
        """
        first, incumbent = self._taken_up()
        rounds = self.config.rounds
        for iteration in range(first, rounds):
            if self._exhausted(iteration):
                break
            self.display.iteration(iteration, rounds)
            said = self.journal.begin_iteration(iteration)
            if said:
                self.display.note(f"remarks of yours that go into the next prompt: {said}")
            context = cache(partial(self._context, iteration, incumbent))
            try:
                candidates = self._propose(iteration, context)
            except ExhaustedError as exhausted:
                self.display.note(f"no more proposals: {exhausted}")
                break
            runners = self._screen(iteration, context, candidates)
            incumbent = self._race(iteration, runners, incumbent)
            self.journal.finish_iteration(
                iteration,
                None if incumbent is None else incumbent.candidate,
                None if incumbent is None else incumbent.fitness,
            )
            if self.config.pause and iteration < rounds - 1:
                raise PausedError(
                    f"pause after iteration {iteration + 1} of {rounds}; look at it with "
                    "'rewardgen show' and 'rewardgen render', and say what is to change with "
                    "'rewardgen feedback'"
                )
        return incumbent

    def _taken_up(self) -> tuple[int, Incumbent | None]:
        """Return the first iteration that is not over, and who led before it.

        What is over is not repeated: of a long search that would take minutes.
        """
        over = self.journal.finished_iterations()
        if not over:
            return 0, None
        last = over[-1]
        if last.best is None or last.fitness is None:
            return len(over), None
        best = Incumbent(last.best, self.journal.checkpoints(last.best), last.fitness)
        self._tell_best(last.iteration, best)
        return len(over), best

    # ---- propose and check

    def _context(self, iteration: int, incumbent: Incumbent | None) -> DesignContext:
        """Return what the designer is told; the same again when a run is repeated."""
        history = self.journal.history(before=iteration)
        seed = derive_seed(self.config.seed, Purpose.DESIGN, iteration=iteration)
        return replace(
            task_context(self.config, self.task, count=self.config.samples, seed=seed),
            iteration=iteration,
            parents=self._parents(history, incumbent),
            history=history,
            feature_ranges=self.feature_ranges,
            human_feedback=self.journal.human_feedback(iteration),
        )

    def _propose(self, iteration: int, context: Context) -> list[CandidateEntry]:
        recorded = self.journal.proposals(iteration)
        if recorded is not None:
            return recorded
        first = iteration == 0
        proposals = (
            [self.start] if first and self.start is not None else self.designer.propose(context())
        )
        return self.journal.record_proposals(iteration, [self._wrapped(p) for p in proposals])

    def _wrapped(self, proposal: Proposal) -> Proposal:
        """Return a proposal with what the user wants around every candidate."""
        around = self.config.wrapper
        return proposal if around is None else replace(proposal, wrapper=plain(around))

    def _parents(self, history: Sequence[Tried], incumbent: Incumbent | None) -> tuple[Tried, ...]:
        """Return the best so far, the incumbent first (Eureka's greedy strategy)."""
        if incumbent is None:
            return ()
        trained = [t for t in history if t.state != "failed"]
        return tuple(best_first(trained, incumbent)[:PARENTS])

    def _screen(
        self, iteration: int, context: Context, candidates: Sequence[CandidateEntry]
    ) -> list[Runner]:
        """Check every candidate; return those that may be trained."""
        self._ask_opinions(iteration, context, candidates)
        refused = [entry for entry in candidates if not self._accepted(entry)]
        repaired = {entry.slot: entry for entry in self._repair(iteration, context, refused)}
        self._ask_opinions(iteration, context, list(repaired.values()))
        runners: list[Runner] = []
        for proposed in candidates:
            entry = repaired.get(proposed.slot, proposed)
            if self._accepted(entry):
                seeds = self._train_seeds(iteration, entry.slot)
                around = maybe_wrapper(entry.wrapper)
                runners.append(Runner(entry.candidate, entry.source, seeds, wrapper=around))
            else:
                checked = self._check(entry)
                self._fail(
                    entry.candidate, "rejected", failures(checked), reason=rejection(checked)
                )
            self.display.candidate(entry.candidate, verdict(self._check(entry)))
        return runners

    def _check(self, entry: CandidateEntry) -> CandidateChecked:
        """Return the verdict on a candidate; it is asked for once."""
        checked = self.journal.check(entry.candidate)
        if checked is None:
            checked = self._prejudged(entry, self._screened(entry))
            self.journal.record_check(checked)
        return checked

    def _prejudged(self, entry: CandidateEntry, checked: CandidateChecked) -> CandidateChecked:
        if self.prejudge is None or checked.verdict != "accepted":
            return checked
        return self.prejudge(entry, checked)

    def _screened(self, entry: CandidateEntry) -> CandidateChecked:
        """Check a candidate; what the user starts from is trained whatever the critic thinks."""
        return self.screening.check(
            entry.candidate,
            entry.source,
            entry.fault,
            entry.wrapper,
            criticized=not self._is_start(entry.iteration),
        )

    def _ask_opinions(
        self, iteration: int, context: Context, entries: Sequence[CandidateEntry]
    ) -> None:
        """Check the candidates that no earlier process has, and ask for opinions of all at once."""
        if self.opinions is None or self._is_start(iteration):
            return
        new = [entry for entry in entries if self.journal.check(entry.candidate) is None]
        if not new:
            return
        self.display.note(f"asking the critic about {', '.join(e.candidate for e in new)}")
        screened = [self._screened(entry) for entry in new]
        judged = self.opinions.about(context(), new, screened)
        for entry, checked in zip(new, judged, strict=True):
            self.journal.record_check(self._prejudged(entry, checked))

    def _is_start(self, iteration: int) -> bool:
        """Whether an iteration is that of the reward which the user starts from."""
        return self.start is not None and iteration == 0

    def _accepted(self, entry: CandidateEntry) -> bool:
        return self._check(entry).verdict == "accepted"

    def _repair(
        self, iteration: int, context: Context, refused: Sequence[CandidateEntry]
    ) -> list[CandidateEntry]:
        """Have refused candidates corrected, once; return those that were."""
        open_ones = [
            e
            for e in refused
            if e.attempt == 0 and e.state == "proposed" and not is_duplicate(self._check(e))
        ]
        if not open_ones or not isinstance(self.designer, Repairs):
            return []
        if self._is_start(iteration):
            return []
        self.display.note(f"asking again for {', '.join(e.candidate for e in open_ones)}")
        proposals = self.designer.repair(
            context(),
            [
                Refused(
                    entry.candidate,
                    entry.slot,
                    entry.source,
                    tuple(restored(finding) for finding in self._check(entry).findings),
                    entry.wrapper,
                )
                for entry in open_ones
            ],
        )
        return self.journal.record_repairs(
            [
                (e, self._wrapped(new))
                for e, new in zip(open_ones, proposals, strict=True)
                if new is not None
            ]
        )

    def _train_seeds(self, iteration: int, slot: int) -> tuple[int, ...]:
        return derive_seeds(
            self.config.seed,
            Purpose.SEARCH_TRAINING,
            self.config.train_seeds,
            iteration=iteration,
            slot=slot,
        )

    # ---- race

    def _race(
        self, iteration: int, runners: list[Runner], incumbent: Incumbent | None
    ) -> Incumbent | None:
        """Train rung by rung; return the best of the finalists and the incumbent.

        When one candidate is left of several, it has nobody to race: training it further would
        say nothing about who is better.
        """
        running = runners
        for rung in range(self.config.rungs):
            if not running:
                return incumbent
            pause_if_late(self.deadline)
            last = rung == self.config.rungs - 1
            leaves_one = len(running) > 1 and self._least_left(len(running)) == 1
            decides = last or leaves_one
            guests = incumbent.checkpoints if decides and incumbent is not None else ()
            outcome = self._rung(iteration, rung, running, guests)
            running = self._without_failures(running)
            if not last:
                running = self._prune(iteration, rung, running)
            if last or (leaves_one and len(running) == 1):
                return self._decide(iteration, running, outcome, incumbent)
        return incumbent

    def _rung(
        self, iteration: int, rung: int, running: list[Runner], guests: Sequence[str]
    ) -> RungOutcome:
        outcome = self.workshop.rung(
            rung_name(iteration, rung),
            Place(iteration=iteration),
            [runner.reward for runner in running],
            [entry for i, runner in enumerate(running) for entry in runner.entries(i)],
            number=rung,
            env_steps=self.config.rung_env_steps,
            eval_seeds=derive_seeds(
                self.config.seed,
                Purpose.SEARCH_EVALUATION,
                self.config.eval_episodes,
                iteration=iteration,
                rung=rung,
            ),
            guests=guests,
        )
        curves = cache(partial(self.journal.curves, outcome.curves))
        width = self.config.train_seeds
        for i, runner in enumerate(running):
            part = slice(i * width, (i + 1) * width)
            runner.advance(outcome.members[part], RungCurves(curves, part))
        return outcome

    def _without_failures(self, running: list[Runner]) -> list[Runner]:
        for runner in running:
            if runner.failure is not None:
                failure = Failure(
                    state="failed", stage="train", rule="training", message=runner.failure
                )
                self._fail(runner.candidate, "failed", (failure,), runner)
                self.display.candidate(runner.candidate, f"failed: {runner.failure}")
        return [runner for runner in running if runner.failure is None]

    def _least_left(self, running: int) -> int:
        """Return how many of so many go on at least."""
        if self.config.race == "asha":  # all of the share may be of earlier iterations
            return min(running, 1 + self.config.wildcards)
        return left(running, self.config.keep, self.config.wildcards)

    def _prune(self, iteration: int, rung: int, running: list[Runner]) -> list[Runner]:
        scores = {runner.candidate: runner.score(self.metric) for runner in running}
        asha = self.config.race == "asha"
        pool = self.journal.scores_of_earlier(iteration, rung, self.metric) if asha else ()
        going_on = survivors(scores, self.config.keep, pool)
        before = {runner.candidate: runner.scores[-1] for runner in running if runner.scores}
        for runner in running:
            runner.scores.append(scores[runner.candidate])
        going_on += wildcards(scores, before, going_on, self.config.wildcards)
        ranked = sorted(scores, key=lambda name: -scores[name])
        for runner in running:
            fitness = self.metric.sign * scores[runner.candidate]
            self.display.candidate(runner.candidate, f"rung {rung + 1}", fitness)
            if runner.candidate not in going_on:
                place = ranked.index(runner.candidate) + 1
                reason = (
                    f"ranked {place} of {len(ranked)} after rung {rung + 1}: "
                    f"{self.metric.name} {fitness:.3g}"
                )
                self._finish(runner, "retired", reason)
        return [runner for runner in running if runner.candidate in going_on]

    def _decide(
        self,
        iteration: int,
        running: list[Runner],
        outcome: RungOutcome,
        incumbent: Incumbent | None,
    ) -> Incumbent | None:
        metric = self.metric
        best = incumbent
        if incumbent is not None:
            # the same episodes for all: the incumbent meets those of the finalists
            score = mean_fitness(outcome.guests, metric)
            best = replace(incumbent, fitness=metric.sign * score)
        for runner in running:
            fitness = metric.sign * runner.score(metric)
            self._finish(runner, "evaluated", f"{metric.name} {fitness:.3g} at the end of the race")
            self.display.candidate(runner.candidate, "evaluated", fitness)
            if best is None or metric.sign * (fitness - best.fitness) > 0:
                best = Incumbent(runner.candidate, runner.checkpoints, fitness)
        if best is not None:
            self._tell_best(iteration, best)
        return best

    def _tell_best(self, iteration: int, best: Incumbent) -> None:
        self.display.note(
            f"iteration {iteration + 1}: best so far is {best.candidate} with "
            f"{self.metric.name} {best.fitness:.3g}{unit(self.metric.unit)}"
        )

    # ---- ends

    def _finish(self, runner: Runner, state: FinalState, reason: str) -> None:
        self.journal.settle(runner.candidate, state, reason, partial(self._feedback, runner))

    def _fail(
        self,
        candidate: str,
        state: FinalState,
        failures: tuple[Failure, ...],
        runner: Runner | None = None,
        reason: str | None = None,
    ) -> None:
        def feedback() -> Feedback:
            curves = [] if runner is None else runner.curves()
            trained = summarize(self.metrics, curves, {}) if curves else Feedback()
            return trained.model_copy(update={"failures": failures})

        if reason is None:
            reason = failures[0].message if failures else state
        self.journal.settle(candidate, state, reason, feedback)

    def _feedback(self, runner: Runner) -> Feedback:
        episodes = [m.episodes for m in runner.members if m.episodes is not None]
        trained = summarize(
            self.metrics,
            runner.curves(),
            {m.name: [e.fitness[m.name] for e in episodes] for m in self.metrics},
            [
                {name: ColumnStatistics(*values) for name, values in e.columns.items()}
                for e in episodes
            ],
        )
        checked = self.journal.check(runner.candidate)
        said = () if checked is None else data_remarks(checked)
        return trained.model_copy(update={"remarks": said}) if said else trained

    # ---- limits

    def _exhausted(self, iteration: int) -> bool:
        """Whether another iteration, play-off and confirmation would exceed ``max_env_steps``."""
        limit = self.config.max_env_steps
        if limit is None:
            return False
        needed = self.iteration_env_steps + self.closing_env_steps
        if self.journal.env_steps_before(iteration) + needed <= limit:
            return False
        self.display.note(f"max_env_steps reached: confirming after {iteration} iterations")
        return True
