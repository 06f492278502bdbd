"""Asks rewards that nobody vouches for, in their hosts, about states of a task."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from types import TracebackType
from typing import Self

from rewardgen.check.evidence import Evidence
from rewardgen.check.review import Review
from rewardgen.isolation.host import HostPool, RewardHost
from rewardgen.rewards.code import Output
from rewardgen.rewards.format import RewardCode
from rewardgen.rewards.transitions import Transitions


class Reviewer:
    """Makes reviews; a context manager that ends the hosts it opened.

    Args:
        hosts: where rewards run.
        collect: finds out what there is to know of the task, for the first review.
    """

    def __init__(self, hosts: HostPool, collect: Callable[[], Evidence]) -> None:
        self._pool = hosts
        self._collect = collect
        self._hosts: dict[str, RewardHost] = {}
        self._reviews: dict[str, Review] = {}

    @cached_property
    def _evidence(self) -> Evidence:
        return self._collect()

    def review(self, code: RewardCode) -> Review:
        """Return the review of a reward; the stages of a check share what it has found out."""
        if code.sha256 not in self._reviews:
            self._reviews[code.sha256] = Review(code, self._evidence, self._ask)
        return self._reviews[code.sha256]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for host in self._hosts.values():
            host.close()

    def _ask(self, code: RewardCode, transitions: Transitions) -> Output:
        """Score transitions, whose rows hold exactly the public columns.

        Raises:
            HostFailure: the code raised, broke the contract, or its process is gone.
            HostUnavailable: no process could be started.
        """
        if code.sha256 not in self._hosts:
            self._hosts[code.sha256] = self._pool.open(code, self._evidence.table)
        return self._hosts[code.sha256].evaluate(transitions)
