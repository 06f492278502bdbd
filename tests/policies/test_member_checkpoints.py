from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save
from torch import Tensor

from rewardgen_envs.task import Task
from rewardgen_policies.checkpoint import (
    MAX_BYTES,
    CheckpointError,
    MemberState,
    Origin,
    decode,
    encode,
    load_checkpoint,
    save_checkpoint,
)
from rewardgen_policies.networks import NetworkSpec
from rewardgen_policies.population import Population, initial_state
from rewardgen_policies.recipe import Recipe
from rewardgen_policies.train import Member, train
from tests.policies.reward_sources import FunctionSource, upright

SPEC = NetworkSpec(5, 1, discrete=False, hidden=(8, 8))


@pytest.fixture
def state() -> MemberState:
    return initial_state(SPEC, Origin("cartpole/balance", 1, 7, "a", "b"), Recipe())


def equal(left: MemberState, right: MemberState) -> bool:
    assert left.tensors.keys() == right.tensors.keys()
    return (
        all(torch.equal(left.tensors[n], right.tensors[n]) for n in left.tensors)
        and left.spec == right.spec
        and left.counters == right.counters
        and left.origin == right.origin
    )


def test_round_trip(state: MemberState, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "member.safetensors"
    save_checkpoint(state, path)
    assert equal(load_checkpoint(path), state)
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert encode(load_checkpoint(path)) == path.read_bytes()


def test_stacking_and_unstacking_is_lossless(state: MemberState) -> None:
    other = initial_state(SPEC, Origin("cartpole/balance", 1, 8, "a", "b"), Recipe())
    population = Population.of([state, other])
    assert equal(population.state(0), state)
    assert equal(population.state(1), other)
    assert equal(population.part(1, 2).state(0), other)


def test_two_rungs_equal_loading_and_going_on(balance: Task, tiny: Recipe, tmp_path: Path) -> None:
    source = FunctionSource(upright)
    steps = 5 * tiny.samples
    first = train(balance, [Member(source, 1), Member(source, 2)], tiny, steps, threads=1)
    paths = [tmp_path / f"{i}.safetensors" for i in range(2)]
    for path, member in zip(paths, first.states, strict=True):
        save_checkpoint(member, path)

    def second(order: list[int]) -> list[MemberState]:
        members = [Member(source, i + 1, paths[i]) for i in order]
        return train(balance, members, tiny, steps, rung=1, threads=1).states

    together, again, alone = second([0, 1]), second([0, 1]), second([1])
    assert equal(together[0], again[0])
    assert equal(together[1], alone[0])
    assert together[0].counters.env_steps == 2 * steps
    assert together[0].counters.updates == 10
    assert together[0].counters.adam_steps == 10 * tiny.epochs * tiny.minibatches
    assert together[0].counters.observations == 2 * steps


def test_rungs_have_streams_of_their_own(balance: Task, tiny: Recipe) -> None:
    source = FunctionSource(upright)
    results = [
        train(balance, [Member(source, 1)], tiny, tiny.samples, rung=rung, threads=1)
        for rung in (0, 1)
    ]
    moments = [r.states[0].tensors["observation_mean"] for r in results]
    assert not torch.equal(*moments)


def record(state: MemberState, **changes: object) -> dict[str, str]:
    content = {
        "format": 1,
        "network": asdict(state.spec),
        "origin": asdict(state.origin),
        "counters": asdict(state.counters),
    }
    return {"rewardgen": json.dumps(content | changes)}


def test_record_in_the_tests_is_the_real_one(state: MemberState) -> None:
    assert equal(decode(save(state.tensors, record(state)), "x"), state)


def changed(state: MemberState, name: str, value: Tensor) -> dict[str, Tensor]:
    return state.tensors | {name: value}


def test_bad_tensors_are_refused(state: MemberState) -> None:
    bias = "parameters.actor.0.bias"
    cases = {
        "lacks tensor 'adam_first.log_std'": {
            k: v for k, v in state.tensors.items() if k != "adam_first.log_std"
        },
        "unknown tensor 'extra'": changed(state, "extra", torch.zeros(1)),
        r"torch.float32 \(9,\), expected torch.float32 \(8,\)": changed(
            state, bias, torch.zeros(9)
        ),
        "torch.float64": changed(state, bias, torch.zeros(8, dtype=torch.float64)),
        f"'{bias}' holds non-finite": changed(state, bias, torch.full((8,), torch.nan)),
        "negative variances": changed(
            state, "observation_variance", torch.full((5,), -1.0, dtype=torch.float64)
        ),
    }
    for message, tensors in cases.items():
        with pytest.raises(CheckpointError, match=message):
            decode(save(tensors, record(state)), "file")


def test_bad_records_are_refused(state: MemberState) -> None:
    cases: list[tuple[str, dict[str, Any]]] = [
        ("format", {"format": 2}),
        ("network.hidden", {"network": {**asdict(state.spec), "hidden": []}}),
        ("network.hidden", {"network": {**asdict(state.spec), "hidden": [10**9]}}),
        ("counters.env_steps", {"counters": {**asdict(state.counters), "env_steps": -1}}),
        ("counters.updates", {"counters": {**asdict(state.counters), "updates": "many"}}),
        ("surplus", {"surplus": 1}),
    ]
    for message, change in cases:
        with pytest.raises(CheckpointError, match=f"file: bad checkpoint record: {message}"):
            decode(save(state.tensors, record(state, **change)), "file")


@pytest.mark.parametrize("keep", [0, 4, 8, 100, -1])
def test_cut_files_are_refused(state: MemberState, keep: int) -> None:
    with pytest.raises(CheckpointError, match="file: not a rewardgen checkpoint, or damaged"):
        decode(encode(state)[:keep], "file")


def test_other_files_are_refused(state: MemberState, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="not a rewardgen checkpoint"):
        decode(save(state.tensors), "file")
    with pytest.raises(CheckpointError, match="not a rewardgen checkpoint"):
        decode(b"\x80\x04 a pickle, perhaps", "file")
    huge = tmp_path / "huge.safetensors"
    with huge.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(CheckpointError, match="larger than"):
        load_checkpoint(huge)


def test_missing_file_names_its_neighbours(state: MemberState, tmp_path: Path) -> None:
    save_checkpoint(state, tmp_path / "last.safetensors")
    with pytest.raises(CheckpointError, match=r"does not exist.*last\.safetensors"):
        load_checkpoint(tmp_path / "lost.safetensors")


def test_checkpoint_of_another_network_is_refused(
    balance: Task, state: MemberState, tmp_path: Path
) -> None:
    path = tmp_path / "member.safetensors"
    save_checkpoint(state, path)
    member = Member(FunctionSource(upright), 7, path)
    with pytest.raises(CheckpointError, match=r"hidden=\(8, 8\).*needs.*hidden=\(64, 64\)"):
        train(balance, [member], Recipe(), 1, threads=1)
