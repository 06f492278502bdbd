"""What the language model of a search will cost, before it is asked for anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rewardgen.analysis.feedback import Feedback, Fitness, Series, Term, TermStatus
from rewardgen.config import ConfigError, RunConfig
from rewardgen.design.critic import critic_letter
from rewardgen.design.designer import DesignContext, Tried
from rewardgen.design.prompting import FULL_PARENTS, first_messages, repair_messages
from rewardgen.llm.costs import CostEstimate, estimate_cost
from rewardgen.llm.messages import Message
from rewardgen.llm.settings import EndpointSettings
from rewardgen.rewards.format import MAX_SOURCE_BYTES, read_reward
from rewardgen.run.context import task_context
from rewardgen_envs.base_task import BaseTask

_REPLY_TOKENS = 2_500
"""Assumed length of a reply: some thought, and a reward of 30 lines."""
_REWARD_TEXT = "    reward = reward + next_state.feature_number_one\n" * 30
"""Stands for a reward where the task has none to measure."""
_TERMS = 4
_REPAIRED = 0.25
"""Assumed share of replies that are refused and asked for once more."""


@dataclass(frozen=True)
class ModelCost:
    """What a search will ask for.

    Attributes:
        calls: replies, the critic's included, without repairs.
        prompt_tokens: tokens sent.
        completion_tokens: tokens received, as assumed.
        usd: what that costs with some repairs; None if the model has no price.
        at_most_usd: what it costs if every reply is as long as allowed and refused once; None
            likewise.
    """

    calls: int
    prompt_tokens: int
    completion_tokens: int
    usd: float | None
    at_most_usd: float | None

    def __str__(self) -> str:
        tokens = f"{self.prompt_tokens:,} tokens read and {self.completion_tokens:,} written"
        if self.usd is None or self.at_most_usd is None:
            return f"{self.calls} replies of the language model, about {tokens}; no price known"
        return (
            f"{self.calls} replies of the language model, about {tokens}: {self.usd:.2f} USD, at "
            f"most {self.at_most_usd:.2f}"
        )


def model_cost(config: RunConfig, task: BaseTask) -> ModelCost | None:
    """Estimate from prompts of this task; None for designers that ask no model.

    Raises:
        UsageError: no model, no price, or a cap that does not allow the first call.
    """
    settings = config.endpoint
    if settings is None:
        return None
    contexts = [_context(config, task, iteration) for iteration in (0, 1)]
    rounds = (1, config.iterations - 1) if config.start is None else (0, config.iterations)

    def costs(prompts: Sequence[Sequence[Message]]) -> list[CostEstimate]:
        return [
            estimate_cost(settings, [prompt], config.samples * count, _REPLY_TOKENS)
            for prompt, count in zip(prompts, rounds, strict=True)
        ]

    asked = costs([first_messages(context) for context in contexts])
    _check_cap(settings, asked[0] if config.start is None else asked[1])
    again = costs([_longest_repair(context) for context in contexts])
    if config.critic:  # of either version of a candidate
        about = costs([critic_letter(c, 0, 0, _source(task), ()).messages for c in contexts])
        asked, again = asked + about, again + about
    return ModelCost(
        calls=sum(part.calls for part in asked),
        prompt_tokens=sum(part.prompt_tokens for part in asked),
        completion_tokens=sum(part.completion_tokens for part in asked),
        usd=_total([part.usd for part in asked], 1.0 + _REPAIRED),
        at_most_usd=_total([part.at_most_usd for part in (*asked, *again)], 1.0),
    )


def _longest_repair(context: DesignContext) -> list[Message]:
    """Return the longest request to correct an answer: answers are quoted up to a length."""
    return repair_messages(context, "x" * MAX_SOURCE_BYTES, (), full_parents=FULL_PARENTS)


def _source(task: BaseTask) -> str:
    path = task.human_reward
    return _REWARD_TEXT if path is None else read_reward(path).source


def _check_cap(settings: EndpointSettings, first: CostEstimate) -> None:
    """Refuse a cap below the most that one of the first calls can cost: nothing would be asked.

    Raises:
        ConfigError: it is.
    """
    if settings.max_cost_usd is None or first.at_most_usd is None:
        return
    call_usd = first.at_most_usd / first.calls
    if call_usd > settings.max_cost_usd:
        raise ConfigError(
            f"--max-cost-usd {settings.max_cost_usd:g} allows no call: one may cost up to "
            f"{call_usd:.4f} USD. Raise it, or shorten replies with --max-completion-tokens "
            f"(now {settings.max_completion_tokens})"
        )


def _total(parts: list[float | None], factor: float) -> float | None:
    known = [part for part in parts if part is not None]
    return sum(known) * factor if len(known) == len(parts) else None


def _context(config: RunConfig, task: BaseTask, iteration: int) -> DesignContext:
    """Return a context of about the length that an iteration's will have."""
    tried = tuple(_tried(task, number) for number in range(FULL_PARENTS)) if iteration else ()
    return replace(
        task_context(config, task, count=config.samples, seed=config.seed),
        iteration=iteration,
        parents=tried,
        history=tried,
    )


def _tried(task: BaseTask, number: int) -> Tried:
    series = Series(values=(0.123,) * 10, maximum=0.123, mean=0.123, minimum=0.123)
    metric = task.metric
    feedback = Feedback(
        checkpoints=(100_000.0,) * 10,
        fitness=(
            Fitness(
                metric=metric.name,
                unit=metric.unit,
                higher_is_better=metric.higher_is_better,
                mean=0.123,
                low=0.123,
                high=0.123,
                members=(0.123,) * 2,
                episodes=10,
            ),
        ),
        training_fitness={metric.name: series},
        episode_return=series,
        episode_length=series,
        terms=tuple(
            Term(name=f"term_number_{i}", series=series, share=0.25, status=TermStatus.DEAD)
            for i in range(_TERMS)
        ),
    )
    return Tried(f"c1-{number + 1}", 0, _source(task), "evaluated", feedback)
