"""Messages, and workers that do not behave."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from rewardgen_envs.adapters.isaac.environment import IsaacVectorEnv
from rewardgen_envs.adapters.isaac.process import (
    WORKER_FOLDER,
    WorkerDied,
    WorkerError,
    WorkerGarbage,
    WorkerProcess,
    WorkerSilent,
    WorkerVersion,
)
from rewardgen_envs.adapters.isaac.rewardgen_worker.protocol import (
    HEAD,
    MAGIC,
    VERSION,
    Message,
    ProtocolError,
    encode,
    read_message,
)

MODULES = sorted((WORKER_FOLDER / "rewardgen_worker").glob("*.py"))


def read(data: bytes) -> Message:
    stream = BytesIO(data)

    def exactly(count: int) -> bytes:
        part = stream.read(count)
        if len(part) < count:
            raise EOFError
        return part

    return read_message(exactly)


def frame(header: object, body: bytes = b"") -> bytes:
    data = header if isinstance(header, bytes) else json.dumps(header).encode()
    return HEAD.pack(MAGIC, len(data), len(body)) + data + body


# ---- messages


def test_what_is_sent_arrives() -> None:
    arrays = {
        "a": np.arange(6, dtype=np.float32).reshape(2, 3).T,  # not contiguous
        "b": np.array([True, False]),
        "c": np.array([2**62, -1]),
        "d": np.zeros((0, 4)),
        "e": np.array([[1.5]], dtype=">f8"),
        "f": np.array([np.nan, np.inf], dtype=np.float32),
    }
    sent = Message("STEP", {"größe": [1, None, "x"], "deep": {"y": 0.1}}, arrays)
    found = read(encode(sent))
    assert (found.kind, found.fields) == (sent.kind, sent.fields)
    assert list(found.arrays) == list(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found.arrays[name], array)
        assert found.arrays[name].dtype == array.dtype.newbyteorder("=")
        found.arrays[name][...] = 0  # they belong to whoever got them


def test_the_frame_is_what_other_versions_will_find() -> None:
    data = encode(Message("HELLO", {"version": 1}))
    assert data[:4] == b"RGIW"
    length = int.from_bytes(data[4:8], "little")
    assert int.from_bytes(data[8:16], "little") == 0
    assert json.loads(data[16:]) == {"kind": "HELLO", "fields": {"version": 1}, "arrays": []}
    assert len(data) == 16 + length


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"Importing module 'gym_38'\n" + b" " * 40, "found the bytes b'Impo'"),
        (HEAD.pack(MAGIC, 1 << 30, 0), "is too long"),
        (HEAD.pack(MAGIC, 2, 1 << 40), "is too long"),
        (frame(b"\xff\xfe"), "is no JSON"),
        (frame(b"[" * 1_000_000), "is no JSON"),
        (frame([1]), "is no object"),
        (frame({"kind": 1, "fields": {}, "arrays": []}), "lacks kind, fields or arrays"),
        (frame({"kind": "X", "fields": {}, "arrays": [{"name": "a"}]}), "describes an array as"),
    ],
)
def test_what_is_no_message_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(ProtocolError, match=said):
        read(data)


@pytest.mark.parametrize(
    ("dtype", "shape", "body", "said"),
    [
        ("float32", [2], b"\0" * 4, "longer than the message"),
        ("float32", [2], b"\0" * 12, "4 bytes of a message belong to no array"),
        ("object", [1], b"\0" * 8, "describes an array"),
        ("float32", [-1], b"", "describes an array"),
        ("float32", [True], b"\0" * 4, "describes an array"),
        ("float32", [1 << 40, 1 << 40], b"", "longer than the message"),
    ],
)
def test_arrays_are_held_against_the_bytes(
    dtype: str, shape: list[int], body: bytes, said: str
) -> None:
    described = {"name": "a", "dtype": dtype, "shape": shape}
    with pytest.raises(ProtocolError, match=said):
        read(frame({"kind": "X", "fields": {}, "arrays": [described]}, body))


def test_only_numbers_are_sent() -> None:
    with pytest.raises(ProtocolError, match="array 'a' is object"):
        encode(Message("X", {}, {"a": np.array([None])}))
    with pytest.raises(ValueError, match="Out of range float"):
        encode(Message("X", {"a": float("nan")}))


# ---- what simulators' Python can run


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_the_workers_side_is_python_3_8_with_numpy_alone(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 8))
    imported: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            imported.add((node.module or "").partition(".")[0])
        # built-in generics and unions outside of annotations need 3.9 and 3.10
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript):
            assert not isinstance(node.value.value, ast.Name) or node.value.value.id not in (
                "dict", "list", "tuple", "type"
            )  # fmt: skip
    assert imported <= {"numpy"} | set(sys.stdlib_module_names)
    assert not {"graphlib", "zoneinfo", "tomllib"} & imported, "younger than 3.8"
    methods = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not methods & {"removeprefix", "removesuffix", "bit_count"}, "younger than 3.8"


def test_the_workers_side_imports_nothing_of_the_project() -> None:
    code = (
        "import sys, rewardgen_worker.vec_task, rewardgen_worker.direct_env, "
        "rewardgen_worker.gym_features; "
        "print([n for n in sys.modules if n.startswith(('torch', 'rewardgen_envs'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(WORKER_FOLDER)!r})\n{code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


# ---- workers that do not behave

HEADER = f"""
import os, sys, time
sys.path.insert(0, {str(WORKER_FOLDER)!r})
from rewardgen_worker.protocol import *
def read(): return read_message(sys.stdin.buffer.read)
def write(message): sys.stdout.buffer.write(encode(message)); sys.stdout.buffer.flush()
def hello(): read(); write(Message("HELLO", {{"version": VERSION}}))
"""
READY = """
hello(); read()
write(Message("READY", {"features": [{"name": "x", "shape": [], "unit": "m", "description": "X.",
  "private": False}], "observation_size": 1, "action_size": 1, "action_count": 0,
  "control_dt_s": 0.1, "episode_steps": 10, "autoreset": "same_step"}))
