"""What a search decides on transitions before training, each by a switch of its own."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path

import pytest

from rewardgen import api
from rewardgen.config import PrefilterName, parse_config
from rewardgen.design.designer import DesignContext, Proposal
from rewardgen.isolation.host import HostOptions, HostPool
from rewardgen.run import search
from rewardgen.run.journal import CandidateEntry
from rewardgen.run.pausing import PausedError
from rewardgen.run.prefilter import Prefilter
from rewardgen.run.session import InterruptedRunError
from rewardgen_envs.registry import load_task
from rewardgen_policies.checkpoint import save_checkpoint
from rewardgen_policies.stored_policy import load_policy

NAME = "cartpole/balance"
HEAD = (
    "def compute_reward(state, action, next_state):\n    up = torch.cos(next_state.pole_angle)\n"
    "    alive = 1.0 - next_state.terminated\n"
)
GOOD = HEAD + "    return up + alive, dict(up=up, alive=alive)\n"
SCALED = HEAD + "    return 5.0 * (up + alive), dict(up=5.0 * up, alive=5.0 * alive)\n"
NEGATED = HEAD + "    return -up - alive, dict(up=-up, alive=-alive)\n"
CENTRED = HEAD + (
    "    near = -4.0 * next_state.cart_position.square()\n"
    "    return up + near, dict(up=up, near=near)\n"
)
EFFORT = HEAD + "    e = action.square().sum(-1)\n    return e, dict(e=e)\n"
LATE = HEAD + (
    "    now = (next_state.episode_time_s - 0.4).abs() < 0.001\n"
    "    x = torch.where(now, torch.inf, up)\n    return x, dict(x=x)\n"
)
ALL: tuple[PrefilterName, ...] = ("duplicates", "sign", "ranking", "shares")


def entry(name: str, source: str) -> CandidateEntry:
    return CandidateEntry(name, 1, 0, source, "proposed", ())


@pytest.fixture(scope="module")
def pool() -> Generator[HostPool]:
    with HostPool(HostOptions()) as pool:
        yield pool


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    state = load_policy(NAME)
    assert state is not None
    path = tmp_path_factory.mktemp("policy") / "policy.safetensors"
    save_checkpoint(state, path)
    return path


def prefilter(pool: HostPool, policy: Path | None, *switches: PrefilterName) -> Prefilter:
    return Prefilter(
        load_task(NAME),
        switches,
        pool,
        {} if policy is None else {"c1-1": policy},
        gamma=0.98,
        seed=4,
        threads=1,
        transitions=8_000,
    )


@pytest.fixture(scope="module")
def whole(pool: HostPool, policy: Path) -> Prefilter:
    return prefilter(pool, policy, *ALL)


@pytest.mark.parametrize(
    ("source", "rule", "severity", "said"),
    [
        (SCALED, "duplicate", "error", "it ranks policies as c2-1 does"),
        (NEGATED, "sign-error", "error", "almost opposite to the best reward so far"),
        (EFFORT, "ranking", "error", "ranks a success above a failure with probability 0."),
        (LATE, "scores", "error", "inf"),
        (CENTRED, "shares", "warning", "Share of the"),
    ],
)
def test_each_is_found(source: str, rule: str, severity: str, said: str, whole: Prefilter) -> None:
    findings = whole.judge(
        entry(f"mine {rule}", source), [entry("c2-1", GOOD)], entry("c1-1", GOOD + "\n\n# best\n")
    )
    assert [(finding.rule, finding.severity) for finding in findings] == [(rule, severity)]
    assert said in findings[0].message


def test_wrong_rankings_are_fed_back_with_pairs_and_terms(whole: Prefilter) -> None:
    (finding,) = whole.judge(entry("effort", EFFORT), [], None)
    assert "An episode with fitness" in finding.message
    assert "steps; e " in finding.message
    assert "ranks above one with" in finding.message


@pytest.mark.parametrize("switch", ALL)
def test_each_has_a_switch_of_its_own(switch: PrefilterName, pool: HostPool, policy: Path) -> None:
    one = prefilter(pool, policy, switch)
    rules: set[str] = set()
    for name, source in (("scaled", SCALED), ("negated", NEGATED), ("effort", EFFORT)):
        findings = one.judge(entry(name, source), [entry("a", GOOD)], entry("best", GOOD))
        rules |= {finding.rule for finding in findings}
    expected = {"duplicates": "duplicate", "sign": "sign-error", "ranking": "ranking"}
    assert rules == {expected.get(switch, "shares")}


def test_the_best_may_be_tried_again(whole: Prefilter) -> None:
    findings = whole.judge(entry("again", SCALED), [], entry("c1-1", GOOD))
    assert [finding.rule for finding in findings] == ["shares"]


class Given:
    """A designer that proposes the same in every iteration."""

    name = "given"

    def propose(self, context: DesignContext) -> list[Proposal]:
        number = context.iteration
        sources = (GOOD, SCALED, EFFORT) if number == 0 else (GOOD, f"{NEGATED}# {number}\n")
        return [Proposal(source) for source in sources]


def searched(folder: Path, *switches: PrefilterName, iterations: int = 1) -> None:
    values = {
        "task": NAME,
        "iterations": iterations,
        "samples": 3,
        "train_seeds": 1,
        "env_steps": 2048,
        "rungs": 1,
        "eval_episodes": 1,
        "confirm_seeds": 2,
        "confirm_episodes": 1,
        "threads": 1,
        "seed": 9300,
        "render": False,
        "writers": (),
        "runs_dir": folder,
        "name": "it",
        "prefilter": switches,
    }
    api.run(parse_config(values, "test"), designer=Given())


@pytest.mark.slow
def test_a_search_trains_one_of_two_equals_and_a_resumed_one_decides_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(deadline: float | None) -> None:
        raise PausedError("before the race")

    monkeypatch.setattr(search, "pause_if_late", stop)
    with pytest.raises(InterruptedRunError):
        searched(tmp_path, *ALL, iterations=2)
    monkeypatch.undo()
    first = {each.id: each.findings for each in api.load(tmp_path / "it").candidates}
    judge = Prefilter.judge
    judged: list[str] = []

    def watched(self: Prefilter, entry: CandidateEntry, *rest: object) -> list[object]:
        judged.append(entry.candidate)
        return judge(self, entry, *rest)  # type: ignore[arg-type, return-value]

    monkeypatch.setattr(Prefilter, "judge", watched)
    shown = api.resume("it", tmp_path, designer=Given())
    assert shown.state == "done"
    candidates = {each.id: each for each in shown.candidates}
    assert {name: candidates[name].findings for name in first} == first
    assert candidates["c1-1"].state != "rejected"
    assert candidates["c1-2"].state == "rejected"
    assert candidates["c1-2"].findings[-1].rule == "duplicate"
    assert not candidates["c1-2"].members
    # recorded verdicts are not asked for again; the best, tried again, is not judged at all
    assert not {"c1-1", "c1-2", "c1-3", "c2-1"} & set(judged)
    assert judged == ["c2-2"]
    assert candidates["c2-2"].state == "rejected"
    assert [phase.phase for phase in shown.phases][:3] == ["survey", "prefilter 1", "prefilter 2"]


def test_it_is_off_by_default() -> None:
    assert parse_config({"task": NAME}, "test").prefilter == ()
    assert json.loads(parse_config({"task": NAME}, "test").model_dump_json())["prefilter"] == []
