"""Who runs a batch: what it waits for, and who pays."""

import asyncio
import contextlib

import orjson
import pytest
from redis.asyncio import Redis

from askonce.contract.keys import Keys
from askonce.contract.served_keys import ServedKeys
from askonce.errors import AskOnceError
from askonce.operator.access_keys import AccessKeys
from askonce.operator.known_keys import KnownKeys
from askonce.payer import Payer
from askonce.served import running
from askonce.served.batch_record import BatchRecord
from askonce.served.batch_run import Plan
from askonce.served.batches import Batches
from askonce.served.directory import Directory
from askonce.served.files import Files
from askonce.served.lease import Counts, claimed
from askonce.served.part_ledger import PartLedger
from askonce.served.paying import Paying
from askonce.served.results import Results
from askonce.served.running import Running
from askonce.store.connection import Store
from askonce.templates.template import Templates
from askonce.testing import FakeClient
from support.served import ENDED, URL, end_of
from support.worker_process import until

DAY = 86_400


@pytest.fixture
async def store(valkey_url):
    store = Store(valkey_url)
    yield store
    await store.aclose()


@pytest.fixture
def keys(prefix):
    return ServedKeys(prefix)


@pytest.fixture
def blobs(tmp_path):
    return Directory(str(tmp_path / "files"))


@pytest.fixture
def files(store, keys, blobs):
    return Files(store, keys, blobs, most=10_000, count=10, lifetime=DAY)


@pytest.fixture
def batches(store, keys):
    return Batches(store, keys, kept=DAY, most=10)


@pytest.fixture
def known(store, prefix):
    return KnownKeys(store, Keys(prefix).front_door.access)


@pytest.fixture
async def made(files, batches):
    async def new(*, seconds=DAY, key=""):
        async def lines():
            for number in range(3):
                body = {"model": "m", "messages": [{"role": "user", "content": f"{number}?"}]}
                yield orjson.dumps({"custom_id": str(number), "method": "POST", "url": URL, "body": body}) + b"\n"

        file = await files.upload("n", "in.jsonl", "batch", lines(), lifetime=None)
        record = BatchRecord(
            f"batch_{file.id.removeprefix('file-')}", "n", URL, file.id, "24h", 0, 0, "validating", key=key
        )
        return await batches.create(record, seconds=seconds)

    return new


@pytest.fixture
def run(store, keys, blobs, files, known):
    @contextlib.asynccontextmanager
    async def runs():
        async with FakeClient() as client:
            several = Running(client, store, keys, blobs, files, known, model=None, most=2, lines=10, kept=DAY)
            async with several.running():
                yield several

    return runs


