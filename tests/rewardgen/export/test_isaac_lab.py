"""Rewards exported for Isaac Lab, in environments that do what Isaac Lab's do to rewards."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import jsonschema
import pytest
import torch
from torch import Tensor

from rewardgen.cli.main import main
from rewardgen.export.isaac_lab import IsaacLabFile, isaac_lab_file
from rewardgen.export.isaac_proposals import proposal
from rewardgen.export.reward_file import Origin
from rewardgen.rewards.code import compile_reward, evaluate
from rewardgen.rewards.format import RewardCode, parse_reward, read_reward
from rewardgen_envs.features import Feature
from rewardgen_envs.registry import load_task
from rewardgen_envs.simulation import Simulation
from rewardgen_envs.task import Task
from rewardgen_envs.trackers import Rule, Tracker
from rewardgen_policies.evaluation import RandomPolicy

SCHEMA = Path(__file__).parents[3] / "docs" / "schemas" / "export.json"
HEAD = "def compute_reward(state, action, next_state):\n"
WORLDS = 4

# What both kinds of Isaac Lab environments do around a reward, in the order of version 2.3; run by
# `python -I` with torch alone. Features come from a recording.
FAKE = '''
import importlib.util, json, sys
import torch

class Manager:
    pass

class FakeEnv:
    def __init__(self, given):
        self.num_envs, self.device, self.step_dt = given["worlds"], "cpu", given["step_dt"]
        self.given = given
        self.episode_length_buf = torch.zeros(self.num_envs, dtype=torch.long)
        self.reset_terminated = torch.zeros(self.num_envs, dtype=torch.bool)
        self.features = {}
        self.k = -1

    def take(self, action):
        self.actions = action

    def step(self):
        self.k += 1
        row = self.given["steps"][self.k]
        self.take(torch.tensor(row["action"]) * 1.5)  # what is beyond ±1 is clipped
        self.features = {name: torch.tensor(v) for name, v in row["next_state"].items()}
        self.episode_length_buf += 1
        self.reset_terminated[:] = torch.tensor(row["terminated"])
        rewards = self._get_rewards()
        ids = torch.tensor(row["ended"]).nonzero(as_tuple=False).squeeze(-1)
        if len(ids):
            self._reset_idx(ids)
        return rewards

    def reset(self):
        self._reset_idx(torch.arange(self.num_envs))

    def _get_rewards(self):
        raise NotImplementedError

    def _reset_idx(self, env_ids):
        rows = self.given["first"] if self.k < 0 else self.given["steps"][self.k]["state"]
        for name, values in rows.items():
            now = torch.tensor(values)
            self.features.setdefault(name, torch.zeros_like(now))[env_ids] = now[env_ids]
        self.episode_length_buf[env_ids] = 0

class ManagerBased(FakeEnv):
    """Rewards are functions; events of mode reset come before the episode's length is reset."""
    def __init__(self, given, exported):
        super().__init__(given)
        self.exported = exported
        self.action_manager = Manager()

    def take(self, action):
        self.action_manager.action = action

    def _get_rewards(self):
        return self.exported.reward_term(self) / self.step_dt * self.step_dt

    def _reset_idx(self, env_ids):
        lengths = self.episode_length_buf.clone()
        super()._reset_idx(env_ids)
        now, self.episode_length_buf = self.episode_length_buf, lengths
        if "no-event" not in sys.argv:
            self.exported.reset_features(self, env_ids)
        self.episode_length_buf = now

spec = importlib.util.spec_from_file_location("exported", sys.argv[1])
exported = importlib.util.module_from_spec(spec)
spec.loader.exec_module(exported)
given = json.load(open(sys.argv[2]))
for name in exported.BINDINGS:
    if name in given["bound"]:
        exported.BINDINGS[name] = lambda env, name=name: env.features[name]

class Direct(exported.DirectRewards, FakeEnv):
    pass

env = Direct(given) if sys.argv[3] == "direct" else ManagerBased(given, exported)
env.reset()
rewards, terms = [], []
for _ in given["steps"]:
    rewards.append(env.step().tolist())
    terms.append({name: v.tolist() for name, v in exported.binding_of(env).terms.items()})
