"""Batches that are served: nothing that was answered is left out of their files, and what an input may be."""

import asyncio
import gzip
from types import SimpleNamespace

import orjson
import pytest

from askonce import Question
from askonce.batch.line_format import Line
from askonce.batch.run import Run
from askonce.served.checking import check
from askonce.served.lease import Counts
from askonce.served.part_ledger import PartLedger
from askonce.served.results import Results
from askonce.tables.lines import MAX_LINE
from askonce.testing import FakeClient

URL = "/v1/chat/completions"


class Blobs:
    """In memory. A write goes on once `free` is set, and fails where there are faults."""

    def __init__(self):
        self.kept, self.faults, self.writes = {}, [], 0
        self.begun, self.free = asyncio.Event(), asyncio.Event()
        self.free.set()

    async def write(self, name, data):
        self.writes += 1
        self.begun.set()
        await self.free.wait()
        if self.faults:
            raise self.faults.pop()
        self.kept[name] = data

    async def names(self, folder):
        return sorted(self.kept)

    async def read(self, name):
        yield self.kept[name]

    async def delete(self, names):
        for name in names:
            del self.kept[name]


class Lease:
    fence = 1

    def __init__(self):
        self.record = SimpleNamespace(id="batch_1", namespace="n", wishes=SimpleNamespace(output_lifetime=None))
        self.counts, self.statuses = Counts(), []

    async def confirm(self):
        pass

    async def advance(self, status, **_):
        self.statuses.append(status)


class Files:
    def __init__(self):
        self.kept = {}

    async def put(self, namespace, name, filename, purpose, data, lifetime, *, batch, fence):
        self.kept[name] = b"".join([block async for block in data])
        return True


def record(line):
    response = {"status_code": 200, "body": {}}
    return {"id": f"batch_req_batch_1-{line}", "response": response, "error": None, "askonce": {"line": line}}


@pytest.fixture
async def ledger():
    return PartLedger(Blobs(), Lease(), 100)


async def written(ledger):
    found = PartLedger(ledger._blobs, Lease(), 100)
    await found.load()
    return [line for line in range(1, 101) if found.is_done(line)]


async def test_a_save_that_is_under_way_at_the_last_answer_comes_to_its_end(ledger):
    blobs, underway = ledger._blobs, {}
    blobs.free.clear()

    async def questions():
        for line in range(1, 4):
            job_id = ledger.job_id(line)
            underway[job_id] = Line(line, str(line), Question(f"{line}?", model="m"))
            yield underway[job_id].question.with_fields(job_id=job_id)
            if line == 2:
                await blobs.begun.wait()

    cap = SimpleNamespace(reached=False, answered=lambda *_: None)
    source = SimpleNamespace(underway=underway, cap=cap, questions=questions)
    async with FakeClient() as client:
        run = Run(
            client, source, ledger, in_flight=10, ordered=False, timeout=None, namespace="n",
            show=lambda: None, note=lambda _: None, every=0.001,
        )  # fmt: skip
        running = asyncio.create_task(run.all())
        while len(ledger._unsaved["done"]) < 1 or underway:
            await asyncio.sleep(0.001)
        for _ in range(100):  # the run goes on to its end, as far as it comes
            await asyncio.sleep(0)
        blobs.free.set()
        await running
    assert await written(ledger) == [1, 2, 3]
    assert len(blobs.kept) == blobs.writes


async def test_an_answer_of_any_length_is_read_back(ledger):
    long = record(1)
    long["response"]["body"] = {"content": "x" * (MAX_LINE + 1)}
    ledger.add(long, asked="m")
    ledger.add(record(2), asked="m")
    await ledger.keep()
    assert await written(ledger) == [1, 2]
    await Results(ledger._blobs, Files(), ledger._lease, ledger).write("completed")
    assert ledger._lease.statuses == ["completed"]


@pytest.mark.parametrize("how", ["cancelled", "failed"])
async def test_lines_whose_save_did_not_come_to_its_end_are_kept_for_the_next(ledger, how):
    blobs = ledger._blobs
    ledger.add(record(1), asked="m")
    blobs.free.clear()
    blobs.faults = [OSError("full")]
    saving = asyncio.create_task(ledger.keep())
    await blobs.begun.wait()
    ledger.add(record(2), asked="m")
    if how == "cancelled":
        blobs.faults = []
        saving.cancel()
    blobs.free.set()
    await asyncio.wait({saving})
    assert (ledger.broken, ledger.is_written, blobs.kept) == (True, False, {})
    await ledger.complete()
    assert (ledger.broken, ledger.is_written) == (False, True)
    assert await written(ledger) == [1, 2]


async def test_a_batch_does_not_end_with_fewer_lines_than_were_counted(ledger):
    ledger.add(record(1), asked="m")
    await ledger.keep()
    lease, files = ledger._lease, Files()
    lease.counts.completed += 1
    with pytest.raises(OSError, match="1"):
        await Results(ledger._blobs, files, lease, ledger).write("completed")
    assert (lease.statuses, files.kept, len(ledger._blobs.kept)) == ([], {}, 1)
    lease.counts.completed -= 1
    await Results(ledger._blobs, Files(), lease, ledger).write("completed")
    assert lease.statuses == ["completed"]


def line(**body):
    asked = {"model": "m", "messages": [{"role": "user", "content": "a"}], **body}
    return orjson.dumps({"custom_id": "1", "method": "POST", "url": URL, "body": asked})


@pytest.mark.parametrize(
    ("blocks", "code", "word"),
    [
        ([gzip.compress(line())], "invalid_file", "gzip"),
        ([b"\x1f", gzip.compress(line())[1:]], "invalid_file", "gzip"),
        ([b"\x28\xb5\x2f\xfd rest"], "invalid_file", "zstd"),
        ([b"\n" * 10 + line()], "too_many_tasks", "10"),
        ([line(askonce={"cache": "bypass"})], "unknown_parameter", "askonce"),
    ],
)
async def test_an_input_that_no_batch_takes(blocks, code, word):
    async def given():
        for block in blocks:
            yield block

    error = (await check(given(), "in", endpoint=URL, most=10)).errors[0]
    assert error["code"] == code
    assert word in error["message"]


async def test_others_have_their_turn_while_an_input_is_looked_at():
    turns = 0

    async def given():
        for _ in range(20):
            yield b"\n" * 100

    async def count():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    await check(given(), "in", endpoint=URL, most=10)
    counting.cancel()
    assert turns >= 20
