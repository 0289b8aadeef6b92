"""The producers' guide and the wire protocol, as they stand, over a real worker: its shell, its Python, its table."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import orjson
import pytest

from askonce import AnswerTimeout, Client, InvalidQuestion, Question, UnknownJob, errors
from askonce.answer import ErrorKind
from support.valkey_fixture import own_valkey  # noqa: F401
from support.worker_process import until, workers

ROOT = Path(__file__).parents[2]
GUIDE = "".join((ROOT / "docs" / name).read_text("utf-8") for name in ("producers.md", "wire-protocol.md"))
REDIS_CLI = f"""#!{sys.executable}
import os, sys
from redis import Redis

def show(reply):  # as redis-cli does when its output is no terminal
    if isinstance(reply, (list, tuple)):
        for item in reply:
            show(item)
    else:
        print("" if reply is None else reply)

words = sys.argv[1:]
if words[0] == "-x":
    words = [*words[1:], sys.stdin.read()]
redis = Redis.from_url(os.environ["GUIDE_REDIS"], protocol=2, decode_responses=True, socket_timeout=70)
redis.response_callbacks.clear()
show(redis.execute_command(*words))
"""


def part(name):
    """The fenced block, or the table, after the marker `guide: name`."""
    found = re.search(rf"<!-- guide: {name} -->\n(?:```\w+\n((?s:.*?))```|((?:\|.*\n)+))", GUIDE)
    assert found, f"no part {name} in the guide"
    return found[1] or found[2]


@pytest.fixture
def settings(own_valkey, llm_server, monkeypatch):  # noqa: F811
    """A Redis of its own: the guide's keys begin as they do by default."""
    settings = {
        "ASKONCE_REDIS_URL": own_valkey.url,
        "ASKONCE_MODEL": "gpt-4o-mini",
        "OPENAI_BASE_URL": llm_server.base_url,
        "OPENAI_API_KEY": "test",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return settings


@pytest.fixture
def shell(settings, tmp_path):
    """Runs a script in which `redis-cli` is a few lines around redis-py. Returns the lines it prints."""
    program = tmp_path / "redis-cli"
    program.write_text(REDIS_CLI)
    program.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "GUIDE_REDIS": settings["ASKONCE_REDIS_URL"],
    }

    async def run(script):
        command = ["sh", "-eu", "-c", script]
        done = await asyncio.to_thread(
            subprocess.run, command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return run


async def test_the_shell_of_the_guide_gets_its_answer_told_and_reads_it(settings, shell, llm_server):
    async with workers(1, settings):
        accepted, new, stream, _, field, told, result = await shell(part("wire"))
        assert (accepted, new) == ("ok", "1")
        assert (stream, field, told) == ("askonce:answered:shop-1", "ids", "default:order-17")
        record = orjson.loads(result)
        assert (record["status"], record["source"], record["metadata"]) == ("answered", "llm", {"order": 17})
        assert record["body"]["choices"][0]["message"]["content"] == "answer to: What is a monad?"
        again = await shell(part("wire"))
        assert (again[:2], again[-1]) == (["ok", "0"], result)
        async with Client() as client:
            assert (await client.result("order-17", timeout=0)).body == record["body"]
            same = Question("What is a monad?", params={"temperature": 0})
            assert record["fingerprint"] == same.filled(namespace="default", model="gpt-4o-mini").fingerprint
            assert (await client.ask(same)).source == "exact"
    [call] = (await llm_server.stats())["chat"]["requests"]
    assert call["body"]["temperature"] == 0


async def test_the_python_of_a_batch_job_collects_what_it_submitted_in_two_goes(settings, llm_server):
    names = {}
    exec(part("batch"), names)
    await llm_server.fail("chat", "status", status=400, contains="poison")
    texts = [f"What is {word}?" for word in ("one", "two", "poison")]
    questions = [Question(text, job_id=f"batch/{place}") for place, text in enumerate(texts)]
    async with Client(max_queued=2, chunk_size=1) as client:
        submitting = asyncio.create_task(names["submit_all"](client, questions))

        async def is_full():
            return list((await client.status(["batch/0", "batch/1", "batch/2"])).values()).count("queued") == 2

        await until(is_full, what="a full queue")
        async with workers(1, settings):
            ids = await submitting
            found = await names["collect"](client, ids)
    assert [found[job_id] for job_id in ids] == [
        "answer to: What is one?", "answer to: What is two?", "failed: bad_request"
    ]  # fmt: skip
    assert (await llm_server.stats())["chat"]["texts"] == dict.fromkeys(texts, 1)


async def test_a_scheduled_task_that_runs_again_finds_what_its_first_run_asked(settings, llm_server):
    names = {}
    exec(part("scheduler"), names)
    submit = ("dag/manual__2026-01-01T00:00:00+00:00/ask", ["What is a monad?", "What is a functor?"], "gpt-4o-mini")
    first = await asyncio.to_thread(names["submit"], *submit)
    assert not await asyncio.to_thread(names["is_done"], first)
    async with workers(1, settings):
        assert await asyncio.to_thread(names["submit"], *submit) == first

        async def done():
            return await asyncio.to_thread(names["is_done"], first)

        await until(done, what="the end of the sensor")
    assert await asyncio.to_thread(names["submit"], *submit) == first
    async with Client() as client:
        answers = [await client.result(job_id, timeout=0) for job_id in first]
        with pytest.raises(InvalidQuestion):
            await client.submit(Question("Something else", job_id=first[0]))
        with pytest.raises(UnknownJob):
            await client.result("never", timeout=0)
        waiting = await client.submit("Nobody works any more?")
        with pytest.raises(AnswerTimeout):
            await client.result(waiting, timeout=0)
    assert [answer.text for answer in answers] == ["answer to: What is a monad?", "answer to: What is a functor?"]
    assert (await llm_server.stats())["chat"]["calls"] == 2


def test_the_table_of_failures_names_every_error_and_every_kind():
    rows = [line.split("|")[1] for line in part("failures").splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    kinds = set(get_args(ErrorKind))
    assert named == kinds | {error.__name__ for error in raised(errors.AskOnceError)}


def raised(error):
    """Of a tree of errors those that have none below them."""
    below = error.__subclasses__()
    return {error} if not below else set().union(*map(raised, below))
