"""Rewards in the style of Eureka and IsaacLabEureka, written for these tests, become our own."""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import jsonschema
import pytest
import torch
from torch import Tensor

from rewardgen.check.samples import Samples
from rewardgen.cli.main import main
from rewardgen.importing.entry import find_entry
from rewardgen.importing.matching import match, parse_binds
from rewardgen.importing.meaning import Meaning, meaning
from rewardgen.importing.refusal import ImportRefused
from rewardgen.importing.reward import import_reward
from rewardgen.isolation.host import HostPool
from rewardgen.rewards.code import Output, compile_reward, evaluate
from rewardgen.rewards.format import parse_reward
from rewardgen.store.export_records import ImportRecord
from rewardgen_envs.features import FeatureView
from rewardgen_envs.registry import load_task

SCHEMA = Path(__file__).parents[3] / "docs" / "schemas" / "import.json"
TASK = "ant/run"

EUREKA = """\
import math
import os
from typing import Dict, Tuple
import torch
from torch import Tensor

WIDTH = 0.5


@torch.jit.script
def falloff(x: Tensor, width: float) -> Tensor:
    return torch.exp(-(x / width) ** 2)


@torch.jit.script
def compute_reward(
    root_states: torch.Tensor, torso_rot: torch.Tensor, dof_vel: torch.Tensor,
    actions: torch.Tensor, prev_actions: torch.Tensor, dt: float
) -> Tuple[torch.Tensor, Dict[str, torch.Tensor]]:
    # the fourth number of a quaternion of Isaac Gym is its scalar part
    lean: float = 0.3
    level = falloff(1.0 - torso_rot[:, 3].abs(), WIDTH)  # größer ist besser
    forward = root_states[:, 7] + 0.1 * root_states[:, 12]
    same = (root_states[:, 3:7] - torso_rot).abs().sum(dim=-1)
    jerk = ((actions - prev_actions) / dt).square().sum(dim=-1) * 1e-4
    reward = forward + lean * level - jerk - 1e-3 * dof_vel.square().sum(dim=-1)
    return reward, {"forward": forward, "level": level, "same": same}
"""
LAB = """\
import torch


class AnyEnv(DirectRLEnv):
    cfg: AnyCfg

    def _get_rewards_eureka(self):
        data_height = self.robot.data.root_pos_w[:, 2] - 0.5
        alive = torch.ones(self.num_envs, device=self.device) * self.cfg.rew_scale_alive
        body = self._robot.data.root_lin_vel_b[:, 0]
        down = self._robot.data.projected_gravity_b[:, 2]
        angle = self.joint_pos[:, self._hip_idx[0]].unsqueeze(dim=1).sum(dim=-1)
        late = self.episode_length_buf.float() / self.max_episode_length
        rewards_dict = {"body": body, "down": down, "late": late, "angle": angle}
        return alive + data_height + body, rewards_dict
"""
Write = Callable[..., tuple[ImportRecord, Path]]


@pytest.fixture(scope="module")
def hosts() -> Iterator[HostPool]:
    with HostPool() as pool:
        yield pool


@pytest.fixture
def write(tmp_path: Path, hosts: HostPool) -> Write:
    """Import a text; return the record and where the reward is to be."""

    def run(text: str, *binds: str, task: str = TASK) -> tuple[ImportRecord, Path]:
        given, out = tmp_path / "given.py", tmp_path / "out" / "reward.py"
        given.write_text(text, encoding="utf-8")
        return import_reward(given, task, out, binds=binds, hosts=hosts), out

    return run


def paid(path: Path, task_name: str = TASK) -> tuple[Output, FeatureView, Tensor, FeatureView]:
    """Return what an imported reward pays on some transitions, and these."""
    task = load_task(task_name)
    table = task.table.public()
    rows = Samples(task.table, task.action, seed=3).usual(30)
    state, after = (data[:, : table.width].contiguous() for data in (rows.state, rows.next_state))
    function = compile_reward(parse_reward(path.read_text(encoding="utf-8")))
    output = evaluate(function, table, state.clone(), rows.action.clone(), after.clone())
    return output, table.view(state), rows.action, table.view(after)


