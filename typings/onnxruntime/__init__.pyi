"""The ONNX Runtime names that this project uses; it ships no types."""

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

class InferenceSession:
    def __init__(self, path_or_bytes: str, *, providers: Sequence[str] = ...) -> None: ...
    def run(
        self, output_names: Sequence[str] | None, input_feed: Mapping[str, NDArray[Any]]
    ) -> Sequence[NDArray[Any]]: ...
