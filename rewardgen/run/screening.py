"""Checks proposals before a second of simulation is spent on them."""

from __future__ import annotations

from typing import Self

from pydantic import JsonValue

from rewardgen.check.pipeline import check_reward
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
    """

    def __init__(self, task: BaseTask, isolation: Mode) -> None:
        self._task = task
        self._pool = HostPool(HostOptions(mode=isolation))

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
    ) -> p.CandidateChecked:
        """Check one candidate.

        Args:
            candidate: its id.
            source: what was proposed.
            fault: what is wrong with the reply; said instead where that holds no reward.
            wrapper: what is to be put around it, or None.

        Raises:
            HostUnavailable: no reward host can be started; no fault of the candidate.
        """
        task = self._task
        result = check_reward(source, task.table, task.action, hosts=self._pool, wrapper=wrapper)
        said = (fault,) if result.code is None and fault is not None else result.findings
        return p.CandidateChecked(
            candidate=candidate,
            verdict=result.verdict,
            findings=tuple(recorded(finding) for finding in said),
        )
