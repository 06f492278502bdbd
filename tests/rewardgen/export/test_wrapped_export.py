"""Exported rewards with what is put around them: one file that gives what was trained on."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

from rewardgen.check.samples import Samples
from rewardgen.export.isaac_lab import isaac_lab_file
from rewardgen.export.reward_file import Origin, RewardFile, reward_file
from rewardgen.export.transitions import record_transitions
from rewardgen.export.verification import ExportError, verify
from rewardgen.export.wrapping import Wrapping, too_much
from rewardgen.isolation.host import HostPool
from rewardgen.rewards.format import RewardCode, parse_reward
from rewardgen.rewards.transitions import Transitions
from rewardgen.rewards.wrappers.catalogue import (
    Gate,
    Krc,
    Level,
    Par,
    Pbrs,
    Uwo,
    Wco,
    WeightedSum,
    Wrapper,
)
from rewardgen_envs.registry import load_task
from tests.rewardgen.rewards.wrappers.test_wrapped_sources import EVERY

pytestmark = pytest.mark.slow  # a search, and trainings on what it exports

TASK = load_task("hopper/run")
CODE = """\
import math


def pbrs(x):
    return 0.5 * x


_composed = math.pi


def compute_reward(state, action, next_state):
    action *= 0.5
    fast = bounded(next_state.forward_velocity)
    gain = next_state.forward_velocity - state.forward_velocity
    high = pbrs(next_state.torso_height) * _composed
    return fast - (action**2).sum(dim=-1), {"fast": fast, "gain": gain, "high": high}
"""
LEVELS = (Level(term="fast", least=0.1), Level(term="high", least=1.0), Level(term="gain"))
STANDING_ALONE: tuple[Wrapper, ...] = (
    Pbrs(potential="high"),
    WeightedSum(weights={"fast": 0.25, "gain": 3.0}),
    Krc(),
    Krc(terms=("high", "fast")),
    Gate(levels=LEVELS),
    Par(references=(0.0, 0.5), slope=2.0),
    Wco(),
    Uwo(terms=("fast", "high"), weight=0.5),
)
GAMMA = 0.97


@pytest.fixture(scope="module")
def hosts() -> Iterator[HostPool]:
    with HostPool() as pool:
        yield pool


@pytest.fixture(scope="module")
def rows() -> Transitions:
    return record_transitions(TASK)


def exported(wrapper: Wrapper | None, code: RewardCode | None = None) -> RewardFile:
    origin = Origin("candidate c1-1 of run 'test'", TASK.description)
    around = None if wrapper is None else Wrapping(wrapper, GAMMA)
    return reward_file(code or parse_reward(CODE), TASK, origin, wrapping=around)


def loaded(text: str, folder: Path) -> ModuleType:
    path = folder / "reward.py"
    path.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("exported_with_wrapper", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("wrapper", STANDING_ALONE, ids=str)
def test_wrapper_and_code_in_one_file_give_what_was_trained_on(
    wrapper: Wrapper, rows: Transitions, hosts: HostPool, tmp_path: Path
) -> None:
    file, code = exported(wrapper), parse_reward(CODE)
    path = tmp_path / "reward.py"
    path.write_text(file.text, encoding="utf-8")
    around = Wrapping(wrapper, GAMMA)
    found = verify(path, file, code, TASK.table, rows, hosts, around)
    assert found.transitions == 1000 and found.max_difference <= 1e-6
    with pytest.raises(ExportError, match=r"another value for|names the terms"):
        verify(path, file, code, TASK.table, rows, hosts)  # it is not the code's own reward
    assert wrapper.model_dump_json() in file.text


def test_another_discount_factor_is_found_out(
    rows: Transitions, hosts: HostPool, tmp_path: Path
) -> None:
    wrapper = Pbrs(potential="high")
    file = exported(wrapper)
    path = tmp_path / "reward.py"
    path.write_text(file.text.replace("gamma = 0.97", "gamma = 0.98"), encoding="utf-8")
    with pytest.raises(ExportError, match="another value"):
        verify(path, file, parse_reward(CODE), TASK.table, rows, hosts, Wrapping(wrapper, GAMMA))


def test_a_potential_ends_where_the_episode_terminates(tmp_path: Path) -> None:
    file = exported(Pbrs(potential="high"))
    assert "terminated" in file.features
    table, given = TASK.table.public(), Samples(TASK.table, TASK.action, seed=4).usual(30)
    state, then = ({n: table.select(data, n).clone() for n in table.names} for data in
                   (given.state, given.next_state))  # fmt: skip
    function = getattr(loaded(file.text, tmp_path), file.function)
    parts: dict[float, torch.Tensor] = {}
    for flag in (0.0, 1.0):
        then["terminated"] = torch.full((30,), flag)
        reward, terms = function(state, given.action, then)
        own = terms["fast"] - ((0.5 * given.action) ** 2).sum(dim=-1)
        torch.testing.assert_close(reward, own + terms["shaping"])
        parts[flag] = terms["shaping"]
    high = 0.5 * torch.pi
    torch.testing.assert_close(parts[1.0], -high * state["torso_height"])
    torch.testing.assert_close(parts[0.0] - parts[1.0], GAMMA * high * then["torso_height"])


def test_without_a_wrapper_the_file_is_what_it_was() -> None:
    text = exported(None).text
    assert "what is around it" not in text and "_composed_exported" not in text


@pytest.mark.parametrize("wrapper", EVERY, ids=lambda w: w.name)
def test_what_remembers_is_refused_with_its_reason(wrapper: Wrapper) -> None:
    reason = too_much(wrapper)
    assert bool(reason) == bool(wrapper.memory)
    if reason:
        assert wrapper.name in reason and wrapper.memory in reason


def test_isaac_lab_keeps_what_the_potential_was_a_step_ago(
    rows: Transitions, hosts: HostPool, tmp_path: Path
) -> None:
    origin, code = Origin("file test.py", TASK.description), parse_reward(CODE)
    around = Wrapping(Pbrs(potential="high"), GAMMA)
    plain, made = isaac_lab_file(code, TASK, origin), isaac_lab_file(code, TASK, origin, around)
    assert {b.feature for b in plain.bindings if b.before} == {"forward_velocity"}
    assert {b.feature for b in made.bindings if b.before} == {"forward_velocity", "torso_height"}
    assert {b.feature for b in made.bindings} - {b.feature for b in plain.bindings} == {
        "terminated"
    }
    path = tmp_path / "isaaclab_reward.py"
    path.write_text(made.file.text, encoding="utf-8")
    assert verify(path, made.file, code, TASK.table, rows, hosts, around).max_difference <= 1e-6
