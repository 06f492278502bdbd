"""The parameters sent beside model and messages, without those that an endpoint refuses."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from rewardgen.llm.settings import EndpointSettings

TEMPERATURE = "temperature"
NEW_LIMIT = "max_completion_tokens"
OLD_LIMIT = "max_tokens"  # what it was called before reasoning models, and still is elsewhere


class Parameters:
    """What is sent now; a parameter that was refused once is not sent again.

    Args:
        settings: what was asked for.
    """

    def __init__(self, settings: EndpointSettings) -> None:
        self._current: dict[str, float | int] = {NEW_LIMIT: settings.max_completion_tokens}
        if settings.temperature is not None:
            self._current[TEMPERATURE] = settings.temperature
        self._dropped: list[str] = []
        self._reasons: dict[str, str] = {}

    @property
    def current(self) -> Mapping[str, float | int]:
        """What is sent: parameter → value."""
        return MappingProxyType(dict(self._current))

    @property
    def dropped(self) -> tuple[str, ...]:
        """What is no longer sent, in the order of refusal."""
        return tuple(self._dropped)

    @property
    def why_no_limit(self) -> str:
        """Why this process was refused limits on the length of replies, empty if unknown."""
        reasons = (self._reasons[name] for name in (NEW_LIMIT, OLD_LIMIT) if name in self._reasons)
        return "; ".join(dict.fromkeys(reasons))

    def drop(self, name: str, reason: str | None = None) -> str | None:
        """Stop sending a parameter.

        Args:
            name: the parameter.
            reason: the endpoint's words, None if an earlier process heard them.

        Returns:
            What is done instead, in words; None if it is not sent any more anyway.
        """
        if name not in self._current:
            return None
        value = self._current.pop(name)
        self._dropped.append(name)
        if reason is not None:
            self._reasons[name] = reason
        if name != NEW_LIMIT:
            return "going on without it"
        self._current[OLD_LIMIT] = value
        return f"using {OLD_LIMIT} instead"
