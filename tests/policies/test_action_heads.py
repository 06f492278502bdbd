from __future__ import annotations

import math

import torch
from torch.distributions import Categorical, Normal

from rewardgen_policies.heads import CategoricalHead, GaussianHead


def generators(count: int, seed: int = 0) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed + i) for i in range(count)]


def test_gaussian_likelihood_and_gradients_equal_torch_distributions() -> None:
    log_std = (torch.randn(3, 1, 2, dtype=torch.float64) * 0.3).requires_grad_()
    outputs = torch.randn(3, 7, 2, dtype=torch.float64, requires_grad=True)
    action = torch.randn(3, 7, 2, dtype=torch.float64)
    g_log_prob = torch.randn(3, 7, dtype=torch.float64)
    g_entropy = torch.randn(3, 7, dtype=torch.float64)
    normal = Normal(outputs, log_std.exp().expand_as(outputs))
    log_prob, entropy = normal.log_prob(action).sum(-1), normal.entropy().sum(-1)
    loss = (log_prob * g_log_prob).sum() + (entropy * g_entropy).sum()
    expected = torch.autograd.grad(loss, [outputs, log_std])

    gradient = torch.full((3, 1, 2), torch.nan, dtype=torch.float64)
    head = GaussianHead(log_std.detach(), gradient)
    likelihood = head.likelihood(outputs.detach(), action)
    torch.testing.assert_close(likelihood.log_prob, log_prob.detach())
    torch.testing.assert_close(likelihood.entropy.expand(3, 7), entropy.detach())
    torch.testing.assert_close(head.backward(likelihood, g_log_prob, g_entropy), expected[0])
    torch.testing.assert_close(gradient, expected[1])


def test_single_action_ignores_the_second_stored_column() -> None:
    log_std = torch.zeros(2, 1, 1)
    head = GaussianHead(log_std, torch.zeros_like(log_std))
    outputs = torch.randn(2, 5, 2)
    action, log_prob = head.sample(outputs, torch.zeros(2, 5, 1))
    torch.testing.assert_close(action, outputs[..., :1])
    likelihood = head.likelihood(outputs, action)
    torch.testing.assert_close(likelihood.log_prob, log_prob)
    gradient = head.backward(likelihood, torch.ones(2, 5), torch.zeros(2, 5))
    assert gradient.shape == (2, 5, 2)
    assert not gradient[..., 1].any()


def test_gaussian_sample_has_its_own_log_prob_and_spread() -> None:
    log_std = torch.tensor([[[0.0, math.log(0.1)]]])
    head = GaussianHead(log_std, torch.zeros_like(log_std))
    noise = head.noise(generators(1), 500, 8)[:, :, :].flatten(1, 2)
    outputs = torch.tensor([1.0, -2.0]).expand(1, 4000, 2)
    action, log_prob = head.sample(outputs, noise)
    expected = Normal(outputs, log_std.exp()).log_prob(action).sum(-1)
    torch.testing.assert_close(log_prob, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(action.mean(1), outputs[:, 0], atol=0.05, rtol=0)
    torch.testing.assert_close(action.std(1), log_std[:, 0].exp(), atol=0.05, rtol=0.05)


def test_categorical_likelihood_and_gradients_equal_torch_distributions() -> None:
    outputs = torch.randn(3, 7, 4, dtype=torch.float64, requires_grad=True)
    action = torch.randint(4, (3, 7, 1))
    g_log_prob = torch.randn(3, 7, dtype=torch.float64)
    g_entropy = torch.randn(3, 7, dtype=torch.float64)
    categorical = Categorical(logits=outputs)
    log_prob, entropy = categorical.log_prob(action[..., 0]), categorical.entropy()
    loss = (log_prob * g_log_prob).sum() + (entropy * g_entropy).sum()
    (expected,) = torch.autograd.grad(loss, [outputs])

    head = CategoricalHead(4)
    likelihood = head.likelihood(outputs.detach(), action.to(torch.float64))
    torch.testing.assert_close(likelihood.log_prob, log_prob.detach())
    torch.testing.assert_close(likelihood.entropy, entropy.detach())
    torch.testing.assert_close(head.backward(likelihood, g_log_prob, g_entropy), expected)


def test_categorical_samples_follow_the_logits() -> None:
    head = CategoricalHead(3)
    probs = torch.tensor([0.5, 0.2, 0.3])
    noise = head.noise(generators(1), 1000, 10).flatten(1, 2)
    outputs = probs.log().expand(1, 10_000, 3)
    action, log_prob = head.sample(outputs, noise)
    assert action.dtype == torch.int64
    shares = torch.bincount(action[0], minlength=3) / 10_000
    torch.testing.assert_close(shares, probs, atol=0.02, rtol=0)
    torch.testing.assert_close(log_prob[0], probs.log()[action[0]])
    assert bool((head.mode(outputs) == 0).all())


def test_noise_of_a_member_does_not_depend_on_the_others() -> None:
    log_std = torch.zeros(3, 1, 2)
    for head in (GaussianHead(log_std, log_std.clone()), CategoricalHead(4)):
        together = head.noise(generators(3), 5, 4)
        alone = head.noise(generators(3)[2:], 5, 4)
        assert torch.equal(together[2:], alone)
        assert torch.isfinite(together).all()
