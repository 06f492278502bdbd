"""Where the time of a search goes, from the log of its run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rewardgen.store import payloads as p
from rewardgen.store.fold import Event


def timeline(events: Iterable[Event], began: float) -> dict[str, Any]:
    """Return where the time of a search went, up to the choice of its winner.

    Args:
        events: the log of a run.
        began: when its process was started, seconds since the epoch.

    Raises:
        ValueError: the run chose no winner.
    """
    rungs: list[dict[str, Any]] = []
    start_s, opened, spent = 0.0, 0.0, 0
    for event in events:
        match event.payload:
            case p.RunStarted():
                start_s = event.t_wall - began
            case p.JobFinished(env_steps=env_steps):
                spent += env_steps
            case p.RungStarted():
                opened = event.t_wall
            case p.RungFinished() as rung:
                spent += rung.env_steps
                rungs.append(
                    {
                        "rung": rung.rung,
                        "members": len(rung.members),
                        "env_steps": rung.env_steps,
                        "train_s": round(rung.wall_s, 2),
                        "wall_s": round(event.t_wall - opened, 2),
                    }
                )
            case p.WinnerSelected(candidate=str(winner)):
                wall_s = event.t_wall - began
                other_s = wall_s - start_s - sum(rung["wall_s"] for rung in rungs)
                return {
                    "wall_s": wall_s,
                    "winner": winner,
                    "env_steps": spent,
                    "start_s": start_s,
                    "other_s": other_s,
                    "rungs": rungs,
                }
            case _:
                pass
    raise ValueError("the run chose no winner")
