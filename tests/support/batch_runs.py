"""`askonce batch` in this process, over a client that the test gives it."""

import argparse
import asyncio

import orjson
import pytest

from askonce import Answer, AnswerError
from askonce.commands import batch as command

BROKEN = Answer(None, "failed", error=AnswerError("server_error", "down", 503))


@pytest.fixture
def files(tmp_path, monkeypatch):
    """The directory that the command runs in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ASKONCE_MODEL", "fake")
    return tmp_path


async def batch(askonce, *arguments):
    """The exit code of `askonce batch …`."""
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    parser.add_argument("--namespace", default="default")
    parser.add_argument("--json", action="store_true")
    parser.set_defaults(url=None, env_file=None)
    return await command.run(askonce, parser.parse_args(arguments))


async def stopped(askonce, after, *arguments):
    """A run that is cancelled once so many questions were asked."""
    run = asyncio.create_task(batch(askonce, "in.jsonl", "out.jsonl", "--in-flight", "20", *arguments))
    while len(askonce.asked) < after and not run.done():
        await asyncio.sleep(0)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run


def write(path, texts):
    path.write_bytes(b"".join(orjson.dumps({"id": f"c{i}", "question": text}) + b"\n" for i, text in enumerate(texts)))


def records(path):
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def texts(path):
    return {
        record["custom_id"]: record["response"]["body"]["choices"][0]["message"]["content"] for record in records(path)
    }


def ids(path):
    return [record["custom_id"] for record in records(path)]


async def at_the_other_end(work, *args):
    """Of a pipe, in a thread that has begun: each side's opening waits for the other's."""
    task = asyncio.create_task(asyncio.to_thread(work, *args))
    await asyncio.sleep(0)
    return task
