"""Dead letters: what replay does with the questions of a job that was given up."""

import asyncio

import orjson
import pytest

from askonce import Question
from askonce.cli import main
from askonce.contract.chunk import pack
from askonce.contract.keys import ARQ_JOB
from askonce.operator.dead_letters import DeadLetters
from askonce.session.job_queue import new_job_id
from askonce.store.scripts import Script
from support.jobs import job_record
from support.services import MODEL, RealService


@pytest.fixture
async def service(valkey_url, prefix):
    async with RealService(valkey_url, prefix) as made:
        yield made


@pytest.fixture
async def client(service):
    return await service.client()


@pytest.fixture
async def letters(service, client):
    async with DeadLetters(client, service.url, key_prefix=service.prefix) as made:
        yield made


async def bury(service, questions=(), *, record=None, lane="bulk"):
    """As bury_job.lua leaves it, without the answers."""
    job = new_job_id()
    if record is None:
        record = orjson.loads(job_record(pack("n", 60_000, questions), 1))
    letter = {"job": job, "lane": lane, "cause": "crashed", "tries": 5, "at": 1_700_000_000_000, "record": record}
    await service.redis.hset(service.keys.dead, job, orjson.dumps(letter))
    return job


def question(text, job_id):
    return Question(text, model=MODEL, namespace="n", job_id=job_id, metadata={"row": 7}, system="be brief")


async def end_as_failed(service, client, text, job_id):
    def answering(asked):
        raise RuntimeError("crashed")

    before, service.answering = service.answering, answering
    await client.submit(question(text, job_id))
    async for answer in client.as_completed([job_id], namespace="n", timeout=60):
        assert answer.status == "failed"
    service.answering = before


async def replayed(letters, job):
    [letter] = await letters.get([job])
    return await letters.replay(letter)


async def test_a_failed_question_lives_again_under_a_new_id_and_its_result_stays(service, client, letters):
    await end_as_failed(service, client, "q", "old")
    job = await bury(service, [question("q", "old")])
    replay = await replayed(letters, job)
    assert list(replay.job_ids) == ["old"]
    assert replay.job_ids["old"] != "old"
    answer = await client.result(replay.job_ids["old"], namespace="n")
    assert (answer.text, answer.metadata) == ("answer to: q", {"row": 7})
    assert service.asked[-1].system == "be brief"
    assert (await client.status(["old"], namespace="n"))["old"] == "failed"
    assert [letter async for letter in letters.all()] == []


async def test_a_question_whose_result_has_expired_keeps_its_id(service, client, letters):
    replay = await replayed(letters, await bury(service, [question("q", "gone")]))
    assert replay.job_ids == {"gone": "gone"}
    assert (await client.result("gone", namespace="n")).text == "answer to: q"


async def test_what_was_answered_is_left_out(service, client, letters):
    await client.submit(question("q", "done"))
    await client.result("done", namespace="n")
    replay = await replayed(letters, await bury(service, [question("q", "done"), question("r", "open")]))
    assert (replay.left_out, replay.job_ids) == ({"done": "answered"}, {"open": "open"})
    await client.result("open", namespace="n")
    assert [asked.text for asked in service.asked] == ["q", "r"]


async def test_a_replay_that_broke_off_can_be_repeated(service, client, letters):
    await end_as_failed(service, client, "q", "old")
    job = await bury(service, [question("q", "old")])
    [letter] = await letters.get([job])
    first = await letters.replay(letter)
    again = await letters.replay(letter)
    assert again.job_ids == first.job_ids
    await client.result(first.job_ids["old"], namespace="n")
    assert len(service.asked) == 2


@pytest.mark.parametrize(
    "record",
    ['{"t":', {"t": None, "f": "stranger", "a": [], "k": {}, "et": 1}, {"f": "answer_chunk", "a": [{"v": 99}]}],
)
async def test_what_cannot_be_read_stays_until_it_is_dropped(service, letters, record):
    job = await bury(service, record=record)
    with pytest.raises(ValueError, match=r"\w"):
        await replayed(letters, job)
    assert [letter.job async for letter in letters.all()] == [job]
    assert await letters.drop([job]) == 1
    with pytest.raises(LookupError):
        await letters.get([job])


async def test_many_letters_are_all_listed(service, letters):
    jobs = {await bury(service, [question("q", f"id-{n}")]) for n in range(700)}
    assert {letter.job async for letter in letters.all()} == jobs


async def test_the_oldest_letters_make_room_once_there_are_ten_thousand(service):
    """The oldest of eight taken at random: a letter that is younger than all others stays."""
    redis, keys = service.redis, service.keys
    letters = {f"job-{n}": orjson.dumps({"job": f"job-{n}", "at": n}) for n in range(1, 10_004)}
    await redis.hset(keys.dead, mapping=letters)
    await redis.hset(keys.tokens("bulk"), "new", "token 0 0 1")
    args = [ARQ_JOB, "arq:retry:", "new", "token", "bulk", 0, orjson.dumps({"job": "new", "at": 1})]
    bury = Script("askonce_worker.queue", "bury_job")
    for left in (10_002, 10_000):
        assert await bury(redis, [keys.leases("bulk"), keys.tokens("bulk"), keys.load, keys.dead], args) == 1
        assert await redis.hlen(keys.dead) == left
        await redis.hset(keys.tokens("bulk"), "new", "token 0 0 1")
    assert await redis.hmget(keys.dead, "new", "job-10003") == [args[-1], letters["job-10003"]]


async def test_the_list_fits_80_columns_and_shows_no_prompts(service, capsys, monkeypatch):
    monkeypatch.setenv("ASKONCE_REDIS_URL", service.url)
    monkeypatch.setenv("ASKONCE_KEY_PREFIX", service.prefix)
    monkeypatch.setenv("COLUMNS", "80")
    jobs = [await bury(service, [question("a secret prompt", f"id-{n}")]) for n in range(2)]
    assert await asyncio.to_thread(main, ["dead-letters", "list"]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert all(job in out for job in jobs)
    assert "secret" not in out
    await service.redis.delete(service.keys.dead)
    assert await asyncio.to_thread(main, ["dead-letters", "list"]) == 0
    assert capsys.readouterr() == ("", "askonce: no dead letters\n")


async def test_the_command_tells_what_it_did_by_its_exit_code(service, capsys, monkeypatch):
    monkeypatch.setenv("ASKONCE_REDIS_URL", service.url)
    monkeypatch.setenv("ASKONCE_KEY_PREFIX", service.prefix)
    job = await bury(service, record='{"t":')

    async def code(*words):
        return await asyncio.to_thread(main, ["dead-letters", *words])

    assert await code("replay", job) == 1
    assert f"{job} cannot be replayed" in capsys.readouterr().err
    assert await code("drop") == 2
    assert await code("drop", "--all", "--namespace", "another") == 0
    assert await code("list") == 0
    assert job in capsys.readouterr().out
    assert await code("drop", job) == 0
    assert await code("show", job) == 1
