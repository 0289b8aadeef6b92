"""The users of deploy/redis/users.acl: each can do its work, and nothing else."""
# ruff: noqa: F811

import asyncio
import fnmatch
import re
import shlex
import urllib.request

import openai
import orjson
import pytest
from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError

from askonce import Client, Question
from askonce.cli import main
from askonce.contract.chunk import pack
from askonce.contract.keys import ARQ_JOB, Keys
from askonce.errors import StoreUnreachable
from askonce_worker.check.findings import findings
from askonce_worker.settings import Settings
from support.acl import TEMPLATE, USERS, guarded_valkey  # noqa: F401
from support.asking import settings_for
from support.front_door import front_door
from support.jobs import job_record
from support.worker_process import until, workers


@pytest.fixture
def settings(guarded_valkey, embedded_qdrant_url, llm_server, prefix, unused_tcp_port, tmp_path):
    prices = tmp_path / "prices.json"
    prices.write_text('{"models": {"test-model": {"input": 1, "output": 1}}}')
    return {
        **settings_for(guarded_valkey.url_of("worker"), embedded_qdrant_url, llm_server, prefix),
        "ASKONCE_RPM": "100000",
        "ASKONCE_BUDGETS": "default=100/day",
        "ASKONCE_PRICES": str(prices),
        "ASKONCE_MAX_TRIES": "1",
        "ASKONCE_MAX_ENTRIES": "1000",
        "ASKONCE_ERROR_BUDGET": "0.01",
        "ASKONCE_METRICS_PORT": str(unused_tcp_port),
    }


@pytest.fixture
def operate(guarded_valkey, prefix, monkeypatch, capsys):
    """`askonce` as its operator calls it."""
    monkeypatch.setenv("ASKONCE_REDIS_URL", guarded_valkey.url_of("operator"))
    monkeypatch.setenv("ASKONCE_KEY_PREFIX", prefix)

    async def ran(*words):
        code = await asyncio.to_thread(main, [*words, "--json"])
        captured = capsys.readouterr()
        assert code == 0, captured
        return orjson.loads(captured.out) if captured.out else None

    return ran


async def test_each_user_does_its_work(guarded_valkey, settings, llm_server, prefix, operate, tmp_path):
    producer = Client(guarded_valkey.url_of("producer"), key_prefix=prefix, model="test-model")
    async with producer, workers(1, settings) as [worker]:
        job_id = await produces(producer)
        await works(guarded_valkey, prefix)
        await asyncio.to_thread(scraped, settings["ASKONCE_METRICS_PORT"])
        await operates(operate, guarded_valkey, prefix, producer, job_id)
        await serves({**settings, "ASKONCE_REDIS_URL": guarded_valkey.url_of("front-door")}, tmp_path / "files")
        found = await findings(Settings(**{n.removeprefix("ASKONCE_").lower() if "ASKONCE" in n else n: v
                                           for n, v in settings.items()}))  # fmt: skip
        assert {finding.part for finding in found if not finding.ok} <= {"llm", "embeddings"}, found
        await worker.stop()
        log = worker.log.read_text()
        assert "NOPERM" not in log
        assert "NoPermissionError" not in log
        events = [orjson.loads(line) for line in log.splitlines() if line.startswith("{")]
        assert {event["event"] for event in events if event["level"] == "error"} == {"job.dead"}
    with Redis.from_url(guarded_valkey.url) as redis:
        denied = [entry for entry in redis.acl_log() if entry["username"] != "default"]
        assert denied == []


async def produces(client):
    """Everything that a pipeline may do. Returns the id of a question that was answered by similarity."""
    assert (await client.ask("how do I ask? [g1]")).source == "llm"
    assert (await client.ask("how do I ask? [g1]")).source == "exact"
    assert (await client.lookup("how do I ask? [g1]")).source == "exact"
    job_id = await client.submit("please how do I ask? [g1]")
    assert (await client.result(job_id, timeout=60)).source in ("semantic", "inflight")
    ids = await client.submit_many([f"and number {n}? [g2{n}]" for n in range(20)])
    answers = [answer async for answer in client.as_completed(ids, timeout=60, forget=True)]
    assert {answer.status for answer in answers} == {"answered"}
    assert set((await client.status(ids)).values()) == {"answered"}
    repeats = [f"and number {n}? [g2{n}]" for n in range(3)]
    assert [answer.source async for _, answer in client.map(repeats, timeout=60)] == ["exact"] * 3
    await client.cancel(ids)
    assert (await client.explain("and how do I ask? [g1]", timeout=60)).explained_by == "worker"
    return job_id


