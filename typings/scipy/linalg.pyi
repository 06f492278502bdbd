import numpy as np
from numpy.typing import NDArray

def cho_factor(a: NDArray[np.float64], lower: bool = ...) -> tuple[NDArray[np.float64], bool]: ...
def cho_solve(
    c_and_lower: tuple[NDArray[np.float64], bool], b: NDArray[np.float64]
) -> NDArray[np.float64]: ...
