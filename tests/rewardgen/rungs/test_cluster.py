"""A cluster of two nodes on this machine: the same results, and nodes that are lost."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")  # as the module under test has it
os.environ.setdefault("RAY_worker_niceness", "0")  # else other tests starve the nodes
ray = pytest.importorskip("ray")

from ray.cluster_utils import Cluster  # noqa: E402

from rewardgen.rewards.fitness import FitnessError  # noqa: E402
from rewardgen.rungs import cluster as of_clusters  # noqa: E402
from rewardgen.rungs.cluster import RayExecutor  # noqa: E402
from rewardgen.rungs.executor import ExecutorError, LocalExecutor  # noqa: E402
from rewardgen.rungs.jobs import (  # noqa: E402
    EvaluateJob,
    LateAnswer,
    MemberSpec,
    RewardRef,
    TrainJob,
    TrainResult,
)
from rewardgen.rungs.node import ClusterError  # noqa: E402
from tests.rewardgen.run.tiny import call, outcome, run_command  # noqa: E402

REWARD = """\
def compute_reward(state, action, next_state):
    upright = next_state.pole_angle_cosine - 0.1 * (action ** 2).sum(dim=1)
    return upright, {"upright": upright}
"""
SLOW = 40_000


def job(env_steps: int = 4096, reward: str = REWARD) -> TrainJob:
    rewards = (
        RewardRef(kind="human", name="human"),
        RewardRef(kind="code", name="own", source=reward),
    )
    members = tuple(MemberSpec(reward=r, seed=s) for r in (0, 1) for s in (1, 2))
    return TrainJob(
        task="cartpole/balance",
        rewards=rewards,
        members=members,
        recipe={"worlds": 8, "steps": 32},
        rung=0,
        env_steps=env_steps,
    )


def quiet(done: int, total: int) -> None:
    del done, total


def never(answer: LateAnswer) -> None:
    raise AssertionError(answer)


def checkpoints(result: TrainResult, folder: Path) -> list[bytes]:
    return [(folder / str(member.checkpoint)).read_bytes() for member in result.members]


def evaluation(result: TrainResult, folder: Path) -> EvaluateJob:
    paths = tuple(str(folder / str(member.checkpoint)) for member in result.members)
    return EvaluateJob(task="cartpole/balance", checkpoints=paths, eval_seeds=(7, 8))


class TwoNodes:
    """A cluster of two nodes with one CPU each, beside one that only leads."""

    def __init__(self) -> None:
        leading = {"num_cpus": 0, "include_dashboard": False}
        self._cluster = Cluster(initialize_head=True, head_node_args=leading)
        self._working = [self._cluster.add_node(num_cpus=1) for _ in range(2)]

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    def lose_one(self) -> None:
        """Kill all processes of a node."""
        self._cluster.remove_node(self._working.pop(), allow_graceful=False)

    def have_two(self) -> None:
        """Replace a node that was lost."""
        while len(self._working) < 2:
            self._working.append(self._cluster.add_node(num_cpus=1))

    def close(self) -> None:
        ray.shutdown()
        self._cluster.shutdown()


@pytest.fixture(scope="module")
def cluster() -> Iterator[TwoNodes]:
    opened = TwoNodes()
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture
def nodes(cluster: TwoNodes) -> TwoNodes:
    cluster.have_two()
    return cluster


@pytest.mark.slow
def test_results_are_those_of_one_machine(nodes: TwoNodes, tmp_path: Path) -> None:
    with LocalExecutor(tmp_path / "here") as local:
        expected = local.train("rung", job(), quiet, never)
        scores = local.evaluate("scores", evaluation(*expected))
        onward = job().model_copy(
            update={
                "rung": 1,
                "members": tuple(
                    member.model_copy(update={"checkpoint": str(expected[1] / str(m.checkpoint))})
                    for member, m in zip(job().members, expected[0].members, strict=True)
                ),
            }
        )
        later = local.train("later", onward, quiet, never)
    told: list[tuple[int, int]] = []
    with RayExecutor(tmp_path / "there", nodes.address, gpu=False) as distributed:
        given = distributed.train("rung", job(), lambda a, b: told.append((a, b)), never)
        assert distributed.evaluate("scores", evaluation(*given)) == scores
        later_given = distributed.train("later", onward, quiet, never)
    assert checkpoints(*given) == checkpoints(*expected)
    assert given[0].curves == expected[0].curves
    assert checkpoints(*later_given) == checkpoints(*later)
    assert told[-1] == (4096, 4096)
    assert set(given[0].isolation) == set(expected[0].isolation)


@pytest.mark.slow
def test_a_search_gives_what_it_gives_here(nodes: TwoNodes, tmp_path: Path) -> None:
    here = call(run_command(tmp_path, "here"))
    assert here.returncode == 0, here.stderr
    there = call([*run_command(tmp_path, "there"), f"--cluster={nodes.address}"])
    assert there.returncode == 0, there.stderr
    expected, given = outcome(tmp_path, "here"), outcome(tmp_path, "there")
    assert given["config"].pop("cluster") == nodes.address
    assert expected["config"].pop("cluster") is None
    assert given.pop("simulated_by").startswith(expected.pop("simulated_by"))
    assert given == expected


@pytest.mark.slow
def test_a_node_that_is_lost_costs_its_share_of_the_rung(nodes: TwoNodes, tmp_path: Path) -> None:
    with LocalExecutor(tmp_path / "here") as local:
        expected = local.train("rung", job(SLOW), quiet, never)
    removed = threading.Event()

    def lose(done: int, total: int) -> None:
        if done > total // 4 and not removed.is_set():
            removed.set()
            nodes.lose_one()

    with RayExecutor(tmp_path / "there", nodes.address, gpu=False) as distributed:
        given = distributed.train("rung", job(SLOW), lose, never)
    assert removed.is_set()
    assert checkpoints(*given) == checkpoints(*expected)


@pytest.mark.slow
def test_a_reward_that_fails_is_no_nodes_fault(nodes: TwoNodes, tmp_path: Path) -> None:
    broken = REWARD.replace("next_state.pole_angle_cosine", "next_state.pole_angle_cosine / 0.0")
    with RayExecutor(tmp_path, nodes.address, gpu=False) as distributed:
        result, _ = distributed.train("rung", job(reward=broken), quiet, never)
    assert [member.failure is None for member in result.members] == [True, True, False, False]


@pytest.mark.slow
def test_what_fails_on_a_node_is_told_with_its_address(nodes: TwoNodes, tmp_path: Path) -> None:
    unknown = job().model_copy(update={"task": "no/such"})
    with (
        RayExecutor(tmp_path, nodes.address, gpu=False) as distributed,
        pytest.raises(ExecutorError, match=r"on node \S+: .*no/such"),
    ):
        distributed.train("rung", unknown, quiet, never)


@pytest.mark.slow
def test_a_persons_own_fitness_that_fails_is_named(nodes: TwoNodes, tmp_path: Path) -> None:
    fitness = "def fitness(state, action, next_state):\n    return next_state.no_such\n"
    with RayExecutor(tmp_path, nodes.address, gpu=False) as distributed:
        trained = distributed.train("rung", job(), quiet, never)
        asked = evaluation(*trained).model_copy(update={"fitness": fitness})
        with pytest.raises(FitnessError, match="no_such"):
            distributed.evaluate("scores", asked)


def test_another_version_on_a_node_is_refused(
    nodes: TwoNodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_clusters, "fingerprint", lambda: "of this machine")
    with pytest.raises(ClusterError, match="nodes with another version of rewardgen: "):
        RayExecutor(tmp_path, nodes.address, gpu=False)


def test_a_gpu_where_none_is(nodes: TwoNodes, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="the cluster has no GPU to train on"):
        RayExecutor(tmp_path, nodes.address, gpu=True)


def test_a_listener_that_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_clusters, "_CONNECT_S", 3.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(ClusterError, match=rf"'{address}': nothing within 3 s"):
            RayExecutor(tmp_path, address, gpu=False)