async def test_a_batch_waits_for_a_place_that_is_away_and_says_so(made, batches, run, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(running, "AGAIN", 0.1)
    batch, place = await made(), tmp_path / "files"

    async def said():
        return [each for each in caplog.messages if "is its volume mounted?" in each]

    place.rename(tmp_path / "away")
    async with run():
        await until(said, what="a word of it")
        assert batch.id in caplog.messages[0]
        assert (await batches.get("n", batch.id)).status not in ENDED
        (tmp_path / "away").rename(place)
        found = await end_of(batches, batch)
    assert (found.status, found.counts) == ("completed", {"total": 3, "completed": 3, "failed": 0})


async def test_a_file_that_is_gone_fails_its_batch_at_the_end_of_the_window(
    made, batches, run, blobs, monkeypatch, caplog
):
    monkeypatch.setattr(running, "AGAIN", 0.1)
    batch = await made(seconds=3)
    await blobs.delete([f"files/{batch.input_file_id}"])

    async with run():
        found = await end_of(batches, batch)
    assert [each["code"] for each in found.errors] == ["file_not_found"]
    assert any("continuing in" in each for each in caplog.messages)


async def test_a_batch_whose_file_is_gone_can_be_cancelled_before_it_is_checked(made, batches, run, blobs, monkeypatch):
    monkeypatch.setattr(running, "AGAIN", 0.1)
    batch = await made()
    await blobs.delete([f"files/{batch.input_file_id}"])
    await batches.cancel("n", batch.id)

    async with run():
        assert (await end_of(batches, batch)).status == "cancelled"


async def test_a_batch_whose_file_is_gone_fails_once_it_is_cancelled(
    made, batches, run, blobs, store, keys, monkeypatch, caplog
):
    monkeypatch.setattr(running, "AGAIN", 0.1)
    batch = await made()
    lease = await claimed(store, keys, kept=DAY)
    await blobs.write(f"parts/{batch.id}/plan.json", Plan(3, Templates()).dump())
    await lease.advance("in_progress", total=3)
    await lease.give_back(0)
    await blobs.delete([f"files/{batch.input_file_id}"])
    await batches.cancel("n", batch.id)

    async with run():
        found = await end_of(batches, batch)
    assert (found.status, [each["code"] for each in found.errors]) == ("failed", ["file_not_found"])
    [said] = [each for each in caplog.messages if each.startswith(batch.id)]
    assert batch.input_file_id in said
    assert said.endswith("is missing")


async def test_who_wakes_up_after_another_has_ended_the_batch_leaves_its_results_alone(
    made, batches, files, blobs, store, keys
):
    async def ledger_of(lease):
        ledger = PartLedger(blobs, lease, 3)
        await ledger.load()
        return ledger

    batch = await made()
    first = await claimed(store, keys, kept=DAY)
    ledger = await ledger_of(first)
    for line in (1, 2, 3):
        answered = {"response": {"status_code": 200}, "error": None, "askonce": {"line": line}}
        ledger.add({"id": f"batch_req_{batch.id}-{line}", **answered}, asked="m")
    await ledger.keep()
    await first.give_back(0)
    second = await claimed(store, keys, kept=DAY)
    await Results(blobs, files, second, await ledger_of(second)).write("completed")
    kept = await blobs.names("files")
    with pytest.raises(OSError, match="0 done lines"):
        await Results(blobs, files, first, ledger).write("completed")
    assert await blobs.names("files") == kept
    output = await files.get("n", (await batches.get("n", batch.id)).output_file_id)
    found = b"".join([block async for block in files.content(output)])
    assert [orjson.loads(line)["askonce"]["line"] for line in found.splitlines()] == [1, 2, 3]


async def test_a_fault_while_batches_are_looked_for_does_not_end_the_looking(made, batches, run, monkeypatch, caplog):
    faults = [ValueError("a fault")]

    async def faulty(*arguments, **options):
        if faults:
            raise faults.pop()
        return await claimed(*arguments, **options)

    monkeypatch.setattr(running, "claimed", faulty)
    batch = await made()

    async with run():
        assert (await end_of(batches, batch)).status == "completed"
    assert "faulty" in caplog.text


async def test_who_is_to_end_takes_no_batch_and_hands_over_its_own(made, batches, run, blobs, store, keys, monkeypatch):
    monkeypatch.setattr(running, "AGAIN", 60)
    batch, begun = await made(), asyncio.Event()

    async def never(self):
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(running.BatchRun, "all", never)
    async with run() as several:
        await asyncio.wait_for(begun.wait(), 60)
        assert await claimed(store, keys, kept=DAY) is None
        several.end()

        async def taken():
            return await claimed(store, keys, kept=DAY)

        assert (await until(taken, what="the batch")).record.id == batch.id


async def test_counts_do_not_go_back_when_another_server_goes_on(made, batches, blobs, store, keys):
    batch = await made()
    first = await claimed(store, keys, kept=DAY)
    first.counts.completed, first.counts.failed = 2, 1
    await first.give_back(0)
    second = await claimed(store, keys, kept=DAY)
    await second.confirm()
    found = (await batches.get("n", batch.id)).counts
    assert (found["completed"], found["failed"]) == (2, 1)
    await PartLedger(blobs, second, 3).load()
    assert second.counts == Counts(0, 0)  # what is written counts


async def test_the_bound_of_a_key_is_that_of_the_day(made, store, keys, known, valkey_url, prefix, monkeypatch):
    monkeypatch.setattr("askonce.operator.known_keys.FRESH", 0.0)
    rights, where = frozenset({"ask"}), Keys(prefix).front_door.access
    await made(key="ada")
    lease = await claimed(store, keys, kept=DAY)
    paying = Paying(known, lease)
    async with AccessKeys(valkey_url, key_prefix=prefix) as access:
        for nano in (5, 7):
            await access.add("ada", namespace="n", rights=rights, payer=Payer("ada", nano, "day"))
            await paying.look()
            assert paying.payer == Payer("ada", nano, "day")
            await access.remove("ada")
        async with Redis.from_url(valkey_url) as redis:
            await redis.hset(where, "ada", b'{"format": 999}')
            with pytest.raises(AskOnceError, match="later release"):
                await paying.look()
            await redis.hdel(where, "ada")
        assert not lease.cancelled.is_set()
        await access.add("ada", namespace="another", rights=rights)
        await paying.look()
    assert lease.cancelled.is_set()
    assert lease.status == "cancelling"


async def test_a_batch_that_needed_no_key_is_cancelled_by_none(made, store, keys, known, valkey_url, prefix):
    await made()
    lease = await claimed(store, keys, kept=DAY)
    async with AccessKeys(valkey_url, key_prefix=prefix) as access:
        await access.add("ada", namespace="n", rights=frozenset({"ask"}))
    await Paying(known, lease).look()
    assert (lease.cancelled.is_set(), lease.status) == (False, "validating")


async def test_a_batch_whose_key_is_gone_ends_without_being_asked(made, batches, run):
    batch = await made(key="gone")

    async with run():
        found = await end_of(batches, batch)
    assert (found.status, found.counts["completed"], found.output_file_id) == ("cancelled", 0, None)
