"""The reward host: a reward source for code that nobody vouches for.

A ``HostPool`` starts a process for each ``RewardHost``. Several hosts work at the same time if
``prefetch`` is called on each of them before ``score`` on any:

    for source, part in parts:
        source.prefetch(part)
    scores = [source.score(part) for source, part in parts]
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Self

from torch import Tensor

from rewardgen.isolation.buffers import Layout
from rewardgen.isolation.pace import Deadlines
from rewardgen.isolation.processes import (
    HostUnavailable,
    Launcher,
    ProcessOptions,
    Spawner,
    Zygote,
)
from rewardgen.isolation.protection import Mode, Protection, can_fork, require
from rewardgen.isolation.session import HostFailure, Session
from rewardgen.rewards.code import Output
from rewardgen.rewards.findings import Finding
from rewardgen.rewards.format import ParseError, RewardCode, bounded, parse_reward
from rewardgen.rewards.transitions import Transitions, copy_member, scores
from rewardgen_envs.features import FeatureTable
from rewardgen_policies.seam import RewardFailure, Rollout, Scores, SourceSpec


@dataclass(frozen=True)
class HostOptions:
    """How reward hosts are run.

    Attributes:
        mode: how much protects against the code, see ``protection``.
        memory_bytes: private memory a host may have, unless the mode is ``none``.
        deadlines: how long it may take.
    """

    mode: Mode = "standard"
    memory_bytes: int = 4 * 1024**3
    deadlines: Deadlines = field(default_factory=Deadlines)


class HostPool:
    """Starts reward hosts; a context manager that ends them all.

    Args:
        options: how hosts are run.
        launcher: starts their processes; by default what this system can do best.

    Raises:
        IsolationError: this system does not offer the mode.
    """

    def __init__(
        self, options: HostOptions | None = None, launcher: Launcher | None = None
    ) -> None:
        self.options = options or HostOptions()
        require(self.options.mode)
        process = ProcessOptions(self.options.mode, self.options.memory_bytes)
        best = Zygote if can_fork() else Spawner
        self._launcher: Launcher = launcher or best(process)
        self._hosts: list[RewardHost] = []
        self._protection = Protection(())
        self._started = 0

    def open(self, code: RewardCode, table: FeatureTable, name: str = "candidate") -> RewardHost:
        """Return a host for a reward; its process starts with the first call."""
        self._hosts = [host for host in self._hosts if not host.closed]
        host = RewardHost(code, table, name, self._session)
        self._hosts.append(host)
        return host

    def read(self, text: str) -> RewardCode:
        """Parse a reward that nobody vouches for, in a process of its own before it is done here.

        Raises:
            ParseError: the text holds no usable reward, or Python's parser does not survive it.
            HostUnavailable: no process could be started.
        """
        text = bounded(text)
        session = self._started_session()
        try:
            session.parse(text)
        except HostFailure as error:
            raise ParseError(_unparsable(error.finding)) from error
        finally:
            session.close()
        return parse_reward(text)

    @property
    def applied(self) -> tuple[str, ...]:
        """What protects against the code, as the last host that has started reports."""
        return self._protection.applied

    @property
    def protection(self) -> Protection:
        """The same, with what is missing."""
        return self._protection

    @property
    def started(self) -> int:
        """How many processes have been started for rewards."""
        return self._started

    def _session(self, code: RewardCode, table: FeatureTable) -> Session:
        session = self._started_session()
        self._protection = session.protection
        self._started += 1
        session.load(code, table)
        return session

    def _started_session(self) -> Session:
        session = Session(self._launcher.start(), self.options.deadlines)
        if self.options.mode == "strict" and not session.protection.complete:
            session.close()
            raise HostUnavailable(
                f"isolation 'strict' is not to be had here: {session.protection.gaps}. "
                "'rewardgen doctor' says more. To go on with what there is: --isolation standard"
            )
        return session

    def release(self) -> None:
        """End all hosts; the pool can open others, which start faster than in a new pool."""
        for host in self._hosts:
            host.close()
        self._hosts.clear()

    def close(self) -> None:
        """End all hosts and what starts them."""
        self.release()
        self._launcher.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class RewardHost:
    """A reward source whose code runs in a process of its own. Made by ``HostPool.open``.

    After a failure the host stays failed: every later call raises the same.
    """

    def __init__(
        self,
        code: RewardCode,
        table: FeatureTable,
        name: str,
        start: Callable[[RewardCode, FeatureTable], Session],
    ) -> None:
        self._code = code
        self._table = table.public()
        self._start = start
        self._spec = SourceSpec(name=name, sha256=code.sha256, placement="process")
        self._session: Session | None = None
        self._failure: RewardFailure | None = None
        self._prefetched: Rollout | None = None
        self._terms: set[str] | None = None

    @property
    def spec(self) -> SourceSpec:
        """What this source is."""
        return self._spec

    @property
    def closed(self) -> bool:
        """Whether its process was started and has ended."""
        return self._session is not None and self._session.over is not None

    def prefetch(self, rollout: Rollout) -> None:
        """Send the rollout that ``score`` will be called with next, and return at once.

        A failure of the reward is kept for ``score``.

        Raises:
            HostUnavailable: no process could be started.
        """
        try:
            self._submit(rollout)
        except RewardFailure as error:
            self._fail(error)

    def score(self, rollout: Rollout) -> Scores:
        """Score the transitions of the members given.

        Raises:
            RewardFailure: the reward failed for good, now or before.
            HostUnavailable: no process could be started.
        """
        if self._prefetched is not rollout:
            self.prefetch(rollout)
        self._prefetched = None
        if self._failure is not None:
            raise self._failure
        try:
            reward, terms = self._running().collect()
            self._require_same(terms)
            device = rollout.state.device
            return scores(
                rollout,
                reward.to(device),
                {name: values.to(device) for name, values in terms.items()},
            )
        except RewardFailure as error:
            self._fail(error)
            raise

    def evaluate(self, transitions: Transitions) -> Output:
        """Score B transitions, whose rows hold exactly the public columns.

        Unlike ``score`` it can be called again after the code raised, and does not look whether
        numbers are finite.

        Raises:
            HostFailure: the code raised, broke the contract, or its process is gone.
            HostUnavailable: no process could be started.
        """

        def fill(_: int, into: Transitions) -> None:
            into.state.copy_(transitions.state)
            into.action.copy_(transitions.action)
            into.next_state.copy_(transitions.next_state)

        session = self._running()
        rows, width = transitions.state.shape
        session.submit(Layout(1, rows, width, _action_size(transitions.action, 1)), fill)
        reward, terms = session.collect()
        return Output(reward[0], {name: values[0] for name, values in terms.items()})

    def close(self) -> None:
        """End the process; the host cannot be used again."""
        if self._session is not None:
            self._session.close()

    def _running(self) -> Session:
        if self._failure is not None:
            raise self._failure
        if self._session is None:
            try:
                self._session = self._start(self._code, self._table)
            except HostFailure as error:
                self._failure = error
                raise
        return self._session

    def _submit(self, rollout: Rollout) -> None:
        session = self._running()
        if session.waiting:  # an earlier rollout that nobody wants to know about any more
            session.collect()
        members, steps, worlds = rollout.valid.shape
        layout = Layout(members, steps * worlds, self._table.width, _action_size(rollout.action, 3))
        session.submit(layout, lambda member, into: copy_member(rollout, member, into))
        self._prefetched = rollout

    def _require_same(self, terms: dict[str, Tensor]) -> None:
        if self._terms is None:
            self._terms = set(terms)
        if self._terms != terms.keys():
            names = ", ".join(sorted(self._terms ^ terms.keys()))
            raise HostFailure(
                Finding(
                    stage="host",
                    kind="contract",
                    rule="term-names",
                    severity="error",
                    line=None,
                    message=f"the terms differ from call to call: {names}",
                    remedy="return the same term names whatever the values are",
                )
            )

    def _fail(self, error: RewardFailure) -> None:
        self._failure = error
        self.close()


def _unparsable(finding: Finding) -> Finding:
    return replace(
        finding,
        stage="parse",
        kind="policy",
        message=f"Python's parser does not get through this text: {finding.message}",
        remedy="write plain code without huge literals or deep nesting",
    )


def _action_size(action: Tensor, leading: int) -> int:
    """Return the columns of a box action after the leading dimensions, 0 for a discrete one."""
    return action.shape[leading] if action.ndim > leading else 0
