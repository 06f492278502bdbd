"""An exported reward on stored transitions, with nothing of this project at hand.

Run as a script by ``python -I``; it imports the standard library and torch. The argument is a
JSON object: ``file``, ``function``, ``inputs`` (raw numbers: action, state, next state),
``action`` and ``features`` (columns: name and shape) of so many ``rows``, and ``lock``: null, or
``paths`` to import this project's lock from, and the ``confines`` that it leaves. On stdout: one
line of JSON, then raw float32 numbers, the reward and each term; or the error.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
import sys
from array import array
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from torch import Tensor

_OURS = ("rewardgen", "rewardgen_envs", "rewardgen_policies")


class _NothingOfOurs:
    """Refuses to import this project, which may well be installed where torch is."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None, target: object = None
    ) -> ModuleSpec | None:
        del path, target
        if name.partition(".")[0] in _OURS:
            raise ImportError(f"an exported reward must not import {name}")
        return None


def main() -> None:
    """Load the file, call its function once, and write what it gives."""
    given = json.loads(sys.argv[1])
    # what is printed, also by the reward's code, must not get between the numbers
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)

    import torch

    torch.set_num_threads(1)
    if given["lock"] is not None:
        _lock(**given["lock"])
    sys.meta_path.insert(0, _NothingOfOurs())
    try:
        names, values = _evaluate(given)
        answer: dict[str, Any] = {"terms": names}
    except Exception as error:  # whatever the reward's code raises is an answer
        values, answer = [], {"error": f"{type(error).__name__}: {error}"}
    answer["loaded"] = sorted(set(_OURS) & sys.modules.keys())
    output.write(json.dumps(answer).encode() + b"\n")
    for value in values:
        numbers: list[float] = cast(Any, value).tolist()
        output.write(array("f", numbers).tobytes())
    output.close()


def _lock(paths: list[str], confines: dict[str, Any]) -> None:
    """Lock this process as reward hosts are, and forget the project again."""
    before = list(sys.path)
    sys.path[:0] = paths
    from rewardgen.isolation.confines import Confines
    from rewardgen.isolation.linux.lock import lock

    lock(os.getppid(), Confines(**confines))
    sys.path[:] = before
    for name in [name for name in sys.modules if name.partition(".")[0] in _OURS]:
        del sys.modules[name]


def _evaluate(given: dict[str, Any]) -> tuple[list[str], list[Tensor]]:
    import torch

    numbers = _Reader(Path(given["inputs"]).read_bytes())
    rows = int(given["rows"])
    dtype = torch.float32 if given["action"] else torch.int64
    action = numbers.take((rows, *given["action"]), dtype)
    state, next_state = (
        {name: numbers.take((rows, *shape), torch.float32) for name, shape in given["features"]}
        for _ in range(2)
    )
    function: Callable[..., tuple[Tensor, dict[str, Tensor]]] = getattr(
        _load(given["file"]), given["function"]
    )
    reward, terms = function(state, action, next_state)
    for name, value in (("the reward", reward), *terms.items()):
        if value.shape != (rows,) or value.dtype != torch.float32:
            raise TypeError(f"{name} is {value.dtype} {tuple(value.shape)}, not float32 ({rows},)")
    return list(terms), [reward, *terms.values()]


class _Reader:
    """Hands out tensors from raw bytes, one after another."""

    def __init__(self, data: bytes) -> None:
        self._data = bytearray(data)
        self._at = 0

    def take(self, shape: tuple[int, ...], dtype: Any) -> Tensor:  # noqa: ANN401, torch is late
        import torch

        count = math.prod(shape)
        part = torch.frombuffer(self._data, dtype=dtype, count=count, offset=self._at)
        self._at += count * part.element_size()
        return part.clone().view(shape)


def _load(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location("exported", path)
    assert spec is not None and spec.loader is not None, path
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
