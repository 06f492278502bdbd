"""Small environments that the tests of mapped tasks share, registered with Gymnasium."""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces


class Walk(gymnasium.Env[dict[str, Any], np.ndarray]):
    """A point on a line; ends beyond 2, and tells of itself in all the ways there are."""

    observation_space = spaces.Dict(
        {
            "place": spaces.Box(-np.inf, np.inf, (2,), np.float64),
            "side": spaces.Discrete(3, start=-1),
            "words": spaces.Text(8),
        }
    )
    action_space = spaces.Box(-4.0, 0.0, (1,), np.float32)
    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 4}

    def __init__(self, render_mode: str | None = None, cut: int = 1000) -> None:
        self.render_mode = render_mode
        self._cut = cut
        self.place = np.zeros(2)
        self.t = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        super().reset(seed=seed)
        self.t = 0
        self.place = np.array([self.np_random.uniform(-1.0, 1.0), 0.0])
        return self._seen(), {"far": False, "text": "a"}

    def step(self, action: np.ndarray) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        self.t += 1
        self.place = np.array([self.place[0] + 0.25 * (float(action[0]) + 2.0), float(action[0])])
        far = bool(abs(self.place[0]) > 2.0)
        info: dict[str, Any] = {"far": far, "text": "b", "given": float(action[0])}
        return self._seen(), float(self.place[0]), far, self.t >= self._cut, info

    def render(self) -> np.ndarray:
        picture = np.zeros((30, 60, 3), np.uint8)
        picture[:, int(30 + 10 * np.clip(self.place[0], -2.9, 2.9))] = 255
        return picture

    def _seen(self) -> dict[str, Any]:
        return {"place": self.place.copy(), "side": int(np.sign(self.place[0])), "words": "x"}


class Unseeded(Walk):
    """Starts somewhere, whatever the seed."""

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        del seed
        return super().reset(seed=None, options=options)


class Switches(Walk):
    """Has actions that are neither a box nor a choice."""

    action_space = spaces.MultiBinary(3)


class Boundless(Walk):
    """Has actions without bounds."""

    action_space = spaces.Box(-np.inf, np.inf, (1,), np.float32)


for _name, _kind in {
    "Walk": Walk,
    "Unseeded": Unseeded,
    "Switches": Switches,
    "Boundless": Boundless,
}.items():
    gymnasium.register(f"tests/{_name}-v0", _kind)

WALK_MAP = """\
env: tests/Walk-v0
name: walk/right
description: Walk to the right.
observation: [place, side]
features:
  position:
    from: observation["place"][0]
    unit: m
    description: Where the point is.
  pair:
    from: 2 * observation["place"]
    shape: [2]
    unit: m
    description: Twice the place and the last push.
  side:
    from: observation["side"] + 1 == 2
    unit: bool
    description: Whether it is on the right.
  steps_taken:
    from: env.t
    unit: "1"
    description: Steps so far, as the environment counts.
  given:
    from: info["given"]
    unit: N
    description: The push as the environment got it.
    absent: -9
  far:
    from: info["far"] and reward != 0
    unit: bool
    description: Whether it is far away, right or left.
    private: true
fitness:
  rightness:
    value: maximum(position, 0 * position)
    unit: m
    description: How far on the right it is, on average.
  env_return:
    value: env_reward
    accumulation: total
    unit: "1"
    description: Sum of the rewards.
steps: 6
"""
"""Uses every way to say what a feature is; the length of a step is 0.25 s by render_fps."""
