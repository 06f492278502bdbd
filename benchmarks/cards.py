"""Writes docs/tasks.md and a card of every task: ``python -m benchmarks.cards``.

Everything in them is generated: from the tasks' own declarations, from the stored baselines and
from the latest results of ``task_steps``. A test fails where text and sources differ.
``--pictures`` takes all pictures anew, else only those that are missing.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.harness import latest_lines, report
from benchmarks.tables import table
from rewardgen.report.card import BEATS, Speed, overview_row, relation, unsolved_by_human
from rewardgen.store.baselines import baseline_file, load_baseline
from rewardgen.tasks import describe_task, write_card
from rewardgen_envs.registry import task_names

DOCS = Path(__file__).parents[1] / "docs"
CARDS = "tasks"
HEAD = (
    *("Task", "What the robot shall do", "Fitness", "Success from"),
    *("Random", "Sparse", "Human", "Successful episodes (human)"),
)

TEXT = """\
# Tasks

Every task has a card: what it is, its features with units, and what random actions, the sparse
and the human-written reward reach. A reward that `rewardgen run` finds is held against these
numbers. They are interquartile means over policies; a card gives their intervals, seeds and
budgets. A dash means that nothing was measured yet.

{table}

{ties}{waiting}This page and the cards are written by `python -m benchmarks.cards`; `rewardgen tasks
show NAME --card DIR` writes the card of a task of your own.
"""


TIES = """\
On {beaten} of {trained} tasks the human reward beats the sparse one: the interval of the difference
leaves out 0. {others}

"""
FOUND = """\
On the others it does not. A sparse reward pays in every step of success, which policies
come upon there without help, as the column of its fitness shows: {names}."""
UNSOLVED = "What a human reward does not teach most policies yet: {names}."
WAITING = """\
## Without a baseline

A baseline is {policies} policies, ten for each of two rewards. The last column is what an hour of 2
cores allows each of them, at the measured speed and if learning cost nothing. Tasks that need more
than that wait for a GPU.

{table}

"""
_POLICIES, _HOUR_S = 20, 3_600


def speeds() -> dict[str, Speed]:
    """Return the latest measured speed of every task, on the CPU."""
    return {
        one["task"]: Speed(
            engine=one["engine"],
            worlds=one["worlds"],
            env_steps_per_s=one["env_steps_per_s"],
            share_of_raw=one["share"],
            machine=line["machine"],
        )
        for line in latest_lines("task_steps")
        for one in line["figures"]["tasks"]
    }


def overview() -> str:
    """Return the page with all tasks."""
    rows: list[list[str]] = []
    for name in task_names():
        file = baseline_file(name)
        link = f"{CARDS}/{file.with_suffix('.md').name}"
        rows.append(overview_row(describe_task(name), load_baseline(file), link))
    return TEXT.format(table=table(HEAD, rows), ties=_ties(), waiting=_waiting())


def _ties() -> str:
    """Return on how many tasks the human reward beats the sparse one, and why not on the others."""
    stored = {name: load_baseline(baseline_file(name)) for name in task_names()}
    trained = {name: baseline for name, baseline in stored.items() if baseline is not None}
    others = {name: b for name, b in trained.items() if relation(b, b.sparse) != BEATS}
    unsolved = [name for name, b in others.items() if unsolved_by_human(b)]
    found = [name for name in others if name not in unsolved]
    said = [(FOUND, found), (UNSOLVED, unsolved)]
    reasons = " ".join(text.format(names=", ".join(names)) for text, names in said if names)
    return TIES.format(beaten=len(trained) - len(others), trained=len(trained), others=reasons)


def _waiting() -> str:
    """Return the section of the tasks that have no baseline, with their measured speed."""
    known = speeds()
    rows = [
        [name, f"{known[name].env_steps_per_s:,.0f}", f"{_steps_in_an_hour(known[name]):,}"]
        for name in task_names()
        if name in known and load_baseline(baseline_file(name)) is None
    ]
    head = ("Task", "env-steps/s", "At most env-steps per policy")
    return WAITING.format(policies=_POLICIES, table=table(head, rows)) if rows else ""


def _steps_in_an_hour(speed: Speed) -> int:
    return int(round(speed.env_steps_per_s * _HOUR_S / _POLICIES, -4))


def write(docs: Path, *, pictures: bool) -> None:
    """Write the page and all cards; cards of tasks that are gone are removed."""
    folder, known = docs / CARDS, speeds()
    written: set[str] = set()
    for name in task_names():
        measured = [known[name]] if name in known else []
        image = baseline_file(name, folder).with_suffix(".jpg")
        card = write_card(name, folder, measured, picture=pictures or not image.is_file())
        written |= {card.name, image.name}
        report(f"wrote {card}")
    for file in folder.iterdir():
        if file.name not in written:
            file.unlink()
    (docs / "tasks.md").write_text(overview(), encoding="utf-8")


def main() -> None:
    """Write docs/tasks.md and docs/tasks/."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", action="store_true", help="take all pictures anew")
    write(DOCS, pictures=parser.parse_args().pictures)


if __name__ == "__main__":
    main()
