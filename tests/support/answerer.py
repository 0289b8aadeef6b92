"""The least that can stand in for a worker: takes jobs from the real queue and publishes through the real scripts."""

import asyncio
import inspect
import time

import orjson
import redis
from redis.asyncio import Redis

from askonce.answer import Answer, AnswerError
from askonce.contract.chunk import unpack
from askonce.contract.completion import CompletionVerdict, fault, text_body, verdict
from askonce.contract.keys import ARQ_JOB, LANES, Keys, epoch_fields, epoch_stamp
from askonce.contract.result import result_record
from askonce.session.exact_lookup import read_entry
from askonce.session.memory_schema import fitted
from askonce.tasks import stop
from support.delivering import deliver

AWAY = (redis.ConnectionError, redis.TimeoutError, OSError)
"""Redis is stopped, or starts and is not ready yet."""


def in_turn(call, turns):
    """One after the other, first come first served: in redis-py's blocking pool it is by chance who is next."""

    async def called(*arguments, **options):
        async with turns:
            return await call(*arguments, **options)

    return called


class Answerer:
    """answering: as `FakeClient`'s. asked: the questions that no cache answered."""

    def __init__(self, url, keys: Keys, answering) -> None:
        self.redis = Redis.from_url(url, protocol=2)
        self.redis.execute_command = in_turn(self.redis.execute_command, asyncio.Semaphore(16))
        self.keys = keys
        self.asked = []
        self._answering = answering
        self._paused = False
        self._alive_until = 0.0
        self._tasks = set()

    async def __aenter__(self):
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_):
        tasks = [self._task, *self._tasks]
        await stop(*tasks)
        await self.redis.aclose()

    def pause(self):
        self._paused = True

    def resume(self):
        self._paused = False

    async def _run(self):
        while True:
            try:
                if not self._paused:
                    await self._give_sign_of_life()
                if self._paused or not await self._take():
                    await asyncio.sleep(0.005)
            except AWAY:
                await asyncio.sleep(0.05)

    async def _give_sign_of_life(self) -> None:
        now = time.time()
        if self._alive_until < now + 1:
            self._alive_until = now + 1.5
            await self.redis.zadd(self.keys.workers, {"answerer": int(self._alive_until * 1000)})

    async def _take(self) -> bool:
        for lane in LANES:
            taken = await self.redis.zpopmin(self.keys.queue(lane), 1)
            if taken and self._paused:  # it was paused while Redis was asked
                await self.redis.zadd(self.keys.queue(lane), {taken[0][0]: taken[0][1]})
            elif taken:
                job = taken[0][0].decode()
                await self.redis.zadd(self.keys.leases(lane), {job: (time.time() + 60) * 1000})
                task = asyncio.create_task(self._work(lane, job))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
                return True
        return False

    async def _work(self, lane, job):
        while True:
            try:
                return await self._answer(lane, job)
            except AWAY:
                await asyncio.sleep(0.05)

    async def _answer(self, lane, job):
        record = orjson.loads(await self.redis.get(f"{ARQ_JOB}{job}"))
        chunk = unpack(record["a"][0])
        deadline = record["et"] + chunk.timeout_ms
        await asyncio.gather(*(self._answer_one(question, deadline) for question in chunk.questions))
        await self.redis.zrem(self.keys.leases(lane), job)
        await self.redis.delete(f"{ARQ_JOB}{job}")
        await self.redis.hincrby(self.keys.load, lane, -len(chunk.questions))

    async def _answer_one(self, question, deadline):
        marker = await self.redis.get(self.keys.result(question.namespace, question.job_id))
        if marker is None or b'"deadline"' not in marker[:80]:
            return
        epochs = epoch_fields(question.namespace, question.model)
        stamp = epoch_stamp(await self.redis.hmget(self.keys.epochs, list(epochs)))
        raw = await self.redis.get(self.keys.entry(question.fingerprint))
        answer = None
        if raw is not None and question.cache == "use":
            answer = read_entry(question, raw, stamp)
        if answer is None:
            try:
                async with asyncio.timeout(max(0, deadline / 1000 - time.time())) as limit:
                    await asyncio.sleep(0.001)
                    answer = await self._ask(question, stamp, epochs)
            except TimeoutError:
                kind = "expired" if limit.expired() else "timeout"
                answer = Answer(None, "failed", error=AnswerError(kind, "too late"), metadata=question.metadata)
        await self.publish(question, answer)

    async def _ask(self, question, stamp, epochs):
        self.asked.append(question)
        try:
            said = self._answering(question)
            if inspect.isawaitable(said):
                said = await said
        except TimeoutError:
            raise
        except Exception as error:
            return Answer(None, "failed", error=AnswerError("server_error", str(error)), metadata=question.metadata)
        body = text_body(said, model=question.model) if isinstance(said, str) else said
        broken_off = fault(body)
        if broken_off is not None:
            error = AnswerError("server_error", broken_off)
            return Answer(None, "failed", error=error, metadata=question.metadata)
        answer = Answer(None, "answered", source="llm", model=question.model, metadata=question.metadata, body=body)
        answer = fitted(answer, question)
        if question.cache != "bypass" and verdict(body) is CompletionVerdict.GOOD and answer.error is None:
            facts = {"scope": question.scope, "epochs": stamp, "model": question.model, "namespace": question.namespace}
            facts |= {"valid": True} if question.schema else {}
            record = orjson.dumps({**facts, "question": question.text, "body": body})[1:]
            ttl = int((question.ttl or 3600) * 1000)
            stored = [question.fingerprint, record, ttl, stamp, "\n".join(epochs), b"", b"", "", 0]
            await deliver(self.redis, self.keys, stored=stored)
        return answer

    async def publish(self, question, answer):
        name = f"{question.namespace}:{question.job_id}"
        args = [name, question.fingerprint, result_record(answer), "|", "", 0, 0]
        return (await deliver(self.redis, self.keys, published=args, result_ms=3_600_000))[2][0]
