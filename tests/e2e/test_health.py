# ruff: noqa: F811
"""What an orchestrator asks of a worker, and what a worker does that can no longer work."""

import asyncio
import signal
import subprocess
import sys

import orjson
import pytest
from redis import Redis

from support.asking import client_for
from support.valkey_fixture import own_valkey  # noqa: F401
from support.worker_process import environment, start_worker, until, workers


@pytest.fixture
def settings(own_valkey, llm_server, prefix):
    return {
        "ASKONCE_REDIS_URL": own_valkey.url,
        "ASKONCE_KEY_PREFIX": prefix,
        "ASKONCE_LEASE": "1",
        "ASKONCE_REDIS_AWAY_LIMIT": "3",
        "OPENAI_BASE_URL": llm_server.base_url,
        "OPENAI_API_KEY": "test",
    }


@pytest.fixture
def probe(settings):
    """Exit code and line of a probe."""

    async def ran(what):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "askonce_worker", "check", f"--{what}",
            env=environment(settings), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, errors = await process.communicate()
        assert (errors, out.count(b"\n")) == (b"", 1)
        return process.returncode, out.decode()

    return ran


def says(probe, what, code):
    async def said():
        found, line = await probe(what)
        return line if found == code else None

    return until(said, seconds=60, what=f"--{what} with exit code {code}")


def events(worker):
    return [orjson.loads(line) for line in worker.log.read_text().splitlines() if line.startswith("{")]


async def test_probes_tell_a_worker_that_lives_from_one_that_hangs_or_is_gone(settings, probe):
    assert (await probe("live"))[0] == (await probe("ready"))[0] == 1
    async with workers(2, settings) as [first, second]:
        assert "2 workers" in await says(probe, "live", 0)
        await says(probe, "ready", 0)
        first.signal(signal.SIGSTOP)
        assert "no heartbeat" in await says(probe, "live", 1)
        first.signal(signal.SIGCONT)
        await says(probe, "live", 0)
        await first.kill()
        assert "1 worker," in (await probe("live"))[1]
        assert await second.stop() == 0
        assert (await probe("live"))[0] == 1


async def test_a_worker_without_redis_lives_is_not_ready_and_ends_itself_in_time(settings, own_valkey, probe):
    settings["ASKONCE_REDIS_AWAY_LIMIT"] = "8"
    async with workers(1, settings) as [worker], client_for(settings) as client:
        assert (await client.ask("still there?")).source == "llm"
        await says(probe, "ready", 0)
        await asyncio.to_thread(own_valkey.stop)
        assert "Redis does not answer" in await says(probe, "ready", 1)
        assert (await probe("live"))[0] == 0
        assert await asyncio.wait_for(worker.process.wait(), 40) == 1
        last = events(worker)[-1]
        assert (last["event"], last["level"]) == ("worker.ended", "error")
        assert "Redis has not answered for" in last["reason"]
        assert f"-{worker.pid}-" in last["worker"]
        assert "Traceback" not in worker.log.read_text()


async def test_a_probe_sees_no_worker_of_another_redis(settings, valkey_url, probe):
    async with workers(1, settings):
        await says(probe, "ready", 0)
        settings["ASKONCE_REDIS_URL"] = valkey_url
        assert (await probe("live"))[0] == 1


async def test_a_part_that_fails_again_and_again_is_named_until_it_works(settings, qdrant_url, probe):
    settings["ASKONCE_QDRANT_URL"] = qdrant_url
    outbox = f"{settings['ASKONCE_KEY_PREFIX']}:outbox"
    with Redis.from_url(settings["ASKONCE_REDIS_URL"]) as redis:
        redis.set(outbox, "no stream")
        async with workers(1, settings):

            async def named():
                code, line = await probe("ready")
                return code == 1 and "outbox" in line

            await until(named, seconds=60, what="the name of the part")
            assert (await probe("live"))[0] == 0
            redis.delete(outbox)
            await says(probe, "ready", 0)


async def test_a_worker_whose_redis_came_to_evict_keys_is_not_ready(settings, probe):
    """A failover may lead to one: a new connection is reason to look."""
    with Redis.from_url(settings["ASKONCE_REDIS_URL"]) as redis:
        async with workers(1, settings):
            await says(probe, "ready", 0)
            redis.config_set("maxmemory-policy", "allkeys-lru")
            for name in ("normal", "pubsub"):
                redis.client_kill_filter(_type=name, skipme=True)
            assert "evicts keys" in await says(probe, "ready", 1)


async def test_a_worker_that_finds_no_redis_waits_for_it(settings, own_valkey, probe, tmp_path):
    settings["ASKONCE_REDIS_AWAY_LIMIT"] = "60"
    await asyncio.to_thread(own_valkey.stop)
    worker = await start_worker(settings, tmp_path / "log")
    try:
        await says(probe, "live", 0)
        assert (await probe("ready"))[0] == 1
        await asyncio.to_thread(own_valkey.start)
        await says(probe, "ready", 0)
        assert await worker.stop() == 0
    finally:
        await worker.kill()


async def test_a_worker_ends_at_once_where_waiting_mends_nothing(settings, own_valkey, tmp_path):
    with Redis.from_url(own_valkey.url) as redis:
        redis.config_set("maxmemory-policy", "allkeys-lru")
    worker = await start_worker(settings, tmp_path / "policy")
    assert await asyncio.wait_for(worker.process.wait(), 30) == 1
    assert "noeviction" in events(worker)[-1]["reason"]
    port = own_valkey.port
    wrong = {**settings, "ASKONCE_REDIS_URL": f"redis://nobody:a-wrong-password@127.0.0.1:{port}/0"}
    worker = await start_worker(wrong, tmp_path / "password")
    assert await asyncio.wait_for(worker.process.wait(), 30) == 1
    assert "AuthenticationError" in events(worker)[-1]["reason"]
    assert "a-wrong-password" not in worker.log.read_text()


LOSES = """
import asyncio, sys
from askonce_worker.queue import lease_keeper
from askonce_worker import main
{loss}
sys.argv = ["askonce-worker", "run"]
main()
"""
RAISES = """
async def renew(self):
    if self._renewed > 0:
        raise ValueError("the secret prompt")
    return await whole(self)
whole = lease_keeper.LeaseKeeper._renew
lease_keeper.LeaseKeeper._renew = renew
"""
RETURNS = """
async def run(self):
    await self._renew()
    await asyncio.sleep(1)
lease_keeper.LeaseKeeper.run = run
"""


@pytest.mark.parametrize(
    ("loss", "reason"),
    [(RAISES, "ValueError at"), (RETURNS, "lease loop has ended")],
    ids=["raises", "returns"],
)
async def test_a_worker_that_lost_its_lease_loop_ends_itself(settings, loss, reason):
    process = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", LOSES.format(loss=loss)],
        env=environment(settings), capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert process.returncode == 1
    last = orjson.loads(process.stderr.splitlines()[-1])
    assert last["event"] == "worker.ended"
    assert reason in last["reason"]
    assert b"the secret prompt" not in process.stderr


async def test_a_probe_is_quick(settings, probe):
    """It loads nothing of what a worker needs: no other test could tell, and a probe runs every few seconds."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-X", "importtime", "-m", "askonce_worker", "check", "--live",
        env=environment(settings), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, loaded = await process.communicate()
    for heavy in (b"numpy", b"openai", b"qdrant_client", b"redis", b"pydantic"):
        assert heavy not in loaded
