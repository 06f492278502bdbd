"""The part of Isaac Gym that is used: its types against published stubs, its features by hand."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from rewardgen_envs.adapters.isaac.rewardgen_worker import gym_features, gym_types
from rewardgen_envs.adapters.isaac.rewardgen_worker.gym_features import GymFeatures
from rewardgen_envs.adapters.isaac.rewardgen_worker.serve import columns


def methods(source: str) -> dict[str, ast.FunctionDef]:
    """Return the methods of the class Gym; the stubs as a whole are no Python (``def lambda``)."""
    text = "class Gym" + source.partition("\nclass Gym")[2].partition("\nclass ")[0]
    (gym,) = ast.parse(text).body
    assert isinstance(gym, ast.ClassDef)
    return {node.name: node for node in gym.body if isinstance(node, ast.FunctionDef)}


def types_of(method: ast.FunctionDef) -> list[str]:
    """Return the types of a method's parameters and of what it returns."""
    given = [a.annotation for a in method.args.args[1:]] + [method.returns]
    return [ast.unparse(each) if each is not None else "Any" for each in given]


OURS = methods(inspect.getsource(gym_types))


def test_our_types_are_those_of_the_stubs() -> None:
    try:
        found = [f for f in files("isaacgym-stubs") or [] if f.name == "gymapi.pyi"]
    except PackageNotFoundError:
        pytest.skip("isaacgym-stubs is not installed")
    theirs = methods(Path(str(found[0].locate())).read_text())
    assert OURS.keys() <= theirs.keys()
    different = {
        name: (types_of(ours), types_of(theirs[name]))
        for name, ours in OURS.items()
        if types_of(ours) != types_of(theirs[name])
    }
    assert different == {}


def test_every_call_of_gym_is_in_our_types_and_each_of_these_is_made() -> None:
    tree = ast.parse(inspect.getsource(gym_features))
    called = {
        node.func.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and ast.unparse(node.func.value) in ("gym", "self._gym")
    }
    assert called == OURS.keys()


class FakeGym:
    """Two environments with a table (one body) and an arm (two bodies, two joints) each.

    Rows are not in the order of environments, as nothing says that they are.
    """

    def __init__(self) -> None:
        self.fresh: set[str] = set()
        rows = np.arange(4.0)[:, None] * 100.0 + np.arange(13.0)
        self.roots, self.rigid = rows, np.arange(6.0)[:, None] * 1000.0 + np.arange(13.0)
        self.forces = np.arange(18.0).reshape(6, 3)
        self.dofs = np.array([[0.1, 1.0], [0.2, 2.0], [0.3, 3.0], [0.4, 4.0]])

    def __getattr__(self, name: str) -> Callable[[object], np.ndarray]:
        for action in ("acquire", "refresh"):
            what = name.removeprefix(f"{action}_").removesuffix("_tensor")
            tensors = {
                "actor_root_state": self.roots,
                "rigid_body_state": self.rigid,
                "net_contact_force": self.forces,
                "dof_state": self.dofs,
            }
            if name.startswith(action) and what in tensors:
                self.fresh |= {what} if action == "refresh" else set()
                return lambda sim: tensors[what]
        raise AttributeError(name)

    def get_env_count(self, sim: object) -> int:
        return 2

    def get_env(self, sim: object, i: int) -> int:
        return i

    def get_env_origin(self, env: int) -> SimpleNamespace:
        return SimpleNamespace(x=10.0 * env, y=1.0, z=0.0)

    def get_actor_count(self, env: int) -> int:
        return 2

    def get_actor_handle(self, env: int, i: int) -> int:
        return i

    def get_actor_name(self, env: int, actor: int) -> str:
        return ["table", "arm"][actor]

    def get_actor_index(self, env: int, actor: int, domain: str) -> int:
        assert domain == "sim"
        return 3 - (2 * env + actor)

    def get_actor_dof_count(self, env: int, actor: int) -> int:
        return 2 * actor

    def get_actor_dof_names(self, env: int, actor: int) -> list[str]:
        return ["elbow", "wrist"][: 2 * actor]

    def get_actor_dof_index(self, env: int, actor: int, joint: int, domain: str) -> int:
        return 2 * (1 - env) + joint

    def get_actor_rigid_body_count(self, env: int, actor: int) -> int:
        return 1 + actor

    def get_actor_rigid_body_names(self, env: int, actor: int) -> list[str]:
        return [["top"], ["upper", "lower"]][actor]

    def get_actor_rigid_body_index(self, env: int, actor: int, body: int, domain: str) -> int:
        return 3 * env + actor + body


def test_features_of_an_actor_of_isaac_gym() -> None:
    gym = FakeGym()
    features = GymFeatures(gym, None, "sim", lambda tensor: tensor, actor="arm")
    values = features.read()
    assert gym.fresh == {"actor_root_state", "rigid_body_state", "net_contact_force", "dof_state"}
    # the arms' roots are rows 2 and 0; their environments lie at x = 0 and 10, y = 1
    assert values["root_position"].tolist() == [[200.0, 200.0, 202.0], [-10.0, 0.0, 2.0]]
    assert values["root_quaternion"].tolist() == [
        [206.0, 203.0, 204.0, 205.0],
        [6.0, 3.0, 4.0, 5.0],
    ]
    assert values["root_velocity"][1].tolist() == [7.0, 8.0, 9.0]
    assert values["root_angular_velocity"][1].tolist() == [10.0, 11.0, 12.0]
    assert values["joint_positions"].tolist() == [[0.3, 0.4], [0.1, 0.2]]
    assert values["joint_velocities"].tolist() == [[3.0, 4.0], [1.0, 2.0]]
    assert values["body_positions"][1].tolist() == [
        [3990.0, 4000.0, 4002.0],
        [4990.0, 5000.0, 5002.0],
    ]
    assert values["contact_forces"][0].tolist() == [[3.0, 4.0, 5.0], [6.0, 7.0, 8.0]]
    table = features.table
    assert {f.name for f in table} == values.keys()
    assert columns(table, values, 2).shape == (2, 13 + 2 * 2 + 3 * 6)
    assert "elbow, wrist" in next(f for f in table if f.name == "joint_positions").description


def test_an_actor_without_joints_has_none_and_a_missing_one_is_named() -> None:
    table = GymFeatures(FakeGym(), None, "sim", lambda tensor: tensor)
    assert "joint_positions" not in table.read()
    assert [f.name for f in table.table if "joint" in f.name] == []
    with pytest.raises(ValueError, match="no actor 'leg' in an environment; valid: table, arm"):
        GymFeatures(FakeGym(), None, "sim", lambda tensor: tensor, actor="leg")


def test_features_are_held_against_their_declaration() -> None:
    table = GymFeatures(FakeGym(), None, "sim", lambda tensor: tensor).table
    with pytest.raises(ValueError, match="feature 'root_position' is declared, but not computed"):
        columns(table, {}, 2)
    with pytest.raises(ValueError, match=r"'root_position' has shape \(2, 4\), declared is \(2, 3"):
        columns(table, {"root_position": np.zeros((2, 4))}, 2)
