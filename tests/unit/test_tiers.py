"""Who pays what: the user's own parameter, the question's tier, the setting, and nobody who waits."""

import pytest

from askonce import Question
from askonce_worker.answering.tiers import tier_of


@pytest.mark.parametrize(
    ("fields", "lane", "bulk", "tier"),
    [
        ({}, "bulk", "standard", "standard"),
        ({}, "bulk", "flex", "flex"),
        ({"tier": "batch"}, "bulk", "flex", "batch"),
        ({"tier": "standard"}, "bulk", "flex", "standard"),
        ({"tier": "flex", "params": {"service_tier": "priority"}}, "bulk", "batch", "standard"),
        ({"params": {"service_tier": None}}, "bulk", "batch", "batch"),
        ({"tier": "flex"}, "interactive", "batch", "standard"),
    ],
)
def test_the_nearest_wish_wins(fields, lane, bulk, tier):
    assert tier_of(Question("q", model="m", **fields), lane, bulk) == tier


def test_a_tier_changes_neither_scope_nor_fingerprint():
    plain, cheap = Question("q", model="m"), Question("q", model="m", tier="flex")
    assert (plain.scope, plain.fingerprint) == (cheap.scope, cheap.fingerprint)
