"""Formats numbers, money and times for the page. Pure."""

from datetime import UTC, datetime

from askonce.prices.money import amount

SPANS = (("d", 86_400), ("h", 3600), ("min", 60))


def number(value: float) -> str:
    return f"{value:,.0f}"


def share(value: float | None) -> str:
    """A share below 1 is never shown as 100 %, and one above 0 never as 0 %."""
    if value is None:
        return "–"
    return "<0.1%" if 0 < value < 0.0005 else ">99.9%" if 0.9995 <= value < 1 else f"{value:.1%}"


def money(value: float | None, currency: str) -> str:
    return "–" if value is None else f"{amount(value)} {currency}"


def lasting(seconds: float | None) -> str:
    """How long an answer took."""
    if seconds is None:
        return "–"
    return (
        f"{seconds:,.1f} s"
        if seconds >= 1
        else f"{seconds * 1000:.0f} ms"
        if seconds >= 0.1
        else f"{seconds * 1000:.1f} ms"
    )


def span(seconds: float | None) -> str:
    """A duration as people say it."""
    if seconds is None:
        return "–"
    for unit, length in SPANS:
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def size(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:,.1f} GB"


def shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