state = {"observation": np.zeros((2, 1), "f4"), "features": np.zeros((2, 1), "f4")}
read(); write(Message("STATE", {}, state))
"""
Start = Callable[[str], list[str]]


@pytest.fixture
def script(tmp_path: Path) -> Start:
    def write(body: str) -> list[str]:
        path = tmp_path / "worker.py"
        path.write_text(HEADER + body)
        return [sys.executable, str(path)]

    return write


@pytest.mark.parametrize(
    ("body", "error", "said"),
    [
        ("read(); write(Message('HELLO', {'version': 99}))", WorkerVersion, "the other side versi"),
        ("read(); write(Message('READY'))", WorkerGarbage, "expected HELLO, found READY"),
        ("print('Setting GYM_USD_PLUG_INFO_PATH', flush=True); time.sleep(60)", WorkerGarbage,
         "found the bytes b'Sett'"),
        ("print('no display', file=sys.stderr); sys.exit(3)", WorkerDied,
         "with status 3; it printed last:\nno display"),
        ("read(); sys.stdout.write('RGI'); sys.stdout.flush()", WorkerDied, "the worker ended"),
        ("os.kill(os.getpid(), 9)", WorkerDied, "with status -9"),
    ],
)  # fmt: skip
def test_what_does_not_greet_is_no_worker(
    body: str, error: type[WorkerError], said: str, script: Start
) -> None:
    with pytest.raises(error) as raised:
        WorkerProcess(script(body), 60.0)
    assert said in str(raised.value)


def test_what_cannot_be_started_is_named() -> None:
    with pytest.raises(WorkerDied, match="cannot start /nowhere/python: No such file"):
        WorkerProcess(["/nowhere/python"], 5.0)


def test_a_worker_refuses_another_version_itself(script: Start) -> None:
    """Its answer is an error that says so, whatever version asks."""
    body = "from rewardgen_worker.serve import serve\nsys.exit(serve(None))"
    done = subprocess.run(
        script(body),
        input=encode(Message("HELLO", {"version": VERSION + 1})),
        capture_output=True,
        check=False,
    )
    answer = read(done.stdout)
    assert (done.returncode, answer.kind) == (1, "ERROR")
    assert answer.fields["version"] == VERSION
    assert "copy rewardgen_worker from the rewardgen" in answer.fields["text"]


def test_a_worker_ends_when_its_owner_is_gone(script: Start) -> None:
    body = "from rewardgen_worker.serve import serve\nsys.exit(serve(None))"
    done = subprocess.run(script(body), input=b"", capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, b"")


@pytest.mark.parametrize(
    "body",
    ["hello(); time.sleep(600)", "hello(); os.write(1, MAGIC); time.sleep(600)"],
    ids=["says nothing", "stops in a message"],
)
def test_a_worker_that_hangs_is_ended_at_the_deadline(body: str, script: Start) -> None:
    worker = WorkerProcess(script(body), 60.0)
    with pytest.raises(WorkerSilent, match=r"did not answer INIT within 0\.2 s"):
        worker.ask("INIT", deadline_s=0.2)
    assert not worker.running
    with pytest.raises(WorkerSilent, match="was ended before"):
        worker.ask("INIT", deadline_s=0.2)


def test_a_worker_that_reads_nothing_does_not_hold_its_owner(script: Start) -> None:
    worker = WorkerProcess(script("hello(); time.sleep(600)"), 60.0)
    with pytest.raises(WorkerSilent):
        worker.ask("STEP", {}, {"action": np.zeros(4_000_000)}, deadline_s=0.3)
    assert not worker.running


def test_what_a_worker_has_started_ends_with_it(script: Start, tmp_path: Path) -> None:
    mark = tmp_path / "child"
    body = f"""
