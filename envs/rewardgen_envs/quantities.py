"""Named tensors in the engine's own precision, before they become float32 features."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from rewardgen_envs.names import nearest


class Quantities:
    """Read access by attribute to named tensors (R, *shape)."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Tensor]) -> None:
        self._values = values

    def __getattr__(self, name: str) -> Tensor:
        try:
            return self._values[name]
        except KeyError:
            valid = nearest(name, self._values)
            raise AttributeError(f"no quantity '{name}'{valid}") from None
