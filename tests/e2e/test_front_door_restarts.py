"""The server is killed and Redis restarts while many ask: whoever asks again, as SDKs do, gets the answer."""

import asyncio
import shutil
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import psutil
import pytest

import askonce
import askonce_worker
from askonce_worker.schemas.validator_process import PROGRAM
from support.front_door import front_door
from support.front_door_fixtures import door_settings
from support.ports import free_port
from support.starting import Starts
from support.valkey_fixture import own_valkey  # noqa: F401
from support.worker_process import until, workers

QUESTIONS = 120
TRIES = 400


class Asking:
    def __init__(self, port) -> None:
        self.answers = {}
        self._http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/v1", timeout=30)
        self._room = asyncio.Semaphore(12)

    async def all(self):
        async with self._http:
            await asyncio.gather(*map(self._ask, range(QUESTIONS)))

    async def _ask(self, number):
        body = {"model": "m", "messages": [{"role": "user", "content": f"question {number}"}]}
        async with self._room:
            for _ in range(TRIES):
                try:
                    reply = await self._http.post("/chat/completions", json=body)
                except httpx.TransportError:
                    await asyncio.sleep(0.1)
                    continue
                if reply.status_code == 200:
                    self.answers[number] = reply.json()["choices"][0]["message"]["content"]
                    return
                assert reply.status_code in (408, 429, 500, 503), reply.text
                await asyncio.sleep(0.1)

    async def until_answered(self, count):
        async def enough():
            return len(self.answers) >= count

        await until(enough, seconds=90, what=f"{count} answers")


@pytest.mark.timeout(300)  # it starts four processes, one after the other
async def test_nothing_is_lost_when_the_server_and_redis_are_restarted(own_valkey, llm_server, prefix):  # noqa: F811
    await llm_server.control(chat={"latency_ms": 50})
    settings = door_settings(own_valkey.url, llm_server, prefix)
    port = free_port()
    async with workers(1, settings), AsyncExitStack() as stack:
        first = await stack.enter_async_context(front_door(settings, "--port", str(port), guarded=False))
        asking = Asking(port)
        everybody = asyncio.create_task(asking.all())
        await asking.until_answered(QUESTIONS // 4)
        first.process.kill()
        await first.process.wait()
        await stack.enter_async_context(front_door(settings, "--port", str(port), guarded=False))
        await asking.until_answered(QUESTIONS // 2)
        await asyncio.to_thread(own_valkey.stop)
        await asyncio.to_thread(own_valkey.start)
        await everybody
    assert asking.answers == {number: f"answer to: question {number}" for number in range(QUESTIONS)}
    texts = (await llm_server.stats())["chat"]["texts"]
    assert sum(texts.values()) <= QUESTIONS + 12, texts  # what was under way when Redis went may be asked once more


@pytest.mark.timeout(300)
async def test_what_runs_goes_on_while_a_later_release_takes_its_files_away(
    valkey_url, llm_server, prefix, tmp_path, monkeypatch
):
    monkeypatch.setattr(Starts, "forked", False)
    for package in (askonce, askonce_worker):
        folder = Path(package.__file__).parent
        shutil.copytree(folder, tmp_path / folder.name, ignore=shutil.ignore_patterns("__pycache__"))
    settings = {**door_settings(valkey_url, llm_server, prefix), "PYTHONPATH": str(tmp_path)}
    async with workers(1, settings) as [worker], front_door(settings) as door, httpx.AsyncClient(timeout=60) as http:
        shutil.rmtree(tmp_path)
        [validator] = [each for each in psutil.Process(worker.process.pid).children() if PROGRAM in each.cmdline()]
        validator.kill()
        for source in ("llm", "exact"):
            body = {"model": "m", "messages": [{"role": "user", "content": "Still there?"}]}
            reply = await http.post(f"{door.base_url}/chat/completions", json=body)
            assert (reply.status_code, reply.headers.get("x-askonce-source")) == (200, source), reply.text
        await llm_server.control(chat={"answer": "7"})
        wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "integer"}}}
        body = {"model": "m", "messages": [{"role": "user", "content": "How many?"}], "response_format": wanted}
        reply = await http.post(f"{door.base_url}/chat/completions", json=body, headers={"x-askonce-schema": "true"})
        assert reply.status_code == 200, reply.text
        for page in ("savings", "matches", "entries", "work", "login"):
            assert (await http.get(f"{door.root}/ui/{page}")).status_code in (200, 303), page
        assert (await http.get(f"{door.root}/ui/nowhere")).status_code == 404
