"""Deterministic policies that SB3 trained, for the evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Shaped
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor

from rewardgen_envs.adapters.mapped.task import MappedTask
from rewardgen_policies.checkpoint import CheckpointError
from rewardgen_policies.sb3.model import Sight, load_weights, make_policy, network_of, shapes_of
from rewardgen_policies.sb3.state import load_sb3_state


class Sb3Policies:
    """Policies of several members.

    Args:
        task: what they act in.
        checkpoints: one file per member.

    Raises:
        CheckpointError: a file cannot be used, or does not fit the task.
    """

    def __init__(self, task: MappedTask, checkpoints: Sequence[Path]) -> None:
        if not checkpoints:
            raise CheckpointError("nothing to evaluate: no members given")
        picture = task.interface.observed.picture
        self._acts: list[tuple[ActorCriticPolicy, Sight]] = []
        for path in checkpoints:
            state = load_sb3_state(path)
            network = network_of(task, state.network.hidden)
            policy = make_policy(network)
            state.require(network, shapes_of(policy), str(path))
            load_weights(policy, state)
            policy.set_training_mode(False)
            self._acts.append((policy, Sight(state.moments("observation"), picture)))
        self._discrete = network_of(task, (1,)).discrete

    @torch.no_grad()
    def __call__(self, observation: Shaped[Tensor, "P M ..."]) -> Tensor:
        """Return the actions, (P, M, A) clipped to [-1, 1], or int64 (P, M)."""
        actions = [
            policy.get_distribution(sight(raw)).get_actions(deterministic=True)
            for (policy, sight), raw in zip(self._acts, observation, strict=True)
        ]
        chosen = torch.stack(actions)
        return chosen if self._discrete else chosen.clamp(-1.0, 1.0)
