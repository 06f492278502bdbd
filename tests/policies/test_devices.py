"""Everything of a training lives where the engine is: shown without a second device.

A mode of torch refuses, while a population trains and is evaluated, to make a tensor without
being told where, and to read one from elsewhere than the CPU: on a GPU either would fail.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode

from rewardgen.rewards.inline import InlineReward
from rewardgen.rewards.sparse import SparseReward
from rewardgen_envs.contacts import probed_budget
from rewardgen_envs.engines import mujoco_batch
from rewardgen_envs.engines.choice import Budget, EngineChoice
from rewardgen_envs.registry import load_task
from rewardgen_envs.simulation import Simulation
from rewardgen_envs.task import Task
from rewardgen_policies.evaluation import evaluate
from rewardgen_policies.recipe import Recipe
from rewardgen_policies.train import Member, Progress, TrainResult, train
from tests.every_task import every_task
from tests.policies.reward_sources import DiscreteSwingUp

TINY = Recipe(worlds=4, steps=16, minibatches=2, epochs=2, hidden=(16, 16))
MAKING = {
    torch.arange,
    torch.empty,
    torch.eye,
    torch.full,
    torch.linspace,
    torch.ones,
    torch.rand,
    torch.randint,
    torch.randn,
    torch.randperm,
    torch.tensor,
    torch.zeros,
}
READING = {torch.Tensor.numpy, torch.Tensor.tolist}


needs_warp = pytest.mark.skipif(
    importlib.util.find_spec("mujoco_warp") is None, reason="needs the extra gpu"
)


class Elsewhere(TorchFunctionMode):
    """Lets no tensor be made or read as if there were one device only."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self._copied: set[int] = set()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> object:
        given = dict(kwargs or {})
        self.calls += 1
        if sys._getframe(1).f_code.co_filename == mujoco_batch.__file__:
            return func(*args, **given)  # the engine of the CPU
        if func in MAKING and given.get("device") is None:
            raise AssertionError(f"{func.__name__} does not say on which device")
        if func in READING and args[0].device.type == "cpu" and not self._is_copy(args[0]):
            raise AssertionError(f"{func.__name__} of a tensor that was not copied to the CPU")
        result = func(*args, **given)
        if func is torch.Tensor.cpu:
            self._copied.add(result.untyped_storage().data_ptr())
        return result

    def _is_copy(self, tensor: torch.Tensor) -> bool:
        return tensor.untyped_storage().data_ptr() in self._copied


def members(task: Task) -> list[Member]:
    human = InlineReward.from_file(task.human_reward, task.table)
    return [Member(human, 1), Member(human, 2), Member(SparseReward(task), 1)]


@pytest.mark.parametrize("name", every_task())
def test_no_tensor_of_a_step_is_made_without_a_device(name: str) -> None:
    task = load_task(name)
    simulation = Simulation(task, [0], 2, threads=1)
    try:
        action = torch.zeros(2, task.action.size, device="cpu")
        with Elsewhere():
            for _ in range(3):
                simulation.step(action)
            simulation.restart(torch.ones(2, dtype=torch.bool, device="cpu"))
            task.sparse_reward(
                task.table.view(simulation.state), action, task.table.view(simulation.state)
            )
    finally:
        simulation.close()


def trained(
    task: Task, engine: EngineChoice, progress: Callable[[Progress], None] | None = None
) -> TrainResult:
    steps = 4 * TINY.samples
    return train(task, members(task), TINY, steps, threads=1, engine=engine, progress=progress)


def test_no_tensor_of_an_update_is_made_without_a_device() -> None:
    """Collecting, scoring, learning, curves; not the first weights and what is stored at last."""
    elsewhere, met = Elsewhere(), list[int]()

    def watch(progress: Progress) -> None:
        if progress.update == 1:
            elsewhere.__enter__()
        if progress.update == 3:
            elsewhere.__exit__(None, None, None)
            met.append(elsewhere.calls)

    result = trained(load_task("hopper/run"), EngineChoice(), watch)
    assert all(failure is None for failure in result.failures)
    assert met[0] > 1_000


@needs_warp
@pytest.mark.slow
def test_members_and_scores_of_an_engine_do_not_depend_on_the_room_for_contacts() -> None:
    """A rung whose contacts overflow begins again: nothing of the first attempt is left."""
    task = load_task("hopper/run")
    plenty = trained(task, EngineChoice("warp", "cpu", probed_budget(task)))
    scarce = trained(task, EngineChoice("warp", "cpu", Budget(contacts=1, rows=1)))
    for one, other in zip(plenty.states, scarce.states, strict=True):
        assert one.counters == other.counters
        for name, value in one.tensors.items():
            assert torch.equal(value, other.tensors[name]), name
    scores = [
        evaluate(task, plenty.states, (1, 2), engine=EngineChoice("warp", "cpu", budget))
        for budget in (probed_budget(task), Budget(contacts=1, rows=1))
    ]
    assert torch.equal(scores[0].fitness["speed"], scores[1].fitness["speed"])
    assert scores[0].cause == scores[1].cause


@needs_warp
@pytest.mark.slow
def test_choices_train_on_the_other_engine_too() -> None:
    task = DiscreteSwingUp()
    engine = EngineChoice("warp", "cpu", Budget(8, 16))
    population = [Member(SparseReward(task), 1)]
    result = train(task, population, TINY, TINY.samples, threads=1, engine=engine)
    assert result.failures == [None]
