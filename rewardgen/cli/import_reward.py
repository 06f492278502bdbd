"""``rewardgen import reward FILE --task NAME``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from rewardgen.cli.flags import one_of
from rewardgen.cli.output import say, say_record
from rewardgen.isolation.protection import Mode

if TYPE_CHECKING:
    from rewardgen.store.export_records import ImportRecord


@dataclass(frozen=True)
class ImportReward:
    """Rewrite a reward of Eureka or IsaacLabEureka, or a plain function, for a task.

    Parameters, or attributes of self, are matched with the task's features by their names. The
    file is never run; what is made of it is checked like any reward, and written if accepted.
    """

    file: tyro.conf.Positional[Path]
    """The file, or a reply with one fenced block."""
    task: str
    """Installed task, or path/to/file.py:Class."""
    out: Path = Path("reward.py")
    """The reward file to write."""
    bind: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """NAME=FEATURE for a name that says too little, NAME=NUMBER for a constant; may be repeated."""
    isolation: Annotated[Mode, one_of("--isolation", Mode)] = "standard"
    """How the reward is kept from this machine while it is checked."""
    json: bool = False
    """Print one JSON object (docs/schemas/import.json)."""

    def run(self) -> int:
        """Do it and return the exit status: 0 if it was written, else 1."""
        from rewardgen import api

        record = api.import_reward(
            self.file, self.task, self.out, binds=self.bind, isolation=self.isolation
        )
        if self.json:
            say_record(record)
        else:
            say("\n".join(_lines(str(self.file), record)))
        return 0 if record.verdict == "accepted" else 1


def _lines(given: str, record: ImportRecord) -> list[str]:
    from rewardgen.report.text import finding_text, printable

    lines = [
        printable(f"{each.name}: {each.expression}{f' ({each.note})' if each.note else ''}")
        for each in record.names
    ]
    made = (record.source or "").split("\n")
    for finding in record.findings:
        of_made = finding.stage != "import" and record.source is not None
        lines.append(finding_text("rewritten" if of_made else given, finding))
        if of_made and finding.line is not None and finding.line <= len(made):
            lines.append(printable(f"    line {finding.line}: {made[finding.line - 1].strip()}"))
    return [*lines, record.file or record.verdict]
