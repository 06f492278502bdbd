"""Writes rliable.json: what rliable 1.2.0 says of some scores, to hold our statistics to.

rliable is no dependency of the tests: it needs arch < 8, which does not import beside pandas 3,
and brings pandas, statsmodels and seaborn. In an environment of its own:

    pip install rliable==1.2.0 "pandas<3" && python record_rliable.py
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from rliable import library, metrics

REPS = 5_000
THRESHOLDS = [0.0, 0.25, 0.5, 0.75, 1.0, 1.25]


def scores(seed: int, runs: int, shift: float) -> np.ndarray:
    """Return scores of three tasks, some of them equal, (runs, 3)."""
    generator = np.random.default_rng(seed)
    return np.round(generator.normal([0.2, 0.6, 1.0], [0.3, 0.1, 0.5], (runs, 3)) + shift, 2)


def estimate(given: object, function: object) -> dict[str, object]:
    """Return rliable's point estimate and percentile interval."""
    np.random.seed(0)  # it draws from the global generator, whatever random_state says
    points, intervals = library.get_interval_estimates({"x": given}, function, reps=REPS)
    return {
        "value": np.asarray(points["x"]).tolist(),
        "interval": np.asarray(intervals["x"]).tolist(),
    }


def main() -> None:
    """Write the file beside this one."""
    x, y = scores(1, 8, 0.1), scores(2, 5, 0.0)
    recorded = {
        "command": 'pip install rliable==1.2.0 "pandas<3" && python record_rliable.py',
        "reps": REPS,
        "thresholds": THRESHOLDS,
        "x": x.tolist(),
        "y": y.tolist(),
        "iqm": estimate(x, lambda s: np.array([metrics.aggregate_iqm(s)])),
        "optimality_gap": estimate(x, lambda s: np.array([metrics.aggregate_optimality_gap(s)])),
        "improvement": estimate(
            [x, y], lambda a, b: np.array([metrics.probability_of_improvement(a, b)])
        ),
        "profile": estimate(x, lambda s: library.score_distributions(s, np.array(THRESHOLDS))),
    }
    text = json.dumps(recorded, indent=1)
    Path(__file__).with_name("rliable.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
