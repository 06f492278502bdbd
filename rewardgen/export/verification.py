"""Whether an exported reward gives what the reward gives, on transitions of its task.

Neither side runs in this process: ours runs in a reward host, the exported file in a Python of
its own that cannot import this project, under the same protections.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rewardgen.export import isolated
from rewardgen.export.reward_file import RewardFile
from rewardgen.export.wrapping import Wrapping, composed
from rewardgen.isolation import environment
from rewardgen.isolation.confines import Confines
from rewardgen.isolation.host import HostOptions, HostPool
from rewardgen.isolation.processes import import_paths, readable_paths
from rewardgen.isolation.protection import offered
from rewardgen.isolation.session import HostFailure
from rewardgen.rewards.code import MAX_TERMS, Output
from rewardgen.rewards.format import RewardCode
from rewardgen.rewards.transitions import Transitions
from rewardgen_envs.features import FeatureTable

TOLERANCE = 1e-6
_TIMEOUT_S = 180.0  # importing torch from a cold disk takes long
_FLOAT_BYTES = 4


class ExportError(Exception):
    """What was exported does not do what it should; nothing was written."""


@dataclass(frozen=True)
class Verification:
    """How an exported reward compares.

    Attributes:
        transitions: on how many.
        max_difference: the largest difference of the reward or a term.
    """

    transitions: int
    max_difference: float


def verify(
    path: Path,
    exported: RewardFile,
    code: RewardCode,
    table: FeatureTable,
    transitions: Transitions,
    hosts: HostPool,
    wrapping: Wrapping | None = None,
) -> Verification:
    """Compare an exported reward with our own evaluation of the same code.

    Args:
        path: the exported file.
        exported: what is in it.
        code: the reward.
        table: features of the task.
        transitions: rows to compare on; private columns are left out.
        hosts: where our side of the code runs.
        wrapping: what is put around the code, or None.

    Raises:
        ExportError: one of the two fails, or they differ by more than 1e-6, relative above 1.
        HostUnavailable: no reward host can be started on this machine.
    """
    public = table.public()
    rows = Transitions(
        transitions.state[:, : public.width].contiguous(),
        transitions.action,
        transitions.next_state[:, : public.width].contiguous(),
    )
    expected = _hosted(code, public, rows, hosts, wrapping)
    found = _isolated(path, exported, public, rows, hosts.options)
    if found.terms.keys() != expected.terms.keys():
        raise ExportError(
            f"the exported reward names the terms {', '.join(found.terms) or 'none'}, the "
            f"original {', '.join(expected.terms) or 'none'}"
        )
    pairs = {name: (values, found.terms[name]) for name, values in expected.terms.items()}
    worst = 0.0
    for name, (ours, theirs) in {"the reward": (expected.reward, found.reward), **pairs}.items():
        difference = (ours - theirs).abs()
        # what is not finite must be so in both, and the same
        equal = (ours == theirs) | (ours.isnan() & theirs.isnan())
        difference = torch.where(equal, 0.0, difference.nan_to_num(nan=torch.inf))
        worst = max(worst, float(difference.max()))
        if bool((difference > TOLERANCE * ours.abs().clamp(min=1.0)).any()):
            raise ExportError(
                f"the exported file gives another value for {name}: they differ by "
                f"{float(difference.max()):.3g} on {len(rows.state)} transitions"
            )
    return Verification(len(rows.state), worst)


def _hosted(
    code: RewardCode,
    table: FeatureTable,
    rows: Transitions,
    hosts: HostPool,
    wrapping: Wrapping | None,
) -> Output:
    host = hosts.open(code, table)
    try:
        return composed(host.evaluate, rows, table, wrapping)
    except HostFailure as error:
        raise ExportError(f"the reward fails on transitions of its task: {error}") from error
    finally:
        host.close()


def _isolated(
    path: Path, exported: RewardFile, table: FeatureTable, rows: Transitions, options: HostOptions
) -> Output:
    """Run the exported file by ``python -I``."""
    with tempfile.TemporaryDirectory() as folder:
        inputs = Path(folder) / "inputs"
        inputs.write_bytes(_bytes(table, rows))
        request = {
            "file": str(path.resolve()),
            "function": exported.function,
            "inputs": str(inputs),
            "rows": len(rows.state),
            "action": list(rows.action.shape[1:]),
            "features": [(feature.name, feature.shape) for feature in table],
            "lock": _lock(options, (path, inputs)),
        }
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-B", str(isolated.__file__), json.dumps(request)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env=environment.of_rewards(),
                cwd="/",
                timeout=_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ExportError(f"the exported reward gave no answer in {_TIMEOUT_S:.0f} s") from None
    head, _, numbers = done.stdout.partition(b"\n")
    try:
        answer: dict[str, Any] = json.loads(head)
    except ValueError:
        words = done.stderr.decode(errors="replace").strip()[-500:]
        raise ExportError(f"the exported reward gave no answer: {words}") from None
    if "error" in answer:
        raise ExportError(f"the exported reward fails: {str(answer['error'])[:500]}")
    if answer["loaded"]:
        raise ExportError(f"the exported reward imports {', '.join(answer['loaded'])}")
    return _output([str(name) for name in answer["terms"]], numbers, len(rows.state))


def _bytes(table: FeatureTable, rows: Transitions) -> bytes:
    states = (table.select(data, f.name) for data in (rows.state, rows.next_state) for f in table)
    return b"".join(part.contiguous().numpy().tobytes() for part in (rows.action, *states))


def _lock(options: HostOptions, files: Sequence[Path]) -> dict[str, Any] | None:
    """Return where the lock of reward hosts lies, and what it leaves; None if there is none."""
    if options.mode == "none" or offered() == "none":
        return None
    readable = [*readable_paths(), *(str(file.resolve()) for file in files)]
    return {"paths": import_paths(), "confines": asdict(Confines(options.memory_bytes, readable))}


def _output(names: list[str], numbers: bytes, rows: int) -> Output:
    if len(names) > MAX_TERMS or len(numbers) != (1 + len(names)) * rows * _FLOAT_BYTES:
        raise ExportError(
            f"the exported reward gave {len(numbers)} bytes for {len(names)} terms of {rows} "
            "transitions"
        )
    values: Tensor = torch.frombuffer(bytearray(numbers), dtype=torch.float32).view(-1, rows)
    return Output(values[0], {name: values[i] for i, name in enumerate(names, start=1)})
