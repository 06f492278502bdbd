"""Checks proposals before a second of simulation is spent on them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Self

from pydantic import JsonValue

from rewardgen.check.evidence import Evidence
from rewardgen.check.pipeline import NOT_ON_STATES, STAGES, check_reward
from rewardgen.isolation.host import HostOptions, HostPool
from rewardgen.isolation.protection import Mode
from rewardgen.rewards.findings import Finding, recorded
from rewardgen.store import payloads as p
from rewardgen_envs.base_task import BaseTask


class Screening:
    """Runs the check pipeline on candidates; a context manager that ends its reward hosts.

    Args:
        task: whose features and actions the candidates use.
        isolation: mode of the reward hosts.
        collect: plays the task for what lint and critic look at; None leaves them out.
    """

    def __init__(
        self,
        task: BaseTask,
        isolation: Mode,
        collect: Callable[[], Evidence] | None = None,
    ) -> None:
        self._task = task
        self._pool = HostPool(HostOptions(mode=isolation))
        self._collect = None if collect is None else cache(collect)  # played for once

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.close()

    @property
    def pool(self) -> HostPool:
        """What starts the reward hosts."""
        return self._pool

    def check(
        self,
        candidate: str,
        source: str,
        fault: Finding | None = None,
        wrapper: JsonValue = None,
        *,
        criticized: bool = True,
    ) -> p.CandidateChecked:
        """Check one candidate.

        Args:
            candidate: its id.
            source: what was proposed.
            fault: what is wrong with the reply; said instead where that holds no reward.
            wrapper: what is to be put around it, or None.
            criticized: whether lint and critic are heard, if there are any.

        Raises:
            HostUnavailable: no reward host can be started; no fault of the candidate.
        """
        evidence = self._collect if criticized else None
        result = check_reward(
            source,
            self._task.table,
            self._task.action,
            stages=NOT_ON_STATES if evidence is None else tuple(STAGES),
            hosts=self._pool,
            wrapper=wrapper,
            evidence=evidence,
        )
        said = (fault,) if result.code is None and fault is not None else result.findings
        return p.CandidateChecked(
            candidate=candidate,
            verdict=result.verdict,
            findings=tuple(recorded(finding) for finding in said),
        )
