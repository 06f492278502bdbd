"""Variables reach a process by name only."""

from __future__ import annotations

import os

import pytest

from rewardgen.isolation import environment

PLAIN = {"PATH": "/bin", "HOME": "/home/x", "LANG": "C", "LC_ALL": "C", "PYTHONPATH": "/code"}
OTHERS = {
    "OPENAI_API_KEY": "sk-1",
    "ANTHROPIC_AUTH": "sk-2",
    "DATABASE_URL": "postgres://user:secret@host",
    "HTTPS_PROXY": "http://user:secret@host",
    "CUDA_TOKEN": "sk-3",
    "PYTHON_KEYRING_PASSWORD": "sk-4",
    "REWARDGEN_TASK_SECRET": "sk-5",
    "AWS_PROFILE": "me",
}


@pytest.fixture(autouse=True)
def known_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        monkeypatch.delenv(name)
    for name, value in {**PLAIN, **OTHERS, "CUDA_VISIBLE_DEVICES": "1"}.items():
        monkeypatch.setenv(name, value)


def test_workers_get_what_is_named_and_no_secret() -> None:
    given = environment.of_workers()
    assert PLAIN.items() <= given.items()
    assert given["CUDA_VISIBLE_DEVICES"] == "1"
    assert not OTHERS.keys() & given.keys()
    assert given["OMP_WAIT_POLICY"] == "PASSIVE"


def test_a_task_of_ones_own_can_be_told_something(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REWARDGEN_TASK_MESHES", "/data")
    assert environment.of_workers()["REWARDGEN_TASK_MESHES"] == "/data"


def test_reward_code_gets_no_home_and_no_path() -> None:
    threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    assert environment.of_rewards() == {"LANG": "C", "LC_ALL": "C", **threads}


def test_a_locked_trainer_has_its_gpu_and_its_scratch() -> None:
    given = environment.of_locked_trainers("/scratch")
    assert given["CUDA_VISIBLE_DEVICES"] == "1"
    assert (given["HOME"], given["TMPDIR"]) == ("/scratch", "/scratch")
    assert not OTHERS.keys() & given.keys()
