"""Code that misbehaves, run with no gate before it."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from rewardgen.isolation.host import HostOptions, HostPool, RewardHost
from rewardgen.isolation.pace import Deadlines
from rewardgen.isolation.processes import HostUnavailable
from rewardgen.isolation.session import HostFailure
from rewardgen.rewards.format import parse_reward
from rewardgen_envs.features import FeatureTable
from rewardgen_policies.seam import RewardFailure, Rollout

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="mode standard needs Linux")
MakeRollout = Callable[..., Rollout]
PATIENT = Deadlines(first_s=20.0, least_s=20.0)
PID = "import os\nreturn torch.full_like(state.height, os.getpid()), {}"
# finds the sockets that the worker holds, to talk to its owner
SOCKETS = """\
import os, stat
def tell(data):
    for fd in range(64):
        try:
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                while data: data = data[os.write(fd, data):]
        except OSError:
            pass
"""


@pytest.fixture(scope="module")
def pool() -> Iterator[HostPool]:
    with HostPool(HostOptions(deadlines=PATIENT)) as opened:
        yield opened


@pytest.fixture(scope="module")
def unlocked() -> Iterator[HostPool]:
    """What protects where the system offers nothing else."""
    with HostPool(HostOptions(mode="none", deadlines=PATIENT)) as opened:
        yield opened


@pytest.fixture(scope="module")
def hasty() -> Iterator[HostPool]:
    with HostPool(HostOptions(deadlines=Deadlines(first_s=0.5, least_s=0.5))) as opened:
        yield opened


def opened(pool: HostPool, body: str, table: FeatureTable) -> RewardHost:
    lines = textwrap.indent(body, "    ")
    return pool.open(
        parse_reward(f"def compute_reward(state, action, next_state):\n{lines}\n"), table
    )


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


def wait_until_gone(pid: int) -> None:
    end = time.monotonic() + 30.0
    while not gone(pid):
        assert time.monotonic() < end, f"process {pid} still runs"
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("import os\nos._exit(0)", "exit code 0 before it answered"),
        ("import os\nos._exit(3)", "exit code 3"),
        ("import ctypes\nctypes.string_at(0)", "SIGSEGV"),
        ("import signal\nsignal.raise_signal(9)", "SIGKILL"),
        ("import os\nos.abort()", "SIGABRT"),
        (SOCKETS + "tell(b'hello\\n')", "garbage: it is not JSON"),
        (SOCKETS + "tell(b'[1]\\n')", "not a JSON object"),
        (SOCKETS + "tell(b'x' * 10**6)", "garbage: more than"),
        (SOCKETS + "tell(b'{\"id\": 7}\\n')", "what was not asked"),
        (
            SOCKETS + 'tell(b\'{"id": 2, "terms": ["a b"]}\\n\')',
            "no valid list of terms",
        ),
        (
            SOCKETS + 'tell(b\'{"id": 2, "terms": []}\\n\')\nos._exit(0)',
            "the reward is nan on 30 of 30",
        ),
        (
            SOCKETS + 'tell(b\'{"id": 2, "error": [[[]]]}\\n\')',
            "the reward failed",
        ),
        ("return torch.zeros(10**12), {}", "RuntimeError.*memory"),
        ("x = []\nwhile True: x.append(bytes(10**8))", "MemoryError"),
    ],
)
def test_crashes_and_garbage_are_the_candidates_failures(
    pool: HostPool, robot_table: FeatureTable, robot_rollout: MakeRollout, body: str, words: str
) -> None:
    host = opened(pool, body, robot_table)
    with pytest.raises(RewardFailure, match=words):
        host.score(robot_rollout())
    sibling = opened(pool, "return state.height, {}", robot_table)
    rollout = robot_rollout()
    assert torch.equal(sibling.score(rollout).reward, robot_table.view(rollout.state).height)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise ValueError('a\\ud800b')", r"line 2: ValueError: a\?b"),
        (
            "class Silent(ValueError):\n    def __str__(self): raise SystemExit(1)\nraise Silent",
            "line 4: Silent: ",
        ),
        ("raise SystemExit(1)", "line 2: SystemExit: 1"),
    ],
)
def test_an_exception_that_cannot_be_told_is_named_with_its_line(
    pool: HostPool, robot_table: FeatureTable, robot_rollout: MakeRollout, body: str, words: str
) -> None:
    host = opened(pool, body, robot_table)
    with pytest.raises(RewardFailure, match=words):
        host.score(robot_rollout())


@pytest.mark.parametrize(
    "body",
    [
        "while True: pass",
        "return 9**9**9, {}",
        "import time\ntime.sleep(1000)",
        "import signal\nsignal.signal(15, signal.SIG_IGN)\nsignal.alarm(0)\nwhile True: pass",
        "import signal\nsignal.raise_signal(19)",  # SIGSTOP
        "while True: print('x' * 10**6)",
    ],
)
def test_what_does_not_end_is_ended(
    hasty: HostPool, robot_table: FeatureTable, robot_rollout: MakeRollout, body: str
) -> None:
    host = opened(hasty, body, robot_table)
    with pytest.raises(HostFailure, match=r"no answer within 0\.5 s") as caught:
        host.score(robot_rollout())
    assert caught.value.finding.rule == "deadline"


def test_a_loop_at_module_level_is_ended(
    hasty: HostPool, robot_table: FeatureTable, robot_rollout: MakeRollout
) -> None:
    code = parse_reward("while True: pass\ndef compute_reward(s, a, n): ...\n")
    with pytest.raises(HostFailure, match="no answer"):
        hasty.open(code, robot_table).score(robot_rollout())


def test_a_process_killed_from_outside_fails_its_candidate_only(
    pool: HostPool, robot_table: FeatureTable, robot_rollout: MakeRollout
) -> None:
    hosts = [opened(pool, PID, robot_table) for _ in range(2)]
    pids = [int(host.score(robot_rollout()).reward[0, 0, 0]) for host in hosts]
    assert pids[0] != pids[1]
    os.kill(pids[0], signal.SIGKILL)
    with pytest.raises(HostFailure, match=r"SIGKILL \(out of memory, or killed"):
        hosts[0].score(robot_rollout())
    assert int(hosts[1].score(robot_rollout()).reward[0, 0, 0]) == pids[1]


def test_its_children_end_with_it(
    robot_table: FeatureTable, robot_rollout: MakeRollout, unlocked: HostPool
) -> None:
    body = """\
