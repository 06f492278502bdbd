"""What holds for every test: checked tensor shapes, one thread."""

from __future__ import annotations

import os

import jaxtyping
import pytest

import tests.shapes

# Several workers share the machine, and results must not depend on the number of threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read when onnxruntime is imported

# Must precede the first import of the packages; outside tests shapes cost nothing.
jaxtyping.install_import_hook(
    ["rewardgen_envs", "rewardgen_policies", "rewardgen"], f"{tests.shapes.__name__}.checked"
)


@pytest.fixture
def unchecked_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """For what the product itself does with a tensor of the wrong shape."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
