"""`askonce.ask`: for callers that have no event loop."""

import asyncio
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import askonce
from askonce import AnswerTimeout, Client, Question, QuestionFailed
from askonce.testing import FakeClient
from support.services import RealService

SCRIPT = """
import logging, os, sys, warnings
import askonce

# How long a step takes is a matter of the machine: asyncio remarks on it in its debug mode.
logging.getLogger("asyncio").addFilter(lambda record: not record.getMessage().startswith("Executing "))

assert askonce.ask("q", client=None, timeout=60).text == "stored"
assert askonce.ask("q").source == "exact"
if sys.argv[1:] == ["fork"]:
    child = os.fork()
    if child == 0:
        assert askonce.ask("q").source == "exact"
        sys.exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert askonce.ask("q").source == "exact"
print("done")
"""


def test_it_answers_and_raises_as_the_client_does():
    def answering(question):
        if question.text == "bad":
            raise RuntimeError("on fire")
        return f"to {question.text}, {question.system}"

    client = FakeClient(answering)
    answer = askonce.ask("q", client=client, system="be brief", metadata={"row": 1})
    assert (answer.text, answer.metadata) == ("to q, be brief", {"row": 1})
    assert askonce.ask(Question("q", system="be brief"), client=client).source == "exact"
    with pytest.raises(QuestionFailed, match="on fire"):
        askonce.ask("bad", client=client)
    client.pause()
    with pytest.raises(AnswerTimeout, match="0 workers alive"):
        askonce.ask("other", client=client, timeout=0.1)


def test_threads_share_the_loop():
    client = FakeClient()
    askonce.ask("first", client=client)
    before = threading.active_count()
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda n: askonce.ask(f"q{n}", client=client), range(50)))
        assert threading.active_count() <= before + 8
    assert [answer.text for answer in answers] == [f"answer to: q{n}" for n in range(50)]


async def test_it_works_where_a_loop_runs_already():
    assert askonce.ask("q", client=FakeClient({"q": "a"})).text == "a"


@pytest.mark.parametrize("arguments", [[], ["fork"]], ids=["plain", "fork"])
async def test_a_program_that_asks_ends_without_a_warning(valkey_url, prefix, arguments):
    environment = {**os.environ, "ASKONCE_REDIS_URL": valkey_url, "ASKONCE_KEY_PREFIX": prefix, "ASKONCE_MODEL": "m"}
    async with Client(valkey_url, key_prefix=prefix, model="m") as client:
        await client.store("q", "stored")
    run = [sys.executable, "-X", "dev", "-W", "always", "-W", "ignore::DeprecationWarning", "-c", SCRIPT, *arguments]
    done = await asyncio.to_thread(subprocess.run, run, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr, done.returncode) == ("done\n", "", 0)


async def test_a_miss_waits_for_a_worker(valkey_url, prefix):
    async with RealService(valkey_url, prefix):
        client = Client(valkey_url, key_prefix=prefix, model="m")
        answer = await asyncio.to_thread(askonce.ask, "q", client=client)
        assert answer.text == "answer to: q"
