"""A member trained by SB3 between rungs: weights, optimizer, normalizers; safetensors and JSON.

The same form as other checkpoints, and never a pickle, which SB3's own files hold.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from rewardgen_policies.checkpoint import MAX_BYTES, CheckpointError, Origin
from rewardgen_policies.normalizer import Moments

STACKS = ("policy", "adam_first", "adam_second")
_KEY = "rewardgen-sb3"


@dataclass(frozen=True)
class Sb3Network:
    """Sizes of a policy.

    Attributes:
        observation: shape of what it sees; three numbers are those of a picture.
        action_size: number of continuous actions, or of choices.
        discrete: whether actions are choices.
        hidden: sizes of the hidden layers; a picture's policy has none behind its convolutions.
    """

    observation: tuple[int, ...]
    action_size: int
    discrete: bool
    hidden: tuple[int, ...]


@dataclass(frozen=True)
class Sb3Counters:
    """What a member has been through.

    Attributes:
        env_steps: control steps that entered its updates.
        updates: PPO updates.
        adam_steps: gradient steps.
        observations: samples in the observation moments.
        returns: samples in the return moments.
    """

    env_steps: int
    updates: int
    adam_steps: int
    observations: float
    returns: float


@dataclass(frozen=True)
class Sb3State:
    """One member, whole.

    Attributes:
        network: sizes of its policy.
        origin: what it was trained on.
        counters: how far.
        tensors: ``policy.*``, ``adam_first.*`` and ``adam_second.*`` (float32) by SB3's names, and
            mean and variance of ``observation`` (O,) and ``return`` (1,) (float64).
    """

    network: Sb3Network
    origin: Origin
    counters: Sb3Counters
    tensors: Mapping[str, Tensor]

    def encode(self) -> bytes:
        """Return the file's content; equal members give equal bytes."""
        record = {
            "format": 1,
            "network": asdict(self.network),
            "origin": asdict(self.origin),
            "counters": asdict(self.counters),
        }
        return save_tensors(dict(self.tensors), {_KEY: json.dumps(record, sort_keys=True)})

    def moments(self, name: str) -> Moments:
        """Return the moments of ``observation`` or ``return`` (copies)."""
        count = {"observation": self.counters.observations, "return": self.counters.returns}[name]
        return Moments(
            self.tensors[f"{name}_mean"].clone().unsqueeze(0),
            self.tensors[f"{name}_variance"].clone().unsqueeze(0),
            torch.tensor([[count]], dtype=torch.float64),
        )

    def stack(self, name: str) -> dict[str, Tensor]:
        """Return ``policy``, ``adam_first`` or ``adam_second`` by SB3's names."""
        prefix = f"{name}."
        return {k.removeprefix(prefix): v for k, v in self.tensors.items() if k.startswith(prefix)}

    def require(
        self, network: Sb3Network, shapes: Mapping[str, tuple[int, ...]], what: str
    ) -> None:
        """Refuse a member that does not fit, or holds bad numbers.

        Args:
            network: what is needed.
            shapes: of the policy's parameters.
            what: the file, named in errors.

        Raises:
            CheckpointError: says what differs.
        """
        if self.network != network:
            raise CheckpointError(
                f"{what}: a member trained on '{self.origin.task}' has the policy {self.network}; "
                f"{network} is needed"
            )
        size = 1
        for count in network.observation:
            size *= count
        expected: dict[str, tuple[tuple[int, ...], torch.dtype]] = {
            f"{stack}.{name}": (shape, torch.float32)
            for stack in STACKS
            for name, shape in shapes.items()
        }
        for name, columns in (("observation", size), ("return", 1)):
            for moment in ("mean", "variance"):
                expected[f"{name}_{moment}"] = ((columns,), torch.float64)
        for name in sorted(expected.keys() ^ self.tensors.keys()):
            lacks = "lacks" if name in expected else "has the unknown"
            raise CheckpointError(f"{what}: the checkpoint {lacks} tensor '{name}'")
        for name, (shape, kind) in expected.items():
            value = self.tensors[name]
            if tuple(value.shape) != shape or value.dtype != kind:
                raise CheckpointError(
                    f"{what}: tensor '{name}' is {value.dtype} {tuple(value.shape)}, expected "
                    f"{kind} {shape}"
                )
            if not bool(torch.isfinite(value).all()):
                raise CheckpointError(f"{what}: tensor '{name}' holds non-finite numbers")
            if name.endswith("_variance") and bool((value < 0.0).any()):
                raise CheckpointError(f"{what}: tensor '{name}' holds negative variances")


_Size = Annotated[int, Field(ge=1, le=2**20)]
_Number = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
_Index = Annotated[int, Field(ge=0, le=2**53)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Network(_Strict):
    observation: Annotated[list[_Size], Field(min_length=1, max_length=3)]
    action_size: _Size
    discrete: bool
    hidden: Annotated[list[_Size], Field(min_length=1, max_length=16)]


class _Counters(_Strict):
    env_steps: _Index
    updates: _Index
    adam_steps: _Index
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


def load_sb3_state(path: Path) -> Sb3State:
    """Read a member from a file; ``Sb3State.require`` has to follow.

    Raises:
        CheckpointError: no such file, or no checkpoint of this kind, or damaged, or too large.
    """
    if not path.is_file():
        raise CheckpointError(f"checkpoint {path} does not exist")
    if path.stat().st_size > MAX_BYTES:
        raise CheckpointError(f"{path}: larger than a checkpoint can be ({MAX_BYTES} bytes)")
    data = path.read_bytes()
    try:
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        record = _Record.model_validate_json(header["__metadata__"][_KEY])
        tensors = load_tensors(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise CheckpointError(f"{path}: bad checkpoint record: {where}: {first['msg']}") from error
    except (
        SafetensorError,
        ValueError,
        KeyError,
        TypeError,
        OverflowError,
        RecursionError,
    ) as error:
        raise CheckpointError(
            f"{path}: not a checkpoint of a policy in a Gymnasium environment, or damaged"
        ) from error
    network = record.network
    return Sb3State(
        network=Sb3Network(
            tuple(network.observation),
            network.action_size,
            network.discrete,
            tuple(network.hidden),
        ),
        origin=Origin(**record.origin.model_dump()),
        counters=Sb3Counters(**record.counters.model_dump()),
        tensors=tensors,
    )
