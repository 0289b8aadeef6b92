"""`askonce batch` between pipes and devices."""

import asyncio
import os
import time

import orjson
import pytest

from askonce.batch import lines as lines_module
from askonce.batch.sampling import sampled
from askonce.testing import FakeClient
from support.batch_runs import BROKEN, at_the_other_end, batch, write


async def test_a_pipe_is_read_once(files):
    os.mkfifo(files / "pipe")
    async with FakeClient() as askonce:
        for option in ("--strict", "--retry-failed"):
            with pytest.raises(ValueError, match="twice"):
                await batch(askonce, "pipe", "out.jsonl", option)
    assert not (files / "out.jsonl").exists()


async def test_lines_of_a_stream_that_are_cut_otherwise_are_other_lines(files):
    os.mkfifo(files / "pipe")
    async with FakeClient() as askonce:
        for text, lines in ((b"ab\nc\n", 2), (b"a\nbc\n", None)):
            writing = await at_the_other_end((files / "pipe").write_bytes, text)
            if lines:
                assert await batch(askonce, "pipe", "out.jsonl", "--text") == 0
            else:
                with pytest.raises(ValueError, match="differs from the last run"):
                    await batch(askonce, "pipe", "out.jsonl", "--text")
            await writing
    assert len(askonce.asked) == 2


async def test_a_writer_that_waits_for_answers_before_it_writes_more_gets_them(files):
    os.mkfifo(files / "pipe")

    def write_in_turns():
        with (files / "pipe").open("wb", buffering=0) as pipe:
            for turn in range(2):
                pipe.write(b"Number %d?\n" % turn)
                until = time.monotonic() + 30
                while not (files / "out.jsonl").exists() or (files / "out.jsonl").read_bytes().count(b"\n") <= turn:
                    assert time.monotonic() < until, "no answer came"
                    time.sleep(0.02)

    async with FakeClient() as askonce:
        writing = await at_the_other_end(write_in_turns)
        assert await batch(askonce, "pipe", "out.jsonl", "--text") == 0
        await writing


async def test_the_sample_of_a_stream_is_bounded_in_bytes():
    taken = 0

    async def blocks():
        nonlocal taken
        for number in range(1, 1000):
            taken += 1
            yield [lines_module.RawLine(number, b"x" * 700_000)]

    _, every = await sampled(blocks())
    assert taken <= 14
    assert [raw.number async for block in every for raw in block] == list(range(1, 1000))


async def test_a_stream_that_cannot_be_read_ends_the_run():
    reading, writing = os.pipe()
    with pytest.raises(OSError, match="Bad file"):
        async with asyncio.timeout(10):
            [_ async for _ in lines_module.read_lines(writing, "x")]
    os.close(reading)


async def test_failed_lines_of_a_device_go_to_the_device(files):
    write(files / "in.jsonl", ["good?", "bad?"])
    os.mkfifo(files / "pipe")
    reading = await at_the_other_end((files / "pipe").read_bytes)
    async with FakeClient(lambda q: BROKEN if q.text == "bad?" else q.text) as askonce:
        assert await batch(askonce, "in.jsonl", "pipe") == 1
    assert sorted(orjson.loads(line)["custom_id"] for line in (await reading).splitlines()) == ["c0", "c1"]
    assert {path.name for path in files.iterdir()} == {"in.jsonl", "pipe"}
