"""The prices that hold: the user's own file, or else the list prices, where their package is installed."""

from collections.abc import Mapping
from typing import Any, Protocol

from askonce.prices.counts import STANDARD, Tokens, tier_of_reply, usage_of
from askonce.prices.price_file import read_price_file


class Prices(Protocol):
    """Prices of models.

    own: they are the user's, and hold for what was counted by list prices, too. hint: what a person can do about a
    model that has none.
    """

    @property
    def currency(self) -> str: ...

    @property
    def own(self) -> bool: ...

    @property
    def hint(self) -> str: ...

    def cost(self, model: str, usage: Mapping[str, Any], tier: str = STANDARD) -> int | None:
        """Billionths of the currency; None for a model without a price.

        model: as the provider's reply names it. usage: of one chat completion. tier: as the reply names it, or `batch`.
        """
        ...

    def total(self, model: str, tokens: Tokens, tier: str = STANDARD) -> int | None:
        """The same for tokens of many calls. Nothing costs 0."""
        ...


class NoPrices:
    """Where the package of list prices is not installed."""

    own = False
    currency = "USD"
    hint = "pip install 'askonce[cli]' brings list prices, --prices takes your own"

    def cost(self, model: str, usage: Mapping[str, Any], tier: str = STANDARD) -> int | None:  # noqa: ARG002
        """As `Prices.cost`."""
        return None

    def total(self, model: str, tokens: Tokens, tier: str = STANDARD) -> int | None:  # noqa: ARG002
        """As `Prices.total`."""
        return None if any(tokens) else 0


def load_prices(path: str | None = None, *, base_url: str | None = None) -> Prices:
    """The prices of a file, else the list prices of whoever is at this URL. Raises ValueError."""
    if path:
        return read_price_file(path)
    try:
        from askonce.prices.list_prices import ListPrices  # noqa: PLC0415 - half a second, and of an extra
    except ImportError:
        return NoPrices()
    return ListPrices(base_url)


def cost_of_reply(prices: Prices, body: Mapping[str, Any], asked: str, *, tier: str | None = None) -> int | None:
    """What a reply costs; None where its model has no price, or it says nothing of its tokens.

    asked: the model's name in the request, where the reply's has no price. tier: where the reply does not know it.
    """
    usage, named = usage_of(body), body.get("model")
    if usage is None:
        return None
    how = tier or tier_of_reply(body)
    cost = prices.cost(named, usage, how) if isinstance(named, str) and named else None
    return prices.cost(asked, usage, how) if cost is None else cost
