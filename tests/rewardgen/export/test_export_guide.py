"""``docs/export.md``: its code runs in an exported folder."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from rewardgen import api

GUIDE = Path(__file__).parents[3] / "docs" / "export.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)


def run(code: str, folder: Path) -> str:
    script = folder / "guide.py"
    script.write_text(code)
    done = subprocess.run(
        [sys.executable, script.name], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


pytestmark = pytest.mark.slow  # a search, and trainings on what it exports


@pytest.fixture(scope="module")
def folder(search: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("guide") / "out"
    api.export("tiny", out, runs_dir=search.parent)
    return out


def test_the_policy_acts_without_torch_or_this_project(folder: Path) -> None:
    code = BLOCKS[0] + (
        "import sys\n"
        "loaded = {'torch', 'rewardgen', 'rewardgen_envs', 'mujoco'} & sys.modules.keys()\n"
        "assert not loaded, loaded\n"
        "assert act(np.zeros(5)).shape == (1,)\n"
    )
    assert run(code, folder).startswith("[")


def test_the_reward_is_called_by_the_names_of_features(folder: Path) -> None:
    run(BLOCKS[1], folder)


def test_a_gymnasium_training_takes_the_reward(folder: Path) -> None:
    short = BLOCKS[2].replace("100_000", "64").replace('device="cpu"', 'device="cpu", n_steps=64')
    assert short.count("64") == 2
    assert "'forward'" in run(short, folder)
    assert len(BLOCKS) == 3
