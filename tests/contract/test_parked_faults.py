"""Where a kill, a duplicate or a provider's outage at the wrong moment must lose nothing, and pay nothing twice."""

import tempfile

import pytest
from openai import AsyncOpenAI

from askonce import Question
from askonce_worker.parked import batches
from askonce_worker.parked import store as parked_store
from askonce_worker.parked.batches import Batches
from askonce_worker.parked.provider_api import BatchApi
from askonce_worker.parked.store import LockLost, ParkedStore
from askonce_worker.providers.provider import ProviderError
from askonce_worker.providers.retry import RetryDecision
from support.asking import paraphrases
from support.parking import answers, distinct, in_place, nothing_left, paid_once, park, running, seen, taking
from support.wired import wired_workers
from support.worker_process import until


async def test_no_disk_is_needed(batch_worker, llm_server, monkeypatch):
    """A container's root cannot be written, and has no /tmp."""
    monkeypatch.setattr(tempfile, "_get_default_tempdir", lambda: (_ for _ in ()).throw(FileNotFoundError(2, "none")))
    monkeypatch.setattr(tempfile, "tempdir", None)
    async with wired_workers(1, batch_worker) as [worker]:
        found = await answers(worker, await park(worker, *distinct(2)))
    assert [answer.source for answer in found] == ["llm", "llm"]


async def test_who_comes_while_what_is_left_goes_back_is_answered_too(batch_worker, llm_server, monkeypatch):
    await llm_server.control(batches={"lines": [{"kind": "status", "contains": "town 0?", "status": 500}]})
    real, late = ParkedStore.unpark, []

    async def unpark(self, some, now_ms):
        if not late and some:
            late.extend(await park(worker, *distinct(1)))
        return await real(self, some, now_ms)

    monkeypatch.setattr(ParkedStore, "unpark", unpark)
    async with wired_workers(1, batch_worker) as [worker]:
        ids = await park(worker, *distinct(1))
        async with taking(worker):
            first = await answers(worker, ids)
            found = first + await answers(worker, late)
        await nothing_left(worker)
    assert [answer.status for answer in found] == ["answered", "answered"]


async def test_a_kill_while_a_refused_batch_is_emptied(batch_worker, llm_server, monkeypatch):
    words = "Enqueued token limit reached for m"
    await llm_server.control(batches={"steps": [{"step": "create", "status": 429, "message": words}]})
    real, killed = ParkedStore.move, []

    async def move(self, ids, source, target, *, tries=0):
        if killed or not source.startswith("lines:"):
            return await real(self, ids, source, target, tries=tries)
        killed.append(source)
        await real(self, ids[:4], source, target, tries=tries)
        raise LockLost

    monkeypatch.setattr(ParkedStore, "move", move)
    async with wired_workers(2, batch_worker) as [worker, _]:
        found = await answers(worker, await park(worker, *distinct(10)))
        await nothing_left(worker)
    assert killed
    assert {answer.source for answer in found} == {"llm"}
    await paid_once(llm_server, 10)


async def test_a_redis_that_forgot_the_creation_does_not_create_again(batch_worker, llm_server):
    await llm_server.control(batches={"seconds": 3600})
    async with wired_workers(1, batch_worker) as [worker]:
        ids = await park(worker, *distinct(3))
        [name] = await running(worker)
        key = worker.keys.parked(f"batch:{name.decode()}")
        await worker.redis.hset(key, "state", "uploaded")
        await worker.redis.hdel(key, "id", "asked", "status")
        await running(worker)
        await llm_server.control(batches={"finish": True})
        await answers(worker, ids)
    batches, _ = await seen(llm_server)
    assert (batches["billed"], len(batches["batches"])) == (3, 1)


async def test_a_provider_that_comes_back_from_an_outage_is_not_asked_again(batch_worker, llm_server, monkeypatch):
    """It answers 503 for a while, then does not know the batch once, then has no file of it yet."""
    real, looks = BatchApi.look, []

    async def look(self, batch_id):
        looks.append(batch_id)
        if len(looks) <= 10:
            status = 503 if len(looks) < 10 else 404
            raise ProviderError(RetryDecision("server_error", final=False), f"answered {status}", status=status)
        found = await real(self, batch_id)
        return found.model_copy(update={"output_file_id": None}) if len(looks) < 20 else found

    monkeypatch.setattr(BatchApi, "look", look)
    async with wired_workers(1, batch_worker) as [worker]:
        found = await answers(worker, await park(worker, *distinct(5)))
    assert {answer.source for answer in found} == {"llm"}
    batches, _ = await seen(llm_server)
    assert (batches["billed"], len(batches["batches"])) == (5, 1)


