"""Feedback as the text that a designer reads.

The format of the series is Eureka's (Ma et al., ICLR 2024): values at checkpoints, then maximum,
mean and minimum; interval, shares, remarks and failures are added.
"""

from __future__ import annotations

from rewardgen.analysis.feedback import Failure, Feedback, Series, Term, TermStatus

REMARKS = {
    TermStatus.DEAD: "hardly varies beside the others: it gives the policy nothing to act on; "
    "rescale, rewrite or drop it",
    TermStatus.SATURATED: "rose and now stays at its best: it no longer tells better from good; "
    "widen its margin or ask for more",
    TermStatus.DOMINANT: "decides almost alone what the reward says; weigh it down if other terms "
    "matter",
}


def to_text(feedback: Feedback) -> str:
    """Return the feedback as text, ending in a newline."""
    lines = [_failure(failure) for failure in feedback.failures]
    for fitness in feedback.fitness:
        direction = "higher" if fitness.higher_is_better else "lower"
        members = ", ".join(map(_number, fitness.members))
        lines.append(
            f"Fitness {fitness.metric} ({fitness.unit}, {direction} is better): "
            f"{_number(fitness.mean)}, 95 % interval over evaluation episodes "
            f"[{_number(fitness.low)}, {_number(fitness.high)}]; members: {members}; "
            f"{fitness.episodes} episodes each."
        )
    if feedback.terms or feedback.training_fitness:
        lines += _training(feedback)
    lines += [
        f"- term {term.name} is {term.status.value}: it {REMARKS[term.status]}."
        for term in feedback.terms
        if term.status in REMARKS
    ]
    if (alarm := feedback.hacking) is not None:
        driver = f"; the term that rose most is {alarm.driver}" if alarm.driver else ""
        lines.append(
            f"- ALARM: the reward kept rising after {_steps(alarm.since_env_steps)} env-steps "
            f"while the fitness fell from {_number(alarm.fitness_best)} to "
            f"{_number(alarm.fitness_last)}{driver}. The reward pays for something else."
        )
    lines += [f"- {remark}" for remark in feedback.remarks]
    return "\n".join(lines) + "\n"


def _failure(failure: Failure) -> str:
    where = f" at line {failure.line}" if failure.line is not None else ""
    remedy = f"; {failure.remedy}" if failure.remedy else ""
    by = f"by rule {failure.rule}" if failure.state == "rejected" else f"({failure.rule})"
    return f"This reward was {failure.state} in stage {failure.stage} {by}{where}: " + (
        f"{failure.message}{remedy}"
    )


def _training(feedback: Feedback) -> list[str]:
    steps = "; ".join(map(_steps, feedback.checkpoints))
    lines = [f"Along training, mean over members, at env-steps per member [{steps}]:"]
    lines += [f"  fitness {_row(n, s)}" for n, s in feedback.training_fitness.items()]
    if feedback.episode_return is not None:
        lines.append(f"  own return: {_values(feedback.episode_return)}")
    if feedback.episode_length is not None:
        lines.append(f"  episode length: {_values(feedback.episode_length)}")
    lines += [f"  {_term(term)}" for term in feedback.terms]
    lines += [f"  share of episodes ended by {_row(n, s)}" for n, s in feedback.causes.items()]
    return lines


def _term(term: Term) -> str:
    share = "" if term.share is None else f"; share of the advantage {term.share:.2f}"
    return f"term {_row(term.name, term.series)}{share}"


def _row(name: str, series: Series) -> str:
    return f"{name}: {_values(series)}"


def _values(series: Series) -> str:
    values = ", ".join(map(_number, series.values))
    return (
        f"[{values}], max {_number(series.maximum)}, mean {_number(series.mean)}, "
        f"min {_number(series.minimum)}"
    )


def _steps(env_steps: float) -> str:
    return f"{env_steps:,.0f}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.3g}"
