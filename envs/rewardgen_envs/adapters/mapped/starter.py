"""The first draft of a map, from what an environment shows in its first steps."""

# Gymnasium's spaces do not tell all their types.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import yaml
from gymnasium import spaces

from rewardgen_envs.adapters.mapped.making import Environment, make_environment
from rewardgen_envs.adapters.mapped.spaces import action_of, observed_of
from rewardgen_envs.base_task import BoxAction

PREFIX = "gym:"
"""What stands before an environment's id where a task is expected."""

_SEPARATE = 12
"""Components of a vector that become features of their own; more stay one vector."""
_TODO = "TODO: what this is, in one sentence."


def starter_map(identifier: str) -> str:
    """Return the text of a map that can be loaded, with TODO where only a person can say it.

    Args:
        identifier: of the environment, as ``gymnasium.make`` takes it.

    Raises:
        TaskError: the environment cannot be made, or has observations or actions of no use here.
    """
    env = make_environment(identifier, {}, ())
    try:
        action = action_of(env.action_space)
        observed_of(env.observation_space, None)
        features = {**_observed(env.observation_space), **_told(env)}
        steps = None if env.spec is None else env.spec.max_episode_steps
    finally:
        env.close()
    acts = (
        f"{action.size} numbers in [-1, 1]"
        if isinstance(action, BoxAction)
        else f"a choice of {action.count}"
    )
    lines = [
        f"# Observation: {_in_a_line(env.observation_space)}",
        f"# Action, as rewards see it: {acts}",
        f"env: {identifier}",
        f"name: {_task_name(identifier)}",
        f"description: {json.dumps('TODO: what shall be achieved, in one sentence.')}",
        *([] if steps else ["steps: 200  # TODO: the environment declares no time limit"]),
        "features:",
    ]
    for name, entry in features.items():
        lines.append(f"  {name}: {_flow(entry)}")
    lines += [
        "fitness:",
        "  env_return:",
        "    value: env_reward  # the environment's own reward; better: what counts as success",
        "    accumulation: total",
        '    unit: "1"',
        "    description: Sum of the environment's own rewards over the episode.",
    ]
    return "\n".join(lines) + "\n"


def _observed(space: spaces.Space[Any]) -> dict[str, dict[str, Any]]:
    if not isinstance(space, spaces.Dict):
        return _part(space, "observation", "observation")
    found: dict[str, dict[str, Any]] = {}
    for key, part in space.spaces.items():
        found |= _part(part, f"observation[{json.dumps(key)}]", _identifier(key))
    return found


def _part(space: spaces.Space[Any], source: str, name: str) -> dict[str, dict[str, Any]]:
    match space:
        case spaces.Box() | spaces.MultiBinary() | spaces.MultiDiscrete():
            shape = tuple(space.shape or ())
        case spaces.Discrete():
            shape = ()
        case _:
            return {}
    if len(shape) == 1 and shape[0] <= _SEPARATE:
        return {f"{name}_{i}": _entry(f"{source}[{i}]", ()) for i in range(shape[0])}
    return {name: _entry(source, shape)}


def _told(env: Environment) -> dict[str, dict[str, Any]]:
    """Return the numbers in info; what a reset does not tell is absent there."""
    _, first = env.reset(seed=0)
    env.action_space.seed(0)
    _, _, _, _, then = env.step(env.action_space.sample())
    found: dict[str, dict[str, Any]] = {}
    for key in dict.fromkeys([*first, *then]):
        value = np.asarray((then if key in then else first)[key])
        if value.dtype != np.bool_ and not np.issubdtype(value.dtype, np.number):
            continue
        entry = _entry(f"info[{json.dumps(key)}]", value.shape)
        if value.dtype == np.bool_:
            entry["unit"] = "bool"
        if key not in first or key not in then:
            entry["absent"] = 0
        found[_identifier(key)] = entry
    return found


def _entry(source: str, shape: tuple[int, ...]) -> dict[str, Any]:
    entry: dict[str, Any] = {"from": source}
    if shape:
        entry["shape"] = list(shape)
    return entry | {"unit": "1", "description": _TODO}


def _flow(entry: Mapping[str, Any]) -> str:
    text = yaml.safe_dump(dict(entry), default_flow_style=True, sort_keys=False, width=1_000_000)
    return text.strip()


def _in_a_line(space: spaces.Space[Any]) -> str:
    return " ".join(str(space).split())


def _identifier(key: str) -> str:
    name = re.sub(r"\W+", "_", key).strip("_").lower()
    return name if name.isidentifier() else f"value_{name}"


def _task_name(identifier: str) -> str:
    """Return ``family/variant`` made of an id like ``MountainCarContinuous-v0``."""
    name = re.sub(r"-v\d+$", "", identifier.rpartition(":")[2].rpartition("/")[2])
    family, *rest = [part.lower() for part in re.split(r"[-_]", name) if part]
    if not rest:
        words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+|\d+", name)
        family, rest = "-".join(words[:-1]).lower() or family, words[-1:]
    return f"{family}/{'-'.join(rest).lower()}"
