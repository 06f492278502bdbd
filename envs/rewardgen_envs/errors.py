"""The root of all errors that mean: what the user gave cannot be used."""

from __future__ import annotations


class UsageError(ValueError):
    """Wrong usage or configuration; the message names the culprit and the valid choices."""
