"""Which recipes SB3's PPO can follow, and whether it is installed."""

from __future__ import annotations

from importlib.util import find_spec

from rewardgen_envs.errors import UsageError
from rewardgen_policies.recipe import Recipe, RecipeError


def require_sb3() -> None:
    """Refuse to train a mapped task where Stable-Baselines3 is not installed.

    Raises:
        UsageError: it is not; names the extra.
    """
    if find_spec("stable_baselines3") is None:
        raise UsageError(
            "Gymnasium environments are trained by Stable-Baselines3, which is not installed: pip "
            "install 'rewardgen-lab[sb3]'"
        )


def check_settings(recipe: Recipe) -> None:
    """Refuse settings that SB3's PPO does not know.

    Raises:
        RecipeError: names the setting.
    """
    if recipe.schedule != "fixed":
        raise RecipeError(
            f"schedule is '{recipe.schedule}', but Gymnasium environments are trained by "
            "Stable-Baselines3, whose learning rate does not adapt: set schedule: fixed"
        )
