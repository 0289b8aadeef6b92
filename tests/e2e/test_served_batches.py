"""OpenAI's Batch API over real servers and workers, with the official SDK: what it is told, and what a kill leaves."""

import asyncio
import secrets
import signal
from collections import Counter

import httpx
import openai
import pytest
import pytest_asyncio
from redis.asyncio import Redis

from askonce.contract.keys import Keys
from askonce.contract.served_keys import ServedKeys
from askonce.operator.access_keys import AccessKeys
from support.front_door import front_door
from support.served import (
    FILE_LINES,
    MOST_FILES,
    URL,
    at_its_end,
    jsonl,
    lines_of,
    made,
    questions,
    request,
    sdk_of,
    settings_of,
)
from support.worker_process import until, workers


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door(valkey_url, llm_process, tmp_path_factory):
    settings = settings_of(valkey_url, llm_process, tmp_path_factory.mktemp("files"))
    async with workers(1, settings), front_door(settings) as door:
        yield door


@pytest.fixture
async def sdk(door, llm_server):
    async with sdk_of(door, secrets.token_hex(4)) as sdk:
        yield sdk


async def test_a_batch_is_answered_and_described_as_openai_does(sdk, llm_server):
    lines = [request("1", "What is a?"), request("2", "What is b?"), request("3", "What is a?"), request("4", " ")]
    file = await sdk.files.create(file=("in.jsonl", jsonl(*lines)), purpose="batch")
    assert (file.object, file.purpose, file.filename, file.bytes) == ("file", "batch", "in.jsonl", len(jsonl(*lines)))
    assert (await sdk.files.content(file.id)).content == jsonl(*lines)
    batch = await sdk.batches.create(
        input_file_id=file.id, endpoint=URL, completion_window="24h", metadata={"for": "a test"}
    )
    assert (batch.object, batch.endpoint, batch.metadata) == ("batch", URL, {"for": "a test"})
    assert batch.expires_at - batch.created_at == 86_400

    ended = await at_its_end(sdk, batch)
    assert (ended.status, ended.errors) == ("completed", None)
    assert ended.request_counts.to_dict() == {"total": 4, "completed": 3, "failed": 1}
    assert ended.created_at <= ended.in_progress_at <= ended.finalizing_at <= ended.completed_at
    found = {line["custom_id"]: line for line in await lines_of(sdk, ended.output_file_id)}
    assert {name: line["response"]["status_code"] for name, line in found.items()} == {"1": 200, "2": 200, "3": 200}
    assert found["2"]["response"]["body"]["choices"][0]["message"]["content"] == "answer to: What is b?"
    [wrong] = await lines_of(sdk, ended.error_file_id)
    assert (wrong["custom_id"], wrong["response"], wrong["error"]["code"]) == ("4", None, "invalid_request")
    assert (await llm_server.stats())["chat"]["calls"] == 2

    output = await sdk.files.retrieve(ended.output_file_id)
    assert (output.purpose, output.status) == ("batch_output", "processed")
    assert {each.id async for each in sdk.files.list(limit=2)} == {file.id, output.id, ended.error_file_id}
    assert [each.id async for each in sdk.files.list(purpose="batch")] == [file.id]
    assert (await sdk.files.delete(file.id)).deleted
    with pytest.raises(openai.NotFoundError):
        await sdk.files.content(file.id)


@pytest.mark.parametrize(
    ("data", "code", "line"),
    [
        (jsonl(request("1", "a")) + b'{"custom_id": ', "invalid_json_line", 2),
        (b"[1]\n", "invalid_json_line", 1),
        (jsonl(request("1", "a"), request("1", "b")), "duplicate_custom_id", 2),
        (jsonl(request("1", "a", url="/v1/embeddings")), "url_mismatch", 1),
        (jsonl(request("1", "a", method="GET")), "invalid_method", 1),
        (jsonl(request(None, "a")), "missing_required_parameter", 1),
        (jsonl(request("1", "a", body="b")), "invalid_type", 1),
        (b"\n\n", "empty_file", None),
        (b"\xff\xfe1\x00", "invalid_file", None),
        (b"\n" + questions(FILE_LINES + 1), "too_many_tasks", None),
    ],
)
async def test_an_input_that_is_wrong_fails_before_anything_is_asked(sdk, data, code, line, llm_server):
    ended = await at_its_end(sdk, await made(sdk, data))
    assert ended.status == "failed"
    assert (ended.errors.data[0].code, ended.errors.data[0].line) == (code, line)
    assert ended.output_file_id is None
    assert (await llm_server.stats())["chat"]["calls"] == 0


