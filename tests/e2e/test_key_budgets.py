"""A key of the front door with a bound of its own: over all servers and workers, and nobody else's."""

import asyncio
import secrets

import httpx
import pytest

from askonce.operator.access_keys import AccessKeys
from askonce.payer import Payer
from askonce.prices.money import NANO
from support.front_door import front_door
from support.worker_process import workers


@pytest.fixture
def settings(valkey_url, llm_server, prefix, tmp_path):
    prices = tmp_path / "prices.json"
    prices.write_text('{"models": {"m": {"input": 0, "output": 1000000}}}')
    return {
        "ASKONCE_REDIS_URL": valkey_url,
        "ASKONCE_KEY_PREFIX": prefix,
        "ASKONCE_PRICES": str(prices),
        "OPENAI_BASE_URL": llm_server.base_url,
        "OPENAI_API_KEY": "test",
    }


async def test_a_spent_key_gets_hits_and_no_more_calls_while_others_go_on(settings, valkey_url, prefix, llm_server):
    """An answer may have 10 tokens, at a dollar each, and has fewer."""
    async with AccessKeys(valkey_url, key_prefix=prefix) as keys:
        rights = frozenset({"ask"})
        poor = await keys.add("poor", namespace="n", rights=rights, payer=Payer("poor", 30 * NANO, "day"))
        rich = await keys.add("rich", namespace="n", rights=rights)

    async def asked(http, key, text):
        body = {"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": text}]}
        return await http.post("/chat/completions", json=body, headers={"authorization": f"Bearer {key}"})

    async with (
        workers(2, settings),
        front_door(settings) as one,
        front_door(settings) as two,
        httpx.AsyncClient(base_url=one.base_url, timeout=60) as first,
        httpx.AsyncClient(base_url=two.base_url, timeout=60) as second,
    ):
        texts = [f"What is {secrets.token_hex(4)}?" for _ in range(40)]
        replies = await asyncio.gather(*[asked((first, second)[n % 2], poor, text) for n, text in enumerate(texts)])
        answered = [text for text, reply in zip(texts, replies, strict=True) if reply.status_code == 200]
        refused = [text for text in texts if text not in answered]
        used = (await llm_server.stats())["chat"]
        assert used["calls"] == len(answered) > 0
        assert refused
        again = await asked(first, poor, refused[0])
        assert again.status_code == 429
        assert again.json()["error"]["type"] == again.json()["error"]["code"] == "insufficient_quota"
        assert "key:poor" in again.json()["error"]["message"]
        assert again.headers["x-should-retry"] == "false"
        assert (await asked(second, poor, answered[0])).headers["x-askonce-source"] == "exact"
        assert (await asked(second, rich, refused[0])).headers["x-askonce-source"] == "llm"

        await llm_server.control(chat={"latency_ms": 500})
        text = f"What is {secrets.token_hex(4)}?"
        both = await asyncio.gather(*[asked(http, key, text) for http in (first, second) for key in (poor, rich)])
        assert [reply.status_code for reply in both[1::2]] == [
            200,
            200,
        ]  # whoever asked first, the poor one's end is his own
