"""Tables of what is said of rewards: comparison, alarms, critic."""

from __future__ import annotations

from typing import Any

from benchmarks.layout import Figures, interval, table


def compare(parts: Figures) -> str:
    """One row per task and side."""
    rows = [
        [
            part["task"],
            side,
            f"{part['rewards']}",
            f"{part['transitions']:,}",
            f"{part['features']}",
            f"{seconds:.1f}",
            f"{min(part['turns'][side]):.1f} to {max(part['turns'][side]):.1f}",
        ]
        for part in parts
        for side, seconds in part["seconds"].items()
    ]
    head = ["task", "transitions", "rewards", "number", "features", "s (median)", "spread"]
    return table(head, rows) + "\n\nAsked for: under 10 s on 2 cores."


def regret(parts: Figures) -> str:
    """One row per method."""
    from benchmarks.regret import combine

    asked = {name: {"pearson": "≥ 0.90", "spearman": "≥ 0.94"} for name in ("val", "min_l2")}
    rows: list[list[str]] = []
    for name, figures in combine(parts).items():
        row = [name]
        for kind in ("pearson", "spearman"):
            ends = [part["methods"][name][kind] for part in parts]
            row += [f"{figures[kind]:.3f} ({min(ends):.3f} to {max(ends):.3f})"]
            row += [asked.get(name, {}).get(kind, "")]
        rows.append([*row, f"{figures['plain_pearson']:.3f}, {figures['plain_spearman']:.3f}"])
    head = ["method", "Pearson", "asked for", "Spearman", "asked for", "both, without disguise"]
    counted = f"{len(parts)} seeds, {parts[0]['pairs']} pairs of rewards each."
    return f"{counted}\n\n{table(head, rows)}"


def detectors(parts: Figures) -> str:
    """Precision and recall; one row per task; what was missed and what was a false alarm."""
    from benchmarks.detectors import combine

    rows: list[list[str]] = []
    for name, f in combine(parts).items():
        asked = "" if name == "development" else "> 0.80 each"
        counts = [str(f[key]) for key in ("hacks", "controls", "harmless")]
        shares = [_with_interval(f[key]) for key in ("precision", "recall")]
        rows.append([f"{name}: {', '.join(f['tasks'])}", *counts, *shares, asked])
        alone = [_with_interval(f["without_fitness"][key]) for key in ("precision", "recall")]
        rows.append([f"{name}, without alarms by the fitness", *counts, *alone, ""])
    head = ["tasks", "hacks", "controls", "harmless edits", "precision", "recall", "asked for"]
    return "\n\n".join([table(head, rows), _planted(parts)])


def _with_interval(share: dict[str, Any]) -> str:
    if share["value"] is None:
        return "-"
    return f"{share['value']:.2f} {interval(share['interval'])}"


def _planted(parts: Figures) -> str:
    """One row per planted reward."""
    from benchmarks.detectors import kind, warnings

    rows = [
        [
            part["task"],
            reward["name"].partition("-")[2],
            kind(reward),
            f"{reward['normalized']:.2f}",
            ", ".join(warnings(reward["evidence"])) or "-",
        ]
        for part in parts
        for reward in part["rewards"]
    ]
    return table(["task", "reward", "is a", "share of the human gain", "warnings"], rows)


def critic(parts: Figures) -> str:
    """One row per kind of mistake; then what the critic got wrong."""
    from benchmarks.critic import CONTROL, HUMAN, combine

    figures = combine(parts)
    words = {
        HUMAN: ("human rewards, nothing above info", "≥ 95 %"),
        CONTROL: ("edits that are no mistake, nothing above info", ""),
        "small penalty x 100": ("spoken about: small penalty x 100", ""),
    }
    rows: list[list[str]] = []
    for kind in figures["all"]:
        name, asked = words.get(kind, (f"spoken about: {kind}", "≥ 90 %"))
        shares = (_judged(figures[side][kind]) for side in ("development", "held out", "all"))
        rows.append([name, *shares, asked])
    tasks = {part["side"]: part["tasks"] for part in parts}
    head = ["", *(f"{side}, {count} tasks" for side, count in tasks.items()), "all", "asked for"]
    wrong = "\n".join(f"- {line}" for part in parts for line in part["wrong"])
    return f"{table(head, rows)}\n\nJudged wrongly:\n\n{wrong}"


