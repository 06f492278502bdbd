"""Replies in the log of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from rewardgen.llm.messages import Message, Reply, Request
from rewardgen.run.replies import RunNotebook
from rewardgen.store.run_directory import RunDirectory, read_run
from tests.rewardgen.report.example_run import ExampleRun


@pytest.mark.parametrize("estimated", [False, True])
def test_a_reply_is_kept_as_it_came(tmp_path: Path, estimated: bool) -> None:
    key = "a" * 64
    request = Request(messages=(Message(role="user", content="a reward"),), sample=1)
    reply = Reply(
        key=key,
        text="no",
        finish="stop",
        model="m-1",
        prompt_tokens=100,
        completion_tokens=10,
        cost_usd=0.5,
        estimated=estimated,
        latency_s=1.0,
        attempts=2,
    )
    with RunDirectory.create(tmp_path / "run") as directory:
        ExampleRun(directory).start()
        notebook = RunNotebook(directory, {key: "c1-1"})
        notebook.keep(key, request, reply)
        assert notebook.find(key) == reply
        notebook.drop("seed")
        notebook.drop("temperature")
        assert (notebook.spent_usd, notebook.dropped) == (0.5, ("seed", "temperature"))
        assert notebook.find("b" * 64) is None
    recorded = read_run(tmp_path / "run").state.replies[key]
    assert (recorded.label, recorded.attempts) == ("c1-1", 2)
    assert recorded.estimated is estimated
