"""The test server itself: what other tests believe of it."""

import asyncio
import signal
import subprocess
import sys
import time

import openai
import psutil
import pytest

from support.llm_server import TESTS, LLMServer, busiest


async def ask(client: openai.AsyncOpenAI, text: str) -> str | None:
    reply = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}])
    return reply.choices[0].message.content


def client_of(server: LLMServer) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(api_key="test", base_url=server.base_url, max_retries=0)


async def test_a_limit_lets_so_many_through_and_says_when_there_is_room(llm_server: LLMServer) -> None:
    await llm_server.control(chat={"limit": {"requests": 3, "seconds": 60}})
    async with client_of(llm_server) as client:
        results = await asyncio.gather(*(ask(client, f"{n}") for n in range(5)), return_exceptions=True)
    refused = [error for error in results if isinstance(error, openai.RateLimitError)]
    assert len(refused) == 2
    assert 0 < int(refused[0].response.headers["retry-after"]) <= 60
    stats = (await llm_server.stats())["chat"]
    assert (stats["calls"], stats["answered"], stats["refused_by_limit"]) == (5, 3, 2)
    assert busiest(stats["requests"], 60) == 5


async def test_a_rule_takes_the_requests_it_names(llm_server: LLMServer) -> None:
    await llm_server.fail("chat", "status", status=400, contains="marked", after=1, times=1)
    async with client_of(llm_server) as client:
        assert await ask(client, "marked one") == "answer to: marked one"
        assert await ask(client, "plain") == "answer to: plain"
        with pytest.raises(openai.BadRequestError):
            await ask(client, "marked two")
        assert await ask(client, "marked three") == "answer to: marked three"


async def test_latency_is_in_parallel_and_counted(llm_server: LLMServer) -> None:
    await llm_server.control(chat={"latency_ms": [300, 400]})
    async with client_of(llm_server) as client:
        await asyncio.gather(*(ask(client, f"{n}") for n in range(20)))
    assert (await llm_server.stats(brief=True))["chat"]["max_in_flight"] == 20


async def test_an_order_that_does_not_exist_is_refused(llm_server: LLMServer) -> None:
    with pytest.raises(ValueError, match="no such order"):
        await llm_server.control(chat={"latencyms": 1})
    with pytest.raises(ValueError, match="no such orders"):
        await llm_server.control(chta={})


def test_it_ends_with_the_process_that_started_it() -> None:
    code = "import time; from support.llm_server import LLMServer; s = LLMServer(); s.start(); print(s.pid, flush=True)"
    with subprocess.Popen(
        [sys.executable, "-c", code + "; time.sleep(60)"], cwd=TESTS, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        server = int(parent.stdout.readline())
        assert psutil.pid_exists(server)
        parent.send_signal(signal.SIGKILL)
    for _ in range(200):
        try:
            if psutil.Process(server).status() == psutil.STATUS_ZOMBIE:
                return
        except psutil.NoSuchProcess:
            return
        time.sleep(0.05)
    pytest.fail("it goes on")