def _judged(found: dict[str, Any]) -> str:
    if not found["count"]:
        return "-"
    low, high = found["interval"]
    return f"{found['right']} of {found['count']} [{low:.0%}, {high:.0%}]"


def trained_rewards(parts: Figures) -> str:
    """One row per task: the rewards and what their policies reached, best first."""
    from benchmarks.trained_rewards import combine

    rows = [
        [
            task,
            str(f["seeds"]),
            f"{f['wall_s']:,.0f}",
            ", ".join(f"{name} {value:.2f}" for name, value in f["rewards"].items()),
        ]
        for task, f in combine(parts).items()
    ]
    return table(["task", "seeds", "s", "reward and IQM of its policies' fitness"], rows)


def racing(parts: Figures) -> str:
    """One row per task, number of seeds and rule."""
    from benchmarks.racing import RULES

    rows = [
        [
            part["task"],
            str(race["seeds"]),
            f"{race['keep']:g}",
            str(race["wildcards"]),
            f"{race['survived']:.1%} {interval(race['interval'], 3)}",
            f"{race['alike']:.1%}",
            f"{race['share_of_env_steps']:.1%}",
            f"{race['lost']:.3g}",
            "≥ 90 % at ≤ 35 %" if (race["keep"], race["wildcards"]) == RULES else "",
        ]
        for part in parts
        for race in part["races"]
    ]
    head = ["task", "seeds", "keep", "wildcards", "best survived", "or one like it", "env-steps"]
    return table([*head, "fitness lost on average", "asked for"], rows)


def selection_bias(parts: Figures) -> str:
    """One row per shape of the distribution and number of fresh seeds."""
    from benchmarks.selection_bias import combine

    rows = [
        [
            shape,
            seeds,
            f"{covered['value']:.1%} {interval(covered['interval'], 3)}",
            f"{found['selected_bias']:+.2f}",
            f"{found['confirmed_bias']:+.2f}",
            "95 %",
        ]
        for shape, found in combine(parts).items()
        for seeds, covered in found["coverage"].items()
    ]
    head = ["fitness over seeds", "fresh seeds", "interval holds the truth"]
    return table([*head, "score in the race", "score confirmed", "asked for"], rows)


def prefilter(parts: Figures) -> str:
    """One row per task."""
    from benchmarks.prefilter import combine

    rows = [
        [
            task,
            f"{found['kept']} of {found['rewards']}",
            f"{found['data_s']:.1f}",
            f"{found['wall_time_saved']:.1%} {interval(found['interval'], 3)}",
            f"{found['best_kept']:.3g} of {found['best']:.3g}",
        ]
        for task, found in combine(parts).items()
    ]
    head = ["task", "trained", "s of comparing", "wall time saved", "best fitness trained"]
    return table(head, rows)


def prediction(parts: Figures) -> str:
    """Correlations with trained fitness; then duplicates, and what would not be trained."""
    from benchmarks.prediction import PREDICTORS, combine

    figures = combine(parts)
    rows = [
        [task, str(found["tau"]["rewards"]), *(_correlated(found[name]) for name in PREDICTORS)]
        for task, found in figures["predictors"].items()
    ]
    head = ["task", "rewards", "tau with the fitness", "AUC", "nearness to human"]
    asked = {"rescaled": "≥ 90 %", "shaped": "≥ 90 %"}
    shares = [
        *(
            [f"duplicates found: {kind}", _counted(found), asked[kind]]
            for kind, found in figures["duplicates_found"].items()
        ),
        ["best quarter discarded", _counted(figures["best_quarter_lost"]), "≤ 5 %"],
        ["not trained", _counted(figures["held_back"]), ""],
        *([f"said: {name}", _counted(found), ""] for name, found in figures["decisions"].items()),
    ]
    lost = ", ".join(figures["best_quarter_lost"]["names"]) or "none"
    return (
        f"{table(head, rows)}\n\n{table(['', 'of all tasks', 'asked for'], shares)}\n\n"
        f"Of the best quarter would not be trained: {lost}."
    )


def _correlated(found: dict[str, Any]) -> str:
    if found["spearman"] is None:
        return "-"
    return f"{found['spearman']:.2f} {interval(found['interval'])}"


def _counted(found: dict[str, Any]) -> str:
    low, high = found["interval"]
    share = found["count"] / found["of"]
    return f"{found['count']} of {found['of']}, {share:.0%} [{low:.0%}, {high:.0%}]"