import os
if os.fork() == 0:
    while True: pass
child = int(open(f"/proc/self/task/{os.getpid()}/children").read().split()[0])
return torch.full_like(state.height, child), {}"""
    host = opened(unlocked, body, robot_table)
    child = int(host.score(robot_rollout()).reward[0, 0, 0])
    assert not gone(child)
    host.close()
    wait_until_gone(child)


def test_secrets_in_the_environment_do_not_reach_it(
    robot_table: FeatureTable, robot_rollout: MakeRollout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    body = """\
import os
environments = [open("/proc/self/environ").read(), open(f"/proc/{os.getppid()}/environ").read()]
assert not any("canary" in text for text in environments + list(os.environ.values()))
assert set(os.environ) <= {"LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH",
                           "OMP_NUM_THREADS", "MKL_NUM_THREADS", "CUDA_MODULE_LOADING"}
return state.height, {}"""
    with HostPool(HostOptions(mode="none", deadlines=PATIENT)) as pool:
        opened(pool, body, robot_table).score(robot_rollout())


def test_it_inherits_no_open_files(
    unlocked: HostPool, robot_table: FeatureTable, robot_rollout: MakeRollout, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("canary")
    body = f"""\
import os
paths = [os.readlink(f"/proc/self/fd/{{fd}}") for fd in os.listdir("/proc/self/fd")
         if os.path.exists(f"/proc/self/fd/{{fd}}")]
assert not any({str(tmp_path)!r} in path for path in paths), paths
return state.height, {{}}"""
    with secret.open():
        opened(unlocked, body, robot_table).score(robot_rollout())


@pytest.mark.parametrize("way", ["r", "w", "a", "x"])
def test_it_opens_no_file(
    pool: HostPool,
    robot_table: FeatureTable,
    robot_rollout: MakeRollout,
    tmp_path: Path,
    way: str,
) -> None:
    (tmp_path / "secret").write_text("canary")
    name = str(tmp_path / ("new" if way == "x" else "secret"))
    body = f"return state.height + len(open({name!r}, {way!r}).read()), {{}}"
    with pytest.raises(RewardFailure, match="PermissionError"):
        opened(pool, body, robot_table).score(robot_rollout())
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("secret", "canary")]


def test_a_lying_worker_cannot_write_into_the_copy(
    unlocked: HostPool, robot_table: FeatureTable, robot_rollout: MakeRollout
) -> None:
    # a thread keeps writing NaN into every float32 tensor that the worker holds
    body = """\
import gc, threading
def spoil():
    while True:
        for t in [o for o in gc.get_objects() if type(o) is torch.Tensor]:
            if t.shape[:1] == (33,): t.fill_(float("nan"))
