"""What `check` says of money."""

from askonce_worker.check.money import money
from askonce_worker.settings import Settings


def test_the_price_of_the_model_is_said_in_the_bulk_lanes_tier():
    assert (
        money(Settings(model="gpt-5.4-mini")).state
        == "gpt-5.4-mini: 0.75 and 4.5 USD a million tokens read and written"
    )
    flex = money(Settings(model="gpt-5.4-mini", bulk_tier="flex"))
    assert flex.state.endswith("0.375 and 2.25 USD a million tokens read and written (flex)")


def test_a_model_without_a_price_is_trouble_where_it_is_bounded(tmp_path):
    unknown = money(Settings(model="my-own"))
    assert (unknown.ok, unknown.advice) == (True, "set one in a price file: ASKONCE_PRICES")
    assert not money(Settings(model="my-own", budgets="default=1/day")).ok
    file = tmp_path / "prices.json"
    file.write_text('{"models": {"my-own": {"input": 0, "output": 0}}}')
    assert money(Settings(model="my-own", budgets="default=1/day", prices=file)).ok


def test_without_a_model_there_is_nothing_to_say():
    assert money(Settings()).state == "list prices"
