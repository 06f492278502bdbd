"""Where Isaac Lab has what a feature means: proposals by name, shape and unit, never certainties.

Attributes are those of Isaac Lab 2.3, whose quaternions have the scalar part first.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from rewardgen_envs.features import Feature

ACTION = 'env.action_manager.action if hasattr(env, "action_manager") else env.actions'
"""The action, in manager-based and in direct environments."""

_ROOT = r"(root|base|torso|trunk|pelvis|chassis|robot)"
_DATA = 'env.scene["robot"].data'
_BODY_FRAME = re.compile(r"in the (\w+'s|body|local) (own )?frame", re.IGNORECASE)


@dataclass(frozen=True)
class Proposal:
    """An expression of ``env`` for a feature.

    Attributes:
        expression: Python, (num_envs, *shape).
        check: what to look at before it is believed.
    """

    expression: str
    check: str


_Shape = Callable[[tuple[int, ...]], bool]


def _is(*shape: int) -> _Shape:
    return lambda found: found == shape


def _is_vector(shape: tuple[int, ...]) -> bool:
    return len(shape) == 1


def _is_rows_of_3(shape: tuple[int, ...]) -> bool:
    return len(shape) == 2 and shape[1] == 3


_JOINTS = "the order of the joints, which differs between simulators"
# of a name as a whole, shape, unit, expression, what to check
_KNOWN: tuple[tuple[str, _Shape, str, str, str], ...] = (
    ("terminated", _is(), "bool", "env.reset_terminated", "that both mean the same ends"),
    ("episode_time_s", _is(), "s", "env.episode_length_buf * env.step_dt", "the control step"),
    ("last_action", _is_vector, "1", "ACTION(env)", "that actions are in [-1, 1]"),
    (
        f"{_ROOT}_position",
        _is(3),
        "m",
        f"{_DATA}.root_link_pos_w - env.scene.env_origins",
        "which body is the root",
    ),
    (
        f"{_ROOT}_height",
        _is(),
        "m",
        f"{_DATA}.root_link_pos_w[:, 2] - env.scene.env_origins[:, 2]",
        "which body is the root",
    ),
    (
        f"{_ROOT}_(quaternion|orientation)",
        _is(4),
        "1",
        f"{_DATA}.root_link_quat_w",
        "that the scalar part is first",
    ),
    (
        f"{_ROOT}_up",
        _is(),
        "1",
        f"-{_DATA}.projected_gravity_b[:, 2]",
        "that the robot stands along its z axis",
    ),
    (
        f"{_ROOT}_(linear_)?velocity",
        _is(3),
        "m/s",
        f"{_DATA}.root_link_lin_vel_{{frame}}",
        "point and frame",
    ),
    (
        f"{_ROOT}_angular_velocity",
        _is(3),
        "rad/s",
        f"{_DATA}.root_link_ang_vel_{{frame}}",
        "the frame",
    ),
    ("(joint|dof)_(angles|positions)", _is_vector, "rad", f"{_DATA}.joint_pos", _JOINTS),
    ("(joint|dof)_velocities", _is_vector, "rad/s", f"{_DATA}.joint_vel", _JOINTS),
    (
        "contact_forces",
        _is_rows_of_3,
        "N",
        'env.scene["contact_forces"].data.net_forces_w',
        "name, bodies and their order of the contact sensor",
    ),
)


def proposal(feature: Feature) -> Proposal | None:
    """Return how a feature could be read in Isaac Lab; None if nothing there is an obvious match.

    Args:
        feature: a public feature of a task.
    """
    for name, shape, unit, expression, check in _KNOWN:
        if re.fullmatch(name, feature.name) and shape(feature.shape) and unit == feature.unit:
            frame = "b" if _BODY_FRAME.search(feature.description) else "w"
            return Proposal(expression.replace("{frame}", frame), check)
    return None
