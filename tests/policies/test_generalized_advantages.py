from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rewardgen_policies.gae import advantages, episode_returns


def row(*values: float) -> Tensor:
    """One member, one world: (1, T, 1)."""
    return torch.tensor(values, dtype=torch.float64).view(1, -1, 1)


def flags(*values: int) -> Tensor:
    return torch.tensor(values, dtype=torch.bool).view(1, -1, 1)


LAMBDA = torch.tensor([[0.5]], dtype=torch.float64)


def test_hand_computed_example() -> None:
    # discount and λ 0.5, their product 0.25; V(s_t) = 1, 2, 3, 4, V(s_4) = 8; an episode is
    # truncated after t = 1 (true last state worth 6), another terminated after t = 2
    #   δ_0 = 1 + 0.5·2 - 1 = 1      A_0 = 1 + 0.25·3 = 1.75
    #   δ_1 = 2 + 0.5·6 - 2 = 3      A_1 = 3           (the trace stops)
    #   δ_2 = 5 + 0     - 3 = 2      A_2 = 2           (no value follows)
    #   δ_3 = 1 + 0.5·8 - 4 = 1      A_3 = 1
    found = advantages(
        reward=row(1, 2, 5, 1),
        value=row(1, 2, 3, 4),
        bootstrap=row(2, 6, 0, 8),
        ended=flags(0, 1, 1, 0),
        valid=flags(1, 1, 1, 1),
        gamma=0.5,
        gae_lambda=LAMBDA,
    )
    torch.testing.assert_close(found, row(1.75, 3, 2, 1))


def test_an_invalid_transition_counts_nothing_and_cuts_the_trace() -> None:
    # as above, without ends, t = 2 invalid: A_2 = 0; δ_1 = 2 + 0.5·3 - 2 = 1.5 = A_1
    # A_0 = 1 + 0.25·1.5 = 1.375
    found = advantages(
        reward=row(1, 2, torch.nan, 1),
        value=row(1, 2, 3, 4),
        bootstrap=row(2, 3, torch.nan, 8),
        ended=flags(0, 0, 0, 0),
        valid=flags(1, 1, 0, 1),
        gamma=0.5,
        gae_lambda=LAMBDA,
    )
    torch.testing.assert_close(found, row(1.375, 1.5, 0, 1))


@settings(deadline=None)
@given(seed=st.integers(0, 10_000))
def test_equals_the_definition(seed: int) -> None:
    """A_t = Σ_l (γλ)^l δ_{t+l}, up to the end of the episode or an invalid transition."""
    g = torch.Generator().manual_seed(seed)
    shape = (2, 9, 3)
    reward, value, bootstrap = torch.randn(3, *shape, generator=g, dtype=torch.float64)
    done, invalid = torch.rand(2, *shape, generator=g) < 0.15
    ended, valid = done | invalid, ~invalid
    gamma, gae_lambda = 0.9, torch.tensor([[0.8], [0.95]], dtype=torch.float64)
    found = advantages(reward, value, bootstrap, ended, valid, gamma, gae_lambda)
    for p in range(2):
        for n in range(3):
            for t in range(9):
                total, factor = 0.0, 1.0
                for s in range(t, 9):
                    if invalid[p, s, n]:
                        break
                    delta = reward[p, s, n] + gamma * bootstrap[p, s, n] - value[p, s, n]
                    total += factor * delta
                    if ended[p, s, n]:
                        break
                    factor *= gamma * float(gae_lambda[p, 0])
                assert float(found[p, t, n]) == pytest.approx(float(total), abs=1e-12)


def test_episode_returns_restart_after_an_end_and_go_on_in_the_next_rollout() -> None:
    reward, ended = row(1, 2, 4, 8), flags(0, 1, 0, 0)
    carry = torch.zeros(1, 1, dtype=torch.float64)
    assert episode_returns(reward, ended, carry)[0, :, 0].tolist() == [1, 3, 4, 12]
    assert episode_returns(reward, ended, carry)[0, :, 0].tolist() == [13, 15, 4, 12]
