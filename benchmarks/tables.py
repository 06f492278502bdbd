"""Writes the tables of benchmarks/README.md from results/*.jsonl.

``python -m benchmarks.tables`` rewrites the text between the markers of each benchmark. A test
fails where text and results differ, so no number in the README is typed by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import reward_tables
from benchmarks.harness import latest_lines
from benchmarks.layout import Figures, interval, table
from rewardgen.config import recipe_path

README = Path(__file__).parent / "README.md"


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
    file = recipe_path(sweep["task"], None)
    ours = "the defaults" if file is None else f"configs/recipes/{file.name}"
    return (
        f"{sweep['task']}: SB3 with 32 environments, rollouts of {sweep['rollout']:,} samples (the "
        f"best of one seed that is not in the table; {tried}), minibatches of a quarter, its "
        f"defaults otherwise. Ours: {ours}."
    )


def isolation(parts: Figures) -> str:
    """One row per figure."""
    from benchmarks.isolation import combine

    f = combine(parts)
    over = f["us_per_call"] - f["us_floor"]
    rows = [
        ["share of a training's wall time", f"{f['share_of_wall']:.2%}", "≤ 3 %"],
        ["the same scores inline", f"{f['inline_share_of_wall']:.2%}", ""],
        ["one call, µs", f"{f['us_per_call']:.0f}", ""],
        ["one byte each way between two processes, µs", f"{f['us_floor']:.0f}", ""],
        ["a call above that, µs", f"{over:.0f}", "≤ 60"],
        ["the same call inline, µs", f"{f['us_inline']:.0f}", ""],
        ["from a candidate's text to its first answer, ms", f"{f['start_ms']:.0f}", "≤ 50"],
    ]
    return table([f"mode {f['mode']}", "measured", "asked for"], rows)


def shares(parts: Figures) -> str:
    """One row per case."""
    rows: list[list[str]] = []
    for part in parts:
        one, several = part["rates"]["one process"], part["rates"]["one per CPU"]
        case = [part["task"], str(part["members"]), f"{one:,.0f}", f"{several:,.0f}"]
        rows.append([*case, f"{several / one:.2f}"])
    head = ["task", "members", "env-steps/s, one process", "one per CPU", "ratio"]
    return table(head, rows)


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


def search(parts: Figures) -> str:
    """One row per side; what was asked for; where our time goes."""
    from benchmarks.search import combine

    figures, ours = combine(parts), parts[0]
    fastest = min((part for part in parts if "rungs" in part), key=lambda part: part["wall_s"])
    wall_s, spent = figures["wall_s"], ours["env_steps"]
    runs = ", ".join(f"{seconds:,.0f}" for seconds in figures["walls"])
    name = f"ours, fastest of {runs}"
    rows = [[name, f"{wall_s:,.0f}", f"{spent:,}", f"{spent / wall_s:,.0f}"]]
    rows += _sb3_searches(figures)
    head = ["side", "wall time, s", "env-steps", "env-steps/s"]
    settings = f"Ours: `{ours['command']}`. SB3: process start included."
    blocks = [table(head, rows), settings, *_asked_of_search(figures), _where_time_goes(fastest)]
    return "\n\n".join(blocks)


def _sb3_searches(figures: dict[str, Any]) -> list[list[str]]:
    """Return a row for the trainings that were made, and one per setting that was timed."""
    measured, steps = figures["sb3_wall_s"], figures.get("sb3_env_steps", 0)
    rows: list[list[str]] = []
    if measured is not None:
        setting, count = figures["setting"], figures["rewards"]
        ways = (
            (f"SB3, {setting}, {count} times the fastest training", measured),
            (f"SB3, {setting}, all {count} trainings as made", figures["sb3_mean_wall_s"]),
        )
        rows += [[name, f"{s:,.0f}", f"{steps:,}", f"{steps / s:,.0f}"] for name, s in ways]
    for name, seconds in figures.get("sb3_wall_s_by_slices", {}).items():
        rate = f"{steps / seconds:,.0f}"
        rows.append([f"SB3, {name}, from slices", f"{seconds:,.0f}", f"{steps:,}", rate])
    return rows


def _asked_of_search(figures: dict[str, Any]) -> list[str]:
    """Return what is measured beside what was asked for, as far as it is known."""
    rows: list[list[str]] = []
    if figures["ratio"] is not None:
        rows.append(["times less wall time, fastest", f"{figures['ratio']:.1f}", "≥ 10"])
        rows.append(["times less wall time, means", f"{figures['ratio_of_means']:.1f}", ""])
    if "difference" in figures:
        low, high = figures["interval"]
        ends = f"{figures['difference']:+.0%} [{low:+.0%}, {high:+.0%}]"
        names = f"our winner ({figures['winner']}) - SB3's ({figures['sb3_winner']}), of SB3's"
        rows.append([names, ends, "excludes -10 %"])
    return [table(["", "measured", "asked for"], rows)] if rows else []


def _where_time_goes(ours: dict[str, Any]) -> str:
    """Return the seconds of our search by what they were spent on."""
    spent: dict[str, float] = {"start of the process": ours["start_s"]}
    spent["survey, design, checks"] = ours["other_s"]
    for rung in ours["rungs"]:
        playoff = rung["rung"].startswith("playoff")
        name = f"{'play-off' if playoff else 'rungs'} of {rung['members']} members"
        spent[name] = spent.get(name, 0.0) + rung["wall_s"]
    rows = [[name, f"{s:.1f}", f"{s / ours['wall_s']:.0%}"] for name, s in spent.items()]
    return table(["our time goes to", "s", "share"], rows)


def time_to_fitness(parts: Figures) -> str:
    """One row per task; then the curves of ours."""
    from benchmarks.time_to_fitness import combine

    figures = combine(parts)
    rows = [
        [
            name,
            f"{f['sb3_iqm']:,.0f} {interval(f['sb3_interval'], 0)}",
            f"{f['ours_iqm']:,.0f} {interval(f['ours_interval'], 0)}",
            f"{f['env_steps']:,}",
            f"{f['ours_env_steps_per_s']:,.0f} / {f['sb3_env_steps_per_s']:,.0f}",
            f"{f['ours_s']:,.0f} / {f['sb3_s']:,.0f}",
            f"{f['ours_whole_s']:,.0f} / {f['sb3_whole_s']:,.0f}",
            f"{f['share_of_time']:.1%}",
            "yes" if f["reached"] else "no",
        ]
        for name, f in figures.items()
    ]
    head = ["task", "SB3 (IQM)", "ours (IQM)", "env-steps per member", "env-steps/s, ours / SB3"]
    head += ["s from rates", "s as trained", "share of time (≤ 33 %)", "reached"]
    lines = [_curve(name, f) for name, f in figures.items()]
    return "\n\n".join([table(head, rows), *lines])


def _curve(name: str, figures: dict[str, Any]) -> str:
    """Return all runs of a task, and the IQM of ours along training."""
    points = ", ".join(f"{n / 1e6:.2f} M: {value:,.0f}" for n, value in figures["curve"])
    mine, theirs = (", ".join(map(str, figures[side])) for side in ("ours", "sb3"))
    return f"{name}: ours {mine}; SB3 {theirs}. Ours along training (IQM): {points}."


def kills(parts: Figures) -> str:
    """What was lost, and where the kills met the runs."""
    from benchmarks.kills import PHASES, combine

    figures = combine(parts)
    least = min(figures["kills"].get(phase, 0) for phase in PHASES)
    rows = [
        ["kill -9 at moments drawn from all of a run's time", f"{figures['uniform']}", "≥ 200"],
        ["least number of kills in a phase", f"{least}", "≥ 5"],
        ["acknowledged events lost", f"{figures['lost']}", "0"],
        ["runs that came to the undisturbed result", f"{figures['equal']}", f"{figures['runs']}"],
    ]
    met = [[phase, str(count)] for phase, count in sorted(figures["kills"].items())]
    return "\n\n".join([table(["", "counted", "asked for"], rows), table(["phase", "kills"], met)])


def large_run(parts: Figures) -> str:
    """One row per command."""
    from benchmarks.large_run import combine

    figures = combine(parts)
    asked = {"list": "< 2", "show": "< 2", "resume": "< 2"}
    rows = [
        [
            name,
            f"{side['wall_s']:.2f}",
            f"{min(side['turns']):.2f} to {max(side['turns']):.2f}",
            f"{side['cpu_s']:.2f}",
            asked.get(name, ""),
        ]
        for name, side in figures["sides"].items()
    ]
    head = ["command", "s (median)", "spread", "s of processor", "asked for"]
    counted = f"{figures['candidates']:,} candidates in {figures['events']:,} events."
    return f"{counted}\n\n{table(head, rows)}"


def scaling(parts: Figures) -> str:
    """One row per number of members; then what was asked for."""
    found = {row["members"]: row for row in parts[0]["rows"]}
    rows = [
        [
            str(count),
            f"{row['env_steps_per_s']:,.0f}",
            f"{row['us_per_env_step']:.1f}",
            f"{row['us_per_env_step'] / count:.2f}",
            f"{row['us_not_physics']:.1f}",
            f"{row['peak_mib']:,.0f}",
        ]
        for count, row in found.items()
    ]
    head = ["members", "env-steps/s", "µs per env-step", "and member", "not physics, µs", "MiB"]
    least, middle, most = found[min(found)], found[16], found[64]
    asked = [
        ["peak memory at 64 members, GiB", f"{most['peak_mib'] / 1024:.2f}", "≤ 8"],
        [
            "env-steps/s at 64 members ÷ those at 16",
            f"{most['env_steps_per_s'] / middle['env_steps_per_s']:.2f}",
            "≥ 1",
        ],
        [
            "time without physics per env-step, 64 members ÷ 1",
            f"{most['us_not_physics'] / least['us_not_physics']:.2f}",
            "< 1",
        ],
    ]
    return "\n\n".join(
        [table(head, rows), table([parts[0]["task"], "measured", "asked for"], asked)]
    )


def task_steps(parts: Figures) -> str:
    """One row per task, and how many reach the share that is asked for."""
    measured = sorted((one for part in parts for one in part["tasks"]), key=lambda t: t["task"])
    rows = [
        [
            one["task"],
            one["engine"],
            str(one["worlds"]),
            f"{one['env_steps_per_s']:,.0f}",
            f"{one['raw_per_s']:,.0f}",
            f"{one['share']:.2f}",
        ]
        for one in measured
    ]
    head = ["task", "engine", "worlds", "env-steps/s", "physics alone", "share (≥ 0.60 asked)"]
    reached = sum(one["share"] >= 0.6 for one in measured)
    return f"{table(head, rows)}\n\n{reached} of {len(rows)} tasks reach 0.60."


TABLES: dict[str, Callable[[Figures], str]] = {
    "throughput": throughput,
    "learning": learning,
    "isolation": isolation,
    "shares": shares,
    "evolve": evolve,
    "search": search,
    "time_to_fitness": time_to_fitness,
    "kills": kills,
    "large_run": large_run,
    "scaling": scaling,
    "task_steps": task_steps,
    "regret": reward_tables.regret,
    "detectors": reward_tables.detectors,
    "critic": reward_tables.critic,
    "compare": reward_tables.compare,
    "trained_rewards": reward_tables.trained_rewards,
    "prediction": reward_tables.prediction,
    "prefilter": reward_tables.prefilter,
    "racing": reward_tables.racing,
    "selection_bias": reward_tables.selection_bias,
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
