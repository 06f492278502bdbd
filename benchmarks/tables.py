"""Writes the tables of benchmarks/README.md from results/*.jsonl.

``python -m benchmarks.tables`` rewrites the text between the markers of each benchmark. A test
fails where text and results differ, so no number in the README is typed by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import latest_lines

README = Path(__file__).parent / "README.md"
Figures = Sequence[dict[str, Any]]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def interval(ends: Sequence[float] | None, digits: int = 2) -> str:
    """Return an interval as text."""
    if not ends:
        return "-"
    return f"[{ends[0]:,.{digits}f}, {ends[1]:,.{digits}f}]"


def throughput(parts: Figures) -> str:
    """One row per side and task; then the ratios that the README may claim."""
    rows = [
        [
            part["task"],
            name,
            f"{side['median']:,.0f}",
            f"{min(side['turns']):,.0f} to {max(side['turns']):,.0f}",
        ]
        for part in parts
        for name, side in part["sides"].items()
    ]
    text = table(["task", "side", "env-steps/s (median)", "spread"], rows)
    from benchmarks.throughput import combine

    figures = combine(parts)
    ratios = [
        ["share of raw physics", f"{figures['share_of_raw']:.2f}", "≥ 0.70, goal 0.85"],
        ["times SB3, best number of environments", f"{figures['times_sb3']:.2f}", "≥ 2.3"],
        ["times SB3 on mujoco.batch, 32 worlds", f"{figures['times_sb3_batched']:.2f}", "≥ 1.6"],
    ]
    return text + "\n\n" + table(["ant/run", "measured", "asked for"], ratios)


def learning(parts: Figures) -> str:
    """One row per task."""
    from benchmarks.learning import combine

    rows = [
        [
            name,
            f"{f['ours_iqm']:,.0f}",
            f"{f['sb3_iqm']:,.0f}",
            f"{f['random']:,.0f}",
            f"{f['difference']:,.0f} {interval(f['interval'], 0)}",
            interval(f["interval_over_sb3"]),
            f"{f['p_sb3_better']:.2f}",
            ", ".join(map(str, f["ours"])),
            ", ".join(map(str, f["sb3"])),
        ]
        for name, f in combine(parts).items()
    ]
    head = ["task", "ours (IQM)", "SB3 (IQM)", "random", "difference", "÷ SB3", "P(SB3 better)"]
    settings = [_sb3_settings(part) for part in parts if part["side"] == "sweep"]
    text = table([*head, "ours, all runs", "SB3, all runs"], rows)
    return "\n\n".join([text, *settings])


def _sb3_settings(sweep: dict[str, Any]) -> str:
    tried = ", ".join(f"{int(n):,}: {score:,.0f}" for n, score in sweep["scores"].items())
    return (
        f"{sweep['task']}: SB3 with 32 environments, rollouts of {sweep['rollout']:,} samples (the "
        f"best of one seed that is not in the table; {tried}), minibatches of a quarter, its "
        f"defaults otherwise. Ours: configs/recipes/{sweep['task'].split('/')[0]}.yaml."
    )


def reward_host(parts: Figures) -> str:
    """One row."""
    f = parts[0]
    row = [f"{f['share_of_wall']:.2%}", f"{f['inline_share_of_wall']:.2%}", "≤ 3 %"]
    return table(["share of wall time, hosts", "the same scores inline", "asked for"], [row])


def evolve(parts: Figures) -> str:
    """One row per task; then the budgets with durations, and the median of each iteration."""
    from benchmarks.evolve import BUDGETS, combine

    figures = combine(parts)
    sides = ("evolve", "random", "single", "human", "sparse")
    rows = [
        [task, *(_side(f.get(side)) for side in sides), _pairs(f), _remarks(f)]
        for task, f in figures.items()
    ]
    main = table(["task", *sides, "pairs of searches won", "remarks"], rows)
    durations = [
        [
            task,
            f"{BUDGETS[task]['env_steps']:,}",
            f"{BUDGETS[task]['iterations']} x {BUDGETS[task]['samples']}",
            f"{BUDGETS[task]['train_seeds']}",
            f"{BUDGETS[task]['confirm_seeds']}",
            f"{max(f['env_steps']) / 1e6:.1f} M" if f["env_steps"] else "-",
            f"{max(f['search_s']) / 60:.1f}" if f["search_s"] else "-",
            _longer(f.get("longer")),
        ]
        for task, f in figures.items()
    ]
    head = ["task", "env-steps per policy", "iterations x candidates", "policies per candidate"]
    head += ["policies per arm confirmed", "env-steps at most", "minutes at most"]
    budgets = table([*head, "one longer search: IQM, minutes"], durations)
    medians = [
        [task, search, ", ".join("-" if m is None else f"{m:.2f}" for m in values)]
        for task, f in figures.items()
        for search, values in f["medians"].items()
    ]
    return "\n\n".join(
        [main, budgets, table(["task", "search", "median search fitness, by iteration"], medians)]
    )


def _side(side: dict[str, Any] | None) -> str:
    return "-" if side is None else f"{side['iqm']:.3f} {interval(side['interval'], 3)}"


def _pairs(figures: dict[str, Any]) -> str:
    return f"{figures['wins']} of {figures['pairs']}"


def _remarks(figures: dict[str, Any]) -> str:
    """Say which sides are better than evolve."""
    if "evolve" not in figures:
        return ""
    better = [
        name
        for name in ("random", "single", "human")
        if name in figures and figures[name]["iqm"] > figures["evolve"]["iqm"]
    ]
    return f"better than evolve: {', '.join(better)}" if better else ""


def _longer(longer: dict[str, Any] | None) -> str:
    return "-" if longer is None else f"{_side(longer)}, {longer['search_s'] / 60:.1f}"


TABLES: dict[str, Callable[[Figures], str]] = {
    "throughput": throughput,
    "learning": learning,
    "reward_host": reward_host,
    "evolve": evolve,
}


def section(name: str) -> str:
    """Return what stands between the markers of one benchmark."""
    lines = latest_lines(name)
    if not lines:
        return "Not measured yet."
    body = TABLES[name]([line["figures"] for line in lines])
    commits = ", ".join(dict.fromkeys(line["commit"] for line in lines))
    machines = "; ".join(dict.fromkeys(line["machine"] for line in lines))
    loads = [line["load"] for line in lines]
    return f"{body}\n\nMeasured at {commits}: {machines}; load {min(loads)} to {max(loads)}."


def generated(text: str) -> str:
    """Return the README's text with every table written anew."""
    for name in TABLES:
        start, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        before, _, rest = text.partition(start)
        _, _, after = rest.partition(end)
        text = f"{before}{start}{section(name)}\n{end}{after}"
    return text


if __name__ == "__main__":
    README.write_text(generated(README.read_text(encoding="utf-8")), encoding="utf-8")
