"""The wheel, installed beside PyPI's ``envs``, is what a user without a checkout gets."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NEIGHBOUR = "envs==1.4"
PACKAGES = {
    "rewardgen": ROOT / "rewardgen",
    "rewardgen_envs": ROOT / "envs" / "rewardgen_envs",
    "rewardgen_policies": ROOT / "policies" / "rewardgen_policies",
    "rewardgen/_configs": ROOT / "configs",
}
WHERE = """
import json, envs, rewardgen, rewardgen_envs, rewardgen_policies
from envs import env
from rewardgen.config import configs_directory
packages = [envs, rewardgen, rewardgen_envs, rewardgen_policies]
print(json.dumps([p.__file__ for p in packages] + [str(configs_directory())]))
"""


def _run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run([str(c) for c in command], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = ("-m", "build", "--wheel", "--no-isolation", "--outdir", folder)
    _run(sys.executable, *build, ROOT, cwd=folder)
    (found,) = folder.glob("rewardgen_lab-*.whl")
    return found


def _empty_environment(folder: Path) -> Path:
    venv.create(folder, with_pip=False, symlinks=True)
    return folder / "bin" / "python"


def _install(python: Path, *arguments: str | Path) -> None:
    quiet = ("install", "--quiet", "--disable-pip-version-check")
    _run(sys.executable, "-m", "pip", "--python", python, *quiet, *arguments, cwd=python.parent)


def _smoke_test(environment: Path, folder: Path) -> None:
    """Use the product as installed, from an unrelated folder."""
    python, rewardgen = environment / "bin" / "python", environment / "bin" / "rewardgen"
    places = json.loads(_run(python, "-c", WHERE, cwd=folder))
    assert [p for p in places if not p.startswith(str(environment))] == []
    assert "search a reward for a task" in _run(rewardgen, "--help", cwd=folder)
    names = _run(rewardgen, "tasks", "list", cwd=folder).split()
    assert {"cartpole/swing-up", "ant/goal"} <= set(names)
    shown = _run(rewardgen, "tasks", "show", "cartpole/swing-up", "--json", cwd=folder)
    assert "def compute_reward" in json.loads(shown.splitlines()[-1])["human_reward"]


def test_wheel_holds_every_file_of_the_packages_and_nothing_else(wheel: Path) -> None:
    expected = {
        f"{name}/{path.relative_to(folder).as_posix()}"
        for name, folder in PACKAGES.items()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
    }
    names = {n for n in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in n}
    assert names == expected


def test_wheel_works_beside_the_package_named_envs(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    python = _empty_environment(environment)
    _install(python, "--no-deps", wheel, NEIGHBOUR)
    # What we depend on comes from this environment, behind the empty one; the editable
    # installation does not come along, as nested .pth files are not read.
    site = Path(
        sysconfig.get_path("purelib", vars={"base": str(environment), "platbase": str(environment)})
    )
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    _smoke_test(environment, tmp_path)


@pytest.mark.slow
def test_wheel_brings_all_it_needs(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    python = _empty_environment(environment)
    _install(python, "--constraint", ROOT / "constraints.txt", wheel, NEIGHBOUR)
    _smoke_test(environment, tmp_path)
    checked = _run(sys.executable, "-m", "pip", "--python", python, "check", cwd=tmp_path)
    assert "No broken requirements" in checked
