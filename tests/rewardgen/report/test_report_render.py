"""The report: self-contained, harmless whatever the run holds, and the same each time."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from rewardgen.report.code import diff_html, python_html, unified_diff
from rewardgen.report.curves import CurveReader
from rewardgen.report.render import Report, render
from rewardgen.report.text import cell, fence, printable
from rewardgen.report.write import write_report
from rewardgen.store.artifacts import ARTIFACTS_NAME
from rewardgen.store.errors import StoreCorruptError
from rewardgen.store.records import HumanFeedbackRecord, LlmUsage, MemberRecord, ShowRecord
from rewardgen.store.run_directory import RunSnapshot
from rewardgen.store.show import show_record

_VOID = {"meta", "img", "br"}
_HOSTILE = (
    '"""```\n</pre></code><script>alert(1)</script>```` """\n'
    "def compute_reward(state, action, next_state):\n"
    '    return state.x, {"<img src=x onerror=alert(1)>": state.x}\n'
)


class Page(HTMLParser):
    """Checks that elements are closed in order, and collects links and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.text: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []
        assert {link[1:] for link in self.links if link.startswith("#")} <= self.ids
        self.resources = [link for link in self.links if not link.startswith("#")]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        self.ids |= {value or "" for name, value in attrs if name == "id"}
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_page_holds_everything_and_needs_nothing(example_report: Report) -> None:
    report = example_report
    page = Page(report.html)
    assert "script" not in page.tags
    assert page.resources
    assert all(link.startswith("data:") for link in page.resources)
    assert sum(link.startswith("data:video/mp4") for link in page.links) == 2
    assert sum(link.startswith("data:image/svg") for link in page.links) == len(report.figures)
    text = " ".join(" ".join(page.text).split())
    for expected in (
        "Candidate 2.5 beat the human-written reward",
        "Swing the hanging pole up and keep it upright.",
        "standard: process, clean environment",
        "highest search-time fitness",
        "the reward of a transition depends on its neighbours",
        "term 'slow' is not finite",
        "crossover of 1.4 and 1.2",
        "what changed since 1.4",
        "rewardgen run configs/demo.yaml",
    ):
        assert expected in text
    assert not re.search("https?:", re.sub(r"data:[^\"]*", "", report.html))


def test_markdown_tells_the_same(example_record: ShowRecord, example_report: Report) -> None:
    report = example_report
    assert "**Candidate 2.5 beat the human-written reward.**" in report.markdown
    winner = next(line for line in report.markdown.splitlines() if line.startswith("| winner"))
    assert "| 10 | 0.763 | [0.718, 0.789] |" in winner
    assert winner.rstrip(" |").endswith("0.749")
    for name in report.figures:
        assert f"](figures/{name}.svg)" in report.markdown
    assert example_record.arms[0].source in report.markdown


def test_the_same_run_gives_the_same_report(
    example_record: ShowRecord, example_run: RunSnapshot, example_report: Report
) -> None:
    assert render(example_record, example_run.artifacts) == example_report


def test_figures_are_svg(example_report: Report) -> None:
    figures = example_report.figures
    assert {"arms", "learning", "search", "terms-winner"} < set(figures)
    for svg in figures.values():
        assert ElementTree.fromstring(svg).tag.endswith("svg")


def test_few_runs_are_all_listed(write_example: Callable[..., RunSnapshot]) -> None:
    run = write_example(confirm_seeds=4)
    record = show_record(run)
    report = render(record, run.artifacts)
    for arm in record.arms:
        assert f"All runs of {arm.arm}:" in report.html
        assert f"All runs of {arm.arm}:" in report.markdown
    assert "t-interval of the mean" in report.html


def test_many_runs_are_not_listed(example_report: Report) -> None:
    assert "All runs of" not in example_report.html


def test_hostile_text_stays_text(example_record: ShowRecord, example_run: RunSnapshot) -> None:
    hostile = "<script>alert(1)</script> | `x` [a](javascript:b)\n# heading"
    candidates = tuple(
        c.model_copy(
            update={"source": _HOSTILE, "reason": hostile, "note": hostile, "origin": hostile}
        )
        for c in example_record.candidates
    )
    record = example_record.model_copy(
        update={
            "candidates": candidates,
            "notes": (hostile,),
            "human_feedback": (
                HumanFeedbackRecord(iteration=0, candidate="c1-2", text=hostile),
                HumanFeedbackRecord(iteration=1, candidate=None, text="Lower the weight."),
            ),
            "description": hostile,
            "reason": hostile,
            "command": ("rewardgen", "run", hostile),
            "config": {"task": hostile},
        }
    )
    report = render(record, example_run.artifacts)
    page = Page(report.html)
    assert "script" not in page.tags
    assert all(link.startswith("data:") for link in page.resources)
    code = report.markdown.split("## The winning reward")[1].split("### Its terms")[0]
    marks = [line for line in code.splitlines() if set(line.removesuffix("python")) == {"`"}]
    assert [len(mark.removesuffix("python")) for mark in marks] == [5, 5]
    rows = report.markdown.split("## The search")[1].splitlines()
    table = [line for line in rows if line.startswith("| 0.0")]
    assert len(table) == 1
    sources = report.markdown.split("## The winning reward")[0].replace("\\<", "")
    assert "<script" not in sources + table[0].replace("\\<", "")
    for text in (" ".join(page.text), report.markdown):
        assert "Said by a person about c1-2, read from iteration 1 on: " in text
        assert "Said by a person, read from iteration 2 on: Lower the weight." in text


