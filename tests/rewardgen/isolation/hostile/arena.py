"""Where hostile code runs under lock, beside a reward that behaves."""

from __future__ import annotations

import gc
import os
from dataclasses import dataclass
from typing import Self

import pytest
import torch

from rewardgen.isolation.host import HostOptions, HostPool
from rewardgen.isolation.pace import Deadlines
from rewardgen.isolation.processes import ProcessOptions, Zygote
from rewardgen.isolation.session import HostFailure, Session
from rewardgen.rewards.format import RewardCode, parse_reward
from rewardgen.rewards.inline import InlineReward
from rewardgen_policies.seam import RewardFailure, Scores
from tests.rewardgen.isolation.hostile.canary import decoded
from tests.rewardgen.isolation.hostile.fingerprint import changed, fingerprint
from tests.rewardgen.isolation.hostile.robot import ROBOT, STEPS, WORLDS, rollout
from tests.rewardgen.isolation.hostile.snippets import Effect
from tests.rewardgen.isolation.hostile.world import World, processes, standing

MEMORY_BYTES = 2**30
CALLS = 2
_HASTY = Deadlines(first_s=1.0, least_s=0.5)  # for what hangs
_PATIENT = Deadlines(first_s=60.0, least_s=60.0)
_SIBLING = """\
def compute_reward(state, action, next_state):
    speed = torch.tanh(next_state.forward_velocity - 0.1 * state.joint_velocities.square().sum(-1))
    upright = tolerance(next_state.torso_up, bounds=(0.9, math.inf), margin=1.0)
    return speed * upright - 0.01 * (action**2).sum(dim=-1), {"speed": speed, "upright": upright}
"""


@dataclass(frozen=True)
class Outcome:
    """What came of a snippet.

    Attributes:
        scores: of the calls that were answered.
        failure: words of what a later one raised; None if all were answered.
    """

    scores: list[Scores]
    failure: str | None

    @property
    def texts(self) -> list[str]:
        """All that was said, numbers as the text that they may stand for."""
        said = [self.failure or ""]
        for scores in self.scores:
            said += scores.terms
            for values in (scores.reward, *scores.terms.values()):
                said += [decoded(member) for member in values]
        return said


class Arena:
    """Pools in mode strict that fork from one zygote, one of them with a reward that behaves.

    Skips the test where this machine has no such mode.

    Args:
        world: what code must not reach.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._mark = f"/nonexistent/{world.token}-strict"
        # a worker would inherit it, if it inherited anything
        self._kept = os.open(world.places["SECRET"], os.O_RDONLY)
        os.set_inheritable(self._kept, True)
        self._launcher = Zygote(ProcessOptions("strict", MEMORY_BYTES))
        self._hasty, self._patient = self._pool(_HASTY), self._pool(_PATIENT)
        siblings = self._pool(_PATIENT)
        self._pools = self._hasty, self._patient, siblings
        code, private = parse_reward(_SIBLING), world.canary.codes(STEPS * WORLDS)
        inline = InlineReward(code, ROBOT)
        self._rollouts = [rollout(seed, private) for seed in range(3)]
        self._expected = [inline.score(each) for each in self._rollouts]
        self._sibling = siblings.open(code, ROBOT, "sibling")
        self._turns = 0
        with pytest.MonkeyPatch.context() as patch:
            # one of the few variables that are handed on: by it all its processes are found
            patch.setenv("LD_LIBRARY_PATH", self._mark, prepend=os.pathsep)
            self._require_strict()
        self.assert_sibling_is_right()
        self._state, self._before = fingerprint(), self._known()

    def hosts(self, effect: Effect) -> HostPool:
        """Return the pool for code with an effect."""
        return self._hasty if effect == "hangs" else self._patient

    def score(self, code: RewardCode, effect: Effect) -> Outcome:
        """Run code in a host of its own, with no gate before it."""
        pool = self.hosts(effect)
        host = pool.open(code, ROBOT)
        given = rollout(7, self._world.canary.codes(STEPS * WORLDS))
        before = given.state.clone(), given.action.clone(), given.next_state.clone()
        scores: list[Scores] = []
        failure: str | None = None
        try:
            for _ in range(CALLS):
                host.prefetch(given)
                self.assert_sibling_is_right()  # while the other is at work
                scores.append(host.score(given))
        except HostFailure as error:
            finding = error.finding
            failure = f"{error} {finding}"
            assert finding.stage == "host"
            assert type(finding.line) in (int, type(None))
            assert f"{finding.rule}{finding.message}{finding.remedy}".isprintable()
        except RewardFailure as error:
            failure = str(error)
        finally:
            pool.release()
        after = given.state, given.action, given.next_state
        assert all(map(torch.equal, before, after)), "the trainer's own data has changed"
        return Outcome(scores, failure)

    def assert_unharmed(self) -> None:
        """Check that the world, the zygote, the sibling and this process are as they were."""
        assert self._world.packets() == []
        known, state = self._known(), fingerprint()
        for generation in range(3):  # the oldest takes most of a second, and is seldom needed
            if known["descriptors"] != self._before["descriptors"]:
                gc.collect(generation)  # failures hold what they were about until then
                known = self._known()
        # from here on, so that one who does harm is not mistaken for another
        (before, self._before), (was, self._state) = (self._before, known), (self._state, state)
        tampered = changed(was, state)
        assert tampered == [], tampered
        others = {name: now for name, now in known.items() if now != before.get(name)}
        assert others == {}, others
        self.assert_sibling_is_right()

    def assert_sibling_is_right(self) -> None:
        """Check that the reward that behaves answers to the last bit as without neighbours."""
        turn = self._turns % len(self._rollouts)
        self._turns += 1
        scores, expected = self._sibling.score(self._rollouts[turn]), self._expected[turn]
        assert torch.equal(scores.reward, expected.reward)
        assert list(scores.terms) == list(expected.terms)
        for name, values in scores.terms.items():
            assert torch.equal(values, expected.terms[name])

    def close(self) -> None:
        """End all processes, and check that none is left."""
        for pool in self._pools:
            pool.close()
        os.close(self._kept)
        assert processes(self._mark) == set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _pool(self, deadlines: Deadlines) -> HostPool:
        return HostPool(HostOptions("strict", MEMORY_BYTES, deadlines), self._launcher)

    def _require_strict(self) -> None:
        session = Session(self._launcher.start(), _PATIENT)
        session.close()
        if session.protection.missing:
            self._launcher.close()
            os.close(self._kept)
            pytest.skip(f"this machine offers no mode strict: {session.protection.gaps}")

    def _known(self) -> dict[str, object]:
        alive = processes(self._mark)
        return {
            "files": self._world.files(),
            "processes": alive,
            **{f"process {pid}": standing(pid) for pid in (*alive, os.getpid())},
            "descriptors": len(os.listdir("/proc/self/fd")),
        }