def rotation(q: Tensor) -> Tensor:
    """Rotation matrices of quaternions with the scalar part first, by another formula."""
    w, v = q[:, 0], q[:, 1:]
    zero = torch.zeros_like(w)
    x, y, z = v.unbind(1)
    skew = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=1).view(-1, 3, 3)
    return torch.eye(3) + 2.0 * w[:, None, None] * skew + 2.0 * skew @ skew


def test_a_scripted_function_of_eurekas_kind(write: Write) -> None:
    record, out = write(EUREKA)
    assert (record.verdict, record.findings) == ("accepted", ())
    assert (record.style, record.function, record.file) == ("isaac-gym", "compute_reward", str(out))
    text = out.read_text(encoding="utf-8")
    assert "# größer ist besser" in text, "the code stays as it was written"
    assert "import os" not in text, "nothing reads it"
    output, before, action, after = paid(out)
    scalar = after.torso_quaternion[:, 0]
    level = torch.exp(-(((1.0 - scalar.abs()) / 0.5) ** 2))
    turning = torch.einsum(
        "bij,bj->bi", rotation(after.torso_quaternion), after.torso_angular_velocity
    )
    forward = after.torso_velocity[:, 0] + 0.1 * turning[:, 2]
    jerk = ((action - before.last_action) / 0.05).square().sum(1) * 1e-4
    reward = forward + 0.3 * level - jerk - 1e-3 * after.joint_velocities.square().sum(1)
    torch.testing.assert_close(output.reward, reward, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(output.terms["level"], level)
    assert float(output.terms["same"].abs().max()) == 0.0


def test_a_method_of_isaac_lab_eurekas_kind(write: Write) -> None:
    record, out = write(
        LAB, "cfg.rew_scale_alive=0.25", "joint_pos[:, _hip_idx[0]]=forward_velocity"
    )
    assert (record.verdict, record.style) == ("accepted", "isaac-lab"), record.findings
    output, _, _, after = paid(out)
    inverse = rotation(after.torso_quaternion).transpose(1, 2)
    body = torch.einsum("bij,bj->bi", inverse, after.torso_velocity)[:, 0]
    torch.testing.assert_close(output.terms["body"], body, rtol=1e-4, atol=1e-4)
    expected = 0.25 + after.torso_position[:, 2] - 0.5 + body
    torch.testing.assert_close(output.reward, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(output.terms["angle"], after.forward_velocity)
    late = torch.round(after.episode_time_s / 0.05) / 1000.0
    torch.testing.assert_close(output.terms["late"], late)
    down = inverse @ torch.tensor([0.0, 0.0, -1.0])
    torch.testing.assert_close(output.terms["down"], down[:, 2], rtol=1e-4, atol=1e-4)
    notes = {each.name: each for each in record.names}
    assert notes["_robot.data.root_lin_vel_b"].note == "turned into the body's frame"
    assert notes["cfg.rew_scale_alive"].how == "bound"


def test_whose_order_joints_are_in_is_said() -> None:
    entry = find_entry(ast.parse("def mine(dof_vel):\n    return dof_vel\n"), frozenset())
    (found,) = match(entry, load_task(TASK), {}).names
    assert found.note == "in this task's order of joints"


def test_the_given_file_is_never_run(write: Write, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    text = f"open({str(mark)!r}, 'w').close()\n{EUREKA}\nraise SystemExit\n"
    record, _ = write(text)
    assert record.verdict == "accepted"
    assert not mark.exists()


@pytest.mark.parametrize(
    ("tail", "terms"),
    [
        ("    return x\n", {"reward"}),
        ("    return x, x > 0.0\n", {"reward"}),
        ("    parts = {'x': x}\n    return x, parts\n", {"x"}),
        ("    return x, dict(x=x, y=x)\n", {"x", "y"}),
    ],
)
def test_what_a_plain_function_returns(tail: str, terms: set[str], write: Write) -> None:
    record, out = write("def mine(torso_up, torso_quaternion):\n    x = torso_up * 2.0\n" + tail)
    assert (record.verdict, record.style) == ("accepted", "plain"), record.findings
    assert {each.how for each in record.names} == {"exact"}
    output, _, _, after = paid(out)
    torch.testing.assert_close(output.reward, 2.0 * after.torso_up)
    assert set(output.terms) == terms


def test_a_reply_with_one_block_is_read(write: Write) -> None:
    record, _ = write(f"This moves forward.\n\n```python\n{EUREKA}```\nGood luck.\n")
    assert record.verdict == "accepted", record.findings


@pytest.mark.parametrize(
    ("name", "expression"),
    [
        ("torso_up", "next_state.torso_up"),
        ("up_proj", "next_state.torso_up"),
        ("prev_torso_up", "state.torso_up"),
        ("rootPos", "next_state.torso_position"),
        ("base_lin_vel", "next_state.torso_velocity"),
        ("ang_vel_loc", None),
        ("base_angvel_local", "next_state.torso_angular_velocity"),
        ("joint_angles", "next_state.joint_angles"),
        ("dof_pos", "next_state.joint_angles"),
        ("torso_height", "next_state.torso_position[:, 2]"),
        ("reset_terminated", "next_state.terminated"),
        ("progress_buf", "torch.round(next_state.episode_time_s / 0.05)"),
        ("object_pos", None),
    ],
)
def test_names_are_matched_by_what_they_say(name: str, expression: str | None) -> None:
    entry = find_entry(ast.parse(f"def mine({name}):\n    return {name}\n"), frozenset())
    found = match(entry, load_task(TASK), {})
    assert [each.expression for each in found.names] == ([expression] if expression else [])
    assert len(found.findings) == int(expression is None)


def test_dof_pos_means_the_joints_angles() -> None:
    assert meaning("dof_pos").words == meaning("joint_positions").words
    assert meaning("joint_angle").words == meaning("dof_pos").words
    assert meaning("cube.data.root_pos_w") == Meaning(frozenset({"cube", "position"}))
    assert meaning("robot.data.root_lin_vel_b") == Meaning(frozenset({"torso", "velocity"}), True)


def test_what_means_nothing_here_is_an_error_that_lists_the_nearest(write: Write) -> None:
    record, out = write(
        "def compute_reward(fingertip_velocity, torso_up):\n    return torso_up, {}\n"
    )
    assert (record.verdict, record.file, record.source) == ("refused", None, None)
    (found,) = record.findings
    assert (found.stage, found.rule, found.line) == ("import", "unmatched-name", 1)
    assert "'fingertip_velocity' means no feature of this task" in found.message
    assert "torso_velocity (B, 3) m/s" in found.message
    assert "forward_velocity (B,) m/s" in found.message
    assert "--bind 'fingertip_velocity=FEATURE'" in found.remedy
    assert not out.exists()


def test_private_features_are_no_match(write: Write) -> None:
    assert "previous_torso_position" in load_task(TASK).table
    record, _ = write("def mine(previous_torso_position):\n    return torch.zeros(5), {}\n")
    assert [each.expression for each in record.names] == ["state.torso_position"]
    with pytest.raises(ValueError, match="no feature 'previous_torso_position'"):
        write("def mine(x):\n    return x, {}\n", "x=previous_torso_position")


METHOD = "def _get_rewards_eureka(self):\n"


@pytest.mark.parametrize(
    ("text", "rule", "line"),
    [
        (METHOD + "    self.extras['log'] = {}\n    return self.torso_up, {}\n", "memory", 2),
        (METHOD + "    self.count += 1\n    return self.torso_up, {}\n", "memory", 2),
        (METHOD + "    return helper(self), {}\n", "whole-self", 2),
        (METHOD + "    return self._distance(), {}\n", "method", 2),
        ("def mine(*features):\n    return features[0], {}\n", "signature", 1),
        ("def a(x):\n    return x\n\n\ndef b(x):\n    return x\n", "no-function", None),
        ("X = 1\n", "no-function", None),
    ],
)
def test_what_cannot_be_rewritten(text: str, rule: str, line: int | None) -> None:
    with pytest.raises(ImportRefused) as raised:
        find_entry(ast.parse(text), frozenset())
    assert (raised.value.finding.rule, raised.value.finding.line) == (rule, line)


def test_a_function_of_the_same_name_as_one_that_is_needed_is_no_stand_in(write: Write) -> None:
    """Theirs takes quaternions in another order."""
    record, out = write(
        "def quat_apply(q, v):\n    return v * q[:, :1]\n\n\n"
        "def compute_reward(torso_rot, torso_angvel):\n"
        "    return quat_apply(torso_rot, torso_angvel)[:, 0], {}\n"
    )
    assert [(found.rule, found.line) for found in record.findings] == [("name-clash", 1)]
    assert not out.exists()


def test_what_is_no_python_is_refused(write: Write) -> None:
    record, out = write("import torch\n\ndef broken(:\n")
    assert record.verdict == "refused"
    assert [(found.rule, found.line) for found in record.findings] == [("syntax", 3)]
    assert not out.exists()


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ("    return torso_up.unsqueeze(1), {}\n", "shape"),
        ("    return torso_up, {'wide': torso_up.unsqueeze(-1)}\n", "shape"),
        ("    return torso_up.mean() + 0.0 * torso_up, {}\n", "row-wise"),
        ("    import os\n    return torso_up, {}\n", "import"),
    ],
)
def test_what_is_made_has_to_pass_the_check(body: str, rule: str, write: Write) -> None:
    record, out = write("def compute_reward(torso_up):\n" + body)
    assert record.verdict == "refused", record.findings
    assert any(rule in found.rule for found in record.findings), record.findings
    assert all(found.stage != "import" for found in record.findings)
    assert record.source is not None and not out.exists()
    if rule == "shape":
        assert "has shape" in record.findings[0].message
        assert "1)" in record.findings[0].message


@pytest.mark.parametrize(
    ("binds", "said"),
    [
        (["torso_up"], "write --bind NAME=FEATURE"),
        (["torso_up=torso_pu"], "did you mean 'torso_up'"),
        (["nothing=torso_up"], "--bind nothing: the reward does not read it"),
        (["torso_up=now.torso_up"], "write state.torso_up or next_state.torso_up"),
        (["torso_up={}"], "only numbers and lists of numbers"),
    ],
)
def test_bindings_are_checked(
    binds: list[str], said: str, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match=said):
        write("def mine(torso_up):\n    return torso_up, {}\n", *binds)


def test_a_name_may_be_bound_as_it_is_written_in_the_method() -> None:
    table = load_task(TASK).table.public()
    bound = "self.joint_pos[:, self._hip_idx[0]]=torso_up"
    assert list(parse_binds((bound,), table)) == ["joint_pos[:, _hip_idx[0]]"]


def test_a_binding_wins_over_the_name_and_takes_the_state_before(write: Write) -> None:
    record, out = write(
        "def mine(torso_up, x):\n    return torso_up - x[0], {}\n",
        "torso_up=state.forward_velocity",
        "x=[1.5, 2]",
    )
    assert record.verdict == "accepted", record.findings
    output, before, _, _ = paid(out)
    torch.testing.assert_close(output.reward, before.forward_velocity - 1.5)


def test_the_command_writes_the_file_and_says_what_it_took_for_what(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given, out = tmp_path / "given.py", tmp_path / "reward.py"
    given.write_text("def mine(pole_vel, cart_pos):\n    return pole_vel - cart_pos[:1]\n")
    arguments = ["import", "reward", str(given), "--task=cartpole/balance", f"--out={out}"]
    assert main(arguments) == 1, "it is not row-wise"
    shown = capsys.readouterr().out
    assert "pole_vel: next_state.pole_angular_velocity" in shown
    assert "refused" in shown.splitlines()[-1]
    given.write_text("def mine(pole_vel, cart_pos):\n    return pole_vel - cart_pos\n")
    assert main([*arguments, "--bind=cart_pos=pole_angle", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(printed)
    assert printed["file"] == str(out)
    assert printed["names"][1] == {
        "name": "cart_pos",
        "expression": "next_state.pole_angle",
        "how": "bound",
        "feature": "pole_angle",
        "shape": [],
        "unit": "rad",
        "note": "",
    }
    assert main(["check", str(out), "--task=cartpole/balance"]) == 0
    capsys.readouterr()
    assert main(arguments) == 2
    assert "exists; name another file" in capsys.readouterr().err
    assert main([*arguments[:2], str(out), *arguments[3:4], f"--out={tmp_path / 'b.py'}"]) == 2
    assert "has the project's format already" in capsys.readouterr().err


def test_the_oracle_of_rotations() -> None:
    """A quarter turn about z takes x to y."""
    half = math.sqrt(0.5)
    turned = rotation(torch.tensor([[half, 0.0, 0.0, half]])) @ torch.tensor([1.0, 0.0, 0.0])
    torch.testing.assert_close(turned, torch.tensor([[0.0, 1.0, 0.0]]))
