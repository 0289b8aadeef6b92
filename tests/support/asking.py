"""Questions that ask the same in other words, and what their workers and clients share."""

from collections.abc import Mapping, Sequence

from redis.asyncio import Redis

from askonce import Answer, Client, Question
from askonce.contract.keys import LANES, Keys
from askonce_worker.inflight.feed import SHARDS
from support.llm_server import LLMServer
from support.worker_process import until

MODEL = "test-model"
OPENINGS = ("", "please ", "kindly ", "hello, ", "hi, ", "hey, ", "well, ", "ok, ", "so ", "thanks, ")
ENDINGS = ("", " please", " kindly", ", thanks", ", thank you", " now", " again", " ok", " actually", " really")


def paraphrases(question: str, count: int = 100) -> list[str]:
    """In other words, which the guard lets pass. What makes them near is a tag in the question, such as `[g17]`."""
    texts = [f"{opening}{question}{ending}" for ending in ENDINGS for opening in OPENINGS]
    assert count <= len(texts)
    return texts[:count]


def patient_settings(redis_url: str, qdrant_url: str, llm_server: LLMServer, prefix: str) -> dict[str, str]:
    """Of a worker whose lease is as long as it is by itself."""
    return {
        "ASKONCE_REDIS_URL": redis_url,
        "ASKONCE_KEY_PREFIX": prefix,
        "ASKONCE_QDRANT_URL": qdrant_url,
        "ASKONCE_EMBEDDING_MODEL": f"test-{prefix}",
        "ASKONCE_SIMILARITY_THRESHOLD": "0.95",
        "OPENAI_BASE_URL": llm_server.base_url,
        "OPENAI_API_KEY": "test",
    }


def settings_for(redis_url: str, qdrant_url: str, llm_server: LLMServer, prefix: str) -> dict[str, str]:
    return {**patient_settings(redis_url, qdrant_url, llm_server, prefix), "ASKONCE_LEASE": "1"}


def client_for(settings: Mapping[str, str], **options) -> Client:
    options = {"key_prefix": settings["ASKONCE_KEY_PREFIX"], "model": MODEL, **options}
    return Client(settings["ASKONCE_REDIS_URL"], **options)


async def answers_to(
    client: Client, questions: Sequence[Question | str], *, lane="interactive", seconds: float = 90.0
) -> list[Answer]:
    """In the order of the questions."""
    return await collected(client, await client.submit_many(questions, lane=lane), seconds=seconds)


async def collected(client: Client, ids: Sequence[str], *, seconds: float = 90.0) -> list[Answer]:
    answers = {answer.job_id: answer async for answer in client.as_completed(ids, timeout=seconds)}
    return [answers[job_id] for job_id in ids]


async def calls(llm_server: LLMServer) -> int:
    return (await llm_server.stats(brief=True))["chat"]["calls"]


async def until_asked(llm_server: LLMServer, in_flight: int = 1) -> None:
    async def there() -> bool:
        return (await llm_server.stats(brief=True))["chat"]["in_flight"] >= in_flight

    await until(there, what=f"{in_flight} calls under way")


async def until_embedded(llm_server: LLMServer, *texts: str) -> None:
    """By then a worker has begun with each of these."""

    async def seen() -> bool:
        return set(texts) <= (await llm_server.stats())["embeddings"]["texts"].keys()

    await until(seen, what="the embeddings")


class Bench:
    """What every phase of a test has at hand."""

    def __init__(self, settings, client, llm_server):
        self.client = client
        self.llm = llm_server
        self.redis = Redis.from_url(settings["ASKONCE_REDIS_URL"])
        self.keys = Keys(settings["ASKONCE_KEY_PREFIX"])

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.redis.aclose()

    async def lead(self, text, pool):
        """A question that a worker has just asked the LLM. Returns its id and the worker."""
        job_id = await self.client.submit(text)
        await until_asked(self.llm)
        return job_id, await self.leading(pool)

    async def leading(self, pool):
        """The worker that leads a question."""

        async def found():
            for shard in range(SHARDS):
                for leader in await self.redis.hkeys(self.keys.leaders(shard)):
                    pid = int(leader.decode().partition("/")[0].rsplit("-", 2)[1])
                    return next((worker for worker in pool if worker.pid == pid), None)
            return None

        return await until(found, what="a leader")

    async def follow(self, texts):
        """Questions in one job. Returns their ids."""
        ids = await self.client.submit_many(texts, lane="interactive")
        await until_embedded(self.llm, *texts)
        return ids

    async def results(self, ids):
        """Those that are published, as they stand in Redis."""
        records = await self.redis.mget([self.keys.result("default", job_id) for job_id in ids])
        found = zip(ids, records, strict=True)
        return {job_id: record for job_id, record in found if record is not None and b'"deadline"' not in record[:80]}

    async def until_answered(self, ids, count):
        async def so_many():
            return len(await self.results(ids)) >= count

        await until(so_many, what=f"{count} answers")

    async def until_no_job_is_left(self):
        async def none_left():
            kept = [key(lane) for lane in LANES for key in (self.keys.queue, self.keys.alone, self.keys.leases)]
            return await self.redis.exists(*kept) == 0

        await until(none_left, what="the end of all jobs")

    async def calls_of(self, texts):
        counts = (await self.llm.stats())["chat"]["texts"]
        return {text: counts.get(text, 0) for text in texts}
