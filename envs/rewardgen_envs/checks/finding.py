"""What a check of a task says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class TaskFinding:
    """One remark about a task.

    Attributes:
        stage: the property that was tested, a key of ``pipeline.PROPERTIES``.
        kind: ``contract`` for a broken promise, ``runtime`` for an exception, ``policy`` for
            something that is not allowed.
        rule: identifier of the rule, stable across versions.
        severity: an ``error`` refuses the task.
        line: line in the file of the task or of its reward, if one is to blame.
        message: what is wrong, naming the culprit.
        remedy: what to do about it.
    """

    stage: str
    kind: Literal["policy", "contract", "runtime"]
    rule: str
    severity: Literal["error", "warning"]
    line: int | None
    message: str
    remedy: str
