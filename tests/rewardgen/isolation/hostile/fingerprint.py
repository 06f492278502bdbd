"""The state of a process that code in it may change behind everybody's back."""

from __future__ import annotations

import builtins
import copyreg
import decimal
import gc
import json
import math
import os
import random
import re
import resource
import signal
import sys
import time
import warnings
from collections.abc import Callable
from typing import cast

import numpy as np
import torch

import rewardgen.rewards.code as judge
from rewardgen_envs.features import FeatureTable, FeatureView

# changes to what these hold are changes for everybody
_NAMESPACES: tuple[object, ...] = (
    builtins, json, math, os, random, re, signal, sys.modules, time, torch, torch.Tensor,
    torch.nn.functional, judge, judge.evaluate, FeatureTable, FeatureView, copyreg.dispatch_table,
)  # fmt: skip
_Members = dict[object, object]
_STREAMS = ("stdout", "stderr", "excepthook", "unraisablehook", "displayhook")


def fingerprint() -> dict[str, object]:
    """Return what is so now; entries that differ later were changed in between."""
    return {
        **{f"namespace {i}": _members(owner) for i, owner in enumerate(_NAMESPACES)},
        **{name: read() for name, read in _STATE.items()},
    }


def changed(before: dict[str, object], after: dict[str, object]) -> list[str]:
    """Return what differs; names that have come into a namespace are no change."""
    found: list[str] = []
    for name, was in before.items():
        now = after[name]
        if name.startswith("namespace"):
            members, others = cast(_Members, was), cast(_Members, now)
            if any(others.get(member) is not value for member, value in members.items()):
                found.append(name)
        elif now != was:
            found.append(name)
    return found


def _members(owner: object) -> _Members:
    # the values themselves: an address may belong to something else later
    if isinstance(owner, dict):
        return dict(cast(_Members, owner))
    return {**vars(owner), "__code__": getattr(owner, "__code__", None)}


def _handlers() -> list[object]:
    return [signal.getsignal(number) for number in sorted(signal.valid_signals())]


def _arithmetic() -> list[object]:
    x = torch.tensor([1.0, 3.0])
    tiny = torch.tensor([1e-40]) * 1.0
    return [float(x.mean()), float(x.sum()), float(tiny[0]), "abc".upper(), math.pi + 0.0]


def _environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"}


def _umask() -> int:
    mask = os.umask(0o77)
    os.umask(mask)
    return mask


def _oom_score() -> str:
    with open("/proc/self/oom_score_adj") as file:
        return file.read()


def _limits() -> list[tuple[int, int]]:
    names = ("AS", "CORE", "CPU", "DATA", "FSIZE", "NOFILE", "NPROC", "STACK")
    return [resource.getrlimit(getattr(resource, f"RLIMIT_{name}")) for name in names]


_STATE: dict[str, Callable[[], object]] = {
    "random numbers of torch": lambda: torch.get_rng_state().numpy().tobytes(),
    "random numbers of Python": random.getstate,
    "random numbers of numpy": lambda: str(np.random.get_state()),
    "default type": torch.get_default_dtype,
    "threads of torch": torch.get_num_threads,
    "gradients": torch.is_grad_enabled,
    "inference": torch.is_inference_mode_enabled,
    "arithmetic": _arithmetic,
    "handlers of signals": _handlers,
    "tracing": lambda: (id(sys.gettrace()), id(sys.getprofile())),
    "recursion": sys.getrecursionlimit,
    "switching": sys.getswitchinterval,
    "collector": lambda: (gc.isenabled(), gc.get_threshold()),
    "streams": lambda: [id(getattr(sys, name)) for name in _STREAMS],
    "imports": lambda: (list(sys.path), [id(finder) for finder in sys.meta_path]),
    "warnings": lambda: [str(each) for each in warnings.filters],
    "decimals": lambda: decimal.getcontext().prec,
    "environment": _environment,
    "folder": os.getcwd,
    "mask": _umask,
    "memory shortage": _oom_score,
    "limits": _limits,
}
