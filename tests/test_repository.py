"""Rules that hold for the repository as a whole."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from functools import cache
from importlib.metadata import entry_points, packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from rewardgen_envs.registry import GROUP, task_class, task_names

ROOT = Path(__file__).parents[1]
PACKAGES = [ROOT / "rewardgen", ROOT / "envs", ROOT / "policies"]
LONGEST_FILE = 500

# Hosts of package registries and folders of one machine; in pieces, as this file is searched too.
FORBIDDEN = re.compile(
    "|".join(
        [
            re.escape("pypi" + ".org"),
            "python" + "hosted",
            re.escape("registry." + "npmjs"),
            re.escape("deb." + "debian"),
            r"(?<![\w.])/" + "work/",
            r"(?<![\w.])/opt/" + "pypi",
        ]
    )
)


def _project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def _names(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(text).name) for text in requirements}


@cache
def _distributions() -> dict[str, list[str]]:
    """Import name → distributions; reading it takes a while."""
    return dict(packages_distributions())


def _imported(folder: Path, *, at_once: bool = False) -> set[str]:
    """Top-level names that the Python files of a folder import, ``at_once`` or ever."""
    names: set[str] = set()
    for path in folder.rglob("*.py"):
        tree = ast.parse(path.read_text())
        for node in tree.body if at_once else ast.walk(tree):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return names


def _tracked_files() -> list[Path]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [path for name in done.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def test_imports_point_one_way() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr


def test_files_stay_readable() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for path in _tracked_files()
        if path.suffix == ".py"
    }
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FILE} == {}


def test_product_knows_no_task_by_name() -> None:
    named = re.compile("|".join(rf"\b{re.escape(name)}\b" for name in task_names()))
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in (ROOT / "rewardgen").rglob("*")
        if path.is_file() and path.suffix in {".py", ".jinja", ".html", ".md"}
        for match in named.finditer(path.read_text())
    ]
    assert found == []


def test_no_file_names_a_registry_host_or_a_folder_of_one_machine() -> None:
    found: list[str] = []
    for path in _tracked_files():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {m.group()}" for m in FORBIDDEN.finditer(text)]
    assert found == []


# what turns bytes into objects by running what the bytes say, or carries objects in this way
_UNPICKLING = {"cloudpickle", "dill", "joblib", "marshal", "multiprocessing", "pickle", "shelve"}
_LOADERS = re.compile(
    r"torch\.(jit\.|export\.)?(load|save)\b|allow_pickle|ProcessPoolExecutor|\bnp\.load\b|read_pickle"
)


@pytest.mark.parametrize("folder", PACKAGES, ids=lambda folder: folder.name)
def test_nothing_is_unpickled(folder: Path) -> None:
    assert _imported(folder) & _UNPICKLING == set()
    loading = [str(f) for f in folder.rglob("*.py") if _LOADERS.search(f.read_text())]
    assert loading == []


def test_tasks_are_registered_under_their_own_names() -> None:
    declared = _project()["entry-points"][GROUP]
    installed = {e.name: e.value for e in entry_points(group=GROUP)}
    assert declared.items() <= installed.items(), "run `make install` again"
    assert {name: task_class(name).name for name in declared} == {name: name for name in declared}


def test_every_dependency_is_pinned_within_its_range() -> None:
    pins = {
        canonicalize_name(name): Version(version)
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if not line.startswith("#")
        for name, version in [line.split("==")]
    }
    project = _project()
    extras = project["optional-dependencies"]
    texts = [*project["dependencies"], *(r for extra in extras.values() for r in extra)]
    wanted = [Requirement(text) for text in texts]
    own = canonicalize_name(str(project["name"]))
    wrong = [
        str(requirement)
        for requirement in wanted
        if (name := canonicalize_name(requirement.name)) != own
        and (name not in pins or not requirement.specifier.contains(pins[name]))
    ]
    assert wrong == []


def _undeclared(imported: set[str], declared: set[str]) -> set[str]:
    """Imported names that no declared distribution brings."""
    distributions = _distributions()
    foreign = imported & distributions.keys() - sys.stdlib_module_names
    return {
        name
        for name in foreign
        if not declared & {canonicalize_name(d) for d in distributions[name]}
    } - {"rewardgen", "rewardgen_envs", "rewardgen_policies"}


@pytest.mark.parametrize("folder", ["rewardgen", "envs", "policies", "tests", "benchmarks"])
def test_imports_are_declared(folder: str) -> None:
    project = _project()
    declared, extras = _names(project["dependencies"]), project["optional-dependencies"]
    if folder in {"tests", "benchmarks"}:
        declared |= _names([r for some in extras.values() for r in some])
        assert _undeclared(_imported(ROOT / folder), declared) == set()
        return
    # what an extra brings is imported where it is used, so that all else works without it; some
    # modules are all about one, and imported by whoever asks for it
    at_once = _imported(ROOT / folder, at_once=True)
    at_once -= {"mujoco_warp", "warp", "ray", "stable_baselines3"}
    assert _undeclared(at_once, declared) == set()
    offered = [r for name, some in extras.items() if name != "dev" for r in some]
    assert _undeclared(_imported(ROOT / folder), declared | _names(offered)) == set()


def test_packages_are_typed() -> None:
    markers = [path for package in PACKAGES for path in package.rglob("py.typed")]
    assert sorted(m.parent.name for m in markers) == [
        "rewardgen",
        "rewardgen_envs",
        "rewardgen_policies",
    ]
