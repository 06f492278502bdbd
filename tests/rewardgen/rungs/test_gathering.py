"""Transitions that rewards are compared on: whole, equal for all sources, told by their hash."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from rewardgen.rungs.gathering import Actor, Gathered, gather, worlds_of_each
from rewardgen.rungs.transition_log import TransitionFileError, as_log, decode, encode
from rewardgen_envs.registry import load_task
from rewardgen_envs.task import Task
from rewardgen_policies.evaluation import Policies
from rewardgen_policies.stored_policy import load_policy

NAME = "cartpole/balance"


@pytest.fixture(scope="module")
def task() -> Task:
    return load_task(NAME)


def actors() -> list[Actor]:
    state = load_policy(NAME)
    assert state is not None
    return [Actor("random"), Actor("human policy", Policies([state]))]


@pytest.fixture(scope="module")
def gathered(task: Task) -> Gathered:
    return gather(task, actors(), transitions=3_000, seed=5, gamma=0.98, threads=1)


def test_every_source_gets_as_many_worlds(task: Task, gathered: Gathered) -> None:
    each = worlds_of_each(task, 2, 3_000)
    assert each * 2 * task.episode_steps >= 3_000
    assert torch.bincount(gathered.source).tolist() == [each, each]
    assert worlds_of_each(task, 2, 1) == 2


def test_the_same_seed_gives_the_same_bytes(task: Task, gathered: Gathered) -> None:
    again = gather(task, actors(), transitions=3_000, seed=5, gamma=0.98, threads=1)
    other = gather(task, actors(), transitions=3_000, seed=6, gamma=0.98, threads=1)
    assert encode(again, task) == encode(gathered, task) != encode(other, task)


def test_a_file_gives_back_what_was_written(task: Task, gathered: Gathered) -> None:
    read = decode(encode(gathered, task), "file", task, gamma=0.9)
    assert read.rollout.gamma == 0.9
    assert read.sources == gathered.sources
    for name in ("state", "action", "next_state", "terminated", "truncated", "valid", "t"):
        assert torch.equal(getattr(read.rollout, name), getattr(gathered.rollout, name)), name
    assert encode(read, task) == encode(gathered, task)


def test_next_states_are_the_true_last_ones_and_starts_are_resets(
    task: Task, gathered: Gathered
) -> None:
    rollout = gathered.rollout
    view = task.table.view(rollout.next_state)
    assert torch.equal(view.terminated > 0.5, rollout.terminated)
    start = task.table.view(rollout.state).episode_time_s[rollout.t == 0]
    assert bool((start == 0.0).all())
    goes_on = (rollout.t[:, 1:] > 0).unsqueeze(-1)
    same = rollout.next_state[:, :-1] == rollout.state[:, 1:]
    assert bool((same | ~goes_on).all())


def test_the_log_has_whole_episodes_with_the_fitness_of_the_task(
    task: Task, gathered: Gathered
) -> None:
    log, rows = as_log(gathered)
    data = log.data
    assert len(data) == gathered.whole.numel()
    assert log.whole.sum() == int(gathered.whole.sum())
    last = data.starts + data.lengths - 1
    assert np.array_equal(log.whole, (data.terminated | data.truncated)[last])
    # upright share of the nominal episode, counted again from the features
    upright = rows.of(task.fitness(task.table.view(gathered.rollout.next_state))[task.metric.name])
    again = np.add.reduceat(upright, data.starts) / task.episode_steps
    assert np.allclose(again[log.whole], log.fitness[log.whole], atol=1e-5)


def test_invalid_transitions_are_left_out(gathered: Gathered) -> None:
    valid = gathered.rollout.valid.clone()
    valid[0, 10, 0] = False
    log, rows = as_log(replace(gathered, rollout=replace(gathered.rollout, valid=valid)))
    assert len(log.data) == len(rows.index) == gathered.whole.numel() - 1


def test_a_disturbed_policy_is_not_a_function_of_its_state(gathered: Gathered) -> None:
    human = gathered.source == 1
    state = load_policy(NAME)
    assert state is not None
    rollout = gathered.rollout
    seen = load_task(NAME).observation(rollout.table.view(rollout.state[0][:, human]))
    does = Policies([state])(seen.flatten(0, 1).unsqueeze(0))[0].view(*seen.shape[:2], -1)
    alike = torch.isclose(does, rollout.action[0][:, human], atol=1e-5).all(-1).float().mean(0)
    assert alike[0] == 1.0
    assert 0.3 < float(alike[2]) < 0.7


class Newer(type(load_task(NAME))):
    version = 99


def test_transitions_of_another_version_or_task_are_refused(task: Task, gathered: Gathered) -> None:
    content = encode(gathered, task)
    with pytest.raises(TransitionFileError, match=r"version 2 of task .* the task is version 99"):
        decode(content, "old.safetensors", Newer(), gamma=0.98)
    with pytest.raises(TransitionFileError, match="is of task 'cartpole/balance', not of"):
        decode(content, "x", load_task("cartpole/swing-up"), gamma=0.98)


@pytest.mark.parametrize("content", [b"", b"x" * 40, b"\x02\0\0\0\0\0\0\0{}"])
def test_what_is_no_file_of_transitions_is_refused(task: Task, content: bytes) -> None:
    with pytest.raises(TransitionFileError, match="holds no transitions"):
        decode(content, "x.safetensors", task, gamma=0.98)