import subprocess
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open({str(mark)!r}, "w").write(str(child.pid))
hello(); time.sleep(600)
"""
    worker = WorkerProcess(script(body), 60.0)
    with pytest.raises(WorkerSilent):
        worker.ask("INIT", deadline_s=0.1)
    state = Path(f"/proc/{mark.read_text()}/stat")
    if not Path("/proc/self/stat").exists():
        pytest.skip("needs /proc")
    for _ in range(100):
        if not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.05)
    pytest.fail("the child is still running")


@pytest.mark.parametrize(
    ("tail", "said"),
    [
        ("read(); write(Message('STATE', {}, state))", "answered STATE, not STEPPED"),
        ("read(); write(Message('STEPPED', {}, {'observation': state['observation']}))",
         r"sent nothing as 'features', not float32 \(2, 1\)"),
        ("read(); write(Message('STEPPED', {}, {'observation': np.zeros((3, 1), 'f4')}))",
         r"sent float32 \(3, 1\) as 'observation'"),
        ("read(); write(Message('STEPPED', {}, {**state, 'terminated': np.zeros(2)}))",
         r"sent float64 \(2,\) as 'terminated', not bool"),
    ],
)  # fmt: skip
def test_answers_are_held_against_what_init_declared(tail: str, said: str, script: Start) -> None:
    env = IsaacVectorEnv(script(READY + tail + "\ntime.sleep(600)"), 2, start_s=60.0, step_s=60.0)
    env.reset()
    with pytest.raises(WorkerGarbage, match=said):
        env.step(np.zeros((2, 1)))
    assert not env.worker.running


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"unit": "m"', '"unit": ""', "lacks name, unit, description"),
        ('"shape": []', '"shape": [0]', r"has shape \(0,\)"),
        ('"name": "x"', '"name": "not a name"', "is not a public identifier"),
        ('"action_size": 1', '"action_size": 0', "no observation, action, episode or feature"),
        ('"same_step"', '"sometimes"', "KeyError: 'sometimes'"),
        ('"control_dt_s": 0.1, ', "", "KeyError: 'control_dt_s'"),
    ],
)
def test_a_description_that_makes_no_sense_is_refused(
    old: str, new: str, said: str, script: Start
) -> None:
    assert old in READY
    with pytest.raises(WorkerGarbage, match=said):
        IsaacVectorEnv(script(READY.replace(old, new) + "time.sleep(600)"), 2, start_s=60.0)


def test_choices_that_are_none_leave_the_worker_running(script: Start) -> None:
    ready = READY.replace(
        '"action_size": 1, "action_count": 0', '"action_size": 0, "action_count": 3'
    )
    env = IsaacVectorEnv(script(ready + "time.sleep(600)"), 2, start_s=60.0, step_s=60.0)
    env.reset()
    for wrong in (np.array([0.5, 1.0]), np.array([3, 0]), np.array([-1, 0]), np.array([np.nan, 0])):
        with pytest.raises(ValueError, match="no choice of 0 to 2 in environment 0"):
            env.step(wrong)
    assert env.worker.running
    env.close()