async def test_what_is_refused_says_why(sdk):
    async def status_of(call, word):
        with pytest.raises(openai.APIStatusError, match=word) as caught:
            await call
        return caught.value.status_code

    create, upload = sdk.batches.create, sdk.files.create
    file = (await upload(file=("in.jsonl", questions(1)), purpose="batch")).id
    usual = {"input_file_id": file, "endpoint": URL, "completion_window": "24h"}
    for changes, word in [
        ({"endpoint": "/v1/moderations"}, "endpoint"),
        ({"completion_window": "soon"}, "completion_window"),
        ({"metadata": {"a": "b" * 513}}, "metadata"),
        ({"extra_body": {"askonce": {"tire": "batch"}}}, "tire"),
        ({"extra_body": {"output_expires_after": {"anchor": "now", "seconds": 3600}}}, "output_expires_after"),
        ({"extra_body": {"endpoint": None}}, "endpoint"),
    ]:
        assert await status_of(create(**{**usual, **changes}), word) == 400
    assert await status_of(create(**{**usual, "input_file_id": "file-nope"}), "No such File") == 404
    assert await status_of(sdk.batches.retrieve("batch_../../x"), "batch") == 404
    assert await status_of(sdk.files.retrieve("file-" + "0" * 24), "No such File") == 404
    assert await status_of(upload(file=("a", b"1"), purpose="fine-tune"), "purpose") == 400
    assert await status_of(upload(file=("a", b"1" * 600_000), purpose="batch"), "over") == 413
    assert await status_of(upload(file=("a", b"\x1f\x8bnothing"), purpose="batch"), "gzip") == 400
    assert await status_of(sdk.files.list(limit=0), "limit") == 400
    assert await status_of(create(**usual, extra_headers={"x-askonce-ttl": "60"}), "x-askonce-ttl") == 400
    assert await status_of(sdk.models.retrieve("../files"), "there is no") == 404
    ended = await at_its_end(sdk, await create(**usual))
    assert await status_of(sdk.batches.cancel(ended.id), "Cannot cancel a batch with status 'completed'") == 409


async def test_a_form_that_is_none_is_refused(door, sdk):
    async with httpx.AsyncClient(base_url=door.base_url) as http:
        for sent in (
            {"content": b"{}", "headers": {"content-type": "application/json"}},
            {"content": b"x", "headers": {"content-type": "multipart/form-data"}},
            {"content": b"x", "headers": {"content-type": "multipart/form-data; boundary=b"}},
            {"data": {"purpose": "batch"}, "files": {"other": b"x"}},
            {"data": {"purpose": "batch", "expires_after[anchor]": "x"}, "files": {"file": b"x"}},
        ):
            reply = await http.post("/files", **sent)
            assert (reply.status_code, "message" in reply.json()["error"]) == (400, True)


async def test_a_namespace_may_have_so_many_files_and_open_batches(sdk, llm_server):
    await llm_server.control(chat={"latency_ms": 1000})
    batches = [await made(sdk, questions(1, each)) for each in "uvw"]
    create = {"input_file_id": batches[0].input_file_id, "endpoint": URL, "completion_window": "24h"}
    with pytest.raises(openai.RateLimitError, match="3 open batches") as caught:
        await sdk.batches.create(**create)
    assert (caught.value.code, caught.value.response.headers["x-should-retry"]) == ("rate_limit_exceeded", "false")
    for batch in batches:
        await at_its_end(sdk, batch)
    await at_its_end(sdk, await sdk.batches.create(**create))  # four files of theirs, four of results
    for _ in range(MOST_FILES - 7):
        await sdk.files.create(file=b"1", purpose="batch")
    with pytest.raises(openai.BadRequestError, match="file storage quota"):
        await sdk.files.create(file=b"1", purpose="batch")


