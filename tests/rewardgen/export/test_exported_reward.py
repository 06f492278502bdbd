"""Exported reward files: they stand alone, and give what the reward gives."""

from __future__ import annotations

import importlib.util
import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from rewardgen.check.samples import Samples
from rewardgen.export.inlining import inlined
from rewardgen.export.reward_file import Origin, RewardFile, reward_file
from rewardgen.export.transitions import record_transitions
from rewardgen.export.verification import ExportError, verify
from rewardgen.isolation.host import HostPool
from rewardgen.rewards import vocabulary
from rewardgen.rewards.code import VOCABULARY, compile_reward, evaluate
from rewardgen.rewards.format import RewardCode, parse_reward, read_reward
from rewardgen.rewards.transitions import Transitions
from rewardgen_envs.features import FeatureTable
from rewardgen_envs.registry import load_task
from rewardgen_envs.task import BoxAction, DiscreteAction, Task
from rewardgen_policies import checkpoint
from rewardgen_policies.networks import NetworkSpec
from rewardgen_policies.population import initial_state
from rewardgen_policies.recipe import Recipe
from tests.rewardgen.check.test_gate import LEGAL

HEAD = "def compute_reward(state, action, next_state):\n"
STANDARD = ("terminated", "episode_time_s", "last_action")
_numbers = itertools.count()


@pytest.fixture
def robot(robot_table: FeatureTable) -> Task:
    """A task with the features of the tests' robot; never simulated."""

    class Robot(type(load_task("cartpole/balance"))):
        name = "test/robot"
        description = 'Say """hello""" to C:\\new worlds.'
        features = tuple(f for f in robot_table if f.name not in STANDARD)
        causes: ClassVar[Mapping[str, str]] = {}

        @property
        def action(self) -> BoxAction:
            return BoxAction(8)

    return Robot()


def exported(code: RewardCode, task: Task) -> RewardFile:
    return reward_file(code, task, Origin("candidate c1-1 of run 'test'", task.description))


