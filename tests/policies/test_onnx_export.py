"""Policies as ONNX act as the policies do, normalizer and clipping included."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor

from rewardgen_envs.task import Task
from rewardgen_policies.checkpoint import MemberState, Origin
from rewardgen_policies.evaluation import Policies, record
from rewardgen_policies.networks import NetworkSpec
from rewardgen_policies.onnx_export import OnnxMismatchError, check_onnx, export_onnx
from rewardgen_policies.population import initial_state
from rewardgen_policies.recipe import Recipe
from rewardgen_policies.train import Member, train
from tests.policies.reward_sources import FunctionSource, upright


def member(size: int, actions: int, *, discrete: bool = False, seed: int = 1) -> MemberState:
    """A member with weights large enough to act, and a normalizer far from the identity."""
    spec = NetworkSpec(size, actions, discrete=discrete, hidden=(32, 16))
    state = initial_state(spec, Origin("any/task", 1, seed, "", ""), Recipe())
    generator = torch.Generator().manual_seed(seed)
    last = "parameters.actor.2.weight"
    moments = {
        "observation_mean": 100.0 * torch.randn(size, generator=generator, dtype=torch.float64),
        "observation_variance": 10.0
        ** (4.0 * torch.rand(size, generator=generator, dtype=torch.float64) - 2.0),
    }
    return replace(state, tensors=state.tensors | moments | {last: 200.0 * state.tensors[last]})


def near(state: MemberState, rows: int, spread: float = 2.0) -> Tensor:
    """Observations such as the normalizer has seen, and beyond its clip for a large spread."""
    generator = torch.Generator().manual_seed(7)
    unit = torch.randn(rows, state.spec.observation_size, generator=generator)
    mean = state.tensors["observation_mean"]
    return (mean + spread * unit * state.tensors["observation_variance"].sqrt()).float()


def run(path: Path, observations: Tensor) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {"observation": observations.numpy()})[0]


@pytest.mark.parametrize("discrete", [False, True])
@pytest.mark.parametrize("spread", [2.0, 50.0], ids=["usual", "clipped by the normalizer"])
def test_acts_as_the_policy_whose_normalizer_is_far_from_the_identity(
    discrete: bool, spread: float, tmp_path: Path
) -> None:
    state = member(9, 4, discrete=discrete)
    path = tmp_path / "policy.onnx"
    export_onnx(state, path)
    observations = near(state, 500, spread)
    assert check_onnx(state, path, observations) <= 1e-5
    found, expected = run(path, observations), Policies([state])(observations[None])[0]
    if discrete:
        assert found.dtype == np.int64
        assert len(np.unique(found)) > 1
        np.testing.assert_array_equal(found, expected)
    else:
        np.testing.assert_allclose(found, expected, rtol=0.0, atol=1e-5)
        assert np.abs(found).max() == 1.0
        assert np.abs(found).min() < 0.5
    # what the normalizer does matters here: the raw numbers would give another policy
    plain = replace(state, tensors=state.tensors | identity(state))
    assert not torch.allclose(Policies([plain])(observations[None])[0].float(), expected.float())


def identity(state: MemberState) -> dict[str, Tensor]:
    mean = state.tensors["observation_mean"]
    return {
        "observation_mean": torch.zeros_like(mean),
        "observation_variance": torch.ones_like(mean),
    }


def test_acts_as_a_trained_policy_on_its_own_episodes(balance: Task, tmp_path: Path) -> None:
    recipe = Recipe(worlds=8, steps=64, epochs=2, minibatches=2, hidden=(16, 16))
    members = [Member(FunctionSource(upright), 3)]
    (state,) = train(balance, members, recipe, 2048, threads=1).states
    path = tmp_path / "policy.onnx"
    export_onnx(state, path)
    (episodes,) = record(balance, [state], [5, 6], threads=1)
    for episode in episodes:
        observations = balance.observation(balance.table.view(episode.state))
        assert check_onnx(state, path, observations) <= 1e-5
        np.testing.assert_allclose(run(path, observations), episode.action, rtol=0.0, atol=1e-5)


@pytest.mark.parametrize("rows", [1, 7])
def test_takes_any_number_of_rows(rows: int, tmp_path: Path) -> None:
    state = member(3, 2)
    path = tmp_path / "policy.onnx"
    export_onnx(state, path)
    assert run(path, near(state, rows)).shape == (rows, 2)


def test_the_file_is_one_and_says_nothing_of_this_machine(tmp_path: Path) -> None:
    path = tmp_path / "policy.onnx"
    export_onnx(member(3, 2), path)
    assert [file.name for file in tmp_path.iterdir()] == ["policy.onnx"]
    onnx.checker.check_model(str(path), full_check=True)
    content = path.read_bytes()
    assert b".py" not in content
    assert str(Path(__file__).parents[2]).encode() not in content
    export_onnx(member(3, 2), path)
    assert path.read_bytes() == content


def test_another_policys_file_is_found_out(tmp_path: Path) -> None:
    path = tmp_path / "policy.onnx"
    for discrete in (False, True):
        export_onnx(member(3, 2, discrete=discrete), path)
        other = member(3, 2, discrete=discrete, seed=2)
        with pytest.raises(OnnxMismatchError, match=r"policy\.onnx differs from the policy by"):
            check_onnx(other, path, near(other, 100))
    with pytest.raises(OnnxMismatchError, match=r"gives torch\.int64"):
        check_onnx(member(3, 2), path, near(other, 100))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(OnnxMismatchError):
        check_onnx(other, path, near(other, 100))
