"""The worker as `deploy/` starts it: with compose.yaml's environment and with the Deployment's."""

import asyncio
import json
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis.asyncio import Redis

from askonce import Client
from support.acl_redis import acl_redis
from support.asking import collected, paraphrases
from support.deployment import DEPLOY, compose_environment, env_file, image_steps, pod, pod_environment
from support.metrics import free_ports, scrape
from support.promql import names
from support.worker_process import environment, start_worker, until

PRODUCER = "PRODUCER_PASSWORD"
MODEL = "gpt-4o-mini"

OF_CHECKS = ("askonce_wrong_", "askonce_error_budget", "askonce_policy_", "askonce_judge_", "askonce_gate_")


def compose_probes():
    instructions = [argument for instruction, argument in image_steps() if instruction == "HEALTHCHECK"]
    return [json.loads(argument.partition(" CMD ")[2]) for argument in instructions]


def pod_probes():
    (container,) = pod()["containers"]
    return [container[probe]["exec"]["command"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")]


ENVIRONMENTS = {
    "compose": (lambda: compose_environment("worker"), compose_probes),
    "pod": (pod_environment, pod_probes),
}


async def command(settings, *words):
    """Exit code and output of one of our commands, in this environment alone."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    process = await asyncio.create_subprocess_exec(
        *words, env={**environment(settings), "PATH": path}, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    return process.returncode, out.decode()


def at_home(settings, redis, **addresses):
    """The same variables, with the addresses of this machine."""
    login = urlsplit(settings["ASKONCE_REDIS_URL"]).netloc.rpartition("@")[0]
    changed = {**settings, "ASKONCE_REDIS_URL": f"redis://{login}@127.0.0.1:{redis}/0", **addresses}
    assert set(changed) - set(settings) == {"ASKONCE_KEY_PREFIX"}
    return changed


async def until_all_pass(settings, worker, probes):
    async def pass_():
        assert worker.process.returncode is None, worker.tail()
        return [code for code, _ in [await command(settings, *probe) for probe in probes]] == [0] * len(probes)

    await until(pass_, seconds=60, what=f"probes that pass: {probes}")


async def every_metric_exists(settings, client, llm_server):
    """After one of each kind of answer, and one error: those that alerts, dashboard and scaling ask for."""
    await llm_server.fail("chat", "status", status=503, times=1, retry_after="0.1")
    asked, reworded = paraphrases("who built the grey bridge? [g1]", 2)
    await collected(client, [await client.submit(asked)])

    async def found_by_meaning():
        if (await scrape(settings)).sum("askonce_outbox_depth"):
            return False
        (answer,) = await collected(client, [await client.submit(reworded)])
        return answer.source == "semantic"

    await until(found_by_meaning, what="a semantic hit")
    assert len(names()) > 25
    # These have no series until a question was asked without matching, or waited for it, and where no budget is set.
    unseen = {"askonce_installation_unmatched_total", "askonce_lookup_waits_total"}
    unseen |= {name for name in names() if name.startswith(OF_CHECKS)}  # no hit is checked here
    unseen |= {"askonce_budget_spent_dollars", "askonce_budget_limit_dollars"}
    missing = names() - (await scrape(settings)).names
    assert missing | {"askonce_lookup_waits_total"} == unseen  # a busy machine has let some wait


async def redis_keeps_what_it_is_told(url):
    async with Redis.from_url(url) as redis:
        facts = await redis.info()
    assert (facts["aof_enabled"], facts["maxmemory_policy"], facts["maxmemory"]) == (1, "noeviction", 1 << 30)


@pytest.mark.parametrize("kind", ENVIRONMENTS)
async def test_the_worker_starts_as_it_is_deployed(kind, llm_server, embedded_qdrant_url, prefix, tmp_path):
    given, probes = ENVIRONMENTS[kind][0](), ENVIRONMENTS[kind][1]()
    told = env_file(DEPLOY / "env.example")
    passwords = {name: told[name] for name in (PRODUCER, "OPERATOR_PASSWORD")}
    passwords["WORKER_PASSWORD"] = urlsplit(given["ASKONCE_REDIS_URL"]).password
    with acl_redis(tmp_path / "redis", passwords, prefix) as redis:
        settings = at_home(
            given,
            redis,
            ASKONCE_QDRANT_URL=embedded_qdrant_url,
            OPENAI_BASE_URL=llm_server.base_url,
            ASKONCE_METRICS_PORT=str(free_ports()),
            ASKONCE_KEY_PREFIX=prefix,
        )
        worker = await start_worker(settings, tmp_path / "log")
        try:
            await until_all_pass(settings, worker, probes)
            url = f"redis://askonce-producer:{told[PRODUCER]}@127.0.0.1:{redis}/0"
            async with Client(url, key_prefix=prefix, model=MODEL) as client:
                assert (await client.ask("who is there?", timeout=30)).source == "llm"
                await every_metric_exists(settings, client, llm_server)
            await redis_keeps_what_it_is_told(url)
            operator = at_home(compose_environment("askonce"), redis, ASKONCE_KEY_PREFIX=prefix)
            code, stats = await command(operator, "askonce", "stats", "--json")
            assert (code, json.loads(stats)["now"]["workers"]) == (0, 1)
            assert await worker.stop() == 0
        finally:
            await worker.kill()
        log = worker.log.read_text()
    assert "unknown setting" not in log
    assert '"level": "error"' not in log, log
    assert [(await command(settings, *probe))[0] for probe in probes] == [1] * len(probes)
