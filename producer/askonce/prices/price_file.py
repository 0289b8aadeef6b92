"""The user's own prices, in a file named by `--prices` or `ASKONCE_PRICES`.

    {"currency": "USD", "models": {"gpt-4o-mini": {"input": 0.15, "cached_input": 0.075, "output": 0.6,
                                                   "flex": {"input": 0.075, "output": 0.3}}}}

per million tokens. `cached_input` and the tiers (`flex`, `batch`, `priority`) are optional and default to `input` and
to the standard tier. A dated name (`gpt-4o-mini-2024-07-18`) has its model's price.
"""

import math
import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from askonce.prices.counts import STANDARD, Tokens, as_count
from askonce.prices.money import to_nano

DATED = re.compile(r"-(latest|\d{8}|\d{4}(-\d\d-\d\d)?)$")
KINDS = frozenset({"input", "cached_input", "output"})
TIERS = frozenset({"flex", "batch", "priority"})
MILLION = 1_000_000

Price = Mapping[str, Any]


class FilePrices:
    """models: by model, `input`, `output` and optionally `cached_input` per million tokens, and these for other
    tiers."""

    own = True
    hint = "see --prices"

    def __init__(self, models: Mapping[str, Price], currency: str = "USD") -> None:
        self.currency = currency
        self._models = models

    def cost(self, model: str, usage: Mapping[str, Any], tier: str = STANDARD) -> int | None:
        """Like `Prices.cost`."""
        prompt, completion = as_count(usage.get("prompt_tokens")), as_count(usage.get("completion_tokens"))
        details = usage.get("prompt_tokens_details")
        cached = as_count(details.get("cached_tokens"), prompt + 1) if isinstance(details, Mapping) else 0
        return self.total(model, (prompt, cached, completion), tier)

    def total(self, model: str, tokens: Tokens, tier: str = STANDARD) -> int | None:
        """Like `Prices.total`."""
        if not any(tokens):
            return 0
        found = self._models.get(model) or self._models.get(DATED.sub("", model))
        if found is None:
            return None
        price = found.get(tier, found)
        read, cached, written = tokens
        rates = (price["input"], price.get("cached_input", price["input"]), price["output"])
        sums = zip((read - cached, cached, written), rates, strict=True)
        return to_nano(sum((count * Decimal(str(rate)) for count, rate in sums), Decimal(0)) / MILLION)


def read_price_file(path: str) -> FilePrices:
    """Raises ValueError."""
    try:
        record = orjson.loads(Path(path).read_bytes())
        models = record["models"]
        for name, price in models.items():
            _check(name, price)
            for tier in TIERS & price.keys():
                _check(f"{name} ({tier})", price[tier])
        return FilePrices(models, str(record.get("currency", "USD")))
    except OSError as error:
        raise ValueError(f"the price file {path}: {error.strerror}") from error
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"the price file {path}: it is malformed ({error})") from error


def _check(name: str, price: Price) -> None:
    if not {"input", "output"} <= price.keys() <= KINDS | TIERS:
        raise ValueError(f"the price of {name} has input, output and perhaps cached_input")
    for value in (price[kind] for kind in KINDS & price.keys()):
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
            raise ValueError(f"the price of {name}: {value!r} is not a price")
