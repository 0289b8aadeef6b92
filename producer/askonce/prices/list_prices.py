"""List prices of all providers, from the data of `genai-prices`: by model, tier and kind of token.

The package can fetch newer prices with `UpdatePrices`, which is never started: the shipped prices apply.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from genai_prices.data_snapshot import DataSnapshot, find_provider_by_id, get_snapshot
from genai_prices.types import ModelInfo, Provider, TieredPrices, Usage

from askonce.prices.counts import STANDARD, Tokens, as_count, cleaned
from askonce.prices.money import to_nano

NOT_ELSEWHERE = ("openai", "anthropic", "google", "x-ai")
"""Providers whose models nobody else hosts, so an unknown address must be a gateway to them."""
OPEN = ("gpt-oss", "gemma")
"""Their open models, which may run anywhere for free."""
PLAIN = {"input_tokens", "output_tokens", "cache_read_tokens", "output_reasoning_tokens"}
"""Kinds of tokens with a plain price per token."""
TOKENS = ("input_tokens", "cache_read_tokens", "output_tokens")
PLAIN_PRICES = {"input_mtok", "output_mtok", "cache_read_mtok", "web_searches_kcount", "storage_searches_kcount"}
MILLION = 1_000_000
FRESH = 60.0
"""Seconds for which a price is remembered: some change with the time of day."""
MOST = 1000
"""Models and tiers that are remembered."""

Found = tuple[Provider, ModelInfo]


@dataclass(frozen=True, slots=True)
class Price:
    """rates: per prompt token, cached prompt token and completion token. plain: nothing else is billed."""

    provider: Provider
    model: ModelInfo
    rates: tuple[Decimal, Decimal, Decimal]
    plain: bool

    def total(self, tokens: tuple[Any, ...]) -> int:
        read, cached, written = tokens
        counts = (read - cached, cached, written)
        return to_nano(sum((rate * count for rate, count in zip(self.rates, counts, strict=True)), Decimal(0)))


class ListPrices:
    """base_url: the provider's, if known. Otherwise the model's name determines the provider."""

    own = False
    currency = "USD"
    hint = "see --prices"

    def __init__(self, base_url: str | None = None) -> None:
        self._snapshot: DataSnapshot = get_snapshot()
        self._provider = _provider_at(self._snapshot, base_url)
        self._known: dict[tuple[str, str], tuple[float, Price | None]] = {}

    def cost(self, model: str, usage: Mapping[str, Any], tier: str = STANDARD) -> int | None:
        """Like `Prices.cost`."""
        price = self._price_of(model, tier)
        if price is None:
            return None
        counted = _usage_of(price.provider, cleaned(usage))
        kinds = {kind: value for kind, value in counted.__dict__.items() if value}
        if price.plain and kinds.keys() <= PLAIN:
            return price.total(tuple(kinds.get(kind, 0) for kind in TOKENS))
        return to_nano(_calculated(price, counted, tier))

    def total(self, model: str, tokens: Tokens, tier: str = STANDARD) -> int | None:
        """Like `Prices.total`, assuming that no call had a prompt long enough for a higher price."""
        if not any(tokens):
            return 0
        price = self._price_of(model, tier)
        return None if price is None else price.total(tokens)

    def _price_of(self, model: str, tier: str) -> Price | None:
        now = time.monotonic()
        known = self._known.get((model, tier))
        if known is None or now > known[0]:
            if len(self._known) >= MOST:
                self._known.clear()
            found = self._find(model)
            known = (now + FRESH, None if found is None else _price(*found, tier))
            self._known[model, tier] = known
        return known[1]

    def _find(self, model: str) -> Found | None:
        if self._provider is not None:
            return _model_of(self._snapshot, self._provider, model)
        maker, slash, name = model.rpartition("/")
        if name.startswith(OPEN):
            return None
        for provider_id in NOT_ELSEWHERE:
            provider = find_provider_by_id(self._snapshot.providers, provider_id)
            if provider is None or (slash and find_provider_by_id([provider], maker) is None):
                continue
            found = _model_of(self._snapshot, provider, name)
            if found is not None:
                return found
        return None


def _provider_at(snapshot: DataSnapshot, base_url: str | None) -> Provider | None:
    if base_url is None:
        return None
    try:
        return snapshot.find_provider(None, None, base_url)
    except LookupError:
        return None


def _model_of(snapshot: DataSnapshot, provider: Provider, model: str) -> Found | None:
    found = provider.find_model(model, all_providers=snapshot.providers) if model else None
    return None if found is None else (provider, found)


def _context(tier: str) -> dict[str, str]:
    return {"processing": "batch"} if tier == "batch" else {"service_tier": tier}


def _price(provider: Provider, model: ModelInfo, tier: str) -> Price:
    own = any(model is each for each in provider.models)
    price = model.get_prices(datetime.now(UTC), _context(tier) if own and tier != STANDARD else None)
    prices = {name: value for name, value in vars(price).items() if value is not None}
    read = prices.get("input_mtok", Decimal(0))
    rates = (_base(read), _base(prices.get("cache_read_mtok", read)), _base(prices.get("output_mtok", Decimal(0))))
    plain = prices.keys() <= PLAIN_PRICES and not any(isinstance(each, TieredPrices) for each in prices.values())
    return Price(provider, model, rates, plain)


def _base(price: Decimal | TieredPrices) -> Decimal:
    """The price per token, not per million, without surcharges for long prompts."""
    return (price.base if isinstance(price, TieredPrices) else price) / MILLION


def _usage_of(provider: Provider, usage: dict[str, Any]) -> Usage:
    """Usage as this provider counts it: some do not include reasoning tokens in the completion's."""
    flavors = {each.api_flavor: each for each in provider.extractors or () if each.root == "usage"}
    extractor = flavors.get("chat") or flavors.get("default")
    if extractor is not None:
        try:
            return extractor.extract({"model": "", "usage": usage})[1]
        except (ValueError, LookupError, TypeError):
            pass  # not the shape of its own API
    cached = as_count(usage.get("prompt_tokens_details", {}).get("cached_tokens"))
    return Usage(
        input_tokens=usage["prompt_tokens"], cache_read_tokens=cached, output_tokens=usage["completion_tokens"]
    )


def _calculated(price: Price, usage: Usage, tier: str) -> Decimal:
    provider, model = price.provider, price.model
    context = None if tier == STANDARD else _context(tier)
    try:
        return model.calc_price(usage, provider, price_context=context).total_price
    except ValueError:  # parts that exceed their whole
        plain = Usage(input_tokens=usage.__dict__["input_tokens"], output_tokens=usage.__dict__["output_tokens"])
        return model.calc_price(plain, provider, price_context=context).total_price
