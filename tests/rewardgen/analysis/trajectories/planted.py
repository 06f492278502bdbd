"""Episodes with planted properties; nothing is simulated."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rewardgen.analysis.trajectories.episodes import Episodes, Floats


def episodes(
    length: Sequence[int],
    *,
    nominal: int = 100,
    terms: dict[str, Floats] | None = None,
    cause: Sequence[str] | None = None,
    success: Sequence[bool] | None = None,
    fitness: Sequence[float] | None = None,
    features: Floats | None = None,
    progress: Floats | None = None,
    policy: Sequence[int] | None = None,
) -> Episodes:
    """Episodes of the given lengths; rewards are the sums of the terms, by default 1 per step."""
    count, steps = len(length), max(length)
    ends = np.array(length)
    alive = np.arange(steps) < ends[:, None]
    given = terms or {"alive": np.ones((count, steps))}
    masked = {name: np.where(alive, values, np.nan) for name, values in given.items()}
    early = ends < nominal
    names = ["time limit" if not died else "fallen" for died in early]
    return Episodes(
        policy=np.array(policy or [0] * count),
        eval_seed=tuple(range(100, 100 + count)),
        length=ends,
        cause=tuple(cause or names),
        early=early,
        fitness=np.array(fitness or ends / nominal, dtype=np.float64),
        sign=1.0,
        success=None if success is None else np.array(success),
        reward=sum(masked.values(), np.zeros((count, steps))),
        terms=masked,
        progress=np.where(alive, np.ones((count, steps)) if progress is None else progress, np.nan),
        action=np.zeros((count, steps, 2)),
        features=np.where(alive[..., None], 0.0, np.nan) if features is None else features,
        names=("height",) if features is None else tuple(f"x{i}" for i in range(features.shape[2])),
        control_dt_s=0.02,
        nominal_steps=nominal,
    )
