"""What stands between an exported reward and an Isaac Lab environment; the export copies it.

Everything from the first class on is written into the exported file, after the table that names
``BINDINGS``, ``BEFORE``, ``KEPT``, ``AT_START``, ``ACTION`` and the function ``reward``; here they
stand for any reward. Only torch may be used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

BINDINGS: dict[str, Callable[[Any], Any] | None] = {}
BEFORE: tuple[str, ...] = ()
KEPT: dict[str, str] = {}
AT_START: dict[str, tuple[int, ...]] = {}
OWNER = "reward_binding"


def ACTION(env: Any) -> Any:  # noqa: ANN401, N802, Isaac Lab is not here to give its types
    """Return the action that the environment has taken."""
    return env.actions


def reward(
    state: Mapping[str, Tensor], action: Tensor, next_state: Mapping[str, Tensor]
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return rewards and terms."""
    raise NotImplementedError


# ---- what is copied


class Binding:
    """The features of one Isaac Lab environment, now and a step ago, as the reward reads them.

    Isaac Lab asks for rewards after the physics and before it resets. So ``next_state`` is what is
    read at that moment, which for an episode that ends is its true end. ``state`` is what was read
    the time before, or by ``reset`` where an episode begins.

    Attributes:
        terms: the reward's terms of the last step by name, (num_envs,) each, for your logs.
    """

    def __init__(self, env: Any) -> None:  # noqa: ANN401
        self.terms: dict[str, Tensor] = {}
        self._env = env
        self._before: dict[str, Tensor] = {}
        self._fresh = torch.zeros(env.num_envs, dtype=torch.bool, device=env.device)
        self._known = self._fresh.clone()

    def reset(self, env_ids: Sequence[int] | Tensor | None = None) -> None:
        """Read the features of environments that begin an episode, once their state is written.

        Args:
            env_ids: which; None for all.
        """
        if not BEFORE:
            return
        rows = slice(None) if env_ids is None else torch.as_tensor(env_ids, device=self._env.device)
        # what Isaac Lab sets to 0 only after its reset events, or has not got before the first step
        now = {
            name: torch.zeros(len(self._fresh), *shape, device=self._env.device)
            for name, shape in AT_START.items()
        }
        now |= self._read([name for name in BEFORE if name not in AT_START])
        now |= {name: now[source] for name, source in KEPT.items() if name in BEFORE}
        for name, value in now.items():
            self._before.setdefault(name, torch.zeros_like(value))[rows] = value[rows]
        self._fresh[rows] = True
        self._known[rows] = True

    def reward(self) -> Tensor:
        """Return the rewards of the step that was just taken, (num_envs,); call it once a step.

        Raises:
            NotImplementedError: a feature is not bound yet.
            RuntimeError: an episode began, but ``reset`` was not called for it.
        """
        now = self._read(BINDINGS)
        if BEFORE:
            self._check_resets()
        now |= {name: self._before[source] for name, source in KEPT.items()}
        action = torch.as_tensor(ACTION(self._env))
        with torch.device(self._env.device):  # where tensors lie that the reward makes itself
            rewards, self.terms = reward(self._before, action, now)
        self._before = {name: now[name].clone() for name in BEFORE}
        self._fresh[:] = False
        return rewards

    def _read(self, names: Sequence[str] | Mapping[str, Any]) -> dict[str, Tensor]:
        missing = [name for name, read in BINDINGS.items() if read is None]
        if missing:
            raise NotImplementedError(
                f"write in BINDINGS how to read {', '.join(missing)} in this environment"
            )
        values: dict[str, Tensor] = {}
        for name, read in BINDINGS.items():
            if read is not None and name in names:
                values[name] = torch.as_tensor(read(self._env)).to(torch.float32)
        return values

    def _check_resets(self) -> None:
        """Refuse to take the end of one episode for the beginning of the next."""
        began = torch.as_tensor(self._env.episode_length_buf) == 1
        missed = ~self._known | (began & ~self._fresh)
        if bool(missed.any()):
            first = int(missed.nonzero()[0, 0])
            raise RuntimeError(
                f"environment {first} began an episode, but its features were not read then: "
                "call Binding.reset(env_ids) when a reset has written the new state"
            )


def binding_of(env: Any) -> Binding:  # noqa: ANN401
    """Return the binding of an environment, which lives as long as that does."""
    if not hasattr(env, OWNER):
        setattr(env, OWNER, Binding(env))
    return getattr(env, OWNER)


# ---- manager-based: RewardTermCfg(func=reward_term, weight=1.0 / step_dt), as Isaac Lab
# multiplies by weight and step_dt, and, last among the events of mode "reset",
# EventTermCfg(func=reset_features, mode="reset")


def reward_term(env: Any) -> Tensor:  # noqa: ANN401
    """Return the reward of each environment, (num_envs,)."""
    return binding_of(env).reward()


def reset_features(env: Any, env_ids: Sequence[int] | Tensor | None) -> None:  # noqa: ANN401
    """Read the features of environments that begin an episode."""
    binding_of(env).reset(env_ids)


# ---- direct: class MyTask(DirectRewards, TheTaskAsItIs), which is a DirectRLEnv; or copy the two
# bodies into your own class, the second to the end of its _reset_idx


class DirectRewards:
    """Gives a DirectRLEnv the reward; stands before it among the base classes."""

    def _get_rewards(self) -> Tensor:
        return binding_of(self).reward()

    def _reset_idx(self, env_ids: Sequence[int] | Tensor | None) -> None:
        task: Any = super()
        task._reset_idx(env_ids)
        binding_of(self).reset(env_ids)
