"""What a real worker writes: one event a chunk, the ids, and neither prompts nor secrets, whatever goes wrong."""

import asyncio
import sys

import orjson
import pytest
from redis import Redis

from askonce import Question
from support.asking import client_for, settings_for
from support.worker_process import environment, until, workers

PROMPT = "who is the secret patient? [g1]"
KEY = "sk-a-key-that-nobody-may-see"
PASSWORD = "p@ss/w#rd:that nobody may see"
QUOTED = "p%40ss%2Fw%23rd%3Athat%20nobody%20may%20see"


@pytest.fixture
def guarded_url(valkey_url, prefix):
    """This Redis under a user whose password is in need of quoting."""
    with Redis.from_url(valkey_url) as redis:
        redis.acl_setuser(
            prefix, enabled=True, passwords=[f"+{PASSWORD}"], keys=["*"], channels=["*"], commands=["+@all"]
        )
        yield valkey_url.replace("redis://", f"redis://{prefix}:{QUOTED}@")
        redis.acl_deluser(prefix)


@pytest.fixture
def settings(guarded_url, embedded_qdrant_url, llm_server, prefix):
    return {
        **settings_for(guarded_url, embedded_qdrant_url, llm_server, prefix),
        "OPENAI_API_KEY": KEY,
        "ASKONCE_QDRANT_API_KEY": "a-qdrant-key-that-nobody-may-see",
        "ASKONCE_EMBEDDING_API_KEY": "an-embedding-key-that-nobody-may-see",
    }


def nothing_secret_in(output, *, prompts=False):
    for secret in (PASSWORD, QUOTED, "w%23rd", "nobody may see", "nobody-may-see"):
        assert secret not in output
    if not prompts:
        assert "secret patient" not in output
        assert "answer to:" not in output
        assert "the-hidden-answer" not in output


def events(text):
    return [orjson.loads(line) for line in text.splitlines() if line.startswith("{")]


async def until_event(worker, name):
    async def there():
        return [event for event in events(worker.log.read_text()) if event["event"] == name]

    return await until(there, what=name)


async def test_one_event_a_chunk_with_its_ids_and_neither_prompt_nor_secret(settings, llm_server, valkey_url, prefix):
    async with client_for(settings) as client, workers(1, settings) as [worker]:
        ids = await client.submit_many([PROMPT, f"please {PROMPT}", PROMPT], lane="interactive")
        assert {answer.status async for answer in client.as_completed(ids, timeout=60)} == {"answered"}
        [answered] = await until_event(worker, "chunk.answered")
        assert (answered["level"], answered["questions"]) == ("info", 3)
        assert answered["llm"] + answered["inflight"] == 3
        assert answered["lane"] == "interactive"
        assert len(answered["chunk"]) > 8
        assert f"-{worker.pid}-" in answered["worker"]

        await llm_server.fail("chat", "status", status=500, times=1)
        [question] = await client.submit_many([Question(f"another {PROMPT[:-4]} [g7]")])
        assert (await client.result(question, timeout=30)).text
        [retry] = await until_event(worker, "llm.retry")
        assert retry["job"] == question
        assert retry["chunk"] != answered["chunk"]

        await llm_server.fail("chat", "status", status=401, times=1)
        failed = await client.submit(f"a third {PROMPT[:-4]} [g8]")
        await until_event(worker, "chunk.answered")

        async def counted():
            return [event for event in events(worker.log.read_text()) if event.get("failed")]

        [event] = await until(counted, what="the failed chunk")
        assert event["failed"] == sum(event["failures"].values()) == 1
        assert (await client.status([failed]))[failed] == "failed"
        with Redis.from_url(valkey_url) as redis:  # Redis turns the worker away, in the middle of its work
            redis.acl_setuser(prefix, enabled=False)
            redis.client_kill_filter(user=prefix)
        await until_event(worker, "redis.away")
        await worker.kill()
        nothing_secret_in(worker.log.read_text())


async def test_prompts_are_logged_where_they_are_asked_for_and_secrets_not_even_then(settings):
    settings["ASKONCE_LOG_PROMPTS"] = "1"
    async with client_for(settings) as client, workers(1, settings) as [worker]:
        job_id = await client.submit(PROMPT)
        assert (await client.result(job_id, timeout=60)).text
        [event] = await until_event(worker, "question.answered")
        assert (event["prompt"], event["answer"], event["job"]) == (PROMPT, f"answer to: {PROMPT}", job_id)
        nothing_secret_in(worker.log.read_text(), prompts=True)


CRASH = """
import sys
from askonce_worker import main
import {module} as part
def broken(*_, **__):
    secret = "{prompt}"
    raise ValueError("{url}", secret)
part.{name} = broken
sys.argv = ["askonce-worker", "{command}"]
main()
"""


@pytest.mark.parametrize(
    ("command", "module", "name", "form"),
    [
        ("run", "askonce_worker.wiring.parts", "slots_of", "json"),
        ("run", "askonce_worker.wiring.parts", "slots_of", "console"),
        ("run", "askonce_worker.cli", "warn_of_unknown_settings", "json"),
        ("check", "askonce_worker.check.findings", "_similarity", "console"),
    ],
)
async def test_a_crash_says_where_and_not_what(settings, tmp_path, command, module, name, form):
    url = settings["ASKONCE_REDIS_URL"]
    code = CRASH.format(module=module, name=name, command=command, prompt=PROMPT, url=url)
    returned, output = await run(settings | {"ASKONCE_LOG_FORMAT": form}, tmp_path, "-c", code)
    assert returned == 1
    assert "ValueError" in output
    assert "<string>:" in output
    nothing_secret_in(output)


BROKEN = [
    ("ASKONCE_REDIS_URL", f"redis://user:{PASSWORD}@localhost:6379/0"),
    ("ASKONCE_REDIS_URL", f"mysql://user:{QUOTED}@localhost:6379/0"),
    ("ASKONCE_REDIS_URL", f"redis://user:{QUOTED}@localhost:1/0"),
    ("ASKONCE_QDRANT_URL", f"https://user:{QUOTED}@localhost:1"),
    ("OPENAI_BASE_URL", f"http://user:{QUOTED}@localhost:1/v1"),
    ("ASKONCE_EMBEDDING_BASE_URL", f"http://user:{QUOTED}@localhost:1/v1"),
]


@pytest.mark.parametrize(("name", "value"), BROKEN, ids=range(len(BROKEN)))
@pytest.mark.parametrize("command", ["check", "run"])
async def test_no_password_of_a_url_is_repeated(settings, tmp_path, name, value, command):
    settings |= {name: value, "ASKONCE_REDIS_AWAY_LIMIT": "1"}
    code, output = await run(settings, tmp_path, "-m", "askonce_worker", command)
    assert code != 0
    assert output
    nothing_secret_in(output)


async def run(settings, tmp_path, *words):
    """Exit code and all output, until it has ended or works."""
    log = tmp_path / "output"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *words, env=environment({"ASKONCE_LOG_FORMAT": "json", **settings}),
            stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output,
        )  # fmt: skip

    async def ended():
        return process.returncode is not None or "worker.started" in log.read_text()

    try:
        await until(ended, seconds=60, what="its end")
    finally:
        if process.returncode is None:
            process.kill()
    return await process.wait(), log.read_text()
