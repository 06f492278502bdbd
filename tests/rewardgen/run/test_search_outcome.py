"""What a finished search leaves behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from rewardgen.analysis.feedback import Feedback
from rewardgen.config import RunConfig
from rewardgen.report.curves import CurveReader
from rewardgen.report.terms import other_stories
from rewardgen.run.budget import most_env_steps, plan_env_steps, survey_env_steps
from rewardgen.store.run_directory import read_run
from rewardgen.store.show import show_record
from rewardgen_envs.registry import load_task
from rewardgen_policies.recipe import Recipe
from tests.rewardgen.run.tiny import SETTINGS, call, command

FINAL = {"rejected", "failed", "retired", "evaluated", "confirmed"}


def test_every_candidate_ends_in_a_final_state_with_a_reason(
    undisturbed: tuple[dict[str, Any], int],
) -> None:
    record, _ = undisturbed
    assert len(record["candidates"]) == 8
    for candidate in record["candidates"]:
        assert candidate["state"] in FINAL
        assert candidate["reason"]
    assert [c["id"] for c in record["candidates"] if c["state"] == "confirmed"] == [
        record["winner"]
    ]


def test_every_candidate_has_feedback_that_a_designer_can_read(calm_run: Path) -> None:
    run = read_run(calm_run)
    for candidate in run.state.candidates.values():
        assert candidate.feedback is not None
        text = run.artifacts.read_text(candidate.feedback.text)
        stored = run.artifacts.read_text(candidate.feedback.feedback)
        feedback = Feedback.model_validate_json(stored)
        assert feedback.failures or "balanced_share" in text


def test_the_second_iteration_starts_from_the_first(
    undisturbed: tuple[dict[str, Any], int],
) -> None:
    record, _ = undisturbed
    first = {c["id"] for c in record["candidates"] if c["iteration"] == 0}
    parents = {p for c in record["candidates"] if c["iteration"] == 1 for p in c["parents"]}
    assert parents
    assert parents <= first


def test_confirmation_uses_seeds_that_the_search_never_saw(
    undisturbed: tuple[dict[str, Any], int],
) -> None:
    record, _ = undisturbed
    searched = [m for c in record["candidates"] for m in c["members"]]
    confirmed = [m for arm in record["arms"] for m in arm["members"]]
    for key in ("train_seed", "eval_seeds"):
        before = {str(m[key]) for m in searched}
        assert before.isdisjoint({str(m[key]) for m in confirmed})
    # the arms share seeds and episodes, so that they can be compared in pairs
    seeds = {tuple(m["train_seed"] for m in arm["members"]) for arm in record["arms"]}
    assert len(seeds) == 1
    assert [arm["arm"] for arm in record["arms"]] == ["winner", "human", "sparse"]


def test_all_members_of_a_rung_meet_the_same_episodes_and_rungs_different_ones(
    calm_run: Path,
) -> None:
    state = read_run(calm_run).state
    episodes = [r.finished.eval_seeds for r in state.rungs.values() if r.finished is not None]
    assert len({seed for seeds in episodes for seed in seeds}) == sum(map(len, episodes))


def test_the_plan_counts_what_was_spent(calm_run: Path) -> None:
    state = read_run(calm_run).state
    assert state.started is not None
    config = RunConfig.model_validate(state.started.config)
    task, recipe = load_task(config.task), Recipe.model_validate(state.started.recipe)
    planned, surveyed = plan_env_steps(config, task, recipe), survey_env_steps(task)
    survey = sum(job.env_steps for job in state.jobs.values())
    assert 0 < survey <= surveyed
    # episodes that end early and ties make it a bound in one direction or the other
    assert 0.7 * (planned - surveyed) <= state.env_steps - survey <= 1.3 * (planned - surveyed)
    assert state.env_steps <= most_env_steps(config, task, recipe)


def test_the_run_has_a_report_and_scalars(calm_run: Path) -> None:
    html = (calm_run / "report.html").read_text()
    assert "cartpole/balance" in html
    assert 'src="http' not in html
    assert (calm_run / "report.md").is_file()
    assert list((calm_run / "tensorboard").glob("confirm-human/seed-*/events*"))
    assert not (calm_run / "jobs").exists()


def test_the_report_tells_of_terms_what_designers_were_told(calm_run: Path) -> None:
    run = read_run(calm_run)
    record, reader = show_record(run), CurveReader(run.artifacts)
    told = {story.who: story.terms for story in other_stories(record, reader, None)}
    assert told
    for name, terms in told.items():
        feedback = run.state.candidates[name].feedback
        assert feedback is not None
        stored = Feedback.model_validate_json(run.artifacts.read_text(feedback.feedback))
        assert terms == stored.terms


def test_the_phases_of_a_run_add_up(calm_run: Path) -> None:
    record = show_record(read_run(calm_run))
    phases = [phase.phase for phase in record.phases]
    assert phases == ["survey", "search", "playoff", "confirm"]
    assert sum(phase.env_steps for phase in record.phases) == record.env_steps


def test_env_steps_of_several_rungs_are_counted_once(calm_run: Path) -> None:
    run = read_run(calm_run)
    two_rungs = {
        name: next(iter(candidate.members.values()))
        for name, candidate in run.state.candidates.items()
        if candidate.members and len(next(iter(candidate.members.values())).curves) == 2
    }
    assert two_rungs
    for name, member in two_rungs.items():
        trained = member.env_steps
        feedback = run.state.candidates[name].feedback
        assert feedback is not None
        stored = Feedback.model_validate_json(run.artifacts.read_text(feedback.feedback))
        assert stored.env_steps == trained
        scalars: Any = EventAccumulator(str(calm_run / "tensorboard" / name / "seed-0"))
        scalars.Reload()
        assert max(event.step for event in scalars.Scalars("reward")) == trained


@pytest.mark.slow
def test_a_race_ends_when_one_candidate_is_left_of_several(tmp_path: Path) -> None:
    flags = SETTINGS | {"task": "half-cheetah/run", "rungs": 3, "keep": 0.25, "samples": 3}
    flags |= {"threads": 2}  # in shares
    words = [f"--{key}={value}" for key, value in flags.items()]
    done = call(command("run", *words, "--no-render", f"--runs-dir={tmp_path}", "--name=lone"))
    assert done.returncode == 0, done.stderr
    state = read_run(tmp_path / "lone").state
    assert {key for key in state.rungs if key.startswith("iteration")} == {
        "iteration-1-rung-1",
        "iteration-2-rung-1",
    }
    passed = [c for c in state.candidates.values() if c.state in ("evaluated", "confirmed")]
    assert len(passed) == 2
    # the incumbent met the second race on its episodes
    spent = [rung.finished.env_steps for rung in state.rungs.values() if rung.finished is not None]
    assert spent[1] - spent[0] == flags["eval-episodes"] * 1000
