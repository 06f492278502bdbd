from typing import BinaryIO

from matplotlib.axes import Axes

class Figure:
    def __init__(self, *, figsize: tuple[float, float], layout: str) -> None: ...
    def add_subplot(self) -> Axes: ...
    def savefig(
        self, fname: BinaryIO, *, format: str, metadata: dict[str, None], transparent: bool
    ) -> None: ...
