"""`askonce batch` and answers of megabytes: its memory does not grow with their number."""

import orjson
import pytest

from askonce import Client
from support.peak import peak_of

FEW, MANY = 15, 60
SIZE = 6_000_000
BOUND = 100 * 1024
"""KiB. The answers that are more have 264,000 KiB, and each is held as bytes and as a text."""


@pytest.mark.parametrize("order", [[], ["--ordered"]], ids=["as they come", "in order"])
async def test_large_answers_do_not_pile_up_in_memory(valkey_url, prefix, tmp_path, order):
    settings = {"ASKONCE_REDIS_URL": valkey_url, "ASKONCE_KEY_PREFIX": prefix, "ASKONCE_MODEL": "m"}
    questions = [f"Number {number}?" for number in range(MANY)]
    async with Client(valkey_url, key_prefix=prefix, model="m") as client:
        for question in questions:
            await client.store(question, "x" * SIZE)
    peaks = {}
    for lines in (FEW, MANY):
        records = [orjson.dumps({"question": question}) for question in questions[:lines]]
        (tmp_path / "in.jsonl").write_bytes(b"\n".join(records))
        peaks[lines] = await peak_of(settings, tmp_path, "batch", "in.jsonl", "out.jsonl", "--restart", *order)
        assert (tmp_path / "out.jsonl").stat().st_size > lines * SIZE
    assert peaks[MANY] - peaks[FEW] < BOUND, peaks
