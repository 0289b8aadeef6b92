"""The cost of re-embedding the cached questions, estimated from a sample beforehand. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from askonce.prices.load import Prices
from askonce.prices.money import from_nano

LETTERS_A_TOKEN = 4
"""Characters per token of English, roughly. In other scripts a letter is about a token."""


@dataclass(frozen=True, slots=True)
class Cost:
    """cost: in `currency`; None if the model has no price. seconds: at `texts_per_second`; None: not measured."""

    texts: int
    tokens: int
    cost: float | None
    currency: str
    texts_per_second: float | None

    @property
    def seconds(self) -> int | None:
        return None if not self.texts_per_second else math.ceil(self.texts / self.texts_per_second)

    def words(self) -> str:
        money = "" if self.cost is None else f", {self.cost:.2f} {self.currency}"
        pace = (
            ""
            if self.seconds is None
            else f", {duration(self.seconds)} at the {self.texts_per_second:,.0f} texts/s that one request got"
        )
        return f"{self.texts:,} texts, about {self.tokens:,} tokens{money}{pace}"


def estimate(sample: Sequence[int], texts: float, *, model: str, prices: Prices, pace: float | None) -> Cost:
    """sample: tokens of some of the questions to embed. texts: their total number. pace: texts a second."""
    each = sum(sample) / max(1, len(sample))
    tokens = round(each * texts)
    cost = prices.total(model, (tokens, 0, 0))
    return Cost(round(texts), tokens, None if cost is None else from_nano(cost), prices.currency, pace)


def tokens_of(text: str) -> int:
    """Estimated number of tokens."""
    narrow = sum(letter.isascii() for letter in text)
    return math.ceil(narrow / LETTERS_A_TOKEN) + len(text) - narrow


def duration(seconds: float) -> str:
    """With one unit."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
