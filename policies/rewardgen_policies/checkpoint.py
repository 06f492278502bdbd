"""A member between rungs: weights, optimizer, normalizers, counters; safetensors and JSON.

One file per member, the JSON in the safetensors header. Nothing is pickled, and what is read is
checked before it is used. Random generators are not saved: each rung has streams of its own.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal, Protocol

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from rewardgen_envs.errors import UsageError
from rewardgen_envs.names import nearest
from rewardgen_policies.networks import Layout, NetworkSpec

FORMAT = 1
MAX_BYTES = 64 * 2**20
_KEY = "rewardgen"
_STACKS = ("parameters", "adam_first", "adam_second")


class CheckpointError(UsageError):
    """A checkpoint cannot be used; says which file and what is wrong."""


@dataclass(frozen=True)
class Counters:
    """What a member has been through.

    Attributes:
        env_steps: control steps that entered its updates.
        updates: PPO updates.
        adam_steps: gradient steps.
        learning_rate: current rate of the adaptive schedule.
        observations: samples in the observation moments.
        returns: samples in the moments of the critic's targets.
    """

    env_steps: int
    updates: int
    adam_steps: int
    learning_rate: float
    observations: float
    returns: float


@dataclass(frozen=True)
class Origin:
    """Where a member comes from."""

    task: str
    task_version: int
    seed: int
    source_sha256: str
    recipe_sha256: str


class Storable(Protocol):
    """A member, whole, whatever trained it."""

    def encode(self) -> bytes:
        """Return the content of its file."""
        ...


@dataclass(frozen=True)
class MemberState:
    """One member, whole.

    Attributes:
        spec: sizes of its networks.
        origin: what it was trained on.
        counters: how far.
        tensors: ``parameters.*``, ``adam_first.*``, ``adam_second.*`` (float32) and mean and
            variance of ``observation`` (O,) and ``return`` (1,) (float64).
    """

    spec: NetworkSpec
    origin: Origin
    counters: Counters
    tensors: dict[str, Tensor]

    def stack(self, name: str) -> dict[str, Tensor]:
        """Return ``parameters``, ``adam_first`` or ``adam_second`` by parameter name."""
        prefix = f"{name}."
        return {k.removeprefix(prefix): v for k, v in self.tensors.items() if k.startswith(prefix)}

    def encode(self) -> bytes:
        """Return the content of its file."""
        return encode(self)


_Size = Annotated[int, Field(ge=1, le=2**20)]
_Number = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
_Index = Annotated[int, Field(ge=0, le=2**53)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Network(_Strict):
    observation_size: _Size
    action_size: _Size
    discrete: bool
    hidden: Annotated[list[_Size], Field(min_length=1, max_length=16)]


class _Counters(_Strict):
    env_steps: _Index
    updates: _Index
    adam_steps: _Index
    learning_rate: _Number
    observations: _Number
    returns: _Number


class _Origin(_Strict):
    task: str
    task_version: int
    seed: int
    source_sha256: str
    recipe_sha256: str


class _Record(_Strict):
    format: Literal[1]
    network: _Network
    origin: _Origin
    counters: _Counters


def encode(state: MemberState) -> bytes:
    """Return the file content of a member; equal members give equal bytes."""
    record = {
        "format": FORMAT,
        "network": asdict(state.spec),
        "origin": asdict(state.origin),
        "counters": asdict(state.counters),
    }
    return save_tensors(state.tensors, {_KEY: json.dumps(record, sort_keys=True)})


def decode(data: bytes, origin: str) -> MemberState:
    """Read a member.

    Args:
        data: content of a checkpoint file.
        origin: named in errors.

    Raises:
        CheckpointError: not a checkpoint, damaged, too large, or holding bad numbers.
    """
    if len(data) > MAX_BYTES:
        raise CheckpointError(f"{origin}: {len(data)} bytes, a checkpoint has at most {MAX_BYTES}")
    try:
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        record = _Record.model_validate_json(header["__metadata__"][_KEY])
        tensors = load_tensors(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        message = f"{origin}: bad checkpoint record: {where}: {first['msg']}"
        raise CheckpointError(message) from error
    except (
        SafetensorError,
        ValueError,
        KeyError,
        TypeError,
        OverflowError,
        RecursionError,
    ) as error:
        raise CheckpointError(f"{origin}: not a rewardgen checkpoint, or damaged") from error
    network = record.network
    spec = NetworkSpec(
        network.observation_size, network.action_size, network.discrete, tuple(network.hidden)
    )
    _check_tensors(tensors, spec, origin)
    return MemberState(
        spec=spec,
        origin=Origin(**record.origin.model_dump()),
        counters=Counters(**record.counters.model_dump()),
        tensors=tensors,
    )


def save_checkpoint(state: Storable, path: Path) -> None:
    """Write a member to a file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_bytes(state.encode())
    draft.replace(path)


def load_checkpoint(path: Path) -> MemberState:
    """Read a member from a file.

    Raises:
        CheckpointError: see ``decode``; or there is no such file (lists its neighbours).
    """
    if not path.is_file():
        beside = [p.name for p in path.parent.glob(f"*{path.suffix}")]
        hint = nearest(path.name, beside) if beside else ""
        raise CheckpointError(f"checkpoint {path} does not exist{hint}")
    if path.stat().st_size > MAX_BYTES:
        raise CheckpointError(f"{path}: larger than a checkpoint can be ({MAX_BYTES} bytes)")
    return decode(path.read_bytes(), str(path))


def expected_tensors(spec: NetworkSpec) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
    """Return shape and dtype of every tensor of a checkpoint."""
    expected = {
        f"{stack}.{block.name}": (block.shape, torch.float32)
        for stack in _STACKS
        for block in Layout(spec).blocks
    }
    for name, size in (("observation", spec.observation_size), ("return", 1)):
        for moment in ("mean", "variance"):
            expected[f"{name}_{moment}"] = ((size,), torch.float64)
    return expected


def _check_tensors(tensors: dict[str, Tensor], spec: NetworkSpec, origin: str) -> None:
    expected = expected_tensors(spec)
    for name in sorted(expected.keys() ^ tensors.keys()):
        what = "lacks" if name in expected else "has the unknown"
        raise CheckpointError(f"{origin}: the checkpoint {what} tensor '{name}'")
    for name, (shape, dtype) in expected.items():
        value = tensors[name]
        if tuple(value.shape) != shape or value.dtype != dtype:
            raise CheckpointError(
                f"{origin}: tensor '{name}' is {value.dtype} {tuple(value.shape)}, "
                f"expected {dtype} {shape}"
            )
        if not bool(torch.isfinite(value).all()):
            raise CheckpointError(f"{origin}: tensor '{name}' holds non-finite numbers")
        if name.endswith("_variance") and bool((value < 0.0).any()):
            raise CheckpointError(f"{origin}: tensor '{name}' holds negative variances")
