"""The recipe: every PPO setting of a training, the same for all candidates of a run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rewardgen_envs.errors import UsageError
from rewardgen_envs.names import nearest
from rewardgen_envs.settings_file import SettingsFileError, read_settings

Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=1)]


class RecipeError(UsageError):
    """A recipe or an override is not valid; names the setting and the valid choices."""


class Recipe(BaseModel):
    """PPO settings (Schulman et al. 2017); defaults follow rsl_rl (Rudin et al. 2022).

    Attributes:
        worlds: worlds per member, N.
        steps: control steps per rollout, T.
        epochs: how often an update uses every sample.
        minibatches: parts into which each epoch cuts the rollout.
        gamma: discount factor per control step.
        gae_lambda: λ of generalized advantage estimation.
        clip: PPO's clip range ε.
        value_coef: weight of the mean squared value error.
        entropy_coef: weight of the entropy bonus.
        max_grad_norm: limit of each member's gradient norm.
        learning_rate: Adam's rate, the starting point if the schedule is adaptive.
        schedule: ``adaptive`` keeps the policy's KL per update near ``desired_kl``; or ``fixed``.
        desired_kl: target of the adaptive schedule, nats.
        hidden: sizes of the hidden tanh layers of actor and critic.
        init_std: initial standard deviation of continuous actions.
        min_std: lower bound of the same.
        normalize_observations: scale observations by running moments of the member.
        normalize_values: let the critic work in the scale of the member's returns, so that the
            unit of a reward does not matter, nor a constant added to it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    worlds: Count = 32
    steps: Count = 64
    epochs: Count = 5
    minibatches: Count = 4
    gamma: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.99
    gae_lambda: Share = 0.95
    clip: Positive = 0.2
    value_coef: NonNegative = 0.5
    entropy_coef: NonNegative = 0.0
    max_grad_norm: Positive = 1.0
    learning_rate: Positive = 1e-3
    schedule: Literal["adaptive", "fixed"] = "adaptive"
    desired_kl: Positive = 0.01
    hidden: Annotated[tuple[Count, ...], Field(min_length=1)] = (64, 64)
    init_std: Positive = 1.0
    min_std: Positive = 0.05
    normalize_observations: bool = True
    normalize_values: bool = True

    @model_validator(mode="after")
    def _divisible(self) -> Recipe:
        if self.samples % self.minibatches:
            raise ValueError(
                f"steps * worlds = {self.samples} samples cannot be cut into "
                f"{self.minibatches} equal minibatches"
            )
        return self

    @property
    def samples(self) -> int:
        """Env-steps per member and update."""
        return self.steps * self.worlds

    @property
    def sha256(self) -> str:
        """Hash of all settings; part of every score."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def updates(self, env_steps: int) -> int:
        """Return how many updates at least ``env_steps`` per member take."""
        return max(1, -(-env_steps // self.samples))


MEMBER_SETTINGS = (
    "gae_lambda",
    "clip",
    "value_coef",
    "entropy_coef",
    "max_grad_norm",
    "learning_rate",
    "desired_kl",
)
"""What may differ between the members of a population; everything else shapes the batch."""


def with_overrides(recipe: Recipe, overrides: Mapping[str, float]) -> Recipe:
    """Return the recipe of one member.

    Raises:
        RecipeError: a setting that may not differ between members, or a bad value.
    """
    for name in overrides:
        if name not in MEMBER_SETTINGS:
            raise RecipeError(
                f"'{name}' cannot be overridden per member{nearest(name, MEMBER_SETTINGS)}"
            )
    return parse_recipe({**recipe.model_dump(), **overrides}, "overrides")


def parse_recipe(data: Mapping[str, Any], origin: str) -> Recipe:
    """Validate settings.

    Args:
        data: settings by name; what is missing has its default.
        origin: where they come from, for the error.

    Raises:
        RecipeError: an unknown setting (with the nearest valid one) or a bad value.
    """
    for name in data:
        if name not in Recipe.model_fields:
            raise RecipeError(
                f"{origin}: unknown setting '{name}'{nearest(name, Recipe.model_fields)}"
            )
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        problems = "; ".join(
            ": ".join([*(str(part) for part in problem["loc"]), problem["msg"]])
            for problem in error.errors()
        )
        raise RecipeError(f"{origin}: {problems}") from error


def load_recipe(path: Path) -> Recipe:
    """Read a recipe from a YAML file.

    Raises:
        RecipeError: the file cannot be read, is no mapping, gives a setting twice, or holds a
            bad one.
    """
    try:
        data = read_settings(path)
    except SettingsFileError as error:
        raise RecipeError(str(error)) from error
    return parse_recipe(data, str(path))
