"""``rewardgen analyze``: from a finished run to findings, figures and a section of the report."""

from __future__ import annotations

import csv
import io
import json
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from rewardgen import api
from rewardgen.cli.main import main
from rewardgen.report.analyses import stored_analyses
from rewardgen.report.write import write_report
from rewardgen.run.analyze import folder_name
from rewardgen.store.analysis_records import AnalysisRecord
from rewardgen.store.run_directory import read_run
from rewardgen.store.show import show_record

pytestmark = pytest.mark.slow  # a search, and its policies played again

SCHEMA = Path(__file__).parents[3] / "docs" / "schemas" / "analyze.json"
Analyze = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def runs_dir(calm_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tiny run, to write into."""
    copy = tmp_path_factory.mktemp("analyzed") / "calm"
    shutil.copytree(calm_run, copy)
    return copy.parent


@pytest.fixture(scope="module")
def record(runs_dir: Path) -> AnalysisRecord:
    """The winner's analysis."""
    return api.analyze("calm", runs_dir=runs_dir, episodes=12)


@pytest.fixture
def analyze(runs_dir: Path, capsys: pytest.CaptureFixture[str]) -> Analyze:
    """Analyze by the command line; return exit status, stdout and stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        status = main(["analyze", *arguments, f"--runs-dir={runs_dir}"])
        shown = capsys.readouterr()
        return status, shown.out, shown.err

    return run


def test_the_winner_is_analyzed_over_all_its_policies(
    record: AnalysisRecord, runs_dir: Path
) -> None:
    arm = next(a for a in api.load("calm", runs_dir).arms if a.arm == "winner")
    assert record.who == "winner" and record.source_sha256 == arm.source_sha256
    assert [p.checkpoint for p in record.policies] == [m.checkpoint for m in arm.members]
    assert record.episodes == 12 and record.axes.episodes == 8
    assert sum(c.episodes for c in record.terminations.causes) == 12
    assert record.fitness.interval is not None
    assert [sign.name for sign in record.signs] == [
        "cycles",
        "action saturation",
        "joint-limit dwell",
        "contact spikes",
        "energy spikes",
    ]


def test_terms_add_up_to_the_variance_of_their_sum(record: AnalysisRecord) -> None:
    assert record.terms
    assert sum(t.variance_share or 0.0 for t in record.terms) == pytest.approx(1.0, abs=1e-3)


def test_what_a_mounted_robot_cannot_show_has_a_reason(record: AnalysisRecord) -> None:
    """A cart-pole touches nothing and cannot fall."""
    assert record.axes.contact.score is None
    assert record.axes.contact.reason == "the robot touches nothing that is fixed"
    assert record.axes.kinematic.score is not None and record.axes.dynamic.score is not None
    contact = next(s for s in record.signs if s.name == "contact spikes")
    assert contact.figure is None and contact.reason == "the robot touches nothing"


def test_a_short_training_says_how_long_it_would_have_to_be(record: AnalysisRecord) -> None:
    assert record.divergence is not None and record.divergence.drop.value is None
    assert "needs at least 12 updates" in record.divergence.drop.reason


def test_every_figure_comes_with_its_table(record: AnalysisRecord) -> None:
    folder = Path(record.folder)
    assert set(record.figures) >= {
        "terms-over-episode",
        "terms-by-episode",
        "terms-over-training",
        "endings",
        "reward-slices",
    }
    for name in record.figures:
        assert ET.parse(folder / f"{name}.svg").getroot().tag.endswith("svg")
        rows = list(csv.DictReader(io.StringIO((folder / f"{name}.csv").read_text())))
        assert rows
    by_episode = list(csv.DictReader((folder / "terms-by-episode.csv").open()))
    assert len(by_episode) == 12
    fitness = [float(row["fitness"]) for row in by_episode]
    assert fitness == sorted(fitness, reverse=True)
    over_time = list(csv.DictReader((folder / "terms-over-episode.csv").open()))
    terms = [f"term {term.name}" for term in record.terms]
    for row in over_time[:3]:
        assert int(row["episodes"]) == 12
        assert float(row["reward"]) == pytest.approx(sum(float(row[t]) for t in terms), abs=1e-5)


def test_the_same_analysis_gives_the_same_record(record: AnalysisRecord, runs_dir: Path) -> None:
    assert api.analyze("calm", runs_dir=runs_dir, episodes=12) == record


def test_the_report_shows_what_was_stored(record: AnalysisRecord, runs_dir: Path) -> None:
    page = (runs_dir / "calm" / "report.html").read_text()
    assert "<h2>Trajectories</h2>" in page and "Plausibility of the motion" in page
    markdown = (runs_dir / "calm" / "report.md").read_text()
    assert "## Trajectories" in markdown
    for name in ("terms-over-episode", "terms-by-episode"):
        assert f"analysis/winner/{name}.svg" in markdown
        assert (runs_dir / "calm" / "analysis" / "winner" / f"{name}.svg").is_file()
    del record


def test_json_fits_its_schema(analyze: Analyze) -> None:
    status, output, errors = analyze("calm", "human", "--episodes=2", "--json")
    assert status == 0, errors
    printed = json.loads(output.splitlines()[-1])
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(printed)
    assert printed["who"] == "human"
    assert printed["terminations"]["dying_pays"]["reason"].startswith("needs at least 5 episodes")
    assert "at least 6 failed episodes" in printed["failures"]["reason"]


def test_sparse_and_candidates_can_be_analyzed(analyze: Analyze, runs_dir: Path) -> None:
    status, output, _ = analyze("calm", "sparse", "--episodes=2")
    assert status == 0 and "sparse" in output
    survivor = next(c for c in api.load("calm", runs_dir).candidates if c.state == "evaluated")
    status, output, _ = analyze("calm", survivor.id, "--episodes=2")
    assert status == 0 and f"candidate {survivor.id}" in output
    for heading in ("alarms", "how episodes end", "failures", "signs of exploitation"):
        assert heading in output.splitlines()


def test_an_unknown_name_is_answered_with_those_there_are(analyze: Analyze) -> None:
    status, _, errors = analyze("calm", "winer")
    assert status == 2 and "winner" in errors
    assert analyze("clam")[0] == 2
    status, _, errors = analyze("calm", "--episodes=0")
    assert status == 2 and "--episodes" in errors


def test_a_candidate_without_a_policy_says_why(analyze: Analyze, runs_dir: Path) -> None:
    refused = [c for c in api.load("calm", runs_dir).candidates if not c.members]
    if not refused:
        pytest.skip("every candidate of the tiny run was trained")
    status, _, errors = analyze("calm", refused[0].id)
    assert status == 1 and "has no policy" in errors


def test_a_task_of_another_version_is_refused(
    analyze: Analyze, monkeypatch: pytest.MonkeyPatch, runs_dir: Path
) -> None:
    from rewardgen_envs.cartpole.balance import Balance

    before = (runs_dir / "calm" / "analysis" / "winner" / "analysis.json").stat().st_mtime_ns
    monkeypatch.setattr(Balance, "version", Balance.version + 1)
    status, _, errors = analyze("calm")
    assert status == 2 and "has changed since this run started" in errors
    after = (runs_dir / "calm" / "analysis" / "winner" / "analysis.json").stat().st_mtime_ns
    assert before == after


def test_an_analysis_of_other_policies_is_left_out_of_the_report(
    record: AnalysisRecord, runs_dir: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "calm"
    shutil.copytree(runs_dir / "calm", copy)
    file = copy / "analysis" / "winner" / "analysis.json"
    older = record.policies[0].model_copy(update={"checkpoint": "ab" * 32})
    file.write_text(record.model_copy(update={"policies": (older,)}).model_dump_json())
    (copy / "analysis" / "human" / "analysis.json").write_text("{}")
    left = stored_analyses(copy, show_record(read_run(copy))).left_out
    assert any("winner: its policies were trained further" in reason for reason in left)
    assert any("human: it is of another version" in reason for reason in left)
    page = write_report(copy).read_text()
    assert "Analysis left out: winner" in page


def test_arms_whose_files_have_the_same_name_have_folders_of_their_own() -> None:
    arms = ["winner", "human", "human.py", "a/reward.py", "b/reward.py", "/a/b.py", "../b.py"]
    folders = [folder_name(arm) for arm in arms]
    assert folders[:2] == ["winner", "human"]
    assert len(set(folders)) == len(arms)
    assert all(Path(folder).name == folder for folder in folders)
