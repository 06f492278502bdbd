"""Domain randomization: masses, friction and motors that differ from episode to episode.

An option of every task, written behind its name: ``ant/run@mass=0.2,friction=0.3`` lets each
world draw its masses within ±20 % and its friction within ±30 % at every reset (Peng et al. 2018,
"Sim-to-real transfer of robotic control with dynamics randomization"). The scales are features, so
that an analysis, or a reward, can tell which robot it sees; policies do not see them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import mujoco
import torch
from jaxtyping import Bool
from torch import Tensor

from rewardgen_envs.draw import Draw
from rewardgen_envs.errors import UsageError
from rewardgen_envs.features import Feature
from rewardgen_envs.names import nearest
from rewardgen_envs.task import Initial, Task

MARK = "@"
_MOST = 0.9  # a world without mass, friction or motors is no robot any more
_SCALED = {  # option -> model fields that its scale multiplies
    "mass": ("body_mass", "body_inertia"),
    "friction": ("geom_friction", "pair_friction"),
    "motor": ("actuator_gainprm", "actuator_biasprm", "actuator_forcerange"),
}
_WORDS = {
    "mass": "Masses and inertias of this episode's bodies, as a multiple of the scene's.",
    "friction": "Friction of this episode's contacts, as a multiple of the scene's.",
    "motor": "Strength of this episode's actuators, as a multiple of the scene's.",
}


@dataclass(frozen=True)
class Randomization:
    """How far an episode's physics may be from the scene's, as a share of it; 0 for not at all.

    Attributes:
        mass: of masses and inertias of all bodies, by one common scale.
        friction: of all friction coefficients.
        motor: of the force of all actuators, position servos with their gains.
    """

    mass: float = 0.0
    friction: float = 0.0
    motor: float = 0.0

    @property
    def widths(self) -> dict[str, float]:
        """The options in use."""
        return {f.name: w for f in fields(self) if (w := getattr(self, f.name)) > 0.0}

    def __str__(self) -> str:
        return ",".join(f"{name}={width:g}" for name, width in self.widths.items())


def parse_randomization(text: str) -> Randomization:
    """Read ``mass=0.2,friction=0.3``.

    Raises:
        UsageError: an unknown option, or a share that is no number from 0 to 0.9.
    """
    given: dict[str, float] = {}
    for part in text.split(","):
        name, _, value = part.partition("=")
        if name not in _SCALED:
            raise UsageError(f"no randomization '{name}'{nearest(name, _SCALED)}")
        try:
            given[name] = float(value)
        except ValueError:
            raise UsageError(f"randomization {name}={value!r} is no number") from None
        if not 0.0 <= given[name] <= _MOST:
            raise UsageError(f"randomization {name}={value} must lie between 0 and {_MOST}")
    return Randomization(**given)


def randomized(kind: type[Task], given: Randomization) -> type[Task]:
    """Return a task like another whose worlds differ.

    Args:
        kind: the task.
        given: how far they differ.
    """

    def reset(self: Task, mask: Bool[Tensor, " R"], draw: Draw) -> Initial:
        """Start like the task, in a world of its own."""
        start = kind.reset(self, mask, draw)
        scales = {
            f"{name}_scale": draw.uniform(f"{name}_scale", (), 1.0 - width, 1.0 + width)
            for name, width in given.widths.items()
        }
        return replace(start, variables={**start.variables, **scales})

    drawn = tuple(Feature(f"{name}_scale", (), "1", _WORDS[name]) for name in given.widths)
    changes = {
        "__doc__": kind.__doc__,
        "__module__": kind.__module__,
        "name": f"{kind.name}{MARK}{given}",
        "variables": (*kind.variables, *drawn),
        "randomization": given.widths,
        "reset": reset,
    }
    return type(kind.__name__, (kind,), changes)


def scaled_fields(model: mujoco.MjModel, variables: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the model's fields as some worlds have them, (R, ...) each.

    Args:
        model: the scene.
        variables: per-episode values of a task, (R, ...) each, ``mass_scale`` and the like among
            them.
    """
    found: dict[str, Tensor] = {}
    for option, names in _SCALED.items():
        scale = variables.get(f"{option}_scale")
        if scale is None:
            continue
        for name in names:
            nominal = torch.as_tensor(getattr(model, name), device=scale.device)
            if nominal.numel():
                found[name] = scale.reshape(-1, *[1] * nominal.dim()) * nominal
    return found
