from collections.abc import Iterable

from matplotlib.ticker import Formatter, Locator
from numpy.typing import ArrayLike

class Axis:
    def set_major_formatter(self, formatter: Formatter) -> None: ...
    def set_major_locator(self, locator: Locator) -> None: ...

class Mappable: ...

class Axes:
    xaxis: Axis
    yaxis: Axis
    def bar(
        self,
        x: ArrayLike,
        height: ArrayLike,
        *,
        width: ArrayLike,
        align: str,
        color: str,
        edgecolor: str,
    ) -> object: ...
    def imshow(
        self,
        X: ArrayLike,
        *,
        cmap: str,
        vmin: float = ...,
        vmax: float = ...,
        aspect: str = ...,
        interpolation: str = ...,
        origin: str = ...,
        extent: tuple[float, float, float, float] = ...,
    ) -> Mappable: ...
    def fill_between(
        self,
        x: ArrayLike,
        y1: ArrayLike,
        y2: ArrayLike,
        *,
        color: str,
        alpha: float,
        linewidth: float,
        label: str = ...,
    ) -> object: ...
    def plot(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        color: str,
        linewidth: float,
        alpha: float = ...,
        label: str | None = ...,
        zorder: float = ...,
        marker: str = ...,
        markersize: float = ...,
    ) -> object: ...
    def scatter(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        s: float,
        color: str = ...,
        c: ArrayLike = ...,
        cmap: str = ...,
        alpha: float = ...,
        edgecolors: str = ...,
        linewidths: float = ...,
        label: str | None = ...,
        zorder: float = ...,
    ) -> Mappable: ...
    def axhline(
        self, y: float, *, color: str, linestyle: str, linewidth: float, label: str = ...
    ) -> object: ...
    def axvline(self, x: float, *, color: str, linestyle: str, linewidth: float) -> object: ...
    def grid(self, *, visible: bool, axis: str) -> None: ...
    def get_ylim(self) -> tuple[float, float]: ...
    def set_title(self, label: str, *, loc: str, fontsize: float) -> object: ...
    def set_xlabel(self, xlabel: str) -> object: ...
    def set_ylabel(self, ylabel: str) -> object: ...
    def set_xlim(self, left: float, right: float) -> object: ...
    def set_ylim(self, bottom: float, top: float) -> object: ...
    def barh(
        self, y: ArrayLike, width: ArrayLike, *, left: ArrayLike, label: str, color: str
    ) -> object: ...
    def text(self, x: float, y: float, s: str, *, ha: str, va: str, color: str) -> object: ...
    def set_xticks(
        self, ticks: Iterable[float], labels: Iterable[str], *, rotation: float, ha: str
    ) -> object: ...
    def set_yticks(self, ticks: Iterable[float], labels: Iterable[str]) -> object: ...
