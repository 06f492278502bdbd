"""One policy as ONNX: raw observations in, actions out; normalizer and clipping are inside.

onnx, onnxscript and onnxruntime are imported where they are used: they come with the extra
``export``, and nothing else needs them.
"""

from __future__ import annotations

import importlib.util
import logging
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from jaxtyping import Float32, Float64
from torch import Tensor, nn

from rewardgen_policies.checkpoint import MemberState
from rewardgen_policies.evaluation import Policies
from rewardgen_policies.normalizer import CLIP, ObservationScale
from rewardgen_policies.population import Population

INPUT, OUTPUT = "observation", "action"
TOLERANCE = 1e-5
PACKAGES = ("onnx", "onnxscript", "onnxruntime")
_EXAMPLE_ROWS = 2  # torch takes a dimension of 1 in the example for a constant


class OnnxMismatchError(RuntimeError):
    """An exported policy does not act as the policy does."""


def missing_packages() -> list[str]:
    """Return which packages of the extra ``export`` are not installed."""
    return [name for name in PACKAGES if importlib.util.find_spec(name) is None]


def export_onnx(state: MemberState, path: Path) -> None:
    """Write a policy: ``observation`` float32 (batch, O) to ``action``.

    ``action`` is float32 (batch, A), clipped to [-1, 1], or int64 (batch,) if discrete; the most
    probable one. In between the file computes in float64, as the evaluation does.

    Args:
        state: the member.
        path: the file to write.
    """
    import onnx

    example = torch.zeros(_EXAMPLE_ROWS, state.spec.observation_size)
    with _quiet():
        # its types are partly unknown
        program = cast(Any, torch.onnx).export(
            _Actor(state).eval(),
            (example,),
            dynamo=True,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes={INPUT: {0: torch.export.Dim("batch")}},
            verbose=False,
        )
    model: onnx.ModelProto = program.model_proto
    # where in whose files each operation came from is nobody's business
    graph = model.graph
    parts = (*graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer)
    for part in (model, graph, *parts):
        part.ClearField("metadata_props")
    model.producer_name, graph.name = "rewardgen", "policy"
    onnx.save(model, str(path))


@torch.no_grad()
def check_onnx(state: MemberState, path: Path, observations: Float32[Tensor, "B O"]) -> float:
    """Compare an exported policy with the member; return the largest difference of an action.

    Discrete choices that differ count as the difference of their logits.

    Args:
        state: the member.
        path: the exported file.
        observations: on which they are compared.

    Raises:
        OnnxMismatchError: the file is no valid ONNX, or a difference exceeds 1e-5.
    """
    import onnx
    import onnxruntime

    try:
        onnx.checker.check_model(str(path), full_check=True)
    except onnx.checker.ValidationError as error:
        raise OnnxMismatchError(f"{path.name} is no valid ONNX: {error}") from error
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (answer,) = session.run([OUTPUT], {INPUT: observations.numpy()})
    found = torch.as_tensor(answer)
    expected = Policies([state])(observations.unsqueeze(0))[0]
    if found.shape != expected.shape or found.dtype != expected.dtype:
        raise OnnxMismatchError(
            f"{path.name} gives {found.dtype} {tuple(found.shape)}, the policy "
            f"{expected.dtype} {tuple(expected.shape)}"
        )
    if state.spec.discrete:
        logits = _Actor(state).outputs(observations)
        chosen, best = (logits.gather(1, x.unsqueeze(1)) for x in (found, expected))
        difference = float((best - chosen).abs().max())
    else:
        difference = float((found - expected).abs().max())
    if not difference <= TOLERANCE:
        raise OnnxMismatchError(
            f"{path.name} differs from the policy by {difference:.3g}, more than {TOLERANCE:g}"
        )
    return difference


class _Actor(nn.Module):
    """The deterministic policy of one member, as a module; in float64 as in ``Policies``."""

    def __init__(self, state: MemberState) -> None:
        super().__init__()
        scale = ObservationScale(Population.of([state]).observation, torch.float64)
        self.register_buffer("mean", scale.mean[0, 0])
        self.register_buffer("inverse", scale.inverse[0, 0])
        parameters = {k: v.to(torch.float64) for k, v in state.stack("parameters").items()}
        count = len(state.spec.hidden) + 1
        self._weights = nn.ParameterList([parameters[f"actor.{i}.weight"] for i in range(count)])
        self._biases = nn.ParameterList([parameters[f"actor.{i}.bias"] for i in range(count)])
        self._discrete = state.spec.discrete

    def outputs(self, observation: Float32[Tensor, "B O"]) -> Float64[Tensor, "B A"]:
        """Return means, or logits."""
        mean, inverse = self.get_buffer("mean"), self.get_buffer("inverse")
        x = ((observation.to(torch.float64) - mean) * inverse).clamp(-CLIP, CLIP)
        layers = list(zip(self._weights, self._biases, strict=True))
        for weight, bias in layers[:-1]:
            x = torch.addmm(bias, x, weight).tanh()
        weight, bias = layers[-1]
        return torch.addmm(bias, x, weight)

    def forward(self, observation: Tensor) -> Tensor:
        """Return the actions."""
        outputs = self.outputs(observation)
        if self._discrete:
            return outputs.argmax(-1)
        return outputs.clamp(-1.0, 1.0).to(torch.float32)


@contextmanager
def _quiet() -> Generator[None]:
    """Silence the exporter, which warns of packages that it could use and of its own style."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
