"""Maps: what they make of an environment, step by step, and what is said of wrong ones."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from gymnasium import spaces

from rewardgen_envs.adapters.mapped.checks import MappedSubject, check_map
from rewardgen_envs.adapters.mapped.formula import Formula, FormulaError
from rewardgen_envs.adapters.mapped.spaces import applied, observed_of, see
from rewardgen_envs.adapters.mapped.starter import starter_map
from rewardgen_envs.adapters.mapped.task import MappedTask
from rewardgen_envs.adapters.mapped.worlds import MappedWorlds
from rewardgen_envs.base_task import BoxAction, TaskError
from rewardgen_envs.registry import any_task, any_task_class, load_task
from tests.envs.mapped_environments import WALK_MAP


def written(folder: Path, text: str = WALK_MAP) -> MappedTask:
    path = folder / "map.yaml"
    path.write_text(text)
    task = any_task(str(path))
    assert isinstance(task, MappedTask)
    return task


def changed(old: str, new: str) -> str:
    assert old in WALK_MAP
    return WALK_MAP.replace(old, new)


def test_every_source_gives_what_the_environment_says(tmp_path: Path) -> None:
    task = written(tmp_path)
    assert task.action == BoxAction(1)
    assert (task.episode_steps, task.control_dt_s) == (6, 0.25)
    assert [f.name for f in task.table if f.private] == ["far", "env_reward"]
    worlds = MappedWorlds(task, [3], 2)
    view = task.table.view
    before, start = view(worlds.state), view(worlds.state).position.clone()
    assert before.given.tolist() == [-9.0, -9.0]
    assert before.steps_taken.tolist() == [0.0, 0.0]
    assert worlds.observation().shape == (2, 5)  # two numbers, one of three sides

    step = worlds.step(torch.tensor([[1.0], [0.5]]))  # pushes of 0 and -1 in [-4, 0]
    after = view(step.next_state)
    torch.testing.assert_close(after.position, start + torch.tensor([0.5, 0.25]))
    torch.testing.assert_close(after.pair[:, 0], 2 * after.position)
    assert after.pair[:, 1].tolist() == [0.0, -2.0]
    assert after.given.tolist() == [0.0, -1.0]
    assert after.last_action[:, 0].tolist() == [1.0, 0.5]
    assert after.steps_taken.tolist() == [1.0, 1.0]
    assert after.episode_time_s.tolist() == [0.25, 0.25]
    assert after.side.tolist() == (after.position > 0).float().tolist()
    torch.testing.assert_close(after.env_reward, after.position)
    worlds.close()


def test_the_last_step_of_an_episode_has_its_true_state(tmp_path: Path) -> None:
    task = written(tmp_path)
    worlds = MappedWorlds(task, [0], 3)
    view, totals = task.table.view, torch.zeros(3)
    seen = dict[str, int]()
    push = torch.tensor([[1.0], [0.0], [0.2]])
    for _ in range(12):
        before = worlds.state
        step = worlds.step(push)
        after = view(step.next_state)
        totals += after.env_reward
        # a push moves by 0.5, 0 or 0.1, whether the episode ends or not
        moved = after.position - view(before).position
        torch.testing.assert_close(moved, torch.tensor([0.5, 0.0, 0.1]), atol=1e-5, rtol=0)
        assert torch.equal(step.terminated, after.position.abs() > 2.0)
        assert torch.equal(after.terminated > 0.5, step.terminated)
        assert torch.equal(after.far > 0.5, step.terminated)
        assert torch.equal(step.truncated, (step.length == 6) & ~step.terminated)
        for world in (int(i) for i in step.ended.nonzero()[:, 0]):
            seen["terminated" if step.terminated[world] else "truncated"] = world
            torch.testing.assert_close(step.fitness["env_return"][world], totals[world])
            totals[world] = 0.0
            assert view(step.state).steps_taken[world] == 0.0
            assert worlds.last_observation[world, 0] == after.position[world]
            assert worlds.observation()[world, 0] == view(step.state).position[world]
    worlds.close()
    assert seen.keys() == {"terminated", "truncated"}


def test_an_episode_depends_on_its_key_alone(tmp_path: Path) -> None:
    task = written(tmp_path)

    def starts(seeds: list[int], count: int) -> torch.Tensor:
        worlds = MappedWorlds(task, seeds, count)
        first, idle = worlds.state[:, 0].clone(), torch.zeros(len(seeds) * count, 1)
        for _ in range(6):
            last = worlds.step(idle).state[:, 0]
        worlds.close()
        return torch.stack([first, last])

    alone, together = starts([5], 2), starts([4, 5], 3)
    assert torch.equal(alone, together[:, 3:5])
    assert len(set(together.flatten().tolist())) == 12


def test_functions_are_asked_world_by_world(tmp_path: Path) -> None:
    (tmp_path / "more.py").write_text(
        "def sides(env, observation, info):\n"
        "    return [observation['place'][0], env.unwrapped.t, len(info['text'])]\n"
    )
    text = changed(
        'from: 2 * observation["place"]\n    shape: [2]', "function: more.py:sides\n    shape: [3]"
    )
    worlds = MappedWorlds(written(tmp_path, text), [0], 2)
    after = worlds.task.table.view(worlds.step(torch.ones(2, 1)).next_state)
    assert torch.equal(after.pair[:, 0], after.position)
    assert after.pair[:, 1:].tolist() == [[1.0, 1.0]] * 2
    worlds.close()


def test_whatever_in_a_map_changes_scores_changes_its_hash(tmp_path: Path) -> None:
    task = written(tmp_path)
    same = written(tmp_path, changed("Walk to the right.", "Walk as far right as you can."))
    assert same.scene_sha256 == task.scene_sha256
    for old, new in (("steps: 6", "steps: 7"), ("2 * obs", "3 * obs"), ("total", "final")):
        assert written(tmp_path, changed(old, new)).scene_sha256 != task.scene_sha256


WRONG = {
    "no-such-part": ('["place"][0]', '["plaice"][0]', "no part 'plaice'; did you mean 'place'"),
    "text-part": ('observation["place"][0]', 'observation["words"]', "'words'.* no numbers"),
    "index": ('["place"][0]', '["place"][2]', r"index \[2\] is outside of the shape \(2,\)"),
    "range": ('["place"]\n', '["place"][0:3]\n', r"index \[0:3\] is outside of the shape \(2,\)"),
    "shape": ("shape: [2]", "shape: [3]", r"shape \(3,\), but .* gives \(2,\)"),
    "unit-of-truth": ("unit: bool\n    description: Whether it is on", "unit: m\n    description: "
                      "Whether it is on", "its unit is 'bool'"),
    "unit-number": ("unit: N", "unit: 3", "features.given.unit: .*string.*got 3"),
    "info-at-reset": ("    absent: -9\n", "", "'given'.*'absent: 0'"),
    "info-text": ('info["given"]', 'info["text"]', "info key 'text' holds .* no numbers"),
    "attribute": ("env.t\n", "env.time\n", "env has no 'time'"),
    "reward-not-private": ("    private: true\n", "", "own reward is for private features only"),
    "name": ("env.t\n", "observations[0]\n", "unknown name 'observations'; did you mean"),
    "call": ("env.t\n", "env.step(0)\n", "is not allowed"),
    "import": ("env.t\n", "__import__('os').getpid()\n", "is not allowed"),
    "metric": ("maximum(position, 0 * position)", "positon", "unknown name 'positon'; did you"),
    "metric-shape": ("maximum(position, 0 * position)", "pair", "not one number per step"),
    "entry": ("steps: 6", "stepps: 6", "stepps: unknown entry; did you mean 'steps'"),
    "feature-entry": ("unit: N", "units: N", "features.given.units: unknown entry; did you mean"),
    "missing": ("description: Walk to the right.\n", "", "description is missing"),
    "two-sources": ("from: env.t", "from: env.t\n    function: a.py:b", "one of 'from'"),
    "no-file": ("from: env.t", "function: a.py:b", "there is no file .*a.py"),
    "part": ("[place, side]", "[place, size]", "no part 'size'; did you mean 'side'"),
    "words": ("[place, side]", "[place, words]", "part 'words' is .*no numbers"),
    "environment": ("tests/Walk-v0", "tests/Wlk-v0", "not known"),
    "module": ("tests/Walk-v0", "no_such_module:Walk-v0", "needs no_such_module"),
    "argument": ("name: walk", "kwargs: {speed: 1}\nname: walk", "unexpected keyword.*'speed'"),
    "wrapper": ("name: walk", "wrappers: ['gymnasium.wrappers:ClipActon']\nname: walk",
                "has no 'ClipActon'; did you mean 'ClipAction'"),
    "actions": ("tests/Walk-v0", "tests/Switches-v0", "MultiBinary.*box of numbers or a Discrete"),
    "bounds": ("tests/Walk-v0", "tests/Boundless-v0", "no finite bounds"),
    "length": ("steps: 6\n", "", "no time limit.*steps: 200"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_map_is_explained(case: str, tmp_path: Path) -> None:
    old, new, told = WRONG[case]
    with pytest.raises(TaskError, match=told):
        task = written(tmp_path, changed(old, new))
        _ = task.episode_steps
        worlds = MappedWorlds(task, [0], 2)
        task.fitness(task.table.view(worlds.step(torch.zeros(2, 1)).next_state))


def findings(folder: Path, text: str) -> dict[str, str]:
    written(folder, text)
    reference = str(folder / "map.yaml")

    def maker() -> MappedTask:
        found = any_task_class(reference)
        assert issubclass(found, MappedTask)
        return found()

    return {f"{f.severity} {f.rule}": f.message for f in check_map(MappedSubject(maker))}


def test_a_good_map_has_no_findings(tmp_path: Path) -> None:
    assert findings(tmp_path, WALK_MAP) == {}


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("tests/Walk-v0", "tests/Unseeded-v0", "error reproducible"),
        ("from: env.t", "from: 3 + 0 * env.t", "warning feature-constant"),
        (
            'unit: "1"\n    description: Steps',
            "unit: bool\n    description: Steps",
            "error bool-values",
        ),
        ("env.t\n", 'log(observation["place"][0] - 9)\n', "error feature-finite"),
        ("name: walk", "kwargs: {cut: 4}\nname: walk", "error length"),
        ("Walk to the right.", "TODO", "error fitness-missing"),
        ("env.t\n", "env.time\n", "error raises"),
        ("maximum(position, 0 * position)", "position / 0", "error fitness-finite"),
    ],
)
def test_the_check_finds_what_only_playing_shows(
    old: str, new: str, rule: str, tmp_path: Path
) -> None:
    assert rule in findings(tmp_path, changed(old, new))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x[0] + 2 * x[1]", [5.0, 14.0]),
        ("norm(x[0:2] - x[1:3])", [2.0**0.5, 2.0**0.5]),
        ("x[-1] > 4 or x[0] == 1", [True, True]),
        ("not (x[0] < 2) and x[2] >= 6", [False, True]),
        ("sum(x) / 3 - abs(-x[1])", [0.0, 0.0]),
        ("(x[0] > 2) + 1", [1.0, 2.0]),
        ("maximum(x[0], x[1]) ** 2", [4.0, 25.0]),
        ("any(x > 5)", [False, True]),
        ("cos(0 * x[0]) * pi", [np.pi, np.pi]),
    ],
)
def test_formulas(text: str, expected: list[float | bool]) -> None:
    x = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], dtype=torch.float64)
    value = Formula(text, ("x",)).evaluate({"x": lambda: x})
    assert value.tolist() == pytest.approx(expected)


@pytest.mark.parametrize(
    "text",
    ["x.__class__", "[x]", "x if x else x", "lambda: x", "x := 1", "f(x)", "x[x]", "'text'",
     "x @ x", "norm(x, 2)[", "x[0.5]", "sum(p=x)", "open('f')", "y"],
)  # fmt: skip
def test_what_is_no_formula_is_refused_when_it_is_read(text: str) -> None:
    with pytest.raises(FormulaError):
        Formula(text, ("x",))


@pytest.mark.parametrize(
    "text", ["x + 1j", "x[5]", 'x["a"]', "norm(1)", "x + minimum(x, x[0])", "3"]
)
def test_what_cannot_be_computed_is_told(text: str) -> None:
    with pytest.raises(FormulaError, match=r"^'"):
        Formula(text, ("x",)).evaluate({"x": lambda: torch.zeros(2, 3)})


def test_actions_are_scaled_to_the_environments() -> None:
    box = spaces.Box(np.array([-1.0, 0.0]), np.array([1.0, 8.0]), dtype=np.float64)
    exact = torch.tensor([[0.1, -1.0], [-0.3, 1.0], [1.0, 0.5]])
    assert np.array_equal(applied(box, exact)[:, 0], exact[:, 0].double().numpy())
    assert applied(box, exact)[:, 1].tolist() == [0.0, 8.0, 6.0]
    assert applied(spaces.Discrete(3, start=5), torch.tensor([0, 2])).tolist() == [5, 7]


def test_pictures_are_told_from_numbers() -> None:
    picture = spaces.Box(0, 255, (40, 50, 3), np.uint8)
    observed = observed_of(picture, None)
    assert (observed.shape, observed.picture) == ((3, 40, 50), True)
    batch = np.arange(2 * 40 * 50 * 3, dtype=np.uint8).reshape(2, 40, 50, 3)
    seen = see(picture, observed, batch)
    assert seen.dtype is torch.uint8
    assert seen[1, 2, 7, 9] == batch[1, 7, 9, 2]
    small = observed_of(spaces.Box(0, 255, (7, 7, 3), np.uint8), None)
    assert (small.shape, small.picture) == ((147,), False)
    both = spaces.Dict({"picture": picture, "speed": spaces.Box(-1, 1, (2,))})
    assert observed_of(both, ["picture"]).picture
    with pytest.raises(TaskError, match="'picture' is a picture, beside"):
        observed_of(both, None)


def test_the_starter_map_is_a_map(tmp_path: Path) -> None:
    text = starter_map("tests/Walk-v0")
    assert "TODO" in text
    task = written(tmp_path, text)
    assert {"place_0", "place_1", "side", "far", "given"} <= set(task.table.names)
    found = findings(tmp_path, text)
    assert found.keys() == {"error sentence-missing"}
    done = text.replace("TODO: ", "").replace("# TODO", "#")
    assert not any(rule.startswith("error") for rule in findings(tmp_path, done))


PYTHON = """
import torch
from rewardgen_envs.adapters.mapped.task import MappedTask
from rewardgen_envs.features import Feature
from rewardgen_envs.metrics import Metric

