"""Worker and front door as `deploy/` starts them: with compose.yaml's environment and with the Deployments'."""

import asyncio
import json
import os
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import openai
import pytest
from redis.asyncio import Redis

from askonce import Client
from support.acl_redis import acl_redis
from support.asking import collected, paraphrases
from support.deployment import (
    DEPLOY,
    FRONT_DOOR,
    compose,
    compose_environment,
    env_file,
    image_steps,
    pod,
    pod_environment,
)
from support.metrics import free_ports, scrape
from support.ports import free_port
from support.promql import names
from support.worker_process import environment, start_worker, until

PRODUCER = "PRODUCER_PASSWORD"
TOLD = env_file(DEPLOY / "env.example")
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


def compose_front_door():
    """Its environment, command and probe."""
    service = compose(TOLD)["services"]["front-door"]
    return compose_environment("front-door"), service["command"], lambda root: healthy(service, root)


async def healthy(service, root):
    words = [word.replace("http://127.0.0.1:8080", root) for word in service["healthcheck"]["test"]]
    assert (words.pop(0), root in words[-1]) == ("CMD", True)
    return (await command({}, *words))[0] == 0


def pod_front_door():
    (container,) = pod(FRONT_DOOR)["containers"]
    paths = [container[name]["httpGet"]["path"] for name in ("startupProbe", "livenessProbe", "readinessProbe")]
    return pod_environment(FRONT_DOOR), container["command"], lambda root: answer(root, paths)


async def answer(root, paths):
    async with httpx.AsyncClient(base_url=root) as http:
        try:
            return [(await http.get(path)).status_code for path in paths] == [200] * len(paths)
        except httpx.TransportError:  # not yet, or not in time on a busy machine
            return False


FRONT_DOORS = {"compose": compose_front_door, "pod": pod_front_door}


@asynccontextmanager
async def started(words, settings, log):
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(*words, env=with_path(settings), stdout=output, stderr=output)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def it_serves_with_a_key(kind, operator, redis, llm_server, directory):
    given, words, passes = FRONT_DOORS[kind]()
    port, files = str(free_port()), directory / "files"
    addresses = {"ASKONCE_SERVE_HOST": "127.0.0.1", "ASKONCE_SERVE_PORT": port, "ASKONCE_SERVE_FILES": str(files)}
    prefix = operator["ASKONCE_KEY_PREFIX"]
    settings = at_home(given, redis, OPENAI_BASE_URL=llm_server.base_url, ASKONCE_KEY_PREFIX=prefix, **addresses)
    code, key = await command(operator, "askonce", "keys", "add", "app")
    assert code == 0
    root, log = f"http://127.0.0.1:{port}", directory / "front-door.log"
    async with (
        started(words, settings, log) as process,
        openai.AsyncOpenAI(base_url=f"{root}/v1", api_key=key.strip(), max_retries=0) as sdk,
    ):
        await until(lambda: passes(root), seconds=60, what="probes that pass")
        asked = [{"role": "user", "content": "who is there?"}]
        reply = await sdk.chat.completions.with_raw_response.create(model=MODEL, messages=asked)
        assert reply.headers["x-askonce-source"] == "exact"  # the client has asked the same
        file = await sdk.files.create(file=("in.jsonl", b"{}\n"), purpose="batch")
        assert [each.name for each in files.rglob("file-*")] == [file.id]
        with pytest.raises(openai.AuthenticationError):
            await sdk.with_options(api_key="none").models.list()
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 60) == 0
        assert not await passes(root)
    assert "NOPERM" not in log.read_text()


def with_path(settings):
    return {**environment(settings), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


async def command(settings, *words):
    """Exit code and output of one of our commands, in this environment alone."""
    process = await asyncio.create_subprocess_exec(*words, env=with_path(settings), stdout=asyncio.subprocess.PIPE)
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
async def test_they_start_as_they_are_deployed(kind, llm_server, embedded_qdrant_url, prefix, tmp_path):
    given, probes = ENVIRONMENTS[kind][0](), ENVIRONMENTS[kind][1]()
    passwords = {name: TOLD[name] for name in (PRODUCER, "OPERATOR_PASSWORD")}
    passwords["WORKER_PASSWORD"] = urlsplit(given["ASKONCE_REDIS_URL"]).password
    passwords["FRONT_DOOR_PASSWORD"] = urlsplit(FRONT_DOORS[kind]()[0]["ASKONCE_REDIS_URL"]).password
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
            url = f"redis://askonce-producer:{TOLD[PRODUCER]}@127.0.0.1:{redis}/0"
            async with Client(url, key_prefix=prefix, model=MODEL) as client:
                assert (await client.ask("who is there?", timeout=30)).source == "llm"
                await every_metric_exists(settings, client, llm_server)
            await redis_keeps_what_it_is_told(url)
            operator = at_home(compose_environment("askonce"), redis, ASKONCE_KEY_PREFIX=prefix)
            code, stats = await command(operator, "askonce", "stats", "--json")
            assert (code, json.loads(stats)["now"]["workers"]) == (0, 1)
            await it_serves_with_a_key(kind, operator, redis, llm_server, tmp_path)
            assert await worker.stop() == 0
        finally:
            await worker.kill()
        log = worker.log.read_text()
    assert "unknown setting" not in log
    assert '"level": "error"' not in log, log
    assert [(await command(settings, *probe))[0] for probe in probes] == [1] * len(probes)