@pytest.mark.parametrize("iterations", [0, 1])
def test_an_unfinished_run_has_a_report_too(
    write_example: Callable[..., RunSnapshot], iterations: int
) -> None:
    run = write_example(iterations=iterations)
    report = render(show_record(run), run.artifacts)
    text = " ".join(Page(report.html).text)
    assert "interrupted: interrupted by the user" in text
    overview = {name for name in report.figures if not name.startswith("terms-")}
    assert overview == ({"learning", "search"} if iterations else set())
    assert len(report.figures) == len(overview) + (2 if iterations else 0), "the two finalists"
    assert "Comparison" not in text


def test_a_training_has_a_report_without_a_search(
    example_record: ShowRecord, example_run: RunSnapshot
) -> None:
    record = example_record.model_copy(
        update={
            "verb": "train",
            "winner": None,
            "selection": None,
            "candidates": (),
            "iterations": (),
            "designer": None,
            "videos": {},
            "arms": tuple(
                a.model_copy(update={"improvements": (), "search_fitness": None})
                for a in example_record.arms
            ),
        }
    )
    report = render(record, example_run.artifacts)
    text = " ".join(Page(report.html).text)
    assert "Trained: winner, human and sparse" in text
    assert "Better than" not in text
    terms = {f"terms-arm-{place}" for place in (1, 2, 3)}
    assert set(report.figures) == {"arms", "learning"} | terms
    header = next(line for line in report.markdown.splitlines() if line.startswith("| Reward"))
    assert header == "| Reward | Runs | upright\\_share (IQM) | 95 % interval |"


def test_reports_are_written_into_the_run(
    write_example: Callable[..., RunSnapshot],
) -> None:
    run = write_example()
    page = write_report(run.path)
    assert page == run.path / "report.html"
    assert page.read_text().startswith("<!doctype html>")
    markdown = (run.path / "report.md").read_text()
    for image in re.findall(r"\]\((figures/.*?)\)", markdown):
        assert (run.path / image).is_file()
    before = page.read_bytes()
    moved = run.path.with_name("moved")
    shutil.move(run.path, moved)
    assert write_report(moved).read_bytes() == before.replace(b"demo", b"moved").replace(
        b"configs/moved.yaml", b"configs/demo.yaml"
    )


def test_a_damaged_artifact_stops_the_report(write_example: Callable[..., RunSnapshot]) -> None:
    run = write_example()
    curves = show_record(run).arms[0].members[0].curves[0][0]
    (run.path / ARTIFACTS_NAME / curves).write_text("[]")
    with pytest.raises(StoreCorruptError):
        write_report(run.path)


# ---- parts


def member(curves: tuple[tuple[str, int], ...]) -> MemberRecord:
    return MemberRecord(
        train_seed=0,
        env_steps=0,
        checkpoint_step=0,
        eval_seeds=(),
        fitness=(),
        metrics={},
        checkpoint=None,
        failure=None,
        curves=tuple((_id(name), place) for name, place in curves),
    )


