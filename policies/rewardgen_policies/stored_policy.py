"""The policy that is kept beside a task's baseline: of the human reward, the median seed."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import torch

from rewardgen_envs.errors import UsageError
from rewardgen_policies.checkpoint import MAX_BYTES, MemberState, decode, encode

DIRECTORY = Path(__file__).parent / "baselines"


class StoredPolicyError(UsageError):
    """A stored policy cannot be read; says which file and what is wrong."""


def policy_file(task: str, directory: Path = DIRECTORY) -> Path:
    """Return where the policy of a task is kept."""
    return directory / f"{task.replace('/', '-')}.policy.gz"


def policy_bytes(state: MemberState) -> bytes:
    """Return a policy as it is kept beside its baseline: without the optimizer's moments.

    They make up two thirds of a checkpoint and are of use only to the run that goes on.
    """
    forgotten = {
        name: torch.zeros_like(value) if name.startswith("adam_") else value
        for name, value in state.tensors.items()
    }
    counters = replace(state.counters, adam_steps=0)
    # no time in the header: equal policies give equal bytes
    return gzip.compress(encode(replace(state, tensors=forgotten, counters=counters)), mtime=0)


def load_policy(task: str, directory: Path = DIRECTORY) -> MemberState | None:
    """Return the stored policy of a task, that of the human reward's median seed; None if none.

    Raises:
        StoredPolicyError: it is damaged.
        CheckpointError: what it holds is no checkpoint.
    """
    file = policy_file(task, directory)
    if not file.is_file():
        return None
    try:
        with gzip.open(file) as stream:
            data = stream.read(MAX_BYTES + 1)
    except (OSError, EOFError) as error:
        raise StoredPolicyError(f"{file} is no stored policy: {error}") from error
    return decode(data, str(file))
