"""What models cost: list prices from a small file, `prices.json`, which `--prices` replaces by another.

    {"currency": "USD", "models": {"gpt-4o-mini": {"input": 0.15, "cached_input": 0.075, "output": 0.6}}}

per million tokens; `cached_input` may be left out. A dated name (`gpt-4o-mini-2024-07-18`) has its model's price.
"""

import math
import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson

DATED = re.compile(r"-(latest|\d{8}|\d{4}(-\d\d-\d\d)?)$")
KINDS = frozenset({"input", "cached_input", "output"})
MILLION = 1_000_000
MOST_TOKENS = 2**31
"""Of one call. A larger number is no count of tokens, and would overflow a counter before long."""


def as_count(value: Any, most: float = MOST_TOKENS) -> int:
    """A number of tokens as a provider or a request gives it; 0 for anything else."""
    return value if isinstance(value, int) and 0 < value < most else 0


def completion_limit(params: Mapping[str, Any]) -> Any:
    """The most tokens that one choice of an answer may have, as the request says it."""
    limit = params.get("max_completion_tokens")
    return params.get("max_tokens") if limit is None else limit


class Prices:
    """Prices of models.

    Args:
        models: Per million tokens, by model: `input`, `output` and perhaps `cached_input`.
    """

    def __init__(self, models: Mapping[str, Mapping[str, float]], currency: str = "USD") -> None:
        self.currency = currency
        self._models = models

    def cost(self, model: str, usage: Mapping[str, Any]) -> float | None:
        """What one call costs.

        Args:
            model: As the provider's reply names it.
            usage: The provider's count of tokens.

        Returns:
            The cost in `currency`; None for a model without a price.
        """
        price = self._models.get(model) or self._models.get(DATED.sub("", model))
        if price is None:
            return None
        prompt, completion = (as_count(usage.get(f"{kind}_tokens"), math.inf) for kind in ("prompt", "completion"))
        details = usage.get("prompt_tokens_details")
        cached = as_count(details.get("cached_tokens"), prompt + 1) if isinstance(details, Mapping) else 0
        cost = (prompt - cached) * price["input"] + cached * price.get("cached_input", price["input"])
        return (cost + completion * price["output"]) / MILLION


def load_prices(path: str | None = None) -> Prices:
    """The prices of a file, or the list prices. Raises ValueError."""
    try:
        raw = Path(path).read_bytes() if path else files("askonce").joinpath("prices.json").read_bytes()
        record = orjson.loads(raw)
        models = record["models"]
        for name, price in models.items():
            _check(name, price)
        return Prices(models, str(record.get("currency", "USD")))
    except OSError as error:
        raise ValueError(f"--prices {path}: {error.strerror}") from error
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"--prices {path}: not a price file ({error})") from error


def _check(name: str, price: Mapping[str, Any]) -> None:
    if not {"input", "output"} <= price.keys() <= KINDS:
        raise ValueError(f"the price of {name} has input, output and perhaps cached_input")
    for value in price.values():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
            raise ValueError(f"the price of {name}: {value!r} is no price")
