"""The lock of a worker on Linux: every layer holds, and what is missing is noticed."""

from __future__ import annotations

import ctypes
import ctypes.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

if sys.platform != "linux":
    pytest.skip("locks exist on Linux only", allow_module_level=True)

from rewardgen.isolation.host import HostOptions, HostPool
from rewardgen.isolation.linux import landlock
from rewardgen.isolation.linux.syscalls import NUMBERS
from rewardgen.isolation.processes import (
    HostUnavailable,
    Launcher,
    ProcessOptions,
    Worker,
    Zygote,
    readable_paths,
)
from rewardgen.isolation.protection import Protection
from rewardgen.rewards.code import compile_reward, evaluate
from rewardgen.rewards.format import parse_reward
from rewardgen.rewards.transitions import Transitions
from rewardgen_envs.features import FeatureTable
from rewardgen_policies.seam import RewardFailure, Rollout
from tests.rewardgen.check.test_gate import LEGAL

MEMORY_BYTES = 2**31
# locks itself without some layers, tries everything, and says how that went
LOCKED = """
import json, os, sys
from rewardgen.isolation.confines import Confines
from rewardgen.isolation.linux import canaries, landlock, limits, privileges, seccomp
from rewardgen.isolation.linux.lock import lock

def refused(*_):
    raise PermissionError(1, "refused by the test")

for module, function in json.loads(sys.argv[1]):
    setattr({m.__name__.rpartition(".")[2]: m for m in
             (landlock, limits, privileges, seccomp)}[module], function, refused)
confines, bare = Confines(**json.loads(sys.argv[2])), json.loads(sys.argv[3])
parent = os.getpid()
ends = os.pipe()
if os.fork() == 0:
    if bare:
        found = {}, canaries.escapes(parent, confines)
    else:
        locked = lock(parent, confines)
        found = locked.missing, locked.escapes
    os.write(ends[1], json.dumps(found).encode())
    os._exit(0)
os.wait()
print(os.read(ends[0], 10**5).decode())
"""


