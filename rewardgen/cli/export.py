"""``rewardgen export RUN|FILE.py``, and ``export reward``, which leaves the policy out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from rewardgen.cli.flags import one_of
from rewardgen.cli.output import complain, say, say_record
from rewardgen.isolation.protection import Mode

if TYPE_CHECKING:
    from rewardgen.store.export_records import ExportRecord


Form = Literal["torch", "isaaclab"]


@dataclass(frozen=True)
class _Options:
    source: tyro.conf.Positional[str]
    """Name of a run, or path of its folder; or a reward file, which ends in .py."""
    form: Annotated[Form, tyro.conf.arg(name="as"), one_of("--as", Form)] = "torch"
    """What the reward is written for: torch alone, or Isaac Lab."""
    candidate: str | None = None
    """Which candidate of the run, for example c2-6."""
    arm: str | None = None
    """Which arm of the run: winner, human, sparse, or a reward of a training; by default the
    winner."""
    task: str | None = None
    """Task of a reward file: installed, path/to/file.py:Class or path/to/map.yaml."""
    out: Path | None = None
    """The folder to write; by default export/NAME in the run's folder."""
    runs_dir: Path = Path("runs")
    """Where runs are kept."""
    isolation: Annotated[Mode | None, one_of("--isolation", Mode)] = None
    """How the reward is kept from this machine while it is verified; by default as in the run."""
    json: bool = False
    """Print one JSON object (docs/schemas/export.json)."""


@dataclass(frozen=True)
class Export(_Options):
    """Write a reward and its policy as files for use elsewhere, and verify them.

    A run gives reward.py, which needs torch alone, policy.onnx, and play.py, which runs the policy
    in plain MuJoCo; a reward file gives reward.py.
    """

    member: int | None = None
    """Number of the policy among those of this reward, from 0; by default the first."""
    transcript: Path | None = None
    """Write this file alone: what was asked, answered and decided in a run, for designer replay."""

    def run(self) -> int:
        """Do it and return the exit status."""
        from rewardgen import api

        if self.transcript is not None:
            api.export_transcript(self.source, self.transcript, self.runs_dir)
            say(str(self.transcript))
            return 0
        return _export(self, member=self.member, policy=True)


@dataclass(frozen=True)
class ExportReward(_Options):
    """Write a reward alone as a file for use elsewhere, and verify it."""

    def run(self) -> int:
        """Do it and return the exit status."""
        return _export(self, member=None, policy=False)


def _export(options: _Options, *, member: int | None, policy: bool) -> int:
    from rewardgen import api
    from rewardgen.export.choice import NoPolicyError
    from rewardgen.export.verification import ExportError

    try:
        record = api.export(
            options.source,
            options.out,
            runs_dir=options.runs_dir,
            candidate=options.candidate,
            arm=options.arm,
            member=member,
            task=options.task,
            isolation=options.isolation,
            form=options.form,
            policy=policy,
        )
    except (NoPolicyError, ExportError) as error:
        complain(str(error))
        return 1
    for note in record.notes:
        complain(note)
    if options.json:
        say_record(record)
    else:
        say("\n".join(_lines(record)))
    return 0


def _lines(record: ExportRecord) -> list[str]:
    from rewardgen.report.numbers import number, unit

    lines: list[str] = []
    reward, policy = record.reward, record.policy
    if reward is not None:
        lines.append(
            f"{reward.file}: differs from the original by at most {reward.max_difference:.2g} on "
            f"{reward.transitions:,} transitions, run by python -I without rewardgen"
        )
        open_ones = [each.feature for each in reward.bindings if each.proposal is None]
        if reward.bindings:
            lines.append(
                f"to bind in it: {', '.join(open_ones) or 'nothing more'}; to check: "
                f"proposals ({len(reward.bindings) - len(open_ones)})"
            )
    if policy is not None:
        evaluation = policy.evaluation
        seeds = "fresh seeds" if evaluation.confirmed else "seeds of the search"
        lines += [
            f"{policy.file}: policy {policy.member} of {record.name} (training seed "
            f"{policy.train_seed}), differs by at most {policy.max_difference:.2g} on "
            f"{policy.observations:,} observations",
            f"play.py: repeats its {len(evaluation.eval_seeds)} episodes on {seeds}, mean "
            f"{evaluation.metric} {number(fmean(evaluation.fitness))}{unit(evaluation.unit)}",
        ]
    return [*lines, record.folder]
