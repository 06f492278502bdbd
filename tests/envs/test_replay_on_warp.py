"""Episodes of the GPU engine are replayed like those of the CPU's."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("mujoco_warp")

from rewardgen_envs.contacts import with_room
from rewardgen_envs.engines.choice import EngineChoice
from tests.envs.played import motion_of
from tests.envs.sled import Sled


def test_a_standing_sled_is_carried_on_both_engines() -> None:
    task = Sled()
    warp = with_room(task, EngineChoice("warp", "cpu"))
    ours, theirs = motion_of(task, steps=10), motion_of(task, steps=10, engine=warp)
    assert theirs.drift < 1e-3
    assert theirs.samples == ours.samples
    np.testing.assert_allclose(theirs.com, ours.com, atol=1e-3)
    last = [m.contacts.of(m.contacts.sample == m.samples - 1).normal_n for m in (ours, theirs)]
    np.testing.assert_allclose(last[1].sum(), last[0].sum(), rtol=0.02)
