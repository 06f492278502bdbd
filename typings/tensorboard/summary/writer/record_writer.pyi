"""The names of TensorBoard's module that are used; it ships no types."""

from typing import BinaryIO

class RecordWriter:
    def __init__(self, writer: BinaryIO) -> None: ...
    def write(self, data: bytes) -> None: ...
