"""Letters as files: prompts appear, answers are waited for."""

from __future__ import annotations

from pathlib import Path

import pytest

from rewardgen.design.letters import Answer, Letter
from rewardgen.design.mailbox import Mailbox
from rewardgen.llm.messages import Message
from rewardgen.store.errors import StoreError

LETTERS = [
    Letter(
        f"iteration-1/c1-{i + 1}",
        i,
        (Message(role="system", content="Contract."), Message(role="user", content=f"Task {i}.")),
    )
    for i in range(2)
]


class Writer:
    """Does one thing after another, one each time that the mailbox waits."""

    def __init__(self, folder: Path, *texts: tuple[str, str]) -> None:
        self.folder = folder
        self.texts = list(texts)
        self.waits = 0

    def __call__(self) -> None:
        self.waits += 1
        if self.texts:
            name, text = self.texts.pop(0)
            (self.folder / "iteration-1" / name).write_text(text)
        elif self.waits > 20:
            raise TimeoutError


def test_prompts_hold_the_whole_conversation(tmp_path: Path) -> None:
    box = Mailbox(tmp_path, lambda text: None, Writer(tmp_path))
    with pytest.raises(TimeoutError):
        box.ask(LETTERS)
    text = (tmp_path / "iteration-1" / "c1-2.prompt.md").read_text()
    assert "Contract." in text and "Task 1." in text


def test_waits_says_where_and_goes_on(tmp_path: Path) -> None:
    said: list[str] = []
    writer = Writer(
        tmp_path,
        ("c1-2.answer.md", "second"),
        ("c1-1.answer.md", ""),
        ("c1-1.answer.md", "fir"),
        ("c1-1.answer.md", "first"),
    )
    answers = Mailbox(tmp_path, said.append, writer).ask(LETTERS)
    assert answers == [Answer("first"), Answer("second")]
    assert "c1-1.answer.md, c1-2.answer.md" in said[0]
    assert str(tmp_path / "iteration-1") in said[0]
    assert said[1].endswith("as c1-1.answer.md")
    assert len(said) == 2


def test_a_folder_that_cannot_be_made_is_an_error_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "iteration-1").write_text("in the way")
    with pytest.raises(StoreError, match="iteration-1"):
        Mailbox(tmp_path, lambda text: None, Writer(tmp_path)).ask(LETTERS)


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that fails")
def test_an_answer_that_cannot_be_read_is_an_error_of_reading(tmp_path: Path) -> None:
    folder = tmp_path / "iteration-1"
    folder.mkdir()
    (folder / "c1-1.answer.md").symlink_to("/proc/self/mem")  # exists, but nothing lies at 0
    with pytest.raises(StoreError, match=r"cannot read .*c1-1\.answer\.md"):
        Mailbox(tmp_path, lambda text: None, Writer(tmp_path)).ask(LETTERS)


def test_answers_that_are_there_are_not_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "iteration-1"
    folder.mkdir()
    for i in (1, 2):
        (folder / f"c1-{i}.answer.md").write_text(f"answer {i}")
    said: list[str] = []
    answers = Mailbox(tmp_path, said.append, Writer(tmp_path)).ask(LETTERS)
    assert answers == [Answer("answer 1"), Answer("answer 2")]
    assert said == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_answers_of_other_editors_are_read(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "iteration-1").mkdir()
    for number in (1, 2):
        path = tmp_path / "iteration-1" / f"c1-{number}.answer.md"
        path.write_text("reward = 1.0  # 2 m/s²", encoding=encoding)
    answers = Mailbox(tmp_path, lambda text: None, lambda: None).ask(LETTERS)
    assert answers == [Answer("reward = 1.0  # 2 m/s²")] * 2
