"""Runs jobs on a Ray cluster: a share of each population on every node, or on every GPU.

The result is that of one machine: members do not depend on each other, and a share that is lost
with its node is trained again on another one. Nothing of a run is stored on the nodes.

Needs the extra ``ray``; nothing else imports this module unless a cluster is asked for.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Self, cast

# read as ray is imported: else a call after the end starts a cluster of its own on this machine
os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")

import ray
from ray import exceptions
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from rewardgen.rewards.fitness import FitnessError
from rewardgen.rungs.executor import ExecutorError, LocalExecutor
from rewardgen.rungs.jobs import (
    EvaluateJob,
    EvaluateResult,
    LateAnswer,
    SurveyJob,
    SurveyResult,
    TrainJob,
    TrainResult,
)
from rewardgen.rungs.node import ClusterError, Message, Node, fingerprint, no_answer
from rewardgen.rungs.shares import Share, divide, join
from rewardgen.rungs.side_by_side import Late, Progress, side_by_side

_LOST = (
    exceptions.RayActorError,
    exceptions.ObjectLostError,
    exceptions.ActorUnschedulableError,
)
_ATTEMPTS = 3
_LEAVE_S = 5.0
_ANSWER_S = 120.0
_CONNECT_S = 60.0

Told = Iterator[ray.ObjectRef[object]]
"""What a node has to say of a job, as it comes."""


@dataclass(frozen=True)
class Place:
    """Where a share can be trained.

    Attributes:
        node: Ray's name of the node.
        address: of the node, for messages.
        cpus: CPUs for it.
        gpus: 1 where a GPU trains, else 0.
    """

    node: str
    address: str
    cpus: int
    gpus: int


class RayExecutor:
    """Executes jobs on the nodes of a Ray cluster; use as a context manager.

    Surveys, of random actions, are made here.

    Args:
        workspace: folder for job directories.
        address: of the cluster; ``auto`` for the one that this machine belongs to.
        gpu: whether shares train on GPUs, one each.

    Raises:
        ClusterError: Ray is not installed, the cluster does not answer, it lacks what is asked
            for, or a node has another version of this project.
    """

    def __init__(self, workspace: Path, address: str, *, gpu: bool) -> None:
        self._workspace = workspace
        self._gpu = gpu
        _connect(address)
        self._here = LocalExecutor(workspace)
        self._actors: dict[Place, ray.Actor] = {}
        self._lock = threading.Lock()
        self._closed = False
        try:
            self._require_same_versions()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers on all nodes and leave the cluster."""
        self._here.close()
        with self._lock:  # a thread that trains a share may be about to start another one
            self._closed = True
            actors = list(self._actors.values())
            leaving = [actor.close.options(num_returns=1).remote() for actor in actors]
            if leaving:  # what lies on the nodes is removed; whoever does not answer is killed
                ray.wait(leaving, num_returns=len(leaving), timeout=_LEAVE_S)
            for actor in actors:
                ray.kill(actor)
            self._actors.clear()
        ray.shutdown()

    def train(
        self, name: str, job: TrainJob, progress: Progress, late: Late
    ) -> tuple[TrainResult, Path]:
        """Train a rung; return the result and the directory of its checkpoints.

        Raises:
            ExecutorError: a share failed on every node that was tried, or for its own reasons.
        """
        directory = (self._workspace / name).resolve()
        shutil.rmtree(directory, ignore_errors=True)
        places = self._places()
        shares = divide(job, min(len(places), len(job.members)))
        folders = [f"share-{slot}" for slot in range(len(shares))]

        def work(slot: int, share: Share, told: Progress, told_late: Late) -> TrainResult:
            starts = [_bytes_of(member.checkpoint) for member in share.job.members]
            fired: list[LateAnswer] = []

            def note(answer: LateAnswer) -> None:
                told_late(answer)
                fired.append(answer)

            def on(node: ray.Actor) -> Told:
                known = share.job.model_copy(update={"late": (*share.job.late, *fired)})
                return node.train.options(num_returns="streaming").remote(
                    known.model_dump_json(), starts
                )

            result = self._somewhere(places[slot], on, told, note)
            for file, data in result.get("files", {}).items():
                path = directory / folders[slot] / file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            return TrainResult.model_validate_json(result.get("result", ""))

        return join(side_by_side(shares, work, progress, late), folders), directory

    def evaluate(self, name: str, job: EvaluateJob) -> EvaluateResult:
        """Evaluate policies on a node, in a process that never ran candidate code.

        Raises:
            ExecutorError: it failed on every node that was tried, or for its own reasons.
            FitnessError: the user's own fitness fails.
        """
        del name
        policies = [Path(path).read_bytes() for path in job.checkpoints]

        def on(node: ray.Actor) -> Told:
            return node.evaluate.options(num_returns="streaming").remote(
                job.model_dump_json(), policies
            )

        result = self._somewhere(self._places()[0], on, lambda done, total: None, lambda late: None)
        return EvaluateResult.model_validate_json(result.get("result", ""))

    def survey(self, name: str, job: SurveyJob) -> SurveyResult:
        """Roll out random actions on this machine."""
        return self._here.survey(name, job)

    def _somewhere(
        self,
        place: Place,
        on: Callable[[ray.Actor], Told],
        progress: Progress,
        late: Late,
    ) -> Message:
        """Let a node work; if it is lost, another one.

        Raises:
            ExecutorError: all were lost, or the work itself failed.
            FitnessError: the user's own fitness fails.
        """
        lost: Exception | None = None
        for _ in range(_ATTEMPTS):
            try:
                return self._heard(on(self._node(place)), progress, late)
            except _LOST as e:
                lost = e
                self._forget(place)
                place = self._another(place)
            except exceptions.RayTaskError as error:
                if isinstance(error.cause, FitnessError):
                    raise error.cause from None
                raise ExecutorError(f"on node {place.address}: {error.cause}") from error
        raise ExecutorError(f"{_ATTEMPTS} nodes were lost one after the other: {lost}") from lost

    def _heard(self, refs: Told, progress: Progress, late: Late) -> Message:
        for ref in refs:
            message = cast("Message", ray.get(ref))
            if "progress" in message:
                progress(*message["progress"])
            if "late" in message:
                late(LateAnswer.model_validate(message["late"]))
            if "result" in message:
                return message
        raise ExecutorError("a node ended a job without a result")

    def _places(self) -> list[Place]:
        """Return where shares can be trained now.

        Raises:
            ClusterError: nowhere.
        """
        places: list[Place] = []
        for node in ray.nodes():
            if not node["Alive"]:
                continue
            has = node["Resources"]
            cpus, gpus = int(has.get("CPU", 0)), int(has.get("GPU", 0))
            name, address = node["NodeID"], node["NodeManagerAddress"]
            if self._gpu:
                each = max(1, cpus // max(1, gpus))
                places += [Place(name, f"{address} GPU {i}", each, 1) for i in range(gpus)]
            elif cpus:
                places.append(Place(name, address, cpus, 0))
        if not places:
            raise ClusterError(
                f"the cluster has no {'GPU' if self._gpu else 'CPU'} to train on; "
                "'ray status' lists what it has"
            )
        return places

    def _node(self, place: Place) -> ray.Actor:
        """Return what works at a place, started if it is the first time."""
        with self._lock:
            if self._closed:
                raise ExecutorError("another share of the job failed, or it was interrupted")
            if place not in self._actors:
                self._actors[place] = (
                    ray.remote(Node)
                    .options(
                        num_cpus=place.cpus,
                        num_gpus=place.gpus,
                        scheduling_strategy=NodeAffinitySchedulingStrategy(place.node, soft=False),
                    )
                    .remote(place.cpus)
                )
            return self._actors[place]

    def _forget(self, place: Place) -> None:
        with self._lock:
            self._actors.pop(place, None)

    def _another(self, lost: Place) -> Place:
        """Return another place than the one lost, or the same node if it is the only one."""
        places = self._places()
        return next((place for place in places if place.node != lost.node), places[0])

    def _require_same_versions(self) -> None:
        """Refuse nodes that run other code.

        Raises:
            ClusterError: names them.
        """
        own = fingerprint()
        found = {place: self._fingerprint(place) for place in self._places()}
        other = [place.address for place, theirs in found.items() if theirs not in (own, None)]
        if other:
            raise ClusterError(
                f"nodes with another version of rewardgen: {', '.join(other)}. Install the same "
                "everywhere: results would not be comparable"
            )

    def _fingerprint(self, place: Place) -> str | None:
        """Return the hash of the code on a node; None if it is lost meanwhile.

        Raises:
            ClusterError: rewardgen cannot be used there.
        """
        try:
            answers = self._node(place).fingerprint.options(num_returns="streaming").remote()
            if not ray.wait([answers], timeout=_ANSWER_S)[0]:
                raise ClusterError(f"node {place.address}: no answer within {_ANSWER_S:.0f} s")
            return str(ray.get(next(answers)))
        except exceptions.RayError as error:
            if not any(node["Alive"] and node["NodeID"] == place.node for node in ray.nodes()):
                self._forget(place)
                return None
            raise ClusterError(f"node {place.address} cannot run rewardgen: {error}") from error


def _connect(address: str) -> None:
    """Connect to a cluster.

    Ray itself tries for minutes, or for ever.

    Raises:
        ClusterError: it does not answer.
    """
    outcome: SimpleQueue[Exception | None] = SimpleQueue()

    def connect() -> None:
        try:
            ray.init(
                address=address,
                namespace="rewardgen",
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        except Exception as error:  # told where it is waited for
            outcome.put(error)
        else:
            outcome.put(None)

    threading.Thread(target=connect, daemon=True).start()
    try:
        error = outcome.get(timeout=_CONNECT_S)
    except Empty:
        error = TimeoutError(f"nothing within {_CONNECT_S:.0f} s")
    if error is not None:
        raise no_answer(address, error) from error


def _bytes_of(path: str | None) -> bytes | None:
    return None if path is None else Path(path).read_bytes()
