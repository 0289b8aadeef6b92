"""What nobody needs any more is cleared away, and nothing else."""

import os
import time

import pytest
from orjson import dumps, loads

from askonce.contract.served_keys import ServedKeys
from askonce.served.batch_record import BatchRecord
from askonce.served.batches import Batches, TooMany
from askonce.served.directory import Directory
from askonce.served.file_record import FileRecord, write_file
from askonce.served.files import Files, InUse
from askonce.served.lease import claimed
from askonce.served.sweep import HALF_WRITTEN, OLD, Sweep
from askonce.store.connection import Store

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
    return Directory(str(tmp_path))


@pytest.fixture
def files(store, keys, blobs):
    return Files(store, keys, blobs, most=100, count=3, lifetime=DAY)


@pytest.fixture
def batches(store, keys):
    return Batches(store, keys, kept=DAY, most=3)


async def one(data=b"1"):
    yield data


async def uploaded(files, namespace="n"):
    return await files.upload(namespace, "in.jsonl", "batch", one(), lifetime=None)


async def made(batches, file, number, *, seconds=DAY):
    record = BatchRecord(
        f"batch_{number:024x}", file.namespace, "/v1/chat/completions", file.id, "24h", 0, 0, "validating"
    )
    return await batches.create(record, seconds=seconds)


async def test_parts_of_no_open_batch_and_what_is_half_written_go_once_they_are_old(
    store, keys, files, batches, blobs, tmp_path
):
    batch = await made(batches, await uploaded(files), 1)
    ages = {
        f"parts/{batch.id}/done-1": OLD + 60,
        "parts/batch_gone/done-1": OLD + 60,
        "parts/batch_other/done-1": OLD - 60,
        "parts/batch_gone/.done-2.ab": HALF_WRITTEN + 60,
        "parts/batch_other/.done-2.ab": HALF_WRITTEN - 60,
        "files/.file-1.ab": HALF_WRITTEN + 60,
        "files/file-2": OLD + 60,
    }
    for name, age in ages.items():
        await blobs.write(name, b"1")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    await Sweep(store, keys, blobs).left_behind()
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    gone = {"parts/batch_gone/done-1", "parts/batch_gone/.done-2.ab", "files/.file-1.ab"}
    assert left & ages.keys() == ages.keys() - gone
    assert not (tmp_path / "parts/batch_gone").exists()


async def test_the_bytes_of_a_file_go_with_its_lifetime_unless_a_batch_reads_it(store, keys, files, batches, blobs):
    read, unread = await uploaded(files), await uploaded(files)
    await made(batches, read, 1)
    await store.pipeline([("ZADD", keys.expiries, 1, f"n/{each.id}") for each in (read, unread)])
    await Sweep(store, keys, blobs).expired()
    assert await blobs.names("files") == [read.blob]


async def test_an_upload_that_takes_longer_than_its_bytes_are_kept_is_no_file(store, keys, files, blobs):
    """Else there would be one without bytes: the sweep may be between a look and its deletion."""

    async def slow():
        yield b"1"
        [[member]] = await store.pipeline([("ZRANGE", keys.expiries, 0, -1)])
        await store.pipeline([("ZADD", keys.expiries, 1, member)])

    with pytest.raises(OSError, match="took over"):
        await files.upload("n", "in.jsonl", "batch", slow(), lifetime=None)
    assert await files.page("n", purpose=None, after=None, limit=10, newest_first=True) == ([], False)
    assert await blobs.names("files") == []


async def test_the_bytes_of_a_failed_upload_that_cannot_be_deleted_now_go_later(store, keys, files, blobs, monkeypatch):
    async def slow():
        yield b"1"
        [[member]] = await store.pipeline([("ZRANGE", keys.expiries, 0, -1)])
        await store.pipeline([("ZREM", keys.expiries, member)])

    async def away(self, names):
        raise PermissionError(13, "away")

    with monkeypatch.context() as patch:
        patch.setattr(Directory, "delete", away)
        with pytest.raises(OSError, match="away"):
            await files.upload("n", "in.jsonl", "batch", slow(), lifetime=None)
    assert len(await blobs.names("files")) == 1
    [[member]] = await store.pipeline([("ZRANGE", keys.expiries, 0, -1)])
    await store.pipeline([("ZADD", keys.expiries, 1, member)])
    await Sweep(store, keys, blobs).expired()
    assert await blobs.names("files") == []


