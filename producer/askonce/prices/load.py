"""The prices in force: the user's own file, else the list prices, if their package is installed."""

from collections.abc import Mapping
from typing import Any, Protocol

from askonce.prices.counts import STANDARD, Tokens, tier_of_reply, usage_of
from askonce.prices.price_file import read_price_file


class Prices(Protocol):
    """Prices of models.

    own: the user's prices, which also apply to what was counted by list prices. hint: what to do about a model without
    one.
    """

    @property
    def currency(self) -> str: ...

    @property
    def own(self) -> bool: ...

    @property
    def hint(self) -> str: ...

    def cost(self, model: str, usage: Mapping[str, Any], tier: str = STANDARD) -> int | None:
        """Billionths of the currency; None for a model without a price.

        model: as in the provider's reply. usage: of one chat completion. tier: as in the reply, or `batch`.
        """
        ...

    def total(self, model: str, tokens: Tokens, tier: str = STANDARD) -> int | None:
        """The same for tokens of many calls. No tokens cost 0."""
        ...


class NoPrices:
    """Used if the list-price package is not installed."""

    own = False
    currency = "USD"
    hint = "pip install 'askonce[cli]' brings list prices, --prices takes your own"

    def cost(self, model: str, usage: Mapping[str, Any], tier: str = STANDARD) -> int | None:  # noqa: ARG002
        """Like `Prices.cost`."""
        return None

    def total(self, model: str, tokens: Tokens, tier: str = STANDARD) -> int | None:  # noqa: ARG002
        """Like `Prices.total`."""
        return None if any(tokens) else 0


def load_prices(path: str | None = None, *, base_url: str | None = None) -> Prices:
    """The prices in a file, else the list prices of the provider at this URL. Raises ValueError."""
    if path:
        return read_price_file(path)
    try:
        from askonce.prices.list_prices import ListPrices  # noqa: PLC0415 - half a second, and of an extra
    except ImportError:
        return NoPrices()
    return ListPrices(base_url)


def cost_of_reply(prices: Prices, body: Mapping[str, Any], asked: str, *, tier: str | None = None) -> int | None:
    """The cost of a reply; None if its model has no price, or it has no usage.

    asked: the requested model, used if the reply's has no price. tier: used if the reply names none.
    """
    usage, named = usage_of(body), body.get("model")
    if usage is None:
        return None
    how = tier or tier_of_reply(body)
    cost = prices.cost(named, usage, how) if isinstance(named, str) and named else None
    return prices.cost(asked, usage, how) if cost is None else cost
