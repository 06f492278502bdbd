"""The loop of a worker: answers the messages of its owner with what a simulator does."""

from __future__ import annotations

import os
import sys
import traceback
from dataclasses import dataclass
from typing import Any, BinaryIO, Callable, Dict, List, Optional, Tuple

import numpy as np

from .protocol import (
    VERSION,
    Arrays,
    Message,
    ProtocolError,
    check_version,
    encode,
    read_message,
)

NEXT_STEP, SAME_STEP = "next_step", "same_step"
"""When environments are reset: in the step after the one that ended an episode, or within it."""

Array = np.ndarray


@dataclass(frozen=True)
class Feature:
    """One named quantity of each environment, as the project declares features.

    Attributes:
        name: identifier.
        shape: per environment; () for a scalar.
        unit: SI unit as text, "1" for dimensionless, "bool" for 0/1.
        description: one sentence.
        private: True for what only scoring may read.
    """

    name: str
    shape: Tuple[int, ...]
    unit: str
    description: str
    private: bool = False


@dataclass(frozen=True)
class Description:
    """What a simulator offers.

    Attributes:
        features: columns of the feature matrix, in order.
        observation_size: numbers of an observation.
        action_size: numbers of an action in [-1, 1]; 0 if actions are choices.
        action_count: how many choices; 0 if actions are numbers.
        control_dt_s: duration of a step.
        episode_steps: nominal length of an episode.
        autoreset: NEXT_STEP or SAME_STEP.
    """

    features: List[Feature]
    observation_size: int
    action_size: int
    action_count: int
    control_dt_s: float
    episode_steps: int
    autoreset: str


@dataclass(frozen=True)
class State:
    """What is seen of B environments: observation (B, O) and features (B, F), float32."""

    observation: Array
    features: Array


@dataclass(frozen=True)
class Stepped:
    """What a step gave.

    Attributes:
        after: right after the physics; where an episode ended, its true end.
        reward: of the simulator's own task (B,).
        terminated: the task ended the episode (B,).
        truncated: its length ended it (B,).
        valid: False where the step belongs to no episode, because it reset the environment (B,).
        start: after resets within the step, None if there were none.
    """

    after: State
    reward: Array
    terminated: Array
    truncated: Array
    valid: Array
    start: Optional[State] = None


class Simulator:
    """What a worker drives; see vec_task.py and direct_env.py for the two that exist."""

    @property
    def description(self) -> Description:
        """What it offers."""
        raise NotImplementedError

    def reset(self, seed: Optional[int]) -> State:
        """Begin an episode everywhere."""
        raise NotImplementedError

    def step(self, action: Array) -> Stepped:
        """Take one step: (B, A) float32, or (B,) int64."""
        raise NotImplementedError

    def close(self) -> None:
        """Free it."""


Make = Callable[[int, int, Dict[str, Any]], Simulator]
"""(number of environments, seed, options) → simulator."""


def columns(table: List[Feature], values: Dict[str, Any], rows: int) -> Array:
    """Return the feature matrix (B, F), float32.

    Args:
        table: the features.
        values: (B, *shape) by name, arrays or tensors.
        rows: B.

    Raises:
        ValueError: a feature is missing or has another shape.
    """
    parts: List[Array] = []
    for feature in table:
        if feature.name not in values:
            raise ValueError(f"feature '{feature.name}' is declared, but not computed")
        value = as_array(values[feature.name])
        if value.shape != (rows, *feature.shape):
            raise ValueError(
                f"feature '{feature.name}' has shape {value.shape}, declared is "
                f"{(rows, *feature.shape)}"
            )
        parts.append(value.reshape(rows, -1).astype(np.float32))
    return np.concatenate(parts, axis=1) if parts else np.zeros((rows, 0), np.float32)


def as_array(value: Any) -> Array:
    """Return a tensor of any device, or an array, in main memory."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    return np.asarray(value)


def serve(make: Make) -> int:
    """Answer the owner until it says goodbye or is gone; return the exit status.

    Call it before the simulator is imported, and import it in ``make``: standard output belongs to
    the messages, so whatever else is printed goes to standard error from here on.
    """
    pipe = _Pipe()
    worker = _Worker(make)
    try:
        while True:
            try:
                message = read_message(pipe.read)
            except EOFError:
                return 0
            answer = worker.answer(message)
            pipe.write(encode(answer))
            if answer.kind == "BYE":
                return 0
    except BrokenPipeError:
        return 0
    except Exception as error:  # the owner shall know, whatever it is
        traceback.print_exc()
        text = f"{type(error).__name__}: {error}"
        pipe.write(encode(Message("ERROR", {"version": VERSION, "text": text[:2000]})))
        return 1
    finally:
        worker.close()


class _Pipe:
    """Standard input and output, taken away from everybody else in this process."""

    def __init__(self) -> None:
        self._input: BinaryIO = os.fdopen(os.dup(0), "rb")
        self._output: BinaryIO = os.fdopen(os.dup(1), "wb")
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        sys.stdout.flush()
        os.dup2(2, 1)

    def read(self, count: int) -> bytes:
        data = self._input.read(count)
        if len(data) < count:
            raise EOFError
        return data

    def write(self, data: bytes) -> None:
        self._output.write(data)
        self._output.flush()


class _Worker:
    def __init__(self, make: Make) -> None:
        self._make = make
        self._greeted = False
        self._simulator: Optional[Simulator] = None

    def answer(self, message: Message) -> Message:
        """Do what a message asks for."""
        if not self._greeted:
            check_version(message)
            self._greeted = True
            return Message("HELLO", {"version": VERSION, "python": sys.version.split()[0]})
        if message.kind == "SHUTDOWN":
            return Message("BYE")
        if message.kind == "INIT":
            return self._init(message)
        if self._simulator is None:
            raise ProtocolError(f"expected INIT, found {message.kind}")
        if message.kind == "RESET":
            return Message("STATE", {}, _state(self._simulator.reset(message.fields["seed"])))
        if message.kind == "STEP":
            return _stepped(self._simulator.step(message.arrays["action"]))
        raise ProtocolError(f"unknown message {message.kind}")

    def close(self) -> None:
        if self._simulator is not None:
            self._simulator.close()

    def _init(self, message: Message) -> Message:
        if self._simulator is not None:
            raise ProtocolError("INIT came twice")
        fields = message.fields
        self._simulator = self._make(fields["num_envs"], fields["seed"], fields["options"])
        description = self._simulator.description
        described = dict(vars(description))
        described["features"] = [dict(vars(each)) for each in description.features]
        return Message("READY", described)


def _state(state: State, prefix: str = "") -> Arrays:
    return {
        prefix + "observation": np.asarray(state.observation, np.float32),
        prefix + "features": np.asarray(state.features, np.float32),
    }


def _stepped(step: Stepped) -> Message:
    arrays = _state(step.after)
    arrays["reward"] = np.asarray(step.reward, np.float64)
    arrays["terminated"] = np.asarray(step.terminated, np.bool_)
    arrays["truncated"] = np.asarray(step.truncated, np.bool_)
    arrays["valid"] = np.asarray(step.valid, np.bool_)
    if step.start is not None:
        arrays.update(_state(step.start, "start_"))
    return Message("STEPPED", {}, arrays)
