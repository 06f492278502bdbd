"""What people are told when an endpoint gives no reply: where, what happened, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from rewardgen.llm.errors import EndpointDownError, EndpointError, KeyRefusedError
from rewardgen.llm.settings import EndpointSettings
from rewardgen_envs.names import nearest

_KEPT = "What was answered so far is kept"
_MOST_LISTED = 40


def explain(settings: EndpointSettings, error: EndpointError) -> EndpointError:
    """Return an error with the endpoint's address and what is safe."""
    text = f"{settings.url}: {error}"
    if isinstance(error, KeyRefusedError):
        text += f". Set the environment variable {settings.api_key_env} to a valid key"
    return type(error)(f"{text}. {_KEPT}")


def explain_down(settings: EndpointSettings, how_often: str, reason: str) -> EndpointDownError:
    """Return the error of an endpoint that stayed silent, whatever was tried."""
    return EndpointDownError(f"{settings.url} gives no reply: {how_often} ({reason}). {_KEPT}")


def explain_missing_model(settings: EndpointSettings, says: str, models: Sequence[str]) -> str:
    """Return what is missing: the model, with those there are, or the endpoint itself.

    Args:
        settings: what was asked for.
        says: what the endpoint said.
        models: what it lists, or nothing if it does not.
    """
    if not models:
        return (
            f"there is no model '{settings.model}', or no endpoint ({says}). The address must end "
            "before /chat/completions, often in /v1"
        )
    if settings.model in models:
        return f"the model '{settings.model}' is listed but cannot be used here ({says})"
    if len(models) <= _MOST_LISTED:
        return f"there is no model '{settings.model}'{nearest(settings.model, models)} ({says})"
    close = difflib.get_close_matches(settings.model, models, n=_MOST_LISTED, cutoff=0.0)
    return (
        f"there is no model '{settings.model}'; did you mean '{close[0]}'? The nearest of "
        f"{len(models)}: {', '.join(close)} ({says})"
    )