print(json.dumps({
    "rewards": rewards,
    "terms": terms,
    "ours": [name for name in sys.modules if name.startswith("rewardgen")],
}))
'''


def exported(code: RewardCode, task: Task) -> IsaacLabFile:
    return isaac_lab_file(code, task, Origin("file test.py", task.description))


class Recording:
    """A rollout as the environment gives it out, and what the reward makes of its transitions."""

    def __init__(self, task: Task, code: RewardCode, steps: int, bound: list[str]) -> None:
        self.given: dict[str, Any] = {
            "worlds": WORLDS, "step_dt": task.control_dt_s, "bound": bound, "steps": []
        }  # fmt: skip
        self.rewards: list[list[float]] = []
        self.terms: list[dict[str, list[float]]] = []
        self.ends = 0
        table = task.table.public()
        simulation = Simulation(task, [3], WORLDS, threads=1)
        act, function = RandomPolicy(task, 5), compile_reward(code)
        self.given["first"] = self._named(task, simulation.state)
        for _ in range(steps):
            state = simulation.state
            # far enough for some to be clipped
            wanted = act(simulation.observation().unsqueeze(0))[0]
            action = (wanted * 1.5).clamp(-1.0, 1.0)
            step = simulation.step(action)
            ours = evaluate(
                function,
                table,
                state[:, : table.width].contiguous(),
                action.clone(),
                step.next_state[:, : table.width].contiguous(),
            )
            self.rewards.append(ours.reward.tolist())
            self.terms.append({name: value.tolist() for name, value in ours.terms.items()})
            self.ends += int(step.ended.sum())
            self.given["steps"].append(
                {
                    "action": wanted.tolist(),
                    "next_state": self._named(task, step.next_state),
                    "state": self._named(task, step.state),
                    "terminated": step.terminated.tolist(),
                    "ended": step.ended.tolist(),
                }
            )
        simulation.close()

    @staticmethod
    def _named(task: Task, data: Tensor) -> dict[str, Any]:
        return {f.name: task.table.select(data, f.name).tolist() for f in task.table.public()}


def played(
    kind: str, code: RewardCode, task: Task, folder: Path, *options: str, steps: int = 60
) -> tuple[Recording, subprocess.CompletedProcess[str]]:
    made = exported(code, task)
    bound = [b.feature for b in made.bindings if b.feature not in ("terminated", "episode_time_s",
             "last_action")]  # fmt: skip
    recording = Recording(task, code, steps, bound)
    (folder / "isaaclab_reward.py").write_text(made.file.text)
    (folder / "given.json").write_text(json.dumps(recording.given))
    (folder / "fake.py").write_text(FAKE)
    names = ("fake.py", "isaaclab_reward.py", "given.json")
    command = [sys.executable, "-I", *(str(folder / name) for name in names), kind, *options]
    return recording, subprocess.run(command, capture_output=True, text=True, check=False)


BOTH_STATES = parse_reward(
    "def turned(before, now):\n    return now.pole_angle - before.pole_angle\n\n\n"
    + HEAD
    + "    turn = turned(state, next_state) + 0.1 * action[:, 0]\n"
    "    clock = next_state.episode_time_s - state.episode_time_s\n"
    "    jerk = (next_state.last_action - state.last_action).abs().sum(dim=1)\n"
    "    fell = next_state.terminated - 10.0 * state.terminated\n"
    "    made = torch.tensor([0.5])\n"
    "    return turn + clock - made * jerk - fell, {'turn': turn, 'jerk': jerk, 'fell': fell}\n"
)


@pytest.mark.parametrize("kind", ["direct", "manager"])
@pytest.mark.parametrize("name", ["cartpole/balance", "hopper/run", "hopper/back-flip"])
def test_it_pays_what_the_reward_pays(kind: str, name: str, tmp_path: Path) -> None:
    task = load_task(name)
    code = BOTH_STATES if name == "cartpole/balance" else read_reward(task.human_reward)
    recording, done = played(kind, code, task, tmp_path)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert recording.ends > 0 or name == "hopper/back-flip"
    assert answer["ours"] == []
    found, expected = torch.tensor(answer["rewards"]), torch.tensor(recording.rewards)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    for theirs, ours in zip(answer["terms"], recording.terms, strict=True):
        assert list(theirs) == list(ours)
        for term, values in ours.items():
            assert theirs[term] == pytest.approx(values, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("kind", ["direct", "manager"])
def test_a_feature_that_is_another_one_a_step_ago_is_kept(kind: str, tmp_path: Path) -> None:
    class Remembering(type(load_task("cartpole/balance"))):
        name = "test/remembering"
        trackers = (
            Tracker(
                Feature("previous_pole_angle", (), "rad", "Angle one control step ago."),
                source="pole_angle",
                rule=Rule.PREVIOUS,
            ),
        )

    code = parse_reward(
        HEAD + "    x = next_state.previous_pole_angle - 2.0 * state.previous_pole_angle\n"
        "    return x, {'x': x}\n"
    )
    task = Remembering()
    assert [b.feature for b in exported(code, task).bindings] == ["pole_angle"]
    recording, done = played(kind, code, task, tmp_path)
    assert done.returncode == 0, done.stderr
    assert recording.ends > 0
    found = torch.tensor(json.loads(done.stdout)["rewards"])
    torch.testing.assert_close(found, torch.tensor(recording.rewards), rtol=1e-6, atol=1e-6)


def test_a_forgotten_reset_event_is_an_error_not_a_wrong_reward(tmp_path: Path) -> None:
    task = load_task("cartpole/balance")
    _, done = played("manager", BOTH_STATES, task, tmp_path, "no-event", steps=2)
    assert done.returncode != 0
    assert "environment 0 began an episode, but its features were not read" in done.stderr


def test_a_feature_that_is_not_bound_is_named(tmp_path: Path) -> None:
    made = exported(BOTH_STATES, load_task("cartpole/balance"))
    (tmp_path / "reward.py").write_text(made.file.text)
    namespace: dict[str, Any] = {"__name__": "exported"}
    exec(compile(made.file.text, "reward.py", "exec"), namespace)

    class Env:
        num_envs, device = 2, "cpu"

    with pytest.raises(NotImplementedError, match="BINDINGS how to read pole_angle in this"):
        namespace["reward_term"](Env())


def test_a_reward_that_reads_only_the_state_after_keeps_nothing() -> None:
    task = load_task("hopper/run")
    made = exported(read_reward(task.human_reward), task)
    assert "BEFORE = ()" in made.file.text
    assert [b.before for b in made.bindings] == [False, False]
    both = exported(BOTH_STATES, load_task("cartpole/balance"))
    assert all(b.before for b in both.bindings), "the state is handed on: any may be read of it"


def test_names_of_the_reward_stay_its_own(tmp_path: Path) -> None:
    code = parse_reward(
        "BEFORE = 2.0\n\n\ndef Binding(x):\n    return BEFORE * x\n\n\n"
        "def reward(x):\n    return x\n\n\n"
        + HEAD
        + "    x = reward(Binding(next_state.pole_angle)) - state.pole_angle\n"
        "    return x, {'x': x}\n"
    )
    task = load_task("cartpole/balance")
    text = exported(code, task).file.text
    renamed = {n.name for n in ast.parse(text).body if isinstance(n, ast.FunctionDef)}
    assert {"Binding", "reward", "reward_exported", "reward_term_isaac"} <= renamed
    text = text.replace("reward_term_isaac", "reward_term").replace(
        "DirectRewards_isaac", "DirectRewards"
    )
    namespace: dict[str, Any] = {"__name__": "exported"}
    exec(compile(text, "reward.py", "exec"), namespace)
    namespace["BINDINGS_isaac"]["pole_angle"] = lambda env: env.angle

    class Env:
        num_envs, device = 2, "cpu"
        actions = torch.zeros(2, 1)
        episode_length_buf = torch.ones(2)
        angle = torch.tensor([1.0, 2.0])

    env = Env()
    namespace["reset_features_isaac"](env, None)
    env.angle = torch.tensor([3.0, 5.0])
    assert namespace["reward_term"](env).tolist() == [5.0, 8.0]


def test_the_table_has_every_feature_with_shape_unit_and_sentence() -> None:
    task = load_task("humanoid/run")
    made = exported(read_reward(task.human_reward), task)
    assert made.file.features == tuple(b.feature for b in made.bindings)
    table = made.file.text.partition("# ---- Isaac Lab: bind")[2]
    joined = " ".join(table.replace("#", " ").split())
    for binding in made.bindings:
        feature = task.table[binding.feature]
        shape = ", ".join(["B", *map(str, feature.shape)]) + ("" if feature.shape else ",")
        assert f"{feature.name}: ({shape}), unit {feature.unit}. {feature.description}" in joined
    assert '"forward_velocity": None,' in table
    assert "PROPOSAL, check that both mean the same ends:" in table


@pytest.mark.parametrize(
    ("feature", "expression"),
    [
        (("torso_velocity", (3,), "m/s", "Velocity, world frame."), "root_link_lin_vel_w"),
        (("base_velocity", (3,), "m/s", "Velocity in the base's frame."), "root_link_lin_vel_b"),
        (("torso_position", (3,), "m", "Where."), "- env.scene.env_origins"),
        (("torso_position", (2,), "m", "Where."), None),
        (("torso_position", (3,), "cm", "Where."), None),
        (("joint_angles", (12,), "rad", "Angles."), "data.joint_pos"),
        (("cube_position", (3,), "m", "Where."), None),
    ],
)
def test_only_what_matches_by_name_shape_and_unit_is_proposed(
    feature: tuple[Any, ...], expression: str | None
) -> None:
    found = proposal(Feature(*feature))
    assert (found is None) == (expression is None)
    if found is not None and expression is not None:
        assert expression in found.expression
        ast.parse(found.expression, mode="eval")


def test_proposed_heights_and_up_axes_are_those_of_the_pose() -> None:
    """Leaning by 60° about x: the up axis has a vertical part of 0.5."""

    class Data:
        root_link_pos_w = torch.tensor([[4.0, 5.0, 1.25]])
        projected_gravity_b = torch.tensor([[0.0, -(0.75**0.5), -0.5]])

    class Asset:
        data = Data()

    class Scene(dict[str, Any]):
        env_origins: ClassVar[Tensor] = torch.tensor([[4.0, 4.0, 0.25]])

    class Env:
        scene = Scene(robot=Asset())

    values = {
        name: eval(found.expression, {"env": Env()}).tolist()
        for name, shape, unit in [
            ("torso_height", (), "m"),
            ("torso_up", (), "1"),
            ("torso_position", (3,), "m"),
        ]
        if (found := proposal(Feature(name, shape, unit, "A sentence."))) is not None
    }
    assert values == {
        "torso_height": [1.0],
        "torso_up": [0.5],
        "torso_position": [[0.0, 1.0, 1.0]],
    }


# ---- the command


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(list(arguments))
    shown = capsys.readouterr()
    return status, shown.out, shown.err


@pytest.mark.parametrize("verb", [["export"], ["export", "reward"]])
def test_the_command_writes_a_verified_folder(
    verb: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text(BOTH_STATES.source)
    out = tmp_path / "out"
    where = ["--task=cartpole/balance", f"--out={out}", "--as=isaaclab", "--json"]
    status, output, errors = run(capsys, *verb, str(tmp_path / "mine.py"), *where)
    assert (status, errors) == (0, "")
    printed = json.loads(output.splitlines()[-1])
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(printed)
    assert printed["files"] == ["isaaclab_reward.py", "README.md"]
    assert printed["reward"]["transitions"] == 1000
    assert printed["reward"]["max_difference"] <= 1e-6
    angle, *standard = printed["reward"]["bindings"]
    assert (angle["feature"], angle["shape"], angle["unit"]) == ("pole_angle", [], "rad")
    assert angle["proposal"] is None and angle["before"]
    assert [b["feature"] for b in standard] == ["terminated", "episode_time_s", "last_action"]
    readme = (out / "README.md").read_text()
    assert "| `pole_angle` | () | rad | Angle of the pole" in readme
    assert "has not run in Isaac Lab" in readme


def test_a_reward_alone_leaves_the_policy_out(
    search: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = [f"--runs-dir={search.parent}", "--as=isaaclab"]
    status, output, _ = run(capsys, "export", "reward", "tiny", f"--out={tmp_path / 'o'}", *where)
    assert status == 0
    assert "isaaclab_reward.py: differs" in output
    names = sorted(path.name for path in (tmp_path / "o").iterdir())
    assert names == ["README.md", "isaaclab_reward.py"]
    refused = run(
        capsys, "export", "reward", "tiny", "--arm=sparse", f"--out={tmp_path / 'p'}", *where
    )
    assert refused[0] == 2
    assert "the sparse reward is the task's own and no file" in refused[2]
    assert run(capsys, "export", "tiny", "--as=isaac", *where[:1])[0] == 2