def attempts(
    *without: tuple[str, str], bare: bool = False, placement: str = "process"
) -> tuple[dict[str, str], set[str]]:
    """Return the layers that were missing and what was possible, in a process of its own."""
    confines: dict[str, object] = {"memory_bytes": MEMORY_BYTES, "readable": ()}
    confines["placement"] = placement
    done = subprocess.run(
        [sys.executable, "-c", LOCKED, json.dumps(without), json.dumps(confines), json.dumps(bare)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    missing, found = json.loads(done.stdout)
    return missing, set(found)


@pytest.fixture(scope="module")
def everything() -> set[str]:
    """All attempts, as they succeed in a process that nothing holds."""
    return attempts(bare=True)[1]


def test_all_attempts_succeed_without_a_lock_and_none_with_it(everything: set[str]) -> None:
    # only root may try to remove what lies in the root directory
    assert len(everything) == (16 if os.geteuid() == 0 else 15)
    assert attempts() == ({}, set())
    assert attempts(placement="worker") == ({}, set())


FILTER = ("seccomp", "install")


@pytest.mark.parametrize(
    ("without", "possible"),
    [
        (
            [("landlock", "restrict")],
            {
                "read a file of the system",
                "list the root directory",
                "read an installed package",
                "list the installed packages",
            },
        ),
        ([("limits", "limit_memory")], {"exceed its memory"}),
        # Landlock keeps signals, files and programs from it; not processes, modes, local sockets
        ([FILTER], {"start a process", "start a thread", "open a local socket"}),
    ],
)
def test_a_layer_that_is_missing_is_named_and_what_it_held_is_possible(
    without: list[tuple[str, str]], possible: set[str]
) -> None:
    missing, found = attempts(*without)
    assert len(missing) == len(without)
    assert set(missing.values()) == {"refused by the test"}
    assert possible <= found


def test_numbers_of_system_calls_are_those_of_libseccomp() -> None:
    name = ctypes.util.find_library("seccomp")
    if name is None:
        pytest.skip("libseccomp is not installed")
    library = ctypes.CDLL(name)
    for place, architecture in enumerate((0xC000003E, 0xC00000B7)):
        for call, numbers in NUMBERS.items():
            resolved = library.seccomp_syscall_resolve_name_arch(architecture, call.encode())
            # negative: this processor does not have it
            assert numbers[place] == (resolved if resolved >= 0 else None), call


def test_a_directory_that_does_not_exist_leaves_the_others_closed() -> None:
    script = (
        "import os\nfrom rewardgen.isolation.linux import landlock, privileges\n"
        "privileges.gain_nothing_by_exec()\n"
        "landlock.restrict(['/nonexistent', os.path.dirname(os.__file__)])\n"
        "open(os.__file__).close()\n"
        "try: open('/etc/passwd')\nexcept PermissionError: print('closed')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout == "closed\n", done.stderr


@pytest.mark.parametrize(("version", "size"), [(1, 8), (3, 8), (4, 16), (5, 16), (6, 24), (9, 24)])
def test_older_kernels_are_asked_for_what_they_know(
    monkeypatch: pytest.MonkeyPatch, version: int, size: int
) -> None:
    asked: list[tuple[object, ...]] = []

    def system_call(number: int, *arguments: object) -> int:
        asked.append((number, *arguments))
        return version if arguments == (None, 0, 1) else os.dup(0)

    monkeypatch.setattr(landlock.libc, "system_call", system_call)
    landlock.restrict([])
    ruleset, given_size = asked[1][1:3]
    assert isinstance(ruleset, landlock.Ruleset)
    assert given_size == size
    # landlock(7): 13 accesses at first, then refer, truncate and control of devices
    files = {1: 13, 3: 15, 4: 15, 5: 16, 6: 16, 9: 16}[version]
    assert ruleset.handled_access_fs == 2**files - 1
    assert ruleset.handled_access_net == (3 if version >= 4 else 0)
    assert ruleset.scoped == (3 if version >= 6 else 0)


class Partial:
    """Starts workers of a zygote in mode ``standard`` that report a layer less."""

    def __init__(self) -> None:
        self._zygote = Zygote(ProcessOptions("standard", MEMORY_BYTES))

    def start(self) -> Worker:
        worker = self._zygote.start()
        receive = worker.channel.receive

        def report(deadline: float) -> dict[str, object]:
            said = receive(deadline)
            return said | {"missing": {"no network": "refused"}} if "missing" in said else said

        worker.channel.receive = report
        return worker

    def close(self) -> None:
        self._zygote.close()


def test_strict_refuses_what_standard_puts_up_with(
    robot_table: FeatureTable, robot_rollout: Callable[..., Rollout]
) -> None:
    code = parse_reward("def compute_reward(s, a, n): return s.height, {}")
    for mode in ("strict", "standard"):
        launcher: Launcher = Partial()
        with HostPool(HostOptions(mode=mode, memory_bytes=MEMORY_BYTES), launcher) as pool:
            host = pool.open(code, robot_table)
            if mode == "strict":
                with pytest.raises(HostUnavailable, match=r"'no network' is missing \(refused\)"):
                    host.score(robot_rollout())
            else:
                host.score(robot_rollout())
                assert pool.protection.gaps == "'no network' is missing (refused)"


@pytest.fixture(scope="module")
def strict() -> Iterator[HostPool]:
    with HostPool(HostOptions(mode="strict")) as opened:
        yield opened


def test_strict_is_complete_here(
    strict: HostPool, robot_table: FeatureTable, robot_rollout: Callable[..., Rollout]
) -> None:
    code = parse_reward("def compute_reward(s, a, n): return s.height, {}")
    strict.open(code, robot_table).score(robot_rollout())
    assert strict.protection.complete
    assert "tried out" in strict.applied
    assert Protection().complete is False


@pytest.mark.parametrize("name", LEGAL)
def test_a_legal_reward_gives_the_same_locked_and_inline(
    strict: HostPool, robot_table: FeatureTable, name: str
) -> None:
    """What a library loads when it is first used must be readable in the lock."""
    code, public = parse_reward(LEGAL[name]), robot_table.public()
    state, next_state = torch.rand(2, 6, public.width)
    action = torch.rand(6, 8)
    given = Transitions(state.clone(), action.clone(), next_state.clone())
    answer = strict.open(code, robot_table).evaluate(given)
    inline = evaluate(compile_reward(code), public, state, action, next_state)
    assert torch.equal(answer.reward, inline.reward)
    assert answer.terms.keys() == inline.terms.keys()
    assert all(torch.equal(answer.terms[term], inline.terms[term]) for term in inline.terms)


def test_of_the_folders_of_packages_only_what_is_needed_can_be_read() -> None:
    paths = [Path(path) for path in readable_paths()]
    packages = Path(torch.__file__).parents[1]
    below = {path.relative_to(packages).parts for path in paths if path.is_relative_to(packages)}
    assert below <= {("torch",), ("numpy",), ("nvidia",)}
    assert Path(json.__file__).parent in paths
    for path in paths:
        assert path.name not in ("site-packages", "dist-packages")
        assert not any(other.is_relative_to(path) for other in packages_folders())


def packages_folders() -> list[Path]:
    """Return where packages may lie."""
    return [Path(path) for path in sys.path if path.endswith("-packages")]


def test_rules_made_once_hold_in_every_child(
    strict: HostPool, robot_table: FeatureTable, robot_rollout: Callable[..., Rollout]
) -> None:
    code = parse_reward(
        "import os\n\n\ndef compute_reward(s, a, n):\n"
        "    return s.height * len(os.listdir('/')), {}\n"
    )
    for _ in range(3):
        with pytest.raises(RewardFailure, match="PermissionError"):
            strict.open(code, robot_table).score(robot_rollout())


TRAINER = """
import os, sys, torch
from rewardgen.isolation.confines import Confines
from rewardgen.isolation.linux.lock import lock
from rewardgen.isolation.processes import readable_paths

scratch, outside = sys.argv[1:]
parent = os.getpid()
if os.fork() == 0:
    locked = lock(parent, Confines(2**33, readable_paths(), [scratch], "worker"))
    assert (locked.missing, locked.escapes) == ({}, ()), locked
    torch.set_num_threads(2)
    model = torch.nn.Linear(256, 256)
    for _ in range(3):
        model(torch.ones(512, 256)).square().mean().backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= 0.1 * parameter.grad
    os.mkdir(f"{scratch}/cache")
    with open(f"{scratch}/cache/kernel", "w") as file:
        file.write("x" * 1000)
    os.rename(f"{scratch}/cache/kernel", f"{scratch}/kernel")
    for attempt in (
        lambda: open(f"{outside}/file", "w"),
        lambda: os.mkdir(f"{outside}/folder"),
        lambda: os.rename(f"{scratch}/kernel", f"{outside}/kernel"),
        lambda: os.chmod(f"{scratch}/kernel", 0o777),
    ):
        try:
            attempt()
        except OSError:
            continue
        os._exit(7)
    os._exit(0)
status = os.waitstatus_to_exitcode(os.wait()[1])
print("trained" if status == 0 else f"status {status}")
"""


def test_a_locked_trainer_trains_and_writes_to_its_scratch_only(tmp_path: Path) -> None:
    scratch, outside = tmp_path / "scratch", tmp_path / "outside"
    scratch.mkdir()
    outside.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", TRAINER, str(scratch), str(outside)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout == "trained\n", done.stderr
    assert [path.name for path in outside.iterdir()] == []
    assert (scratch / "kernel").stat().st_size == 1000
