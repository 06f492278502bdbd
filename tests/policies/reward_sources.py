"""Reward sources and tasks that the tests of this folder share."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from rewardgen_envs.cartpole.swing_up import SwingUp
from rewardgen_envs.features import FeatureView
from rewardgen_envs.task import DiscreteAction
from rewardgen_policies.seam import RewardFailure, Rollout, Scores, SourceSpec

Reward = Callable[[FeatureView, Tensor, FeatureView], Tensor]


class FunctionSource:
    """A reward source from a plain function of features, for the tests."""

    def __init__(
        self,
        function: Reward,
        *,
        scale: float = 1.0,
        nan_from: int | None = None,
        fail_from: int | None = None,
    ) -> None:
        self.function = function
        self.scale = scale
        self.nan_from = nan_from
        self.fail_from = fail_from
        self.calls = 0

    @property
    def spec(self) -> SourceSpec:
        return SourceSpec(name="test", sha256="0" * 64, placement="inline")

    def score(self, rollout: Rollout) -> Scores:
        call, self.calls = self.calls, self.calls + 1
        if self.fail_from is not None and call >= self.fail_from:
            raise RewardFailure("the host did not answer in time")
        view, next_view = rollout.table.view(rollout.state), rollout.table.view(rollout.next_state)
        reward = self.function(view, rollout.action, next_view).to(torch.float32) * self.scale
        if self.nan_from is not None and call >= self.nan_from:
            reward = reward.clone()
            reward[:, 3, 1] = torch.nan
        return Scores(
            reward=reward, valid=torch.ones_like(rollout.valid), terms={"upright": reward}
        )


def upright(state: FeatureView, action: Tensor, next_state: FeatureView) -> Tensor:
    effort = 0.01 * (action**2).sum(-1)
    return next_state.pole_angle_cosine - 0.1 * next_state.cart_position**2 - effort


class DiscreteSwingUp(SwingUp):
    """Push left, not at all, or right."""

    @property
    def action(self) -> DiscreteAction:
        return DiscreteAction(3)

    def actuate(self, action: Tensor, features: FeatureView) -> Tensor:
        return (action.to(torch.float64) - 1.0).unsqueeze(1)
