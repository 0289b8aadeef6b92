"""A cache with its two sides, Valkey and Qdrant, filled through the real scripts and looked at from outside."""

import time

import numpy as np
from qdrant_client import grpc as qdrant
from redis.asyncio import Redis

from askonce import Question
from askonce.contract.completion import text_body
from askonce.contract.keys import Keys, epoch_fields, epoch_stamp
from askonce.prices.load import load_prices
from askonce_worker.answering.ports import Embedding, NewEntry, StoredVector
from askonce_worker.cache.exact import ExactCache
from askonce_worker.cache.outbox import Outbox
from askonce_worker.cache.publisher import Publisher
from askonce_worker.cache.qdrant_channel import QdrantChannel
from askonce_worker.cache.qdrant_messages import collection_prefix
from askonce_worker.cache.semantic import QdrantSemanticCache
from askonce_worker.providers.call_counts import CallCounts
from askonce_worker.upkeep.eviction import Eviction
from askonce_worker.upkeep.fill import Fill
from askonce_worker.upkeep.models import Models
from askonce_worker.upkeep.orphans import OrphanSweep
from askonce_worker.upkeep.qdrant import QdrantUpkeep
from askonce_worker.upkeep.refill import Refill
from askonce_worker.upkeep.refill_news import RefillNews, pace_of
from askonce_worker.upkeep.relief import Relief
from askonce_worker.upkeep.stale import StaleSweep
from askonce_worker.upkeep.vectors import Vectors
from support.official_qdrant import official_client

DIMENSION = 8
MAX_TOKENS = 480
LONG_AGO = 1_000_000
BATCH = 500


class Embedder:
    """Any vector, always the same for a text; none for one that begins with `refused`."""

    def __init__(self, dimension: int = DIMENSION) -> None:
        self.dimension = dimension
        self.texts = []

    async def embed(self, texts, **_):
        self.texts += texts
        rows = [np.random.default_rng(abs(hash(text))).standard_normal(self.dimension) for text in texts]
        vectors = [(row / np.linalg.norm(row)).astype(np.float32) for row in rows]
        return [
            Embedding(None if text.startswith("refused") else vector)
            for text, vector in zip(texts, vectors, strict=True)
        ]


