"""The key of an endpoint: read from the environment, sent, and shown to nobody."""

from __future__ import annotations

import os

from rewardgen.llm.errors import KeyMissingError
from rewardgen.llm.settings import EndpointSettings

# Servers of one's own ask for none, but the SDK wants something to send.
_PLACEHOLDER = "none"
_SDK_ADDRESS_VARIABLE = "OPENAI_BASE_URL"
# Shorter ones are no secrets ("ollama", "EMPTY"), and blanking them would mangle texts.
_SHORTEST_SECRET = 8


class EndpointKey:
    """A key that does not print.

    Args:
        value: the key.
    """

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the key, to be sent to its endpoint and nowhere else."""
        return self._value

    def redact(self, text: str) -> str:
        """Return a text with the key blanked out."""
        for form in self._forms():
            text = text.replace(form, "[key]")
        return text

    def redact_bytes(self, body: bytes) -> bytes:
        """Return the body of a response with the key blanked out."""
        for form in self._forms():
            body = body.replace(form.encode(), b"[key]")
        return body

    def _forms(self) -> set[str]:
        """Return the key as it may stand in a response: in JSON a slash may be escaped."""
        if len(self._value) < _SHORTEST_SECRET:
            return set()
        return {self._value, self._value.replace("/", "\\/")}


def read_key(settings: EndpointSettings) -> EndpointKey:
    """Return the key from the variable that the settings name.

    Raises:
        KeyMissingError: it is not set although OpenAI's endpoint needs one, it cannot be a key,
            or the SDK's own variable points elsewhere and would be ignored.
    """
    name = settings.api_key_env
    elsewhere = os.environ.get(_SDK_ADDRESS_VARIABLE, "").rstrip("/")
    if settings.base_url is None and elsewhere not in ("", settings.url):
        raise KeyMissingError(
            f"{_SDK_ADDRESS_VARIABLE} is set, but the endpoint is part of a run and must be named: "
            f"give its address with --base-url, or unset the variable to ask {settings.url}"
        )
    value = os.environ.get(name, "").strip()
    if not value and settings.base_url is None:
        raise KeyMissingError(
            f"{settings.url} needs a key: set the environment variable {name}, or name another "
            "with --api-key-env, or another endpoint with --base-url"
        )
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise KeyMissingError(f"what the environment variable {name} holds cannot be a key")
    return EndpointKey(value or _PLACEHOLDER)
