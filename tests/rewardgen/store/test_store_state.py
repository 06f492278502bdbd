"""The fold: what events say, and that they always say the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rewardgen.store import parts
from rewardgen.store import payloads as p
from rewardgen.store.errors import StoreError
from rewardgen.store.events import DATABASE_NAME, read_events
from rewardgen.store.fold import FOLDS, Event, fold
from rewardgen.store.manifest import collect_manifest
from rewardgen.store.run_directory import RunDirectory
from rewardgen.store.show import member_fitness
from rewardgen.store.state import RunState

CURVES = "c" * 64
CHECKPOINT = "d" * 64


def rung_events(
    rung: str, source: str, seeds: dict[int, float | None], *, trial: str | None = None
) -> list[p.Payload]:
    """Return start and end of a rung of one source; a seed without fitness failed."""
    started = p.RungStarted(
        rung=rung,
        trial=trial,
        iteration=0 if trial is None else None,
        number=0,
        env_steps=100,
        members=tuple(parts.MemberKey(source=source, seed=seed) for seed in seeds),
    )
    finished = p.RungFinished(
        rung=rung,
        members=tuple(
            parts.MemberOutcome(source=source, seed=seed, env_steps=30, failure="NaN at step 30")
            if value is None
            else parts.MemberOutcome(
                source=source,
                seed=seed,
                env_steps=100,
                checkpoint=CHECKPOINT,
                fitness={"upright": (value, value + 0.2)},
            )
            for seed, value in seeds.items()
        ),
        eval_seeds=(8, 9),
        curves=CURVES,
        env_steps=250,
        wall_s=1.0,
    )
    return [started, finished]


def proposed(candidate: str, **changes: object) -> p.CandidateProposed:
    values: dict[str, object] = {
        "candidate": candidate,
        "iteration": 0,
        "slot": 0,
        "source": "a" * 64,
        **changes,
    }
    return p.CandidateProposed.model_validate(values)


def numbered(payloads: list[p.Payload], start: int = 1, clock: float = 0.0) -> list[Event]:
    return [
        Event(seq, payload, t_wall=1e9 + seq, t_mono=clock + seq)
        for seq, payload in enumerate(payloads, start)
    ]


@pytest.fixture
def searched(run_started: p.RunStarted) -> RunState:
    """One candidate trained over two rungs, the second of which one member did not survive."""
    return fold(
        RunState(),
        numbered(
            [
                run_started,
                p.IterationStarted(iteration=0),
                proposed("a"),
                p.CandidateChecked(candidate="a", verdict="accepted"),
                *rung_events("r0", "a", {1: 0.1, 2: 0.3}),
                *rung_events("r1", "a", {1: 0.5, 2: None}),
            ]
        ),
    )


def test_every_payload_has_a_name_and_a_fold() -> None:
    assert set(FOLDS) == set(p.PAYLOADS.values()) == set(p.EVENT_NAMES)
    assert set(p.PAYLOADS.values()) == set(p.Payload.__subclasses__())


def test_members_carry_on_over_rungs(searched: RunState) -> None:
    first, second = searched.candidates["a"].members.values()
    assert (first.env_steps, first.checkpoint_step, first.failure) == (200, 200, None)
    assert first.fitness == {"upright": (0.5, 0.7)}
    assert first.curves == [(CURVES, 0), (CURVES, 0)]
    assert first.rungs == ["r0", "r1"]
    assert (second.env_steps, second.checkpoint_step) == (130, 100)
    assert second.failure == "NaN at step 30"
    assert second.fitness == {"upright": (0.3, 0.5)}
    assert second.curves == [(CURVES, 1), (CURVES, 1)]


def test_search_fitness_is_the_mean_over_members(searched: RunState) -> None:
    members = searched.candidates["a"].members.values()
    assert member_fitness(members, "upright") == pytest.approx((0.6 + 0.4) / 2)
    assert member_fitness([], "upright") is None


def test_steps_are_counted_once_per_rung_and_job(searched: RunState) -> None:
    assert searched.env_steps == 500
    job = p.JobFinished(job="survey", env_steps=40)
    fold(searched, numbered([job, job], searched.last_seq + 1))
    assert searched.env_steps == 540
    assert searched.jobs["survey"] == job


def test_a_rung_may_be_started_again_but_not_finished_again(searched: RunState) -> None:
    started, finished = rung_events("r2", "a", {1: 0.9})
    deadline = p.DeadlineFired(rung="r2", source="a", call=3, message="no answer after 5 s")
    fold(searched, numbered([started, deadline, started], searched.last_seq + 1))
    rung = searched.rungs["r2"]
    assert rung.finished is None
    assert rung.deadlines == {("a", None): deadline}
    fold(searched, numbered([finished], searched.last_seq + 1))
    with pytest.raises(StoreError, match="'r2' finished twice"):
        fold(searched, numbered([finished], searched.last_seq + 1))


def test_candidates_move_through_their_states(searched: RunState) -> None:
    candidate = searched.candidates["a"]
    assert candidate.state == "accepted"
    for state in ("evaluated", "confirmed"):
        settled = p.CandidateSettled(candidate="a", state=state, reason=f"was {state}")
        fold(searched, numbered([settled], searched.last_seq + 1))
        assert (candidate.state, candidate.reason) == (state, f"was {state}")


def test_wall_time_adds_up_over_processes(run_started: p.RunStarted) -> None:
    resumed = p.Resumed(
        command=("rewardgen", "resume"),
        isolation=parts.Isolation(mode="none"),
        manifest=collect_manifest(),
    )
    note = p.Note(message="x")
    state = fold(RunState(), numbered([run_started, note, note]))
    assert state.wall_s == 2.0
    fold(state, numbered([resumed, note], 4, clock=-1000.0))
    assert state.wall_s == 3.0
    assert len(state.resumes) == 1


def test_the_status_follows_the_life_of_a_run(run_started: p.RunStarted) -> None:
    state = fold(RunState(), numbered([run_started]))
    assert state.status == "running"
    fold(state, numbered([p.RunFailed(reason="no memory")], 2))
    assert (state.status, state.reason) == ("failed", "no memory")
    resumed = p.Resumed(
        command=(), isolation=parts.Isolation(mode="none"), manifest=collect_manifest()
    )
    fold(state, numbered([resumed, p.RunInterrupted(reason="Ctrl-C")], 3))
    assert (state.status, state.reason) == ("interrupted", "Ctrl-C")
    fold(state, numbered([resumed, p.RunFinished()], 5))
    assert (state.status, state.reason) == ("done", "")


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (p.CandidateChecked(candidate="zz", verdict="accepted"), "refers to 'zz'"),
        (proposed("b", iteration=9), "refers to 9"),
        (rung_events("r9", "nobody", {1: 0.0})[1], "refers to 'r9'"),
    ],
)
def test_events_that_do_not_fit_are_refused_and_not_stored(
    run_path: Path, payload: p.Payload, message: str
) -> None:
    with RunDirectory.resume(run_path) as run:
        before = run.state.last_seq
        with pytest.raises(StoreError, match=message):
            run.append(p.Note(message="first of two"), payload)
        assert run.state.last_seq == before
        assert run.state.notes == []
        run.append(p.Note(message="goes on"))
    assert len(list(read_events(run_path / DATABASE_NAME))) == before + 1


def test_a_run_starts_once_and_first(tmp_path: Path, run_started: p.RunStarted) -> None:
    with RunDirectory.create(tmp_path / "run") as run:
        with pytest.raises(StoreError, match="starts with 'run_started'"):
            run.append(p.Note(message="early"))
        with pytest.raises(StoreError, match="first event comes before"):
            run.artifacts.put_text("early", name="early.txt")
        run.append(run_started)
        with pytest.raises(StoreError, match="starts with 'run_started', once"):
            run.append(run_started)


def test_an_interrupt_between_commit_and_memory_is_caught_up(
    run_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RunDirectory.resume(run_path) as run:
        settle = run.artifacts.settle
        with monkeypatch.context() as patch:
            patch.setattr(run.artifacts, "settle", _interrupt)
            run.artifacts.put_text("two", name="two.txt")
            with pytest.raises(KeyboardInterrupt):
                run.append(p.Note(message="stored"))
        assert run.artifacts.settle == settle
        assert run.state.notes == ["stored"]
        run.append(p.RunInterrupted(reason="Ctrl-C"))
        expected = run.state
    assert fold(RunState(), read_events(run_path / DATABASE_NAME)) == expected


def _interrupt(stored: object) -> None:
    raise KeyboardInterrupt


def test_identical_artifacts_are_stored_once(run_path: Path, tmp_path: Path) -> None:
    file = tmp_path / "same.bin"
    file.write_bytes(b"one")
    with RunDirectory.resume(run_path) as run:
        known = set(run.state.artifacts)
        assert {run.artifacts.put_file(file, media_type="text/plain")} == known
        assert {run.artifacts.put_text("one", name="other.txt")} == known
        new = run.artifacts.put_text("new", name="new.txt")
        assert run.artifacts.read_text(new) == "new"
        run.append(p.Note(message=new))
        about = run.artifacts.about(new)
        assert (about.name, about.media_type, about.size_bytes) == ("new.txt", "text/plain", 3)
        with pytest.raises(StoreError, match="no artifact"):
            run.artifacts.path("f" * 64)


names = st.sampled_from(["a", "b", "c"])
actions = st.one_of(
    st.tuples(st.just("propose"), names),
    st.tuples(st.just("check"), names),
    st.tuples(st.just("settle"), names),
    st.tuples(st.just("rung"), names),
    st.tuples(st.just("note"), names),
)


@given(st.lists(actions, max_size=25), st.integers(0, 25))
def test_the_fold_does_not_depend_on_where_it_pauses(
    steps: list[tuple[str, str]], pause: int
) -> None:
    payloads: list[p.Payload] = [
        p.RunStarted(
            verb="run",
            command=(),
            config={},
            task=parts.TaskFacts(
                name="t",
                version=1,
                description="d",
                scene_sha256="0" * 64,
                metrics=(
                    parts.MetricFacts(
                        name="upright", unit="1", higher_is_better=True, success=None
                    ),
                ),
            ),
            recipe={},
            recipe_sha256="1" * 64,
            designer=None,
            seed=0,
            isolation=parts.Isolation(mode="none"),
            manifest=_MANIFEST,
        ),
        p.IterationStarted(iteration=0),
        *(proposed(name) for name in "abc"),
    ]
    for number, (action, name) in enumerate(steps):
        match action:
            case "propose":
                payloads.append(proposed(name, attempt=number))
            case "check":
                payloads.append(p.CandidateChecked(candidate=name, verdict="accepted"))
            case "settle":
                payloads.append(p.CandidateSettled(candidate=name, state="retired", reason=""))
            case "rung":
                payloads += rung_events(f"r{number}", name, {1: 0.5})
            case _:
                payloads.append(p.Note(message=name))
    events = numbered(payloads)
    again = [
        Event(
            e.seq, p.PAYLOADS[e.type].model_validate_json(e.payload.model_dump_json()), *_times(e)
        )
        for e in events
    ]
    whole = fold(RunState(), events)
    assert fold(fold(RunState(), again[:pause]), again[pause:]) == whole


def _times(event: Event) -> tuple[float, float]:
    return event.t_wall, event.t_mono


_MANIFEST = collect_manifest()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_json_cannot_hold_are_refused(value: float) -> None:
    with pytest.raises(ValidationError, match="finite"):
        p.IterationFinished(iteration=0, best="a", fitness=value)
    with pytest.raises(ValidationError, match="finite"):
        parts.MemberOutcome(source="a", seed=1, env_steps=1, fitness={"upright": (value,)})


@pytest.mark.slow
def test_ten_thousand_candidates_are_read_in_seconds(
    tmp_path: Path, run_started: p.RunStarted
) -> None:
    count = 10_000
    with RunDirectory.create(tmp_path / "run") as run:
        run.append(run_started)
        run.append(
            p.IterationStarted(iteration=0),
            *(proposed(str(i), slot=i) for i in range(count)),
            *(p.CandidateChecked(candidate=str(i), verdict="accepted") for i in range(count)),
            *(
                p.CandidateSettled(candidate=str(i), state="retired", reason="rank")
                for i in range(count)
            ),
        )
        expected = run.state
    with RunDirectory.resume(tmp_path / "run") as run:
        assert run.state == expected
        assert len(run.state.candidates) == count


def test_what_protected_a_run_is_what_every_rung_had(run_started: p.RunStarted) -> None:
    unprotected = run_started.model_copy(update={"isolation": parts.Isolation(mode="standard")})

    def state_after(*applied: tuple[str, ...]) -> list[str]:
        payloads: list[p.Payload] = [unprotected, p.IterationStarted(iteration=0), proposed("c1-1")]
        for number, layers in enumerate(applied):
            begun, finished = rung_events(f"r{number}", "c1-1", {1: None})
            payloads += [begun, finished.model_copy(update={"isolation": layers})]
        return fold(RunState(), numbered(payloads)).isolation_applied

    assert state_after((), ("clean", "locked"), ()) == ["clean", "locked"]
    assert state_after(("clean", "locked"), ("clean",)) == ["clean"]
