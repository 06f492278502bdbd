"""What happened during training: one number per update, member and quantity."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor

from rewardgen_envs.task import Task
from rewardgen_policies.collector import Collected
from rewardgen_policies.gae import advantages
from rewardgen_policies.learner import LearnStats
from rewardgen_policies.population import Population
from rewardgen_policies.recipe import Recipe
from rewardgen_policies.scoring import Scored


@dataclass(frozen=True)
class Curve:
    """The training of one member.

    Training episodes are driven by noisy policies that change meanwhile: their fitness is
    advisory. Quantities of episodes are NaN in updates in which none ended.

    Attributes:
        values: each quantity, one number per update: ``env_steps``, ``episodes``,
            ``episode_return``, ``episode_length``, ``fitness/<metric>``, ``reward`` (mean per
            control step), ``term/<name>`` (the same), ``advantage_share/<name>``,
            ``cause/<cause>`` and ``truncated`` (shares of the episodes), ``kl``, ``entropy``,
            ``learning_rate``, ``value_loss``, ``explained_variance``, ``clip_share``.
    """

    values: dict[str, NDArray[np.float64]]

    def to_json(self) -> dict[str, list[float | None]]:
        """Return lists that JSON can hold: non-finite numbers become None."""
        return {
            name: [float(v) if math.isfinite(v) else None for v in array]
            for name, array in self.values.items()
        }


class CurveRecorder:
    """Collects the curves of a population."""

    def __init__(self, task: Task, recipe: Recipe, members: int) -> None:
        self._task = task
        self._recipe = recipe
        self._rows: list[list[dict[str, float]]] = [[] for _ in range(members)]

    def add(
        self, collected: Collected, scored: Scored, stats: LearnStats, population: Population
    ) -> None:
        """Note one update; members that failed in it or before get no further numbers."""
        columns = self._columns(collected, scored, stats, population)
        table = torch.stack([c.to(torch.float64) for c in columns.values()], dim=1)
        for member, rows in enumerate(self._rows):
            if not bool(population.active[member]):
                continue
            row = dict(zip(columns, numbers(table[member]), strict=True))
            for name, value in scored.terms[member].items():
                row[f"term/{name}"] = float(_mean(value, scored.valid[member]))
            shares = self._advantage_shares(collected, scored, stats, member)
            row |= {f"advantage_share/{name}": share for name, share in shares.items()}
            rows.append(row)

    def latest(self, name: str) -> list[float]:
        """Return the last number of a quantity for every member, NaN if there is none."""
        return [rows[-1].get(name, math.nan) if rows else math.nan for rows in self._rows]

    def curves(self) -> list[Curve]:
        """Return all members' curves."""
        result: list[Curve] = []
        for rows in self._rows:
            names = list(dict.fromkeys(name for row in rows for name in row))
            result.append(
                Curve({n: np.array([row.get(n, math.nan) for row in rows]) for n in names})
            )
        return result

    def _columns(
        self, collected: Collected, scored: Scored, stats: LearnStats, population: Population
    ) -> dict[str, Tensor]:
        ended, rollout = collected.counted & scored.valid, collected.rollout
        view = rollout.table.view(rollout.next_state)
        columns = {
            "env_steps": population.env_steps,
            "episodes": ended.flatten(1).sum(1),
            "episode_return": _means(stats.episode_return, ended),
            "episode_length": _means(collected.length, ended),
            "reward": _means(scored.reward, scored.valid),
            "truncated": _means(rollout.truncated, ended),
            "kl": stats.update.kl,
            "entropy": stats.update.entropy,
            "learning_rate": population.learning_rate,
            "value_loss": stats.update.value_loss,
            "explained_variance": stats.explained_variance,
            "clip_share": stats.update.clip_share,
        }
        for name, value in collected.fitness.items():
            columns[f"fitness/{name}"] = _means(value, ended)
        for cause in self._task.causes:
            columns[f"cause/{cause}"] = _means(getattr(view, cause), ended)
        return columns

    def _advantage_shares(
        self, collected: Collected, scored: Scored, stats: LearnStats, member: int
    ) -> dict[str, float]:
        """Return how much of the advantage each term explains; the shares sum to 1.

        Cov(A_k, A) / Σ Cov(A_j, A), where A is PPO's advantage and A_k that of term k alone, with
        a constant for its value; compared between worlds at the same step. What a term pays for
        being in a state, whatever the action, is uncorrelated with A, so shaping gets no share,
        nor does a constant unless episodes terminate.
        """
        terms = scored.terms[member]
        if not terms:
            return {}
        mask, gamma = scored.valid[member], self._recipe.gamma
        valid = mask.expand(len(terms), -1, -1)
        reward = torch.where(valid, torch.stack(list(terms.values())), 0.0)
        mean = reward.flatten(1).sum(1) / mask.sum()
        value = (mean / (1.0 - gamma))[:, None, None].expand_as(reward)
        terminated = collected.rollout.terminated[member]
        bootstrap = torch.where(terminated, 0.0, value)
        ended = collected.ended[member].expand_as(valid)
        gae_lambda = torch.full((len(terms), 1), self._recipe.gae_lambda)
        own = advantages(reward, value, bootstrap, ended, valid, gamma, gae_lambda)
        centred = _centred(stats.advantage[member], mask)
        covariance = (own * centred).flatten(1).sum(1)
        total = covariance.sum()
        shares = torch.where(total > 0.0, covariance / total, torch.nan)
        return dict(zip(terms, numbers(shares), strict=True))


def numbers(vector: Float[Tensor, " K"]) -> list[float]:
    """Return a vector's numbers."""
    return [float(x) for x in vector.numpy()]


def _centred(value: Float[Tensor, "T N"], mask: Bool[Tensor, "T N"]) -> Float[Tensor, "T N"]:
    """Subtract the mean over the masked worlds of each step; 0 elsewhere."""
    weight = mask.to(value.dtype)
    mean = (value * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True).clamp(min=1.0)
    return (value - mean) * weight


def _mean(value: Tensor, mask: Bool[Tensor, "..."]) -> Tensor:
    """Return the mean over the masked entries; NaN if there are none."""
    return torch.where(mask, value, 0.0).sum() / mask.sum()


def _means(value: Tensor, mask: Bool[Tensor, "P T N"]) -> Float[Tensor, " P"]:
    """Return each member's mean over the masked entries; NaN where there are none."""
    kept = torch.where(mask, value.to(torch.float32), 0.0)
    return kept.flatten(1).sum(1) / mask.flatten(1).sum(1)
