"""Memory that two processes share: inputs one way, outputs the other.

Inputs are written by the trainer's side and never read back by it. Outputs are fixed float32
slots, one for the reward and one for each possible term; the reader copies, then validates.
"""

from __future__ import annotations

import math
import mmap
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from rewardgen.rewards.code import MAX_TERMS

SLOTS = 1 + MAX_TERMS
_FLOAT_BYTES = 4
_INT_BYTES = 8


@dataclass(frozen=True)
class Layout:
    """The sizes of one call.

    Attributes:
        members: number of members P; the reward is called once for each.
        rows: transitions per member R.
        width: public feature columns F.
        action_size: columns of a box action, 0 for a discrete one.
    """

    members: int
    rows: int
    width: int
    action_size: int

    @property
    def _action_bytes(self) -> int:
        each = self.action_size * _FLOAT_BYTES if self.action_size else _INT_BYTES
        return self.members * self.rows * each

    @property
    def _state_bytes(self) -> int:
        return self.members * self.rows * self.width * _FLOAT_BYTES

    @property
    def input_bytes(self) -> int:
        """Bytes of action, state and next state."""
        return self._action_bytes + 2 * self._state_bytes

    @property
    def output_bytes(self) -> int:
        """Bytes of all output slots."""
        return SLOTS * self.members * self.rows * _FLOAT_BYTES

    def inputs(self, memory: mmap.mmap) -> tuple[Tensor, Tensor, Tensor]:
        """Return views of action (P, R, A) or (P, R), state and next state (P, R, F)."""
        rows = (self.members, self.rows)
        shape = (*rows, self.action_size) if self.action_size else rows
        action = _view(memory, torch.float32 if self.action_size else torch.int64, 0, shape)
        first = self._action_bytes
        states = [
            _view(memory, torch.float32, first + i * self._state_bytes, (*rows, self.width))
            for i in range(2)
        ]
        return action, states[0], states[1]

    def outputs(self, memory: mmap.mmap) -> Tensor:
        """Return a view of the output slots (SLOTS, P, R)."""
        return _view(memory, torch.float32, 0, (SLOTS, self.members, self.rows))


def _view(memory: mmap.mmap, dtype: torch.dtype, offset: int, shape: tuple[int, ...]) -> Tensor:
    count = math.prod(shape)
    return torch.frombuffer(memory, dtype=dtype, offset=offset, count=count).view(shape)


@dataclass(frozen=True)
class SharedMemory:
    """Bytes mapped here and, through the descriptor, in another process.

    Attributes:
        size: bytes.
        memory: the mapping; it goes with the last view of it.
        fd: to be given to the other process, then closed.
    """

    size: int
    memory: mmap.mmap
    fd: int


def shared_memory(size: int, create: Callable[[int], int]) -> SharedMemory:
    """Return new shared memory.

    Args:
        size: bytes, at least 1.
        create: returns a descriptor of so many bytes that no path leads to.

    Raises:
        OSError: there is not enough memory, or there are too many open files.
    """
    fd = create(size)
    try:
        return SharedMemory(size, mmap.mmap(fd, size), fd)
    except OSError:
        os.close(fd)
        raise


def unlinked_file(size: int) -> int:
    """Return the descriptor of an unlinked temporary file: shared memory on any system."""
    with tempfile.TemporaryFile() as file:
        file.truncate(size)
        return os.dup(file.fileno())


def attach(fd: int) -> mmap.mmap:
    """Map memory received from another process and close the descriptor."""
    try:
        return mmap.mmap(fd, os.fstat(fd).st_size)
    finally:
        os.close(fd)
