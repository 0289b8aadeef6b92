"""What `askonce-worker check` reports about prices, tiers and budgets."""

from askonce.prices.load import Prices, load_prices
from askonce.prices.money import from_nano
from askonce_worker.check.finding import Finding
from askonce_worker.settings import Settings

MILLION = 1_000_000


def money(settings: Settings) -> Finding:
    path = None if settings.prices is None else str(settings.prices)
    prices = load_prices(path, base_url=settings.openai_base_url)
    configured = f"BULK_TIER {settings.bulk_tier}" + (f", BUDGETS {settings.budgets}" if settings.budgets else "")
    if settings.model is None:
        return Finding("money", configured, "prices of a file" if path else "list prices", ok=True)
    words = _price_of(prices, settings.model, settings.bulk_tier)
    if words is not None:
        return Finding("money", configured, words, ok=True)
    state, advice = f"no price of {settings.model} is known", "set one in a price file: ASKONCE_PRICES"
    if settings.budgets:
        return Finding("money", configured, f"{state}: namespaces with a budget cannot use it", ok=False, advice=advice)
    return Finding("money", configured, f"{state}: tokens are counted, money is not", ok=True, advice=advice)


def _price_of(prices: Prices, model: str, tier: str) -> str | None:
    """The price per million tokens."""
    read, written = (prices.total(model, tokens, tier) for tokens in ((MILLION, 0, 0), (0, 0, MILLION)))
    if read is None or written is None:
        return None
    amounts = f"{from_nano(read):g} and {from_nano(written):g} {prices.currency}"
    return f"{model}: {amounts} a million tokens read and written" + ("" if tier == "standard" else f" ({tier})")