def loaded(text: str, folder: Path) -> ModuleType:
    """Import a file's text as a module of its own."""
    path = folder / "reward.py"
    path.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(f"exported_{next(_numbers)}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def by_name(task: Task, data: Tensor) -> dict[str, Tensor]:
    table = task.table.public()
    return {name: table.select(data, name).clone() for name in table.names}


def both(
    code: RewardCode, task: Task, folder: Path, rows: Transitions | None = None
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return reward and terms as the project and as the exported file give them."""
    rows = rows or Samples(task.table, task.action, seed=3).usual(40)
    file = exported(code, task)
    reward, terms = getattr(loaded(file.text, folder), file.function)(
        by_name(task, rows.state), rows.action.clone(), by_name(task, rows.next_state)
    )
    ours = evaluate(
        compile_reward(code),
        task.table.public(),
        rows.state.clone(),
        rows.action.clone(),
        rows.next_state.clone(),
    )
    return {"": ours.reward, **ours.terms}, {"": reward, **terms}


def assert_equal(pair: tuple[dict[str, Tensor], dict[str, Tensor]]) -> None:
    ours, theirs = pair
    assert list(ours) == list(theirs)
    for name, values in ours.items():
        torch.testing.assert_close(theirs[name], values, rtol=1e-6, atol=1e-6, equal_nan=True)


@pytest.mark.parametrize("name", LEGAL)
def test_every_legal_reward_gives_the_same_from_its_file(
    name: str, robot: Task, tmp_path: Path
) -> None:
    assert_equal(both(parse_reward(LEGAL[name]), robot, tmp_path))


@pytest.mark.parametrize("name", LEGAL)
def test_the_code_stands_in_the_file_as_it_was_written(name: str, robot: Task) -> None:
    code = parse_reward(LEGAL[name])
    text = exported(code, robot).text
    before, _, rest = text.partition("# ---- the reward as it was written")
    body = rest.partition("\n\n")[2].partition("\n\n\n# ---- the same")[0]
    written = code.source.strip("\n").split("\n")
    for line, found in zip(written, body.split("\n"), strict=True):
        left_out = line.startswith(("@", "from __future__"))
        assert found == (f"# {line}" if left_out else line)
    assert code.sha256 in before


def test_only_what_is_used_is_inlined_with_what_that_uses() -> None:
    text = inlined(["quat_rotate_inverse"])
    functions = {line.split("(")[0] for line in text.split("\n") if line.startswith("def ")}
    assert functions == {
        "def quat_rotate_inverse",
        "def quat_apply",
        "def quat_conjugate",
        "def _cross",
    }
    assert "Literal" not in text
    assert "Sigmoid" in inlined(["tolerance"])
    assert "math" not in inlined(["bounded"])


@pytest.mark.parametrize("name", sorted(VOCABULARY))
def test_each_function_of_the_vocabulary_runs_from_its_inlined_text_alone(name: str) -> None:
    namespace: dict[str, Any] = {}
    exec("from __future__ import annotations\n" + inlined([name]), namespace)
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(5, 4, generator=generator)
    arguments: dict[str, tuple[Any, ...]] = {
        "tolerance": (x, (-0.1, 0.2), 0.5, "long_tail"),
        "exp_kernel": (x, 0.5),
        "quat_multiply": (x, x.flip(0)),
        "quat_apply": (x, x[:, 1:]),
        "quat_rotate_inverse": (x, x[:, 1:]),
    }
    given = arguments.get(name, (x,))
    assert torch.equal(namespace[name](*given), getattr(vocabulary, name)(*given))


def test_names_of_the_code_win_over_those_of_the_file(robot: Task, tmp_path: Path) -> None:
    """It redefines a vocabulary function that another one uses, and names that the file adds."""
    code = parse_reward(
        "_FEATURES = 2.0\n\n\n"
        "def norm_l2(x):\n    return x.abs().amax(dim=-1)\n\n\n"
        "def reward(x):\n    return _FEATURES * norm_l2(x)\n\n\n"
        + HEAD
        + "    size = reward(next_state.joint_angles)\n"
        "    return size, {'size': size, 'unit': unit(next_state.joint_angles)[:, 0]}\n"
    )
    file = exported(code, robot)
    assert file.function == "reward_exported"
    assert_equal(both(code, robot, tmp_path))


def test_future_imports_and_script_decorators_become_comments(robot: Task, tmp_path: Path) -> None:
    code = parse_reward(
        '"""A docstring."""\nfrom __future__ import annotations\n\nimport torch\n\n\n'
        "@torch.jit.script\ndef twice(x: NoSuchName) -> Tensor:\n    return 2.0 * x\n\n\n"
        "@torch.jit.script\n" + HEAD + "    x = twice(next_state.height)\n    return x, {'x': x}\n"
    )
    text = exported(code, robot).text
    assert "# from __future__ import annotations\n" in text
    assert text.count("# @torch.jit.script\n") == 2
    assert_equal(both(code, robot, tmp_path))


@pytest.mark.parametrize(
    "line",
    [
        "from __future__ import annotations; import math as m",
        "'é'; from __future__ import annotations; import math as m",
        "from __future__ import (  # why\n    annotations,\n); import math as m  # for pi",
        "from __future__ import annotations; from __future__ import division; import math as m",
    ],
)
def test_what_shares_a_line_with_a_future_import_stays(
    line: str, robot: Task, tmp_path: Path
) -> None:
    code = parse_reward(
        f"\n{line}\n{HEAD}    x = next_state.height * m.pi\n    return x, {{'x': x}}\n"
    )
    assert "pass; import math as m" in exported(code, robot).text
    assert_equal(both(code, robot, tmp_path))


def test_code_that_changes_features_in_place_changes_its_own_copies(
    robot: Task, tmp_path: Path
) -> None:
    code = parse_reward(
        HEAD + "    low = next_state.height.clamp_(min=0.0)\n    action.mul_(2.0)\n"
        "    again = next_state.height\n    return low + again + action[:, 0], {'again': again}\n"
    )
    rows = Samples(robot.table, robot.action, seed=5).usual(20)
    assert_equal(both(code, robot, tmp_path, rows))
    file = exported(code, robot)
    state, action = by_name(robot, rows.state), rows.action.clone()
    next_state = by_name(robot, rows.next_state)
    kept = {name: value.clone() for name, value in next_state.items()}
    getattr(loaded(file.text, tmp_path), file.function)(state, action, next_state)
    assert torch.equal(action, rows.action)
    assert all(torch.equal(kept[name], next_state[name]) for name in kept)


def test_the_docstring_names_task_source_and_every_feature_with_shape_and_unit(
    robot: Task, tmp_path: Path
) -> None:
    code = parse_reward(
        HEAD + "    x = next_state.torso_velocity[:, 0] - state.height\n    return x, {'x': x}\n"
    )
    file = exported(code, robot)
    doc = loaded(file.text, tmp_path).__doc__
    assert doc.startswith("Reward of candidate c1-1 of run 'test'.")
    assert robot.description in " ".join(doc.split())
    assert f"sha256 {code.sha256}" in doc
    assert "(B, 8) float32 in [-1, 1]" in " ".join(doc.split())
    assert "torso_velocity: (B, 3), unit m/s. Velocity of the torso." in doc
    assert "height: (B,), unit m. Height of the torso." in doc
    assert "joint_angles" not in doc
    assert set(file.features) == {"torso_velocity", "height"}
    assert "needs torch and nothing else" in doc
    numpy = parse_reward("import numpy as np\n" + code.source)
    assert (
        "torch and numpy and nothing else" in loaded(exported(numpy, robot).text, tmp_path).__doc__
    )


def test_missing_and_misshapen_features_are_named(robot: Task, tmp_path: Path) -> None:
    code = parse_reward(HEAD + "    x = next_state.torso_velocity[:, 0]\n    return x, {'x': x}\n")
    function = loaded(exported(code, robot).text, tmp_path).reward
    with pytest.raises(KeyError, match=r"'torso_velocity', \(B, \*\(3,\)\) in m/s.*given: height"):
        function({}, torch.zeros(2, 8), {"height": torch.zeros(2)})
    with pytest.raises(ValueError, match=r"'torso_velocity' has shape \(2, 4\), not \(B"):
        function({}, torch.zeros(2, 8), {"torso_velocity": torch.zeros(2, 4)})


def test_numbers_of_any_kind_are_taken_as_float32(robot: Task, tmp_path: Path) -> None:
    code = parse_reward(HEAD + "    x = next_state.height + action[:, 0]\n    return x, {'x': x}\n")
    function = loaded(exported(code, robot).text, tmp_path).reward
    reward, _ = function({}, [[0.5] * 8], {"height": torch.ones(1, dtype=torch.float64)})
    assert reward.tolist() == [1.5]
    assert reward.dtype == torch.float32


def test_discrete_actions_stay_whole_numbers(robot: Task, tmp_path: Path) -> None:
    class Choosing(type(robot)):
        @property
        def action(self) -> DiscreteAction:
            return DiscreteAction(3)

    code = parse_reward(
        HEAD
        + "    x = torch.nn.functional.one_hot(action, 3)[:, 2].float()\n    return x, {'x': x}\n"
    )
    assert "(B,) int64 in 0 ... 2" in exported(code, Choosing()).text
    assert_equal(both(code, Choosing(), tmp_path))


# ---- verification


@pytest.fixture(scope="module")
def hosts() -> Iterator[HostPool]:
    with HostPool() as pool:
        yield pool


Verify = Callable[[str], Any]


@pytest.fixture
def verify_text(hosts: HostPool, tmp_path: Path) -> Verify:
    """Verify another text than the exporter's for a reward of cartpole/balance."""
    task = load_task("cartpole/balance")
    code = read_reward(task.human_reward)
    file = exported(code, task)
    rows = Samples(task.table, task.action, seed=1).usual(50)

    def check(old: str, new: str = "") -> Any:
        assert old in file.text
        path = tmp_path / "reward.py"
        path.write_text(file.text.replace(old, new, 1), encoding="utf-8")
        return verify(path, file, code, task.table, rows, hosts)

    return check


@pytest.mark.parametrize("name", ["ant/goal", "cartpole/balance", "hopper/back-flip"])
def test_a_tasks_human_reward_is_verified_on_a_thousand_transitions(
    name: str, hosts: HostPool, tmp_path: Path
) -> None:
    task = load_task(name)
    code = read_reward(task.human_reward)
    file = exported(code, task)
    path = tmp_path / "reward.py"
    path.write_text(file.text, encoding="utf-8")
    found = verify(path, file, code, task.table, record_transitions(task), hosts)
    assert found.transitions == 1000
    assert found.max_difference <= 1e-6


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("alive + upright", "1.00001 * alive + upright", "another value for the reward"),
        ('"upright": upright', '"up": upright', r"names the terms alive, up, centered.*upright"),
        ("reward, {", "reward[:1], {", r"the reward is torch\.float32 \(1,\)"),
        ("reward, {", "reward.double(), {", r"the reward is torch\.float64 \(50,\)"),
        ("import math\n", "import math\nimport rewardgen.rewards\n", "must not import rewardgen"),
        ("import math\n", "import math\nimport rewardgen_envs\n", "must not import rewardgen_envs"),
        ("alive + upright", "no_such_name + upright", "NameError: name 'no_such_name'"),
        ("import math\n", "import math, os; os._exit(3)\n", "gave no answer"),
        ("def compute_reward", "print('x' * 10)\ndef compute_reward", None),
    ],
)
def test_a_file_that_does_not_do_the_same_is_found_out(
    old: str, new: str, said: str | None, verify_text: Verify
) -> None:
    if said is None:  # what is printed does no harm
        assert verify_text(old, new).max_difference == 0.0
        return
    with pytest.raises(ExportError, match=said):
        verify_text(old, new)