async def test_a_file_that_is_not_all_there_is_read_again_and_nothing_is_paid_twice(
    batch_worker, llm_server, monkeypatch
):
    """It ends after two lines, in the middle of the last, and then is whole."""
    real, read = BatchApi.content, []

    async def content(self, file_id):
        read.append(file_id)
        lines = [line async for line in real(self, file_id)]
        for line in {1: lines[:2], 2: [*lines[:4], lines[4][:20]]}.get(len(read), lines):
            yield line

    monkeypatch.setattr(BatchApi, "content", content)
    async with wired_workers(1, batch_worker) as [worker]:
        found = await answers(worker, await park(worker, *distinct(5)))
        await nothing_left(worker)
    assert {answer.source for answer in found} == {"llm"}
    batches, calls = await seen(llm_server)
    assert (calls, batches["billed"], set(batches["texts"].values()), len(read)) == (0, 5, {1}, 3)


async def test_a_twin_that_has_ended_does_not_hold_up_the_batch(batch_worker, llm_server, monkeypatch):
    """Two batches of one name, as a request was very late; both have completed when they are found."""
    real, made = BatchApi.create, []

    async def create(self, name, file_id, *, within):
        made.extend([await real(self, name, file_id, within=within) for _ in range(2)])

        async def have_ended():
            return all([(await self.look(each.id)).status == "completed" for each in made])

        await until(have_ended, what="both to complete")
        raise ProviderError(RetryDecision("timeout", final=False), "no reply in time")

    monkeypatch.setattr(BatchApi, "create", create)
    await llm_server.control(batches={"seconds": 0.0})
    async with wired_workers(1, batch_worker) as [worker]:
        found = await answers(worker, await park(worker, *distinct(2)))
    assert len(made) == 2
    assert {answer.source for answer in found} == {"llm"}


async def test_a_rewording_that_gets_a_second_waiter_while_it_is_joined_is_not_paid_for(
    batch_worker, llm_server, monkeypatch
):
    first, other = paraphrases("How far is town 0? [g0]", 2)
    real, late = ParkedStore.join, []

    async def join(self, *arguments):
        if not late:
            late.append(True)
            late.extend(await park(worker, Question(other)))
        return await real(self, *arguments)

    monkeypatch.setattr(ParkedStore, "join", join)
    async with wired_workers(1, batch_worker) as [worker]:
        ids = await park(worker, Question(first), Question(other))
        found = await answers(worker, ids)
        found += await answers(worker, late[1:])
        await nothing_left(worker)
    assert [answer.source for answer in found] == ["llm", "inflight", "inflight"]
    batches, calls = await seen(llm_server)
    assert (calls, batches["billed"]) == (0, 1)


async def test_a_late_creation_of_a_worker_that_lost_its_lock_is_cancelled(batch_worker, llm_server, monkeypatch):
    real, lost = BatchApi.create, []

    async def create(self, name, file_id, *, within):
        created = await real(self, name, file_id, within=within)
        if not lost:
            lost.append(created.id)
            await worker.redis.set(worker.keys.parked_lock, "another", px=300)
            await worker.redis.hset(worker.keys.parked(f"batch:{name}"), mapping={"state": "running", "id": "theirs"})
        return created

    monkeypatch.setattr(BatchApi, "create", create)
    await llm_server.control(batches={"seconds": 3600})
    async with wired_workers(1, batch_worker) as [worker]:
        await park(worker, *distinct(2))

        async def was_cancelled():
            return (await seen(llm_server))[0]["requests"].get("cancel", 0)

        await until(was_cancelled, what="a cancellation")
    batches, _ = await seen(llm_server)
    assert [each["status"] in ("cancelling", "cancelled") for each in batches["batches"] if each["id"] in lost] == [
        True
    ]