async def test_a_namespace_has_so_many_files_and_open_batches_and_no_more(store, keys, files, batches):
    kept = [await uploaded(files) for _ in range(3)]
    with pytest.raises(TooMany):
        await uploaded(files)
    other = await uploaded(files, "other")
    await files.delete(kept[0])

    async def broken():
        yield b"1"
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        await files.upload("n", "in.jsonl", "batch", broken(), lifetime=None)
    kept[0] = await uploaded(files)
    for number in range(3):
        assert await made(batches, kept[0], number)
    with pytest.raises(TooMany):
        await made(batches, kept[0], 3)
    assert (await made(batches, kept[0], 2)).id  # sent again after a lost reply
    assert await made(batches, other, 9)
    lease = await claimed(store, keys, kept=DAY)
    assert await put(files, lease)  # results always find room
    await lease.advance("failed", ended=True)
    assert await made(batches, kept[0], 3)


RESULT = "file-" + "0" * 24 + "o"


async def put(files, lease, data=b"1"):
    batch, fence = lease.record.id, lease.fence
    return await files.put("n", RESULT, "out.jsonl", "batch_output", one(data), None, batch=batch, fence=fence)


async def content(files):
    return b"".join([block async for block in files.content(await files.get("n", RESULT))])


async def test_who_runs_a_batch_no_longer_writes_no_result_of_it(store, keys, files, batches, blobs):
    file = await uploaded(files)
    await made(batches, file, 1)
    first = await claimed(store, keys, kept=DAY)
    assert await put(files, first, b"1")
    await first.give_back(0)
    second = await claimed(store, keys, kept=DAY)
    assert await put(files, second, b"2")
    await second.advance("completed", ended=True)
    assert not await put(files, first, b"3")
    assert await content(files) == b"2"
    assert len(await blobs.names("files")) == 2  # of others nothing is left
    [until] = await store.pipeline([("ZSCORE", keys.expiries, f"n/{RESULT}")])
    assert int(float(until)) == (await files.get("n", RESULT)).expires_at

    await blobs.write(f"files/{RESULT}.d/000001", b"of a killed server")
    await files.delete(await files.get("n", RESULT))
    assert await blobs.names("files") == [file.blob]


async def test_results_as_they_were_kept_before_are_read_and_deleted(store, keys, files, blobs):
    file = FileRecord(RESULT, "n", "out.jsonl", "batch_output", 3, 1, 2)
    record = {name: value for name, value in loads(write_file(file)).items() if name != "fence"}
    await store.pipeline([("SET", keys.file("n", RESULT), dumps(record))])
    await blobs.write(f"files/{RESULT}", b"old")
    assert await content(files) == b"old"
    await files.delete(await files.get("n", RESULT))
    assert await blobs.names("files") == []


async def test_a_file_that_an_open_batch_reads_stays_however_late_that_came(store, keys, files, batches):
    file = await uploaded(files)
    record = await files.get("n", file.id)
    await made(batches, file, 1)
    with pytest.raises(InUse, match=f"batch_{1:024x}"):
        await files.delete(record)
    assert await files.get("n", file.id) == record
    await (await claimed(store, keys, kept=DAY)).advance("failed", ended=True)
    await files.delete(record)
    assert await files.get("n", file.id) is None
    assert await made(batches, file, 2) is None


async def test_the_namespace_of_which_fewest_are_run_has_its_turn(store, keys, files, batches):
    one, other = await uploaded(files, "one"), await uploaded(files, "other")
    for number in range(3):
        await made(batches, one, number)
    await made(batches, other, 9)
    leases = [await claimed(store, keys, kept=DAY) for _ in range(5)]
    assert [int(lease.record.id[6:], 16) for lease in leases[:4]] == [0, 9, 1, 2]
    assert leases[4] is None
    await leases[3].give_back(0)
    assert (await claimed(store, keys, kept=DAY)).record.id == leases[3].record.id
    for lease in leases[:3]:
        await lease.advance("completed", ended=True)
    [left] = await store.pipeline([("ZRANGE", keys.due, 0, -1)])
    assert left == [b"one"]


async def test_a_short_batch_takes_no_longer_one_off_the_list(store, keys, files, batches):
    file = await uploaded(files)
    await made(batches, file, 1, seconds=14 * DAY)
    created = time.time() - 4 * DAY
    await store.pipeline([("ZADD", keys.batches("n"), created * 1000, f"batch_{1:024x}")])
    await made(batches, file, 2, seconds=3)
    found, _ = await batches.page("n", after=None, limit=10)
    assert [int(each.id[6:], 16) for each in found] == [2, 1]
    [ttl] = await store.pipeline([("TTL", keys.batches("n"))])
    assert ttl >= 14 * DAY