def _id(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


class Stored:
    """Curves by artifact, in place of a run's files."""

    def __init__(self, **curves: list[dict[str, list[float | None]]]) -> None:
        self._curves = {_id(name): values for name, values in curves.items()}

    def read_text(self, artifact: str) -> str:
        return json.dumps(self._curves[artifact])


def test_rungs_join_into_one_curve() -> None:
    stored = Stored(
        first=[{"env_steps": [10, 20], "x": [None, 1.0]}],
        second=[{"env_steps": [30, 40], "x": [2.0, 3.0]}],
    )
    reader = CurveReader(stored)  # type: ignore[arg-type]
    band = reader.band("a", [member((("first", 0), ("second", 0)))], "x")
    assert band is not None
    assert (band.env_steps[0], band.env_steps[-1]) == (20.0, 40.0)
    assert np.interp([20, 30, 40], band.env_steps, band.mean) == pytest.approx([1, 2, 3])
    assert np.all(np.isnan(band.low)), "one run has no band"


def test_a_band_holds_its_mean_and_ends_with_the_last_member() -> None:
    stored = Stored(
        all=[
            {"env_steps": [0, 10, 20], "x": [0.0, 1.0, 2.0]},
            {"env_steps": [0, 10, 20], "x": [0.0, 3.0, 4.0]},
            {"env_steps": [0, 10], "x": [0.0, 2.0]},
        ]
    )
    members = [member((("all", place),)) for place in range(3)]
    band = CurveReader(stored).band("a", members, "x")  # type: ignore[arg-type]
    assert band is not None
    assert band.runs.shape[0] == 3
    assert np.interp([0, 10, 20], band.env_steps, band.mean) == pytest.approx([0, 2, 3], abs=0.1)
    assert np.all(band.low <= band.mean)
    assert np.all(band.mean <= band.high)
    assert CurveReader(stored).band("a", members, "unknown") is None  # type: ignore[arg-type]


def test_code_is_escaped_and_compared() -> None:
    assert "<script" not in python_html(_HOSTILE)
    assert "&lt;" in python_html(_HOSTILE)
    assert unified_diff("a\nb\n", "a\nc\n").splitlines()[1:] == [" a", "-b", "+c"]
    assert diff_html("same", "same") == ""
    assert "<script" not in diff_html("", _HOSTILE)


def test_text_of_others_is_made_harmless() -> None:
    assert printable("a\x1b[31mb\x07\n\tc\x9b") == "a�[31mb�\n\tc�"
    assert cell("a|b\n# `c`") == "a\\|b # \\`c\\`"
    assert fence("no fence") == "```"
    assert fence("a ```` b") == "`````"


# ---- costs


def test_costs_of_the_simulation_add_up(example_record: ShowRecord, example_report: Report) -> None:
    phases = {phase.phase: phase for phase in example_record.phases}
    assert list(phases) == ["search", "confirm"]
    # 5, 6 and 6 candidates, then 2, 2 and 3 of them, two policies each; at last 3 arms
    assert phases["search"].env_steps == 2 * 100_000 * (5 + 6 + 6 + 2 + 2 + 3)
    assert phases["confirm"].env_steps == 3 * 10 * 200_000
    assert sum(phase.env_steps for phase in phases.values()) == example_record.env_steps
    assert phases["search"].wall_s == 6 * 12.0
    costs = example_report.markdown.split("## Costs")[1]
    assert "| search | 4.8 M | 1 min 12 s |" in costs
    assert "| confirmation | 6 M | 12 s |" in costs
    assert "| the whole run | 10.8 M |" in costs
    assert "No language model was asked." in costs


@pytest.mark.parametrize(
    ("cost_usd", "estimated", "shown", "in_all"),
    [
        (0.0123, 0, "0.0123 USD", "0.0123 USD"),
        (0.0123, 2, "0.0123 USD", "at most 0.0123 USD"),
        (None, 0, "not known", "not known"),
        (None, 2, "not known", "not known"),
    ],
)
def test_costs_of_a_language_model_are_told(
    example_record: ShowRecord,
    example_run: RunSnapshot,
    cost_usd: float | None,
    estimated: int,
    shown: str,
    in_all: str,
) -> None:
    llm = LlmUsage(
        model="some|model",
        calls=12,
        retried=3,
        cached=4,
        prompt_tokens=45_678,
        completion_tokens=9_012,
        cost_usd=cost_usd,
        estimated=estimated,
    )
    short = {"llm": llm, "candidates": (), "iterations": (), "winner": None, "arms": ()}
    report = render(example_record.model_copy(update=short), example_run.artifacts)
    assert f"| some\\|model | 12 | 3 | 4 | 45.7 k | 9,012 | {shown} |" in report.markdown
    assert f"| Cost | {in_all} |" in report.markdown
    assert f"<dd>{in_all}</dd>" in report.html
    for text in (report.markdown, report.html):
        assert ("2 of the calls did not say how much they used" in text) == (estimated > 0)
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", report.html.split("<th>Language model</th>")[1])
    assert cells[:7] == ["some|model", "12", "3", "4", "45.7 k", "9,012", shown]
    assert "No language model" not in report.html


def test_a_missing_video_is_explained_where_it_would_be(
    example_record: ShowRecord, example_run: RunSnapshot
) -> None:
    why = "no video: this machine offers no working GL. Install libegl1 (Mesa)"
    wanted = {"videos": {}, "notes": (why,), "config": {"render": True}}
    report = render(example_record.model_copy(update=wanted), example_run.artifacts)
    for text in (report.html, report.markdown):
        assert "There is no video; the notes on the run say why." in text
        assert why in text
    nobody_won = example_record.model_copy(update={"winner": None})
    page = Page(render(nobody_won, example_run.artifacts).html)
    assert sum(link.startswith("data:video/mp4") for link in page.links) == 2, "shown all the same"
    unwanted = example_record.model_copy(update={"videos": {}, "config": {"render": False}})
    assert "no video" not in render(unwanted, example_run.artifacts).html


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a report must not use the network")

    monkeypatch.setattr("socket.socket.connect", refuse)


def test_templates_lie_beside_the_code() -> None:
    templates = Path(__file__).parents[3] / "rewardgen" / "report" / "templates"
    assert {f.name for f in templates.iterdir()} == {
        "analysis.html.j2",
        "analysis.md.j2",
        "card.md.j2",
        "comparison.html.j2",
        "report.html.j2",
        "report.md.j2",
        "style.css",
    }