class Cache:
    """model: of the embeddings."""

    def __init__(self, redis_url: str, qdrant_url: str, prefix: str, *, model: str = "e5", dimension: int = DIMENSION):
        self.redis = Redis.from_url(redis_url)
        self.keys = Keys(prefix)
        self.prefix, self.model = prefix, model
        self.client = official_client(qdrant_url)
        self.channel = QdrantChannel(qdrant_url)
        self.embedder = Embedder(dimension)
        self.collection = f"{collection_prefix(prefix, model)}{dimension}"
        self.semantic = QdrantSemanticCache(
            self.channel, embedding_model=model, now=time.time, prefix=prefix, timeout=30
        )
        self.vectors = Vectors(self.redis, self.keys, QdrantUpkeep(self.channel, prefix=prefix, embedding_model=model))
        self.publisher = Publisher(
            self.redis,
            self.keys,
            worker="test",
            counts=CallCounts(),
            embedding=model,
            cache_ttl=3600,
            result_ttl=60,
            outbox_max=0,
            compress=True,
        )

    async def aclose(self):
        for name in await self.collections():
            await self.client.delete_collection(name, timeout=60)
        await self.client.close()
        await self.channel.close()
        await self.redis.aclose()

    # Filling it.

    async def put(
        self, *texts, model="m", namespace="n", snapshot="m-1", ttl=None, semantic=True, vectors=True, stamp=None
    ):
        """Entries, and their vectors as if they had been there for a while. Returns the fingerprints."""
        questions = [Question(text, model=model, namespace=namespace, ttl=ttl) for text in texts]
        stamp = stamp or epoch_stamp(await self.redis.hmget(self.keys.epochs, list(epoch_fields(namespace, model))))
        body = {**text_body("an answer", model=model), "model": snapshot}
        for at in range(0, len(questions), BATCH):
            some = questions[at : at + BATCH]
            await self.publisher.send((), entries=[NewEntry(q, body, stamp, None, semantic) for q in some])
            if semantic and vectors:
                await self.semantic.upsert(await self._stored(some, stamp))
        return [question.fingerprint for question in questions]

    async def _stored(self, questions, stamp):
        found = await self.embedder.embed([question.text for question in questions])
        now = int(time.time())
        return [
            StoredVector(q.fingerprint, each.vector, q.scope, stamp, q.model, q.namespace, LONG_AGO, now + 3600)
            for q, each in zip(questions, found, strict=True)
            if each.vector is not None
        ]

    async def stored(self, *texts, model="m", namespace="n"):
        """The vectors of these, without storing them."""
        return await self._stored([Question(text, model=model, namespace=namespace) for text in texts], "0.0.0.0")

    async def set_clock(self, index, fingerprints, seconds):
        """As if these had been hit, or were to expire, at this Unix second."""
        await self.redis.zadd(index, dict.fromkeys(fingerprints, seconds))

    async def raise_epoch(self, field):
        await self.redis.hincrby(self.keys.epochs, field, 1)

    # Looking at it.

    async def sides(self):
        """The fingerprints of the entries, of both indexes, and of the vectors."""
        head = self.keys.entry("")
        entries = {key.decode().removeprefix(head) async for key in self.redis.scan_iter(f"{head}*", count=5000)}
        indexes = [
            {name.decode() for name in await self.redis.zrange(index, 0, -1)}
            for index in (self.keys.touched, self.keys.expiries)
        ]
        return [entries, *indexes, await self.vectors_of(self.collection)]

    async def holds(self, fingerprints):
        """Whether these, and no others, are on all sides."""
        return all(side == set(fingerprints) for side in await self.sides())

    async def vectors_of(self, collection):
        if collection not in await self.collections():
            return set()
        points, _ = await self.client.scroll(collection, limit=200_000, with_payload=["fingerprint"])
        return {point.payload["fingerprint"] for point in points}

    async def collections(self):
        reply = await self.client.grpc_collections.List(qdrant.ListCollectionsRequest())
        return sorted(each.name for each in reply.collections if each.name.startswith(self.prefix))

    # Its upkeep.

    def eviction(self, *, max_idle=86_400.0, max_entries=0):
        return Eviction(
            self.redis,
            self.keys,
            self.vectors.delete,
            max_idle=max_idle,
            max_entries=max_entries,
            clock=time.monotonic,
        )

    def relief(self):
        return Relief(self.redis, self.keys, self.vectors.delete, clock=time.monotonic)

    def stale(self, *, retired=(), on_upgrade="invalidate", never=None, stays=600):
        superseded = Models(self.redis, self.keys, on_upgrade=on_upgrade, stays=stays).superseded
        return StaleSweep(
            self.redis,
            self.keys,
            self.vectors.delete,
            superseded,
            retired=retired,
            never=never,
            clock=time.monotonic,
        )

    def orphans(self):
        return OrphanSweep(self.redis, self.keys, self.vectors, clock=time.monotonic)

    def fill(self, *, grace=0, max_tokens=MAX_TOKENS):
        return Fill(
            self.redis,
            self.keys,
            self.vectors,
            self.news(),
            embedding=self.model,
            max_tokens=max_tokens,
            clock=time.monotonic,
            grace=grace,
        )

    def news(self, *, model=None):
        """model: whose price counts."""
        return RefillNews(
            self.redis,
            self.keys,
            model=model or self.model,
            embedding=self.model,
            prices=load_prices(),
            pace=pace_of(self.embedder),
        )

    def refill(self, *, worker="test", embedder=None):
        entries = ExactCache(self.redis, self.keys).entries
        embedder = embedder or self.embedder
        return Refill(
            self.redis, self.keys, self.semantic, embedder, entries, worker=worker, embedding=self.model, idle=0.05
        )

    def outbox(self):
        entries = ExactCache(self.redis, self.keys).entries
        return Outbox(self.redis, self.keys, self.semantic, self.embedder, entries, worker="test", embedding=self.model)
