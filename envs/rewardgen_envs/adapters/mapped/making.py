"""Making Gymnasium environments, and saying what is missing where one cannot be made."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import gymnasium

from rewardgen_envs.base_task import TaskError
from rewardgen_envs.names import nearest

Environment = gymnasium.Env[Any, Any]

EXTRAS = {"gymnasium_robotics": "adapters", "minigrid": "adapters", "pygame": "adapters"}
"""Modules that an extra of this package brings."""


@dataclass(frozen=True)
class Wrapper:
    """A wrapper around an environment: ``module:Class`` and what it is called with."""

    name: str
    kwargs: Mapping[str, Any] = field(default_factory=dict[str, Any])


def make_environment(
    identifier: str,
    kwargs: Mapping[str, Any],
    wrappers: Sequence[Wrapper],
    *,
    steps: int | None = None,
    render_mode: str | None = None,
) -> Environment:
    """Return an environment, wrapped.

    Args:
        identifier: as ``gymnasium.make`` takes it, ``Name-v0`` or ``module:Name-v0``.
        kwargs: what the environment is made with.
        wrappers: from the innermost to the outermost.
        steps: time limit in control steps; None for the environment's own.
        render_mode: how it draws, None if it need not.

    Raises:
        TaskError: it cannot be made; says what is missing.
    """
    given = dict(kwargs) | ({} if render_mode is None else {"render_mode": render_mode})
    try:
        env = gymnasium.make(identifier, max_episode_steps=steps, disable_env_checker=True, **given)
        for wrapper in wrappers:
            env = _found(wrapper.name)(env, **wrapper.kwargs)
    except TaskError:
        raise
    except (ImportError, gymnasium.error.DependencyNotInstalled) as error:
        raise TaskError(f"environment '{identifier}' cannot be made: {_missing(error)}") from error
    except gymnasium.error.UnregisteredEnv as error:
        raise TaskError(f"environment '{identifier}' is not known: {_known(identifier)}") from error
    except Exception as error:  # whatever somebody else's code raises
        raise TaskError(
            f"environment '{identifier}' cannot be made: {type(error).__name__}: {error}"
        ) from error
    return env


def _found(name: str) -> Callable[..., Environment]:
    """Return a wrapper's class.

    Raises:
        TaskError: there is none of that name.
    """
    module_name, _, class_name = name.partition(":")
    if not class_name:
        raise TaskError(f"wrapper '{name}' is not written as module:Class")
    found = getattr(importlib.import_module(module_name), class_name, None)
    if not callable(found):
        module = importlib.import_module(module_name)
        wrappers = [n for n, v in vars(module).items() if isinstance(v, type)]
        raise TaskError(
            f"module {module_name} has no '{class_name}'{nearest(class_name, wrappers)}"
        )
    return cast("Callable[..., Environment]", found)


def _missing(error: Exception) -> str:
    # Gymnasium raises its own in place of one that knows the module's name
    names = [getattr(e, "name", None) for e in (error, error.__cause__)]
    module = next((name for name in names if name), "").partition(".")[0]
    if module in EXTRAS:
        return f"it needs {module}: pip install 'rewardgen-lab[{EXTRAS[module]}]'"
    if module:
        # Gymnasium's own error says how to install what its environments need
        return f"it needs {module}, which is not installed: {error}"
    return str(error)


def _known(identifier: str) -> str:
    """Return what helps somebody who asked for an environment that nobody registered."""
    name = identifier.rpartition(":")[2]
    plain = f"name the module that registers it, as in gymnasium_robotics:{name}"
    hint = nearest(name, gymnasium.registry)
    return f"{plain}{hint}" if ":" not in identifier else f"it is not in that module{hint}"
