"""Which model to ask, where, and what it may cost."""

from __future__ import annotations

from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

OPENAI_URL = "https://api.openai.com/v1"

_Price = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]


class EndpointSettings(BaseModel):
    """A model behind an OpenAI-compatible endpoint; holds no secret, so that a run records it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    model: str = Field(min_length=1)
    """Model, as the endpoint names it."""
    base_url: str | None = None
    """Address of the endpoint, up to where /chat/completions follows; by default OpenAI's."""
    api_key_env: str = Field(default="OPENAI_API_KEY", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """Name of the environment variable that holds the key."""
    temperature: float | None = Field(default=None, ge=0.0, allow_inf_nan=False)
    """Sampling temperature; by default the model's own."""
    max_completion_tokens: int = Field(default=16_000, ge=1)
    """Longest reply, reasoning included, in tokens."""
    usd_per_mtok: tuple[_Price, _Price] | None = None
    """Price of input and of output in USD per million tokens; by default from the price table."""
    max_cost_usd: float | None = Field(default=None, gt=0.0, allow_inf_nan=False)
    """Send nothing that could bring the cost above this."""
    unpriced: bool = False
    """Use a model although its price is unknown; its cost is then unknown too."""
    concurrency: int = Field(default=8, ge=1)
    """Calls in flight at most."""
    timeout_s: float = Field(default=600.0, gt=0.0, allow_inf_nan=False)
    """Seconds until a call without a complete reply is given up."""

    @property
    def url(self) -> str:
        """The address in use."""
        return self.base_url or OPENAI_URL

    @field_validator("base_url")
    @classmethod
    def _plain_address(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        _ = parts.port  # which raises ValueError if it is none
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must begin with http:// or https://, as in http://localhost:8000/v1")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError(
                "must be a plain address, as it is recorded; the key comes from the environment"
            )
        if parts.path.rstrip("/").endswith("/chat/completions"):
            raise ValueError("must end before /chat/completions")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _cap_needs_price(self) -> Self:
        if self.unpriced and self.max_cost_usd is not None:
            raise ValueError(
                "unpriced and max_cost_usd exclude each other: without a price no cap can be kept"
            )
        if self.unpriced and self.usd_per_mtok is not None:
            raise ValueError("unpriced and usd_per_mtok exclude each other")
        return self