async def test_each_namespace_has_files_and_batches_of_its_own(door, sdk):
    batches = [await made(sdk, questions(1, "z")) for _ in range(3)]
    assert [each.id for each in (await sdk.batches.list(limit=2)).data] == [batches[2].id, batches[1].id]
    assert [each.id async for each in sdk.batches.list(limit=2)] == [each.id for each in reversed(batches)]
    files = [each.input_file_id for each in batches]
    assert [each.id async for each in sdk.files.list(purpose="batch", order="asc")] == files
    async with sdk_of(door, secrets.token_hex(4)) as other:
        assert [each async for each in other.batches.list()] == []
        assert [each async for each in other.files.list()] == []
        for call in (
            other.batches.retrieve(batches[0].id),
            other.batches.cancel(batches[0].id),
            other.files.content(batches[0].input_file_id),
            other.files.delete(batches[0].input_file_id),
            other.batches.create(input_file_id=batches[0].input_file_id, endpoint=URL, completion_window="24h"),
        ):
            with pytest.raises(openai.NotFoundError):
                await call
    for batch in batches:
        await at_its_end(sdk, batch)


@pytest.mark.parametrize(("window", "status"), [("24h", "cancelled"), ("3s", "expired")])
async def test_an_end_before_time_keeps_what_is_answered(sdk, window, status, llm_server):
    await llm_server.control(chat={"latency_ms": 400})
    batch = await made(sdk, questions(FILE_LINES, status[0]), completion_window=window)

    async def some():
        return (await sdk.batches.retrieve(batch.id)).request_counts.completed

    if status == "cancelled":
        await until(some, what="the first answers")
        with pytest.raises(openai.ConflictError, match=batch.id):
            await sdk.files.delete(batch.input_file_id)
        assert (await sdk.batches.cancel(batch.id)).status == "cancelling"
    ended = await at_its_end(sdk, batch)
    assert ended.status == status
    done = await lines_of(sdk, ended.output_file_id) if ended.output_file_id else []
    left = await lines_of(sdk, ended.error_file_id)
    assert len(done) == ended.request_counts.completed < FILE_LINES
    assert len(done) + len(left) == FILE_LINES
    assert {line["custom_id"] for line in [*done, *left]} == {f"id-{n}" for n in range(FILE_LINES)}
    assert {line["error"]["code"] for line in left} == {f"batch_{status}"}
    assert (await llm_server.stats())["chat"]["calls"] == len(done)


async def test_killed_servers_lose_nothing_and_nothing_is_paid_twice(valkey_url, llm_server, tmp_path):
    settings = settings_of(valkey_url, llm_server, tmp_path)
    await llm_server.control(chat={"latency_ms": 1000})
    async with workers(1, settings), front_door(settings) as first, sdk_of(first, "n") as sdk:
        batch = await made(sdk, questions(300))

        async def some():
            parts = [*tmp_path.glob(f"parts/{batch.id}/done-*")]
            return parts and (await llm_server.stats())["chat"]["in_flight"]

        await until(some, seconds=60, what="the first part")
        first.process.kill()
        await first.process.wait()
        async with front_door(settings) as second, sdk_of(second, "n") as sdk:
            ended = await at_its_end(sdk, batch)
            assert ended.request_counts.to_dict() == {"total": 300, "completed": 300, "failed": 0}
            done = Counter(line["custom_id"] for line in await lines_of(sdk, ended.output_file_id))
            assert done == Counter(f"id-{n}" for n in range(300))
            assert (await llm_server.stats())["chat"]["calls"] == 300
            assert await second.stop() == 0
    assert not [*tmp_path.glob("parts/*")]


