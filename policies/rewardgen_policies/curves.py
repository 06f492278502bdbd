"""What happened during training: one number per update, member and quantity."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from numpy.typing import NDArray
from torch import Tensor

from rewardgen_envs.base_task import BaseTask
from rewardgen_policies.gae import advantages
from rewardgen_policies.learner import LearnStats
from rewardgen_policies.recipe import Recipe
from rewardgen_policies.scoring import Scored
from rewardgen_policies.seam import Rollout


class Played(Protocol):
    """One rollout as a curve sees it; ``Collected`` is one."""

    @property
    def rollout(self) -> Rollout:
        """What reward sources see."""
        ...

    @property
    def ended(self) -> Bool[Tensor, "P T N"]:
        """Where an episode ended."""
        ...

    @property
    def counted(self) -> Bool[Tensor, "P T N"]:
        """Where a whole and valid episode ended."""
        ...

    @property
    def length(self) -> Int64[Tensor, "P T N"]:
        """Control steps of the episode."""
        ...

    @property
    def fitness(self) -> dict[str, Float[Tensor, "P T N"]]:
        """Each metric, meaningful where ``counted``."""
        ...


class Learners(Protocol):
    """Members as a curve sees them; a population is one."""

    @property
    def active(self) -> Bool[Tensor, " P"]:
        """False for members that failed."""
        ...

    @property
    def env_steps(self) -> Int64[Tensor, " P"]:
        """Control steps that entered updates."""
        ...

    @property
    def learning_rate(self) -> Float[Tensor, " P"]:
        """Current rate of each member."""
        ...


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

    def __init__(self, task: BaseTask, recipe: Recipe, members: int) -> None:
        self._task = task
        self._recipe = recipe
        self._rows: list[list[dict[str, float]]] = [[] for _ in range(members)]

    def add(
        self, collected: Played, scored: Scored, stats: LearnStats, population: Learners
    ) -> None:
        """Note one update; members that failed in it or before get no further numbers."""
        columns = self._columns(collected, scored, stats, population)
        terms = _term_columns(collected, scored, stats, self._recipe)
        table = torch.stack([c.to(torch.float64) for c in columns.values()], dim=1).cpu()
        active = [bool(flag) for flag in population.active.cpu()]
        for member, rows in enumerate(self._rows):
            if not active[member]:
                continue
            row = dict(zip(columns, numbers(table[member]), strict=True))
            rows.append(row | terms[member])

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
        self, collected: Played, scored: Scored, stats: LearnStats, population: Learners
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


def _term_columns(
    collected: Played, scored: Scored, stats: LearnStats, recipe: Recipe
) -> list[dict[str, float]]:
    """Return each member's ``term/<name>`` and ``advantage_share/<name>``.

    A term's share is Cov(A_k, A) / Σ Cov(A_j, A), where A is PPO's advantage and A_k that of term
    k alone, with a constant for its value; compared between worlds at the same step. What a term
    pays for being in a state, whatever the action, is uncorrelated with A, so shaping gets no
    share, nor does a constant unless episodes terminate. The shares of a member sum to 1.
    """
    names = [(m, name) for m, terms in enumerate(scored.terms) for name in terms]
    result: list[dict[str, float]] = [{} for _ in scored.terms]
    if not names:
        return result
    # one row per member and term, so that a single pass over time serves all
    device = scored.valid.device
    owner = torch.tensor([member for member, _ in names], device=device)
    valid, ended = scored.valid[owner], collected.ended[owner]
    values = torch.stack([scored.terms[member][name] for member, name in names])
    reward = torch.where(valid, values, 0.0)
    mean = reward.flatten(1).sum(1) / valid.flatten(1).sum(1)
    value = (mean / (1.0 - recipe.gamma))[:, None, None].expand_as(reward)
    bootstrap = torch.where(collected.rollout.terminated[owner], 0.0, value)
    gae_lambda = torch.full((len(names), 1), recipe.gae_lambda, device=device)
    own = advantages(reward, value, bootstrap, ended, valid, recipe.gamma, gae_lambda)
    centred = _centred(stats.advantage, scored.valid)[owner]
    covariance = (own * centred).flatten(1).sum(1)
    total = torch.zeros(len(scored.terms), device=device)
    total = total.index_add_(0, owner, covariance)[owner]
    shares = torch.where(total > 0.0, covariance / total, torch.nan)
    for (member, name), average, share in zip(names, numbers(mean), numbers(shares), strict=True):
        result[member][f"term/{name}"] = average
        result[member][f"advantage_share/{name}"] = share
    return result


def numbers(vector: Float[Tensor, " K"]) -> list[float]:
    """Return a vector's numbers."""
    return [float(x) for x in vector.cpu().numpy()]


def _centred(value: Float[Tensor, "P T N"], mask: Bool[Tensor, "P T N"]) -> Float[Tensor, "P T N"]:
    """Subtract the mean over the masked worlds of each step; 0 elsewhere."""
    weight = mask.to(value.dtype)
    mean = (value * weight).sum(2, keepdim=True) / weight.sum(2, keepdim=True).clamp(min=1.0)
    return (value - mean) * weight


def _means(value: Tensor, mask: Bool[Tensor, "P T N"]) -> Float[Tensor, " P"]:
    """Return each member's mean over the masked entries; NaN where there are none."""
    kept = torch.where(mask, value.to(torch.float32), 0.0)
    return kept.flatten(1).sum(1) / mask.flatten(1).sum(1)
