"""What a token costs: a dated table, or what the user says."""

from __future__ import annotations

import datetime
import difflib
import re
from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field

from rewardgen.llm.errors import PriceError
from rewardgen.llm.settings import EndpointSettings

_TABLE = Path(__file__).with_name("prices.yaml")
_SNAPSHOT = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8}|latest)$")
_MILLION = 1e6


class Price(BaseModel):
    """Prices of a model, in USD per million tokens.

    Attributes:
        input: a token read.
        output: a token written.
        cached: a token read that the provider had read before; None: as input.
        written: a token read that the provider keeps for later; None: as input.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: float = Field(ge=0.0)
    output: float = Field(ge=0.0)
    cached: float | None = Field(default=None, ge=0.0)
    written: float | None = Field(default=None, ge=0.0)

    def cost_usd(self, prompt: int, completion: int, cached: int = 0, written: int = 0) -> float:
        """Return the price of a reply.

        Args:
            prompt: tokens read, those below among them.
            completion: tokens written.
            cached: tokens read that the provider had read before.
            written: tokens read that the provider keeps.
        """
        fresh = max(0, prompt - cached - written)
        total = (
            fresh * self.input
            + cached * (self.input if self.cached is None else self.cached)
            + written * (self.input if self.written is None else self.written)
            + completion * self.output
        )
        return total / _MILLION

    def at_most_usd(self, prompt: int, completion: int) -> float:
        """Return the highest price of a reply, whatever the provider caches."""
        dearest = max(self.input, self.cached or 0.0, self.written or 0.0)
        return (prompt * dearest + completion * self.output) / _MILLION


class _Provider(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    prefixes: tuple[str, ...]
    models: dict[str, Price]


class PriceTable(BaseModel):
    """The table of ``prices.yaml``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    date: datetime.date
    providers: dict[str, _Provider]

    def find(self, model: str) -> Price | None:
        """Return the price of a model, of a dated snapshot of it, or behind a gateway's prefix."""
        *prefixes, name = _plain(model).split("/")
        for provider in self.providers.values():
            if prefixes and prefixes[-1] not in provider.prefixes:
                continue
            prices = {_plain(known): price for known, price in provider.models.items()}
            for candidate in (name, _SNAPSHOT.sub("", name)):
                if candidate in prices:
                    return prices[candidate]
        return None

    def nearest(self, model: str) -> str | None:
        """Return the model of the table whose name is most like the given one, if any is."""
        names = [name for provider in self.providers.values() for name in provider.models]
        close = difflib.get_close_matches(model.rpartition("/")[2], names, n=1)
        return close[0] if close else None


@cache
def price_table() -> PriceTable:
    """Return the shipped table."""
    return PriceTable.model_validate(yaml.safe_load(_TABLE.read_text(encoding="utf-8")))


def price_of(settings: EndpointSettings) -> Price | None:
    """Return what the model costs; None if that is unknown and the user accepts it.

    Raises:
        PriceError: it is unknown and nobody said that this is accepted, or a cap depends on it.
    """
    if settings.usd_per_mtok is not None:
        read, write = settings.usd_per_mtok
        return Price(input=read, output=write)
    table = price_table()
    price = table.find(settings.model)
    if price is not None or settings.unpriced:
        return price
    near = table.nearest(settings.model)
    hint = f"; did you mean '{near}'?" if near else "."
    if settings.max_cost_usd is None:
        otherwise = "or go on without it: --unpriced"
    else:
        otherwise = "as --max-cost-usd cannot be kept without it"
    raise PriceError(
        f"the price table of {table.date} has no model '{settings.model}'{hint} Give its price "
        "with --usd-per-mtok IN OUT, in USD per million tokens (0 0 for a model of your own), "
        f"{otherwise}"
    )


def _plain(model: str) -> str:
    """Return a name as the table compares it: gateways write 4.5 as 4-5, and the other way."""
    return model.lower().replace(".", "-")
