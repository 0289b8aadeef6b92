"""Files that were uploaded and are in no batch are deleted, and only those."""

import pytest
from openai import AsyncOpenAI

from askonce_worker.parked.provider_api import BatchApi
from askonce_worker.providers.provider import ProviderError
from askonce_worker.providers.retry import RetryDecision
from support.parking import answers, distinct, park, seen
from support.wired import wired_workers
from support.worker_process import until

NO_REPLY = ProviderError(RetryDecision("timeout", final=False), "no reply in time")


@pytest.fixture
def first_upload(monkeypatch):
    """Ids of uploaded files. What a test puts into the second list is awaited once, with the batch's name, after the
    first one."""
    real, made, then = BatchApi.upload, [], []

    async def upload(self, name, content):
        made.append(await real(self, name, content))
        if len(made) == 1:
            await then[0](name)
        return made[-1]

    monkeypatch.setattr(BatchApi, "upload", upload)
    return made, then


async def are_deleted(llm_server, *but):
    async def gone():
        batches, _ = await seen(llm_server)
        return batches["requests"].get("upload", 0) > len(but) and set(batches["files"]) == set(but)

    await until(gone, seconds=60, what="files to be deleted")


async def test_a_worker_that_has_lost_its_lock_drops_no_file_of_the_next(
    batch_worker, llm_server, monkeypatch, first_upload
):
    """It froze while it listed them, and the next one uploads for the same batch meanwhile."""
    _, then = first_upload
    real, listed = BatchApi.uploads, []

    async def no_reply(_):
        raise NO_REPLY

    async def uploads(self, name, *, since):
        found = await real(self, name, since=since)
        if not listed:
            listed.append(name)
            await worker.redis.set(worker.keys.parked_lock, "another", px=300)
            return [*found, others.id]
        return found

    then.append(no_reply)
    monkeypatch.setattr(BatchApi, "uploads", uploads)
    async with AsyncOpenAI(api_key="k", base_url=batch_worker["OPENAI_BASE_URL"]) as api:
        others = await api.files.create(file=("others.jsonl", b"{}\n"), purpose="batch")
    async with wired_workers(1, batch_worker) as [worker]:
        await answers(worker, await park(worker, *distinct(2)))
        await are_deleted(llm_server, others.id)
    assert listed


async def test_a_worker_that_loses_its_lock_while_it_uploads_drops_that_file(
    batch_worker, llm_server, monkeypatch, first_upload
):
    """The next one has listed them before that one was there."""
    made, then = first_upload

    async def lost(_):
        await worker.redis.set(worker.keys.parked_lock, "another", px=300)

    async def uploads(self, name, *, since):
        return []

    then.append(lost)
    monkeypatch.setattr(BatchApi, "uploads", uploads)
    async with wired_workers(1, batch_worker) as [worker]:
        await answers(worker, await park(worker, *distinct(2)))
        await are_deleted(llm_server)
    assert len(made) == 2


@pytest.mark.parametrize("then_", ["every question is cancelled", "the batch is cancelled", "the list is refused"])
async def test_a_file_of_a_lost_reply_is_deleted_though(batch_worker, llm_server, first_upload, then_):
    made, then = first_upload

    async def no_reply(name):
        if then_ == "every question is cancelled":
            await worker.client.cancel(ids)
        elif then_ == "the batch is cancelled":
            await worker.redis.hset(worker.keys.parked(f"batch:{name}"), "cancel", "1")
        else:
            words = "Rate limit reached, too many tokens"
            steps = [{"step": "files", "status": 429, "message": words, "code": "rate_limit_exceeded"}]
            await llm_server.control(batches={"steps": steps})
        raise NO_REPLY

    then.append(no_reply)
    async with wired_workers(1, batch_worker) as [worker]:
        ids = await park(worker, *distinct(2))
        await are_deleted(llm_server)
    assert made