async def test_servers_that_are_stopped_hand_over_and_what_is_paid_for_is_never_listed_as_cancelled(
    valkey_url, llm_server, tmp_path
):
    settings = settings_of(valkey_url, llm_server, tmp_path)
    await llm_server.control(chat={"latency_ms": 2000})

    async def calls():
        return (await llm_server.stats())["chat"]["in_flight"]

    async with workers(1, settings):
        async with front_door(settings) as first, sdk_of(first, "n") as sdk:
            batch = await made(sdk, questions(FILE_LINES))
            await until(calls, seconds=60, what="the first calls")
            assert await first.stop() == 0
        async with front_door(settings) as second, sdk_of(second, "n") as sdk:
            assert (await sdk.batches.retrieve(batch.id)).status == "in_progress"
            await until(calls, seconds=60, what="further calls")
            await sdk.batches.cancel(batch.id)
            assert await second.stop() == 0
        async with front_door(settings) as third, sdk_of(third, "n") as sdk:
            ended = await at_its_end(sdk, batch)
            assert ended.status == "cancelled"
            done = await lines_of(sdk, ended.output_file_id)
            left = await lines_of(sdk, ended.error_file_id)
            assert len(done) == (await llm_server.stats())["chat"]["calls"] < FILE_LINES
            assert {line["custom_id"] for line in [*done, *left]} == {f"id-{n}" for n in range(FILE_LINES)}
            assert {line["error"]["code"] for line in left} == {"batch_cancelled"}


async def test_a_server_that_is_to_end_hands_its_batches_over_while_a_request_is_under_way(
    valkey_url, llm_server, tmp_path
):
    settings = settings_of(valkey_url, llm_server, tmp_path)  # no worker: all waits
    async with front_door(settings) as door, sdk_of(door, "n") as sdk, Redis.from_url(valkey_url) as redis:
        batch = await made(sdk, questions(3))

        async def runs():
            return (await sdk.batches.retrieve(batch.id)).status == "in_progress"

        await until(runs, what="the batch")
        ask = sdk.chat.completions.create(model="m", messages=[{"role": "user", "content": "Who?"}])
        asked = asyncio.create_task(ask)

        async def waits():
            return await redis.zcard(Keys(settings["ASKONCE_KEY_PREFIX"]).queue("interactive"))

        await until(waits, what="the request")
        door.process.send_signal(signal.SIGTERM)

        async def handed_over():
            [seconds, _] = await redis.time()
            due = await redis.zscore(ServedKeys(settings["ASKONCE_KEY_PREFIX"]).open("n"), batch.id)
            return due <= seconds * 1000

        await until(handed_over, seconds=60, what="the end of the lease")
        assert (asked.done(), door.process.returncode) == (False, None)
        asked.cancel()


async def test_a_key_that_is_removed_reads_nothing_and_its_batches_are_cancelled(valkey_url, llm_server, tmp_path):
    settings = settings_of(valkey_url, llm_server, tmp_path)
    await llm_server.control(chat={"latency_ms": 500})
    async with AccessKeys(valkey_url, key_prefix=settings["ASKONCE_KEY_PREFIX"]) as keys:
        ada, bob = [await keys.add(name, namespace="n", rights=frozenset({"ask"})) for name in ("ada", "bob")]
        async with (
            workers(1, settings),
            front_door(settings) as door,
            sdk_of(door, "n", ada) as removed,
            sdk_of(door, "n", bob) as kept,
        ):
            batches = [await made(sdk, questions(FILE_LINES // 2, name)) for sdk, name in ((removed, "a"), (kept, "b"))]
            await keys.remove("ada")
            ended = [await at_its_end(kept, batch) for batch in batches]
            assert [each.status for each in ended] == ["cancelled", "completed"]
            with pytest.raises(openai.AuthenticationError):
                await removed.files.content(batches[0].input_file_id)


async def test_without_a_place_for_files_it_says_what_to_do(valkey_url, llm_server, tmp_path):
    settings = settings_of(valkey_url, llm_server, "")
    async with front_door(settings) as door, sdk_of(door, "n") as sdk:
        for call in (sdk.batches.list(), sdk.files.retrieve("file-1"), sdk.files.create(file=b"1", purpose="batch")):
            with pytest.raises(openai.APIStatusError, match="--files") as caught:
                await call
            assert caught.value.status_code == 501