class Mine(MappedTask):
    name = "walk/mine"
    description = "Walk to the right."
    env = "tests/Walk-v0"
    steps = 6
    features = (Feature("place", (2,), "m", "Where the point is."),)
    metrics = (Metric("far", "m", "How far it is."),)

    def measure(self, seen):
        return {"place": torch.as_tensor(seen.observation["place"])}

    def fitness(self, features):
        return {"far": features.place[..., 0]}

class Forgetful(Mine):
    def measure(self, seen):
        return {}

class Flat(Mine):
    def measure(self, seen):
        return {"place": torch.zeros(len(seen.envs))}
"""


def test_a_task_in_python_measures_as_it_likes(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(PYTHON)

    def task(name: str) -> MappedTask:
        found = any_task(f"{tmp_path / 'mine.py'}:{name}")
        assert isinstance(found, MappedTask)
        return found

    worlds = MappedWorlds(task("Mine"), [0], 2)
    step = worlds.step(torch.ones(2, 1))
    assert task("Mine").table.view(step.next_state).place[:, 1].tolist() == [0.0, 0.0]
    assert worlds.task.fitness(worlds.task.table.view(step.next_state))["far"].shape == (2,)
    worlds.close()
    assert len({task(name).scene_sha256 for name in ("Mine", "Forgetful", "Flat")}) == 3
    with pytest.raises(TaskError, match=r"measure\(\) gives nothing for feature 'place'"):
        MappedWorlds(task("Forgetful"), [0], 2)
    with pytest.raises(TaskError, match=r"gives the shape \(\) for feature 'place'"):
        MappedWorlds(task("Flat"), [0], 2)


def test_references_that_lead_nowhere(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"rewardgen tasks show gym:tests/Walk-v0 > map.yaml"):
        any_task("gym:tests/Walk-v0")
    with pytest.raises(TaskError, match="does not exist"):
        any_task(str(tmp_path / "none.yaml"))
    written(tmp_path)
    with pytest.raises(TaskError, match="needs a task with a MuJoCo scene"):
        load_task(str(tmp_path / "map.yaml"))


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "minigrid", None)
    with pytest.raises(TaskError, match=r"needs minigrid: pip install 'rewardgen-lab\[adapters\]'"):
        starter_map("minigrid:MiniGrid-Empty-8x8-v0")
