"""What can go wrong with an endpoint. None of it is the fault of a reward.

Messages name the endpoint, what happened and what to do; they never hold the key.
"""

from __future__ import annotations

from rewardgen_envs.errors import UsageError


class EndpointError(RuntimeError):
    """An endpoint gave no reply; the replies that came before are kept."""


class KeyMissingError(EndpointError, UsageError):
    """No usable key is set, and the endpoint needs one; found before anything is sent."""


class KeyRefusedError(EndpointError):
    """The endpoint refuses the key: it is wrong, was revoked, or may not use this model."""


class ModelNotFoundError(EndpointError):
    """The endpoint knows no such model, or its address is wrong."""


class ContextLengthError(EndpointError):
    """The prompt does not fit the model; a shorter one may."""


class RequestRefusedError(EndpointError):
    """The endpoint finds the request wrong, for a reason that repeating cannot change."""


class QuotaError(EndpointError):
    """The account behind the key is used up; waiting does not help."""


class CostCapError(EndpointError):
    """The next call could cost more than what is left of the cap."""


class EndpointDownError(EndpointError):
    """The endpoint did not answer, however often it was tried."""


class PriceError(UsageError):
    """The cost of a model cannot be known, although it must be."""
