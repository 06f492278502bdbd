from numpy import float64
from numpy.typing import ArrayLike, NDArray

class _Result:
    statistic: float
    pvalue: float

def kendalltau(x: ArrayLike, y: ArrayLike) -> _Result: ...
def rankdata(a: ArrayLike, *, axis: int | None = ...) -> NDArray[float64]: ...
def spearmanr(a: ArrayLike, b: ArrayLike) -> _Result: ...
