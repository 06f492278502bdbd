"""Confirmation: rewards trained once more on fresh seeds and judged on fresh episodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rewardgen.config import CompareConfig, RunConfig
from rewardgen.report.numbers import listed
from rewardgen.run.pausing import pause_if_late
from rewardgen.run.session import Session
from rewardgen.rungs.jobs import RewardRef
from rewardgen.store.seeds import Purpose, derive_seed, derive_seeds
from rewardgen.trial import TrialPlan, trial

CONFIRM = "confirm"
"""Names the trial within a run."""


@dataclass(frozen=True)
class Entrant:
    """A reward of a trial and its text; ``source``: None where there is no file."""

    reward: RewardRef
    source: str | None


def confirm(
    session: Session,
    config: RunConfig | CompareConfig,
    entrants: Sequence[Entrant],
    references: tuple[str, ...],
    env_steps: int,
) -> None:
    """Train ``confirm_seeds`` members of each reward, evaluate on ``confirm_episodes`` episodes.

    Args:
        session: the open run.
        config: its configuration.
        entrants: the rewards, one arm each.
        references: the arms that all others are compared with.
        env_steps: environment steps per member.

    Raises:
        PausedError: ``max_hours`` is over.
    """
    told = listed([e.reward.name for e in entrants])
    session.display.note(f"confirming {told} on {config.confirm_seeds} fresh seeds")
    trial(
        session.workshop,
        session.journal,
        session.metric,
        TrialPlan(
            name=CONFIRM,
            rewards=tuple(e.reward for e in entrants),
            sources=tuple(e.source for e in entrants),
            seeds=derive_seeds(config.seed, Purpose.TRIAL_TRAINING, config.confirm_seeds),
            eval_seeds=(
                derive_seeds(config.seed, Purpose.TRIAL_EVALUATION, config.confirm_episodes),
            ),
            env_steps=env_steps,
            rungs=1,
            references=references,
            statistics_seed=derive_seed(config.seed, Purpose.STATISTICS),
        ),
        before_rung=lambda: pause_if_late(session.deadline),
    )
