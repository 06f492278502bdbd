"""The names of TensorBoard's generated module that are used; it ships no types."""

class _Values:
    def add(self, *, tag: str, simple_value: float) -> object: ...

class _Summary:
    value: _Values

class Event:
    summary: _Summary
    def __init__(self, *, wall_time: float, step: int = ..., file_version: str = ...) -> None: ...
    def SerializeToString(self) -> bytes: ...