async def works(guarded, prefix):
    """A worker keeps house too, within seconds."""
    keys = Keys(prefix)

    async def kept():
        with Redis.from_url(guarded.url) as redis:
            return redis.exists(keys.upkeep, keys.collections) == 2 and redis.xlen(keys.outbox) == 0

    await until(kept, seconds=40, what="upkeep")


def scraped(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as reply:
        assert b"askonce_entries" in reply.read()


async def operates(operate, guarded, prefix, producer, job_id):
    assert (await operate("stats"))["now"]["entries"] > 0
    assert await operate("wrong", job_id, "--drop-entry") == {job_id: True}
    assert await operate("wrong", "--export", "-")
    assert await operate("provider-batches", "list") == []
    await operate("invalidate", "--model", "test-model")
    assert await producer.lookup("how do I ask? [g1]") is None
    async with Client(guarded.url_of("operator"), key_prefix=prefix, model="test-model") as client:
        question = Question("warm? [g5]")
        assert await client.store(question, "yes")
        assert (await client.ask(question)).text == "yes"
        assert (await client.explain(question, timeout=60)).explained_by == "worker"
    with Redis.from_url(guarded.url) as redis:
        await gives_up(operate, redis, Keys(prefix))


async def serves(settings, files):
    """The Batch API, from the upload to the end of a batch. (All its tests have the rights of this user.)"""
    body = {"model": "test-model", "messages": [{"role": "user", "content": "served? [g7]"}]}
    line = {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": body}
    async with (
        front_door(settings, "--files", str(files), guarded=False) as door,
        openai.AsyncOpenAI(base_url=door.base_url, api_key="none", max_retries=0) as sdk,
    ):
        file = await sdk.files.create(file=("in.jsonl", orjson.dumps(line)), purpose="batch")
        asked = {"input_file_id": file.id, "endpoint": line["url"], "completion_window": "24h"}
        batch = await sdk.batches.create(**asked)

        async def ended():
            found = await sdk.batches.retrieve(batch.id)
            return found if found.completed_at else None

        assert (await until(ended, seconds=60, what="the end of the batch")).request_counts.completed == 1
        await sdk.batches.cancel((await sdk.batches.create(**asked)).id)
        assert [each.id for each in (await sdk.batches.list(after=batch.id)).data] == []
        assert len((await sdk.files.list(order="asc", after=file.id)).data) > 0


async def gives_up(operate, redis, keys):
    """The worker buries a job that is no job; the operator drops it, and asks again what another one held."""
    name = "given-up"
    redis.set(f"{ARQ_JOB}{name}", b"{", px=60_000)
    redis.zadd(keys.queue("bulk"), {name: 1})

    async def listed():
        return await operate("dead-letters", "list")

    [letter] = await until(listed, what="the dead letter")
    assert letter["job"] == name
    await operate("dead-letters", "drop", name)
    record = orjson.loads(job_record(pack("default", 60_000, [Question("again? [g6]", "m", job_id="again")]), 1))
    redis.hset(keys.dead, name, orjson.dumps({"job": name, "lane": "bulk", "cause": "", "tries": 1, "at": 1,
                                              "record": record}))  # fmt: skip
    assert [replay["job_ids"] for replay in await operate("dead-letters", "replay", "--all")] == [{"again": "again"}]


FORBIDDEN = (
    "FLUSHALL", "FLUSHDB", "CONFIG GET *", "CONFIG SET save x", "KEYS *", "SCAN 0", "SHUTDOWN",
    "ACL LIST", "ACL WHOAMI", "MONITOR", "SLAVEOF NO ONE", "MODULE LIST", "CLIENT LIST", "CLIENT KILL TYPE normal",
    "SCRIPT FLUSH", "FUNCTION LIST", "SAVE", "BGSAVE", "SWAPDB 0 1", "MIGRATE h 1 k 0 1", "SORT k", "SUBSCRIBE c",
    "PUBLISH c m", "RENAME {p}:wake {p}:x", "OBJECT ENCODING {p}:wake", "DUMP {p}:wake", "SLOWLOG GET",
    "LATENCY DOCTOR",
    "GET elsewhere", "SET elsewhere 1", "SET {p} 1", "GET {p}:unheard-of",
)  # fmt: skip
OWN = {
    "producer": (
        "SET {p}:entry:f x", "DEL {p}:entry:f", "HINCRBY {p}:epochs all 1", "ZADD {p}:leases:bulk 1 j",
        "ZREM {p}:queue:bulk j", "HSET {p}:tokens:bulk j x", "HGET {p}:dead j", "ZADD {p}:wrong 1 x",
        "XADD {p}:outbox * a b",
        "XADD {p}:feed:0 * a b", "HSET {p}:leaders:0 a b", "ZADD {p}:workers 1 w", "GET arq:job:j",
        "HGET {p}:collections c",
        "SET {p}:rates:x:y 1", "EVAL 'return 1' 0",
    ),
    "worker": ("ZADD {p}:wrong 1 x", "ZADD {p}:dropped 1 x", "HSCAN {p}:dead 0", "GET arq:result:j"),
    "operator": (
        "ZADD {p}:leases:bulk 1 j", "ZADD {p}:workers 1 w", "HSET {p}:tokens:bulk j x", "XADD {p}:feed:0 * a b",
        "HSET {p}:leaders:0 a b", "HSET {p}:collections c 1", "EVAL 'return 1' 0",
    ),
    "front-door": (
        "SET {p}:entry:f x", "EXPIRE {p}:entry:f 1", "HSET {p}:access n x", "HDEL {p}:access n",
        "XADD {p}:outbox * a b", "ZADD {p}:leases:bulk 1 j", "ZADD {p}:workers 1 w", "HSET {p}:leaders:0 a b",
        "HGET {p}:parked:question:q a", "SET {p}:audit:policy:g x", "SET {p}:scope:s x", "HGET {p}:collections c",
        "EVAL 'return 1' 0",
    ),
}  # fmt: skip


@pytest.mark.parametrize("user", USERS)
async def test_what_a_user_may_not_do_is_refused(guarded_valkey, prefix, user):
    with Redis.from_url(guarded_valkey.url_of(user)) as redis:
        assert redis.ping()
        for line in (*FORBIDDEN, *OWN[user]):
            words = shlex.split(line.format(p=prefix))
            with pytest.raises(NoPermissionError):
                redis.execute_command(*words)
                pytest.fail(f"{user} may {line}")


async def test_a_script_may_do_no_more_than_its_caller(guarded_valkey, prefix):
    with Redis.from_url(guarded_valkey.url_of("producer")) as redis:
        for body in (
            f"redis.call('ZADD', '{prefix}:leases:bulk', 1, 'j')",
            f"redis.call('SET', '{prefix}:entry:f', 'mine')",
            "redis.call('FLUSHALL')",
            "redis.call('KEYS', '*')",
        ):
            sha = redis.script_load(f"return {body}")
            with pytest.raises(ResponseError, match="ACL failure in script"):
                redis.evalsha(sha, 0)
    async with Client(guarded_valkey.url_of("producer"), key_prefix=prefix, model="m") as client:
        with pytest.raises(StoreUnreachable, match="No permissions|NOPERM"):
            await client.store(Question("mine?"), "poisoned")
        with pytest.raises(StoreUnreachable, match="No permissions|NOPERM|no permissions"):
            await client.invalidate(all=True)


async def test_nobody_without_a_password_gets_in(guarded_valkey):
    with Redis(port=guarded_valkey.port) as redis, pytest.raises(AuthenticationError):
        redis.ping()
    guessed = Redis(port=guarded_valkey.port, username="askonce-worker", password="guessed")
    with guessed, pytest.raises(AuthenticationError):
        guessed.ping()


def test_no_user_has_more_of_what_is_dangerous_than_info(guarded_valkey):
    with Redis.from_url(guarded_valkey.url) as redis:
        risky = {str(name) for group in ("dangerous", "admin") for name in redis.acl_cat(group)}
        for user in USERS:
            rights = redis.acl_getuser(f"askonce-{user}")
            given = {word[1:].partition("|")[0] for word in rights["commands"] if word.startswith("+")}
            assert given & risky <= {"info"}, user
            assert not [word for word in rights["categories"] if word.startswith("+")]
            assert rights["channels"] in ([], [b""], "")
            assert [row[1] for row in rights["selectors"]] == (["-@all +del"] if user == "front-door" else []), user


def test_the_template_names_every_key_and_holds_no_password(prefix):
    """A key that is added is to be given to somebody."""
    text = TEMPLATE.read_text()
    assert ">" not in text.partition("user default")[2]
    patterns = re.findall(r"(?:%[RW])?~\{prefix\}:(\S+)", text)
    for key in every_key():
        assert any(fnmatch.fnmatchcase(key, pattern) for pattern in patterns), key


def every_key(keys=Keys("p")):  # noqa: B008 - it never changes
    """Those of a part that has a class of its own, too."""
    for name, member in vars(type(keys)).items():
        if isinstance(member, property):
            found = getattr(keys, name)
            yield from [found.removeprefix("p:")] if isinstance(found, str) else every_key(found)
        elif not name.startswith("_") and callable(member):
            arguments = [0] * (member.__code__.co_argcount - 1)
            yield getattr(keys, name)(*arguments).removeprefix("p:")