async def test_a_waiter_who_comes_while_another_leaves_keeps_his_deadline(batch_worker, llm_server, monkeypatch):
    await llm_server.control(batches={"seconds": 3600, "cancelling": 3600})
    real, late = ParkedStore.let_go, []

    async def let_go(self, parked, waiters, now_ms, *, asked_again):
        if not late and waiters:
            late.extend(await park(worker, *distinct(1), timeout=30))
        await real(self, parked, waiters, now_ms, asked_again=asked_again)

    monkeypatch.setattr(ParkedStore, "let_go", let_go)
    async with wired_workers(1, batch_worker) as [worker]:
        ids = await park(worker, *distinct(1))
        [name] = await running(worker)
        await worker.client.cancel(ids)

        async def his():
            place = worker.keys.parked(f"lines:{name.decode()}")
            [(question, score)] = await worker.redis.zrange(place, 0, -1, withscores=True)
            waits = await worker.redis.hkeys(worker.keys.parked(f"question:{question.decode()}"))
            left = [field for field in waits if field.startswith(b"w:")]
            return late and len(left) == 1 and score < 2**52

        await until(his, seconds=60, what="the nearest deadline of those who wait")


async def test_records_that_cannot_be_read_hold_up_no_other(batch_worker, llm_server):
    async with wired_workers(1, batch_worker) as [worker]:
        for n in range(64):
            record = {"place": "new", "question": b'{"v":2}'}
            await worker.redis.hset(worker.keys.parked(f"question:x{n}"), mapping=record)
            await worker.redis.zadd(worker.keys.parked("new"), {f"x{n}": 1})
        await worker.redis.zadd(worker.keys.parked("new"), {"gone": 1})
        found = await answers(worker, await park(worker, *distinct(2)))
        await in_place(worker, parked_store.ASIDE, 64)
    assert {answer.source for answer in found} == {"llm"}


@pytest.mark.parametrize("lost", [LockLost(), ProviderError(RetryDecision("timeout", final=False), "no reply in time")])
async def test_a_file_whose_id_nobody_has_learnt_is_deleted(batch_worker, llm_server, monkeypatch, lost):
    """A kill between the upload and its record, or an upload whose reply is lost; others' files stay."""
    real, killed = BatchApi.upload, []

    async def upload(self, name, content):
        uploaded = await real(self, name, content)
        if len(killed) < 3:
            killed.append(uploaded)
            raise lost
        return uploaded

    monkeypatch.setattr(BatchApi, "upload", upload)
    async with wired_workers(2, batch_worker) as [worker, _]:
        api = AsyncOpenAI(api_key="k", base_url=batch_worker["OPENAI_BASE_URL"])
        own = await api.files.create(file=("own.jsonl", b"{}\n"), purpose="batch")
        await api.close()
        found = await answers(worker, await park(worker, *distinct(2)))
        await nothing_left(worker)

        async def are_deleted():
            return (await seen(llm_server))[0]["files"] == [own.id]

        await until(are_deleted, seconds=60, what="files to be deleted")
    assert len(killed) == 3
    assert {answer.source for answer in found} == {"llm"}
    assert (await seen(llm_server))[0]["billed"] == 2


async def test_files_stay_for_a_while_so_that_a_redis_from_before_their_end_finds_them(
    batch_worker, llm_server, monkeypatch
):
    monkeypatch.setattr(batches, "FILES_STAY", 600_000)
    real, looks = Batches.files, []

    async def files(self, count):
        looks.append(await real(self, count))
        return looks[-1]

    monkeypatch.setattr(Batches, "files", files)
    async with wired_workers(1, batch_worker) as [worker]:
        await answers(worker, await park(worker, *distinct(2)))
        waiting = worker.keys.parked("files")

        async def are_noted():
            return await worker.redis.zcard(waiting) == 2

        await until(are_noted, seconds=60, what="files to be deleted")
        looks.clear()

        async def was_looked():
            return len(looks) > 2

        await until(was_looked, seconds=60, what="some looks")
        assert not any(looks)
        assert len((await seen(llm_server))[0]["files"]) == 2
        await worker.redis.zadd(waiting, dict.fromkeys(await worker.redis.zrange(waiting, 0, -1), 1))
        await nothing_left(worker)
    assert (await seen(llm_server))[0]["files"] == []
