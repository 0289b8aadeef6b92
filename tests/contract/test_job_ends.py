"""A job ends in the script that publishes the last of its answers, and never before."""
# ruff: noqa: F811

import secrets

import pytest

from askonce import Question
from askonce.answer import Answer
from askonce.contract.completion import text_body
from askonce.contract.keys import ARQ_JOB
from askonce_worker.answering.chunk_end import answers_of, left_out
from askonce_worker.answering.ports import Finished
from askonce_worker.cache.publisher import Publisher
from askonce_worker.providers.call_counts import CallCounts
from askonce_worker.queue.job_outcomes import Done, Return
from askonce_worker.queue.leases import Leases
from askonce_worker.redis.clock import RedisClock
from support.jobs import record
from support.scripts_fixture import PRINT, scripts  # noqa: F401

IDS = ("a", "b")


def finished(name, **metadata):
    question = Question("", namespace="default", job_id=name, metadata=metadata or None)
    answer = Answer(name, "answered", source="llm", body=text_body("hi", model="m"), metadata=metadata or None)
    return [Finished(question, answer, lane="bulk")]


class Worker:
    def __init__(self, scripts, name):
        self.leases = Leases(scripts.redis, scripts.keys, RedisClock(), worker=name, lease=60)
        self.publisher = Publisher(
            scripts.redis,
            scripts.keys,
            worker=name,
            counts=CallCounts(),
            embedding="e",
            cache_ttl=60,
            result_ttl=60,
            outbox_max=0,
            compress=True,
        )

    async def claim(self):
        [job] = (await self.leases.claim(free=1, bulk=1, lapsed=(1, 1))).jobs
        return job


@pytest.fixture
def worker(scripts):
    return Worker(scripts, "one")


@pytest.fixture
async def job(scripts, worker):
    name = f"{secrets.token_hex(8)}-2"
    await scripts.submit(*IDS, job=name)
    await scripts.redis.set(f"{ARQ_JOB}{name}", record([(each, "text") for each in IDS]), px=60_000)
    return await worker.claim()


@pytest.fixture
def is_leased(scripts):
    async def look():
        return await scripts.redis.exists(scripts.keys.leases("bulk"), scripts.keys.tokens("bulk")) == 2

    return look


async def test_a_job_ends_with_the_last_of_its_answers(scripts, worker, job, is_leased):
    with answers_of(job, IDS):
        await worker.publisher.send(finished("a"))
        assert await is_leased()
        await worker.publisher.send(finished("b"))
    assert job.end.done
    assert not await is_leased()
    assert int(await scripts.redis.hget(scripts.keys.load, "bulk")) == 0
    assert await worker.leases.finish([Done(job)]) == [False]


async def test_an_answer_that_is_sent_twice_is_not_taken_for_another_ones(worker, job, is_leased):
    with answers_of(job, IDS):
        await worker.publisher.send(finished("a"))
        await worker.publisher.send(finished("a"))
    assert await is_leased()


async def test_a_job_does_not_end_with_an_answer_that_could_not_be_sent(worker, job, is_leased):
    with answers_of(job, IDS):
        with pytest.raises(TypeError):
            await worker.publisher.send(finished("a", never=object()))
        await worker.publisher.send(finished("b"))
    assert await is_leased()
    assert not job.end.done


async def test_questions_that_somebody_else_has_answered_are_not_waited_for(worker, job, is_leased):
    with answers_of(job, IDS):
        left_out(["b"])
        await worker.publisher.send(finished("a"))
    assert not await is_leased()


async def test_a_job_that_another_worker_has_is_left_to_it(scripts, worker, job, is_leased):
    other = Worker(scripts, "two")
    await worker.leases.give_back([Return(job)])
    again = await other.claim()
    with answers_of(job, IDS):
        await worker.publisher.send([*finished("a"), *finished("b")])
    assert await is_leased()
    assert not job.end.done
    assert await other.leases.finish([Done(again)]) == [True]


async def test_a_publishing_that_fails_ends_no_job(scripts, worker, job, is_leased):
    await scripts.redis.set(scripts.keys.stats("fresh"), "a key of another type")
    with answers_of(job, IDS), pytest.raises(Exception, match="WRONGTYPE"):
        await worker.publisher.send([*finished("a"), *finished("b")])
    assert await is_leased()
    assert PRINT.encode() in await scripts.marker("a")
