"""`askonce.run`, the synchronous face."""

import asyncio
import signal
import subprocess
import sys
import threading
import time

import pytest

import askonce
from askonce import Question
from askonce.testing import FakeClient

WAITS = """
import sys
import askonce
from askonce.testing import FakeClient

client = FakeClient(model="m")
client.pause()
def questions():
    yield "q"
    print("asked", flush=True)
try:
    askonce.run(questions(), client=client)
except KeyboardInterrupt:
    print("interrupted", flush=True)
    sys.exit(7)
"""


def test_answers_come_in_order_and_failed_ones_among_them():
    def answering(question):
        if question.text == "q3":
            raise RuntimeError("on fire")
        return f"to {question.text}"

    answers = askonce.run([f"q{n}" for n in range(500)], client=FakeClient(answering, model="m"), in_flight=50)
    assert [answer.text for answer in answers] == [f"to q{n}" if n != 3 else None for n in range(500)]
    assert answers[3].status == "failed"


async def test_it_works_where_a_loop_runs_already():
    async def others():
        return "still here"

    client = FakeClient({"q": "a"}, model="m")
    assert [answer.text for answer in askonce.run(["q"], client=client)] == ["a"]
    assert await others() == "still here"
    assert (await client.ask("q")).source == "exact"


def test_no_thread_is_left():
    before = threading.active_count()
    for _ in range(3):
        askonce.run(["q"], client=FakeClient(model="m"))
    deadline = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before


def test_what_the_questions_raise_is_raised():
    def questions():
        yield "q"
        raise LookupError("no more rows")

    with pytest.raises(LookupError, match="no more rows"):
        askonce.run(questions(), client=FakeClient(model="m"))
    with pytest.raises(TypeError, match="not one question"):
        askonce.run(Question("q"), client=FakeClient(model="m"))
    with pytest.raises(TypeError, match="model"):
        askonce.run(["q"], client=FakeClient(model="m"), model="n")


async def test_over_redis(valkey_url, prefix):
    from support.services import RealService

    async with RealService(valkey_url, prefix):
        options = {"redis_url": valkey_url, "key_prefix": prefix, "model": "m"}
        answers = await asyncio.to_thread(askonce.run, ["a", "b", "a"], **options)
    assert [answer.text for answer in answers] == ["answer to: a", "answer to: b", "answer to: a"]


def test_ctrl_c_ends_the_wait():
    process = subprocess.Popen([sys.executable, "-c", WAITS], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline() == b"asked\n"
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert (process.returncode, out, errors) == (7, b"interrupted\n", b"")