threading.Thread(target=spoil, daemon=True).start()
return state.height, {}"""
    host = opened(unlocked, body, robot_table)
    try:
        scores = host.score(robot_rollout())
    except RewardFailure as error:
        assert "is nan" in str(error)
    else:
        kept = scores.reward.clone()
        time.sleep(0.05)
        assert torch.equal(scores.reward, kept)


OWNER = """
import sys, torch
from rewardgen.isolation.host import HostPool
from rewardgen.isolation.host import HostOptions
from rewardgen.isolation.pace import Deadlines
from rewardgen.rewards.format import parse_reward
from rewardgen.rewards.transitions import Transitions
from rewardgen_envs.features import Feature, FeatureTable

table = FeatureTable([Feature("height", (), "m", "")])
pool = HostPool(HostOptions(deadlines=Deadlines(60.0, 60.0)))
rows = Transitions(torch.zeros(2, 1), torch.zeros(2, 1), torch.zeros(2, 1))
source = "import os\\ncalls = []\\ndef compute_reward(s, a, n):\\n    calls.append(1)\\n"
source += "    while len(calls) > 1: pass\\n"
source += "    return s.height + os.getpid(), {'p': s.height + os.getppid()}\\n"
host = pool.open(parse_reward(source), table)
output = host.evaluate(rows)
print(int(output.reward[0]), int(output.terms["p"][0]), flush=True)
host.evaluate(rows)
"""


def test_it_ends_when_its_owner_is_killed() -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        text=True,
    )
    assert owner.stdout is not None
    pids = [int(pid) for pid in owner.stdout.readline().split()]
    assert len(pids) == 2
    assert not any(gone(pid) for pid in pids)
    owner.kill()
    owner.wait()
    owner.stdout.close()
    for pid in pids:
        wait_until_gone(pid)


def test_a_host_that_cannot_be_started_is_no_failure_of_the_reward(
    robot_table: FeatureTable, robot_rollout: MakeRollout, monkeypatch: pytest.MonkeyPatch
) -> None:
    for executable, words in (("/nonexistent", "cannot start"), ("/bin/false", "did not come up")):
        monkeypatch.setattr(sys, "executable", executable)
        with HostPool() as pool:
            host = opened(pool, "return state.height, {}", robot_table)
            with pytest.raises(HostUnavailable, match=words):
                host.score(robot_rollout())
        monkeypatch.undo()


def test_a_zygote_that_was_killed_is_replaced(
    robot_table: FeatureTable, robot_rollout: MakeRollout
) -> None:
    body = "import os\nreturn torch.full_like(state.height, os.getppid()), {}"
    with HostPool(HostOptions(deadlines=PATIENT)) as pool:
        host = opened(pool, body, robot_table)
        zygote = int(host.score(robot_rollout()).reward[0, 0, 0])
        status = Path(f"/proc/{zygote}/status").read_text()
        assert "Threads:\t1\n" in status, "forking with threads is not safe"
        os.kill(zygote, signal.SIGKILL)
        wait_until_gone(zygote)
        with pytest.raises(HostFailure, match="is gone"):
            host.score(robot_rollout())
        other = opened(pool, body, robot_table).score(robot_rollout())
        assert int(other.reward[0, 0, 0]) != zygote


BLOCKED = """
import sys
sys.modules["rewardgen.isolation.linux"] = None
exec(sys.stdin.read())
"""
WITHOUT_LINUX = """
import torch
from rewardgen.isolation.host import HostOptions, HostPool
from rewardgen.isolation.protection import IsolationError
from rewardgen.isolation.pace import Deadlines
from rewardgen.rewards.format import parse_reward
from rewardgen.rewards.transitions import Transitions
from rewardgen_envs.features import Feature, FeatureTable

try:
    HostPool()
except IsolationError as error:
    assert "--isolation none" in str(error), error
else:
    raise AssertionError("standard is not offered here")
table = FeatureTable([Feature("height", (), "m", "")])
rows = Transitions(torch.ones(2, 1), torch.zeros(2, 1), torch.ones(2, 1))
with HostPool(HostOptions(mode="none", deadlines=Deadlines(30.0, 30.0))) as pool:
    host = pool.open(parse_reward("def compute_reward(s, a, n): return s.height + 1, {}"), table)
    assert host.evaluate(rows).reward.tolist() == [2.0, 2.0]
print("done")
"""


def test_without_the_linux_half_mode_none_works_and_standard_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED],
        input=WITHOUT_LINUX,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stdout == "done\n", done.stderr


def test_the_deadline_follows_the_time_a_reward_needs(
    robot_table: FeatureTable, robot_rollout: MakeRollout
) -> None:
    # slow calls raise the deadline, so that a slow machine fails nobody
    slow = Deadlines(first_s=20.0, least_s=0.05, factor=50.0)
    body = "import time\ntime.sleep(0.2)\nreturn state.height, {}"
    with HostPool(dataclasses.replace(HostOptions(), deadlines=slow)) as pool:
        host = opened(pool, body, robot_table)
        for _ in range(2):
            host.score(robot_rollout(members=1))
