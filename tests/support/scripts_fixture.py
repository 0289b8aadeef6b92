"""A Redis to run single scripts on, and the arguments they take."""

import pytest
from redis.asyncio import Redis

from askonce.answer import Answer, AnswerError
from askonce.contract.chunk import FUNCTION
from askonce.contract.completion import text_body
from askonce.contract.keys import ARQ_JOB, Keys
from askonce.contract.result import result_record
from askonce.store.scripts import Script
from support.counting import counters
from support.delivering import deliver

PRINT = "f" * 43
OTHER = "g" * 43
RESULT_MS = 60_000
DONE = result_record(Answer(None, "answered", source="llm", body=text_body("hi", model="m")))
FAILED = result_record(Answer(None, "failed", error=AnswerError("cancelled", "x")))


class Scripts:
    def __init__(self, redis: Redis, keys: Keys) -> None:
        self.redis = redis
        self.keys = keys

    async def submit(
        self,
        *ids,
        job="job1",
        lane="bulk",
        namespace="default",
        most=0,
        timeout_ms=5000,
        listener="",
        prints=None,
        look="",
    ):
        keys = self.keys
        args = [keys.result(namespace, ""), f"{ARQ_JOB}{keys.prefix}{job}", job, lane, namespace, most, timeout_ms]
        args += [RESULT_MS, listener, FUNCTION, b'{"v":1}']
        for job_id, fingerprint in zip(ids, prints or [PRINT] * len(ids), strict=True):
            args += [job_id, fingerprint]
        args += [look] if look else []
        return await Script("askonce", "submit")(self.redis, [keys.queue(lane), keys.wake, keys.fair, keys.load], args)

    async def listen(self, *ids, listener="me", namespace="default"):
        head = [self.keys.result(namespace, ""), listener, 8_000_000]
        return await Script("askonce", "listen")(self.redis, [], [*head, *ids])

    async def cancel(self, *ids, namespace="default"):
        keys = self.keys
        head = [keys.result(namespace, ""), keys.answered(""), keys.leases(""), namespace, RESULT_MS, FAILED]
        head.append(keys.stats("hour:"))
        return await Script("askonce", "cancel")(self.redis, [keys.stats("total")], [*head, *ids])

    async def status(self, *ids, namespace="default"):
        head = [self.keys.result(namespace, ""), self.keys.leases("")]
        return await Script("askonce", "status")(self.redis, [], [*head, *ids])

    async def publish(self, job_id, *, record=DONE, fingerprint=PRINT, namespace="default", counter="", hit=""):
        args = [f"{namespace}:{job_id}", fingerprint, record, counter, hit, 0, 0]
        return (await deliver(self.redis, self.keys, published=args, result_ms=RESULT_MS))[2][0]

    async def counted(self):
        """Counts what was published, and gives all counters."""
        return await counters(self.redis, self.keys)

    async def told(self, listener):
        items = await self.redis.xrange(self.keys.answered(listener))
        return " ".join(fields[b"ids"].decode() for _, fields in items).split()

    async def marker(self, job_id, namespace="default"):
        return await self.redis.get(self.keys.result(namespace, job_id))

    async def everything(self):
        """All that stands under the prefix."""
        return {key async for key in self.redis.scan_iter(f"*{self.keys.prefix}*")}


@pytest.fixture
async def scripts(valkey_url, prefix):
    redis = Redis.from_url(valkey_url, protocol=2)
    yield Scripts(redis, Keys(prefix))
    await redis.aclose()
