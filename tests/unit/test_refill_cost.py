"""What a refill will cost, from a sample of its texts."""

import pytest

from askonce.prices.load import load_prices
from askonce_worker.upkeep.refill_cost import duration, estimate, tokens_of


def cost_of(sample, texts, model="text-embedding-3-small", pace=None):
    return estimate([tokens_of(text) for text in sample], texts, model=model, prices=load_prices(), pace=pace)


def test_texts_tokens_money_and_time_are_said():
    cost = cost_of(["x" * 400, "x" * 200], 112_000, pace=70.0)
    assert (cost.texts, cost.tokens, cost.seconds) == (112_000, 8_400_000, 1600)
    assert cost.cost == pytest.approx(8.4 * 0.02)
    assert (
        cost.words() == "112,000 texts, about 8,400,000 tokens, 0.17 USD, 27 min at the 70 texts/s that one request got"
    )


def test_without_a_price_and_a_pace_neither_is_made_up():
    cost = cost_of(["x" * 40], 10, model="multilingual-e5-small-q4")
    assert (cost.cost, cost.seconds) == (None, None)
    assert cost.words() == "10 texts, about 100 tokens"


def test_letters_of_other_scripts_are_a_token_each():
    assert (tokens_of("abcdefgh"), tokens_of("读取文件")) == (2, 4)


@pytest.mark.parametrize(("seconds", "said"), [(90, "90 s"), (120, "2 min"), (7_199, "120 min"), (7_200, "2 h")])
def test_a_duration_has_one_unit(seconds, said):
    assert duration(seconds) == said
