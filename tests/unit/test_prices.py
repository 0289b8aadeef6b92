"""What a call costs, by list prices and by a file."""

import socket

import pytest

from askonce.prices.list_prices import ListPrices
from askonce.prices.load import NoPrices, cost_of_reply, load_prices
from askonce.prices.money import NANO, from_nano, to_nano
from askonce.prices.price_file import FilePrices, read_price_file

OPENAI = "https://api.openai.com/v1"
MILLION = {"prompt_tokens": 1_000_000, "completion_tokens": 1_000_000}


def body(model, tier=None, *, cached=0, prompt=1000, completion=100, **usage):
    details = {"prompt_tokens_details": {"cached_tokens": cached}} if cached else {}
    counted = {"prompt_tokens": prompt, "completion_tokens": completion, **details, **usage}
    return {"model": model, "usage": counted, "service_tier": tier}


def test_a_tier_is_what_the_reply_says():
    prices = ListPrices(OPENAI)
    standard, flex, batch = (
        cost_of_reply(prices, body("gpt-5.4-mini-2026-03-17", said), "x", tier=tier)
        for said, tier in (("default", None), ("flex", None), ("default", "batch"))
    )
    assert standard == 1000 * 750 + 100 * 4500
    assert (flex, batch) == (standard // 2, standard // 2)


def test_a_tier_that_the_model_does_not_have_costs_what_the_standard_one_does():
    prices = ListPrices(OPENAI)
    assert prices.cost("gpt-4o-mini", MILLION, "flex") == prices.cost("gpt-4o-mini", MILLION)


def test_tokens_out_of_the_providers_cache_have_a_price_of_their_own():
    prices = ListPrices(OPENAI)
    assert cost_of_reply(prices, body("gpt-5.4-mini", cached=600), "") == 400 * 750 + 600 * 75 + 100 * 4500
    assert (
        cost_of_reply(prices, body("gpt-5.4-mini", "flex", cached=601), "") == round(399 * 375 + 601 * 37.5) + 225_000
    )


def test_reasoning_counts_as_the_provider_counts_it():
    """OpenAI has it in the completion's tokens, xAI beside them."""
    thought = {"completion_tokens_details": {"reasoning_tokens": 900}}
    for url, model, tokens in ((OPENAI, "gpt-5.4-mini", 100), ("https://api.x.ai/v1", "grok-4", 1000)):
        prices = ListPrices(url)
        plain = cost_of_reply(prices, body(model, completion=tokens), "")
        assert cost_of_reply(prices, body(model, **thought), "") == plain


def test_a_long_prompt_makes_the_whole_call_dearer_but_not_a_sum_of_short_ones():
    prices = ListPrices(OPENAI)
    long, short = (prices.cost("gpt-5.5", {"prompt_tokens": tokens}) for tokens in (300_000, 3_000))
    assert long > 150 * short
    assert prices.total("gpt-5.5", (300_000, 0, 0)) == 100 * short


@pytest.mark.parametrize(
    ("model", "known"),
    [
        ("gpt-4o-mini", True),
        ("gpt-4o-mini-2024-07-18", True),
        ("openai/gpt-4o-mini", True),
        ("google/gemini-2.5-flash", True),
        ("openrouter/openai/gpt-4o-mini", True),
        ("meta-llama/Llama-3.1-8B-Instruct", False),
        ("deepseek-r1:8b", False),
        ("gpt-oss-20b", False),
        ("openai/gpt-oss-120b", False),
        ("my-own", False),
        ("", False),
    ],
)
def test_behind_an_unknown_address_only_what_has_one_owner_is_priced(model, known):
    for prices in (ListPrices(), ListPrices("http://10.0.0.7:4000/v1")):
        assert (prices.cost(model, MILLION) is not None) == known
        assert (prices.total(model, (1, 0, 0)) is not None) == known


def test_the_model_of_the_request_stands_in_for_one_that_the_reply_names_otherwise():
    assert cost_of_reply(ListPrices(OPENAI), body("my-deployment"), "gpt-4o-mini") == 1000 * 150 + 100 * 600


@pytest.mark.parametrize(
    "usage",
    [
        {},
        {"prompt_tokens": -1, "completion_tokens": "9"},
        {"prompt_tokens": 5, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 9}},
        {"prompt_tokens": 5, "completion_tokens": 5, "prompt_tokens_details": []},
        {"prompt_tokens": 5, "completion_tokens": 5, "completion_tokens_details": {"audio_tokens": 10**9}},
        {"prompt_tokens": 5, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 5, "audio_tokens": 5}},
    ],
)
@pytest.mark.parametrize("url", [OPENAI, "https://api.x.ai/v1", "https://generativelanguage.googleapis.com/v1beta"])
def test_a_usage_that_makes_no_sense_breaks_nothing(usage, url):
    prices = ListPrices(url)
    for model in ("gpt-4o-mini", "gpt-5.5", "gpt-4o-audio-preview", "grok-4", "gemini-2.5-flash"):
        assert (prices.cost(model, usage, "flex") or 0) >= 0


def test_a_reply_without_a_count_has_no_cost_and_none_of_tokens_costs_nothing():
    assert cost_of_reply(ListPrices(OPENAI), {"model": "gpt-4o-mini"}, "") is None
    assert cost_of_reply(ListPrices(OPENAI), body("gpt-4o-mini", prompt=0, completion=0), "") == 0
    assert NoPrices().total("x", (0, 0, 0)) == 0 == FilePrices({}).total("x", (0, 0, 0))
    assert NoPrices().cost("gpt-4o-mini", MILLION) is None


def test_no_price_is_fetched(monkeypatch):
    def refused(*_):
        raise AssertionError("a connection")

    monkeypatch.setattr(socket.socket, "connect", refused)
    assert load_prices().cost("gpt-4o-mini", MILLION) == 750_000_000


def test_a_file_goes_before_the_list(tmp_path):
    file = tmp_path / "prices.json"
    file.write_text(
        '{"currency": "EUR", "models": {"m": {"input": 1, "output": 2, "batch": {"input": 0.5, "output": 1}}}}'
    )
    prices = load_prices(str(file), base_url=OPENAI)
    assert (prices.currency, prices.own, prices.cost("gpt-4o-mini", MILLION)) == ("EUR", True, None)
    assert prices.cost("m-2024-07-18", MILLION) == 3 * NANO
    assert prices.cost("m", MILLION, "batch") == 3 * NANO // 2
    assert prices.cost("m", MILLION, "flex") == 3 * NANO


MALFORMED = [
    "",
    "[]",
    "{}",
    '{"models": []}',
    '{"models": {"m": {"input": 1}}}',
    '{"models": {"m": {"input": -1, "output": 1}}}',
    '{"models": {"m": {"input": 1, "output": 1, "flex": {"input": 1}}}}',
    '{"models": {"m": {"input": 1, "output": 1, "x": 1}}}',
]


@pytest.mark.parametrize("text", MALFORMED)
def test_a_file_that_is_none_is_refused(text, tmp_path):
    (tmp_path / "prices.json").write_text(text)
    with pytest.raises(ValueError, match=r"price file|the price of"):
        read_price_file(str(tmp_path / "prices.json"))


def test_a_sum_does_not_drift():
    cost = to_nano(0.00012345)
    assert cost == 123_450
    assert from_nano(sum([cost] * 1_000_000)) == pytest.approx(123.45, abs=1e-12)