def test_the_isolated_side_has_the_hosts_protections_and_a_clean_environment(
    verify_text: Verify, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SOME_API_KEY", "secret")
    look = (
        "import math, os, resource\n"
        "assert 'SOME_API_KEY' not in os.environ, 'sees the key'\n"
        "assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == 0, 'may write files'\n"
        "assert os.getcwd() == '/', 'works here'\n"
    )
    assert verify_text("import math\n", look).max_difference == 0.0
    assert not list(tmp_path.glob("__pycache__"))


def test_a_reward_that_fails_on_its_tasks_transitions_is_refused(
    hosts: HostPool, tmp_path: Path
) -> None:
    task = load_task("cartpole/balance")
    code = parse_reward(HEAD + "    assert action.shape[0] < 5\n    return state.terminated, {}\n")
    file = exported(code, task)
    path = tmp_path / "reward.py"
    path.write_text(file.text, encoding="utf-8")
    with pytest.raises(ExportError, match="fails on transitions of its task: line 2: Assertion"):
        verify(path, file, code, task.table, Samples(task.table, task.action).usual(50), hosts)


@pytest.mark.parametrize("also_in_the_file", [True, False])
def test_nan_is_equal_to_nan_and_to_nothing_else(
    also_in_the_file: bool, hosts: HostPool, tmp_path: Path
) -> None:
    task = load_task("cartpole/balance")
    code = parse_reward(
        HEAD + "    x = torch.sqrt(next_state.pole_angle)\n    return x, {'x': 1.0 / (x - x)}\n"
    )
    file = exported(code, task)
    path = tmp_path / "reward.py"
    path.write_text(file.text, encoding="utf-8")
    rows = Samples(task.table, task.action).usual(50)
    if also_in_the_file:
        assert verify(path, file, code, task.table, rows, hosts).max_difference == 0.0
        return
    other = replace(code, source=code.source.replace("torch.sqrt(", "torch.abs("))
    with pytest.raises(ExportError, match="differ by inf"):
        verify(path, file, other, task.table, rows, hosts)


def test_recorded_transitions_are_the_tasks_own() -> None:
    task = load_task("hopper/run")
    spec = NetworkSpec.of(task, (8,))
    state = initial_state(spec, checkpoint.Origin(task.name, 1, 1, "", ""), Recipe())
    random, with_policy = record_transitions(task), record_transitions(task, [state])
    again = record_transitions(task)
    assert torch.equal(random.next_state, again.next_state)
    for rows in (random, with_policy):
        assert rows.state.shape == rows.next_state.shape == (1000, task.table.width)
        view, next_view = task.table.view(rows.state), task.table.view(rows.next_state)
        assert bool((next_view.terminated > 0.5).any()), "no episode ends among them"
        assert bool((view.terminated < 0.5).all())
        torch.testing.assert_close(next_view.last_action, rows.action)
        torch.testing.assert_close(next_view.previous_torso_x, view.torso_x)
        assert len(next_view.episode_time_s.unique()) > 20
    # an untrained policy hardly moves; random actions do
    assert random.action[500:].abs().mean() > 0.4
    assert with_policy.action[500:].abs().mean() < 0.2


def test_the_file_runs_where_this_project_cannot_be_imported(robot: Task, tmp_path: Path) -> None:
    """Without the verification's own script: plain ``python -I`` and a file beside it."""
    task = load_task("cartpole/balance")
    path = tmp_path / "reward.py"
    path.write_text(exported(read_reward(task.human_reward), task).text, encoding="utf-8")
    code = f"""
import json, runpy, sys
reward = runpy.run_path({str(path)!r})["reward"]
import torch
zero = torch.zeros(3)
names = ("pole_angle", "cart_position", "terminated")
total, terms = reward({{}}, torch.zeros(3, 1), {{name: zero for name in names}})
print(json.dumps([total.tolist(), sorted(name for name in sys.modules if "rewardgen" in name)]))
"""
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[2.0, 2.0, 2.0], []]
