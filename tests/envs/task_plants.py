"""Ways to plant one fault into a good task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from rewardgen_envs.draw import Draw
from rewardgen_envs.features import FeatureView
from rewardgen_envs.physics import Physics
from rewardgen_envs.quantities import Quantities
from rewardgen_envs.task import Initial, Task

Plant = Callable[[type[Task]], type[Task]]
Values = dict[str, Tensor]


# a scalar feature that measure() computes and the observation shows
FEATURE = {"cartpole/balance": "cart_velocity", "hopper/run": "torso_pitch_rate"}


def attributes(change: Callable[[type[Task]], dict[str, Any]]) -> Plant:
    """Plant a fault into class attributes."""
    return lambda base: type("Changed", (base,), change(base))


def observation(edit: Callable[[Tensor], Tensor]) -> Plant:
    """Plant a fault into what the policy sees."""

    def plant(base: type[Task]) -> type[Task]:
        class Changed(base):
            def observation(self, features: FeatureView) -> Tensor:
                return edit(super().observation(features))

        return Changed

    return plant


def feature(edit: Callable[[Tensor, Physics], Tensor]) -> Plant:
    """Plant a fault into one feature."""

    def plant(base: type[Task]) -> type[Task]:
        name = FEATURE[base.name]

        class Changed(base):
            def measure(self, physics: Physics, variables: Quantities) -> Values:
                measured = super().measure(physics, variables)
                return measured | {name: edit(measured[name], physics)}

        return Changed

    return plant


def reset(edit: Callable[[Initial, Tensor, Task], Initial]) -> Plant:
    """Plant a fault into the starts of episodes."""

    def plant(base: type[Task]) -> type[Task]:
        class Changed(base):
            def reset(self, mask: Tensor, draw: Draw) -> Initial:
                return edit(super().reset(mask, draw), mask, self)

        return Changed

    return plant


def terminations(edit: Callable[[Tensor, FeatureView], Tensor]) -> Plant:
    """Plant a fault into every cause of termination."""

    def plant(base: type[Task]) -> type[Task]:
        class Changed(base):
            def terminations(self, features: FeatureView) -> Values:
                values = super().terminations(features)
                return {k: edit(v, features) for k, v in values.items()}

        return Changed

    return plant


def fitness(edit: Callable[[Tensor, FeatureView], Tensor], **metric: object) -> Plant:
    """Plant a fault into the ranking metric: its value and its declaration."""

    def plant(base: type[Task]) -> type[Task]:
        class Changed(base):
            metrics = (replace(base.metrics[0], **metric),)

            def fitness(self, features: FeatureView) -> Values:
                return {k: edit(v, features) for k, v in super().fitness(features).items()}

        return Changed

    return plant


def actuate(edit: Callable[[Tensor], Tensor]) -> Plant:
    """Plant a fault into how actions reach the actuators."""

    def plant(base: type[Task]) -> type[Task]:
        class Changed(base):
            def actuate(self, action: Tensor, features: FeatureView) -> Tensor:
                return super().actuate(edit(action), features)

        return Changed

    return plant


# ---- faults that need more than one expression


def reset_all_alike(start: Initial, mask: Tensor, task: Task) -> Initial:
    still = {k: v * 0 for k, v in start.variables.items()}
    return replace(start, qpos=start.qpos * 0 + 0.01, qvel=start.qvel * 0, variables=still)


def reset_own_generator(start: Initial, mask: Tensor, task: Task) -> Initial:
    own = torch.Generator().manual_seed(0)
    noise = torch.rand(start.qpos.shape, generator=own, dtype=torch.float64)
    return replace(start, qpos=start.qpos * 0 + 0.01 * noise, qvel=start.qvel * 0)


def reset_global_random(start: Initial, mask: Tensor, task: Task) -> Initial:
    return replace(start, qpos=0.01 * torch.rand_like(start.qpos), qvel=start.qvel * 0)


def reset_first_half(start: Initial, mask: Tensor, task: Task) -> Initial:
    qpos = start.qpos.clone()
    qpos[len(mask) // 2 :] = torch.from_numpy(task.model.qpos0)
    return replace(start, qpos=qpos)


def reset_odd_rows(start: Initial, mask: Tensor, task: Task) -> Initial:
    obeyed = mask & (torch.arange(len(mask)) % 2 == 0)
    return replace(start, qvel=torch.where(obeyed.unsqueeze(1), start.qvel, 0.0))


def reset_keeps_half(base: type[Task]) -> type[Task]:
    class Changed(base):
        last: Initial | None = None

        def reset(self, mask: Tensor, draw: Draw) -> Initial:
            start = super().reset(mask, draw)
            last, self.last = self.last, start
            if last is not None and last.qpos.shape == start.qpos.shape:
                start.qpos[1::2] = last.qpos[1::2]
            return start

    return Changed


def smoothed_feature(base: type[Task]) -> type[Task]:
    name = FEATURE[base.name]

    class Changed(base):
        smooth: Tensor | None = None

        def measure(self, physics: Physics, variables: Quantities) -> Values:
            measured = super().measure(physics, variables)
            now = measured[name].clone()
            old = now if self.smooth is None or self.smooth.shape != now.shape else self.smooth
            self.smooth = 0.9 * old + 0.1 * now
            return measured | {name: self.smooth}

    return Changed


def start_remembered(base: type[Task]) -> type[Task]:
    name = FEATURE[base.name]

    class Changed(base):
        start: Tensor | None = None

        def reset(self, mask: Tensor, draw: Draw) -> Initial:
            initial = super().reset(mask, draw)
            self.start = initial.qvel[:, 0].clone()
            return initial

        def measure(self, physics: Physics, variables: Quantities) -> Values:
            measured = super().measure(physics, variables)
            if self.start is not None and self.start.shape == measured[name].shape:
                measured[name] = measured[name] + self.start
            return measured

    return Changed


def calls_counted_by_class(base: type[Task]) -> type[Task]:
    name = FEATURE[base.name]

    class Changed(base):
        calls: ClassVar[dict[str, int]] = {"count": 0}

        def measure(self, physics: Physics, variables: Quantities) -> Values:
            measured = super().measure(physics, variables)
            self.calls["count"] += 1
            return measured | {name: measured[name] + 1e-3 * self.calls["count"]}

    return Changed


_MEMORY: list[float] = []


def resets_counted_by_module(start: Initial, mask: Tensor, task: Task) -> Initial:
    _MEMORY.append(float(start.qvel.abs().max()))
    return replace(start, qvel=start.qvel + 1e-3 * len(_MEMORY))


def best_fitness_remembered(base: type[Task]) -> type[Task]:
    class Changed(base):
        best = 0.0

        def fitness(self, features: FeatureView) -> Values:
            values = {k: v.float() for k, v in super().fitness(features).items()}
            self.best = max(self.best, *(float(v.max()) for v in values.values())) + 1e-3
            return {k: v + self.best for k, v in values.items()}

    return Changed


def start_remembered_for_fitness(base: type[Task]) -> type[Task]:
    class Changed(base):
        start: Tensor | None = None

        def reset(self, mask: Tensor, draw: Draw) -> Initial:
            initial = super().reset(mask, draw)
            self.start = initial.qvel[:, 0].clone()
            return initial

        def fitness(self, features: FeatureView) -> Values:
            values = {k: v.float() for k, v in super().fitness(features).items()}
            if self.start is None or self.start.shape != features.terminated.shape:
                return values
            return {k: v + self.start.float() for k, v in values.items()}

    return Changed


def smoothed_action(base: type[Task]) -> type[Task]:
    class Changed(base):
        last: Tensor | None = None

        def actuate(self, action: Tensor, features: FeatureView) -> Tensor:
            old = action if self.last is None or self.last.shape != action.shape else self.last
            self.last = 0.5 * (old + action)
            return super().actuate(self.last, features)

    return Changed


def physics_damped(x: Tensor, physics: Physics) -> Tensor:
    physics.qvel.mul_(0.9)
    return x


def feature_rarely_nan(x: Tensor, physics: Physics) -> Tensor:
    speed = physics.qvel.norm(dim=1)
    return torch.where((speed > 1.0) & (speed < 1.3), torch.nan, x)


def feature_renamed(base: type[Task]) -> type[Task]:
    class Changed(base):
        def measure(self, physics: Physics, variables: Quantities) -> Values:
            measured = super().measure(physics, variables)
            return {("other" if k == FEATURE[base.name] else k): v for k, v in measured.items()}

    return Changed


def measured_for_nothing(base: type[Task]) -> type[Task]:
    class Changed(base):
        def measure(self, physics: Physics, variables: Quantities) -> Values:
            return super().measure(physics, variables) | {"surplus": physics.qpos[:, 0]}

    return Changed


def derived_for_nothing(base: type[Task]) -> type[Task]:
    class Changed(base):
        def derive(self, quantities: Quantities) -> Values:
            now = getattr(quantities, FEATURE[base.name])
            return super().derive(quantities) | {"surplus": now.square()}

    return Changed


def causes_renamed(base: type[Task]) -> type[Task]:
    class Changed(base):
        def terminations(self, features: FeatureView) -> Values:
            return {f"{k}_": v for k, v in super().terminations(features).items()}

    return Changed


def features_overwritten(base: type[Task]) -> type[Task]:
    class Changed(base):
        def observation(self, features: FeatureView) -> Tensor:
            getattr(features, FEATURE[base.name]).mul_(0.5)
            return super().observation(features)

    return Changed


def drop_first_action(action: Tensor) -> Tensor:
    used = action.clone()
    used[:, 0] = 0.0
    return used


def height(features: FeatureView) -> Tensor:
    """Return what is large while the robot has not fallen."""
    name = "torso_height" if "torso_height" in dir(features) else "pole_angle_cosine"
    return getattr(features, name)


def with_one(seen: Tensor) -> Tensor:
    return torch.cat([seen, torch.ones_like(seen[..., :1])], dim=-1)


# 0 / 0 at the second control step; both control steps of the tests' tasks are below 0.05 s
def nan_at_a_time(x: Tensor, features: FeatureView) -> Tensor:
    early = (features.episode_time_s > 0.0) & (features.episode_time_s < 0.05)
    return torch.where(early, torch.nan, x.float())
