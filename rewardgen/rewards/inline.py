"""Trusted reward code in the trainer's process: human rewards."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch
from torch import Tensor

from rewardgen.rewards.code import EvaluationError, Output, compile_reward, evaluate, require_terms
from rewardgen.rewards.format import RewardCode, read_reward
from rewardgen.rewards.transitions import Transitions, copy_member, one_thread, scores
from rewardgen_envs.features import FeatureTable
from rewardgen_policies.seam import RewardFailure, Rollout, Scores, SourceSpec


def _made_on(device: torch.device) -> AbstractContextManager[object]:
    """Let tensors that reward code makes lie where its inputs do; costs time on the CPU."""
    return nullcontext() if device.type == "cpu" else device


class InlineReward:
    """A reward source for trusted code: no gate, no process of its own, same contract.

    Args:
        code: the reward.
        table: features of the task; the code sees the public ones.
        name: shown in curves and reports.

    Raises:
        EvaluationError: the module's code raised.
    """

    def __init__(self, code: RewardCode, table: FeatureTable, name: str = "human") -> None:
        self._spec = SourceSpec(name=name, sha256=code.sha256, placement="inline")
        self._table = table.public()
        self._code = code
        # what a module makes as it is loaded has to lie where its inputs do
        self._functions = {"cpu": compile_reward(code)}

    @classmethod
    def from_file(cls, path: Path, table: FeatureTable, name: str = "human") -> InlineReward:
        """Read a reward file.

        Raises:
            ParseError: the file holds no usable reward.
            EvaluationError: the module's code raised.
        """
        return cls(read_reward(path), table, name)

    @property
    def spec(self) -> SourceSpec:
        """What this source is."""
        return self._spec

    def evaluate(self, transitions: Transitions) -> Output:
        """Score B transitions, whose rows hold exactly the public columns.

        Raises:
            EvaluationError: the code raised, or its answer breaks the contract.
        """
        device = transitions.state.device
        with one_thread(), _made_on(device):
            if device.type not in self._functions:
                self._functions[device.type] = compile_reward(self._code)
            return evaluate(
                self._functions[device.type],
                self._table,
                transitions.state,
                transitions.action,
                transitions.next_state,
            )

    def score(self, rollout: Rollout) -> Scores:
        """Score the transitions of the members given.

        Raises:
            RewardFailure: the code raised, broke the contract or gave a number not finite.
        """
        members, steps, worlds = rollout.valid.shape
        rows = steps * worlds
        outputs: list[Output] = []
        for member in range(members):
            inputs = self._inputs(rollout, rows)
            copy_member(rollout, member, inputs)
            try:
                outputs.append(self.evaluate(inputs))
                require_terms(list(outputs[0].terms), outputs[member])
            except EvaluationError as error:
                raise RewardFailure(str(error)) from error
        return scores(
            rollout,
            torch.stack([output.reward for output in outputs]),
            {
                name: torch.stack([output.terms[name] for output in outputs])
                for name in outputs[0].terms
            },
        )

    def _inputs(self, rollout: Rollout, rows: int) -> Transitions:
        def empty() -> Tensor:
            return rollout.state.new_empty(rows, self._table.width)

        action = rollout.action.new_empty(rows, *rollout.action.shape[3:])
        return Transitions(state=empty(), action=action, next_state=empty())
