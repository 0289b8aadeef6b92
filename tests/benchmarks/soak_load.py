"""A steady mix of questions for the soak: topics in several scopes, in other words, again, anew, and called off."""

import asyncio
import random
import secrets
import time
import zlib
from collections import deque
from dataclasses import dataclass, field
from functools import cached_property

import orjson
from soak_ledger import Asked, Ledger

from askonce import AskOnceError, Client, Question, QuestionFailed, StoreUnreachable
from support.asking import paraphrases

CACHE_TTL, RESULT_TTL = 60.0, 60.0
SHORT_TTL = 5.0
PATIENCE = 90.0
"""Seconds after which a question without an answer counts as lost."""
TICKS = 4
"""A second."""
RECENT = 120
"""Topics that are asked again; a topic is new for about as long as an entry lives, and old later on."""
CARDS = {"new": 24, "near": 34, "repeat": 24, "old": 8, "refresh": 3, "bypass": 3, "short": 4}
WAYS = {"ask": 20, "ask_named": 20, "submit": 20, "bulk": 40}
SCOPES: tuple[dict, ...] = (
    {"namespace": "shop", "model": "model-a"},
    {"namespace": "shop", "model": "model-a", "system": "Answer like a clerk."},
    {"namespace": "bank", "model": "model-a"},
    {"namespace": "shop", "model": "model-b", "template": "In one word: {text}"},
)


@dataclass(eq=False)
class Topic:
    """What may share one answer. `user` is sent to the LLM and is no part of the scope: it names the namespace there,
    so that the server's checksum of a request tells every scope from every other."""

    number: int
    ttl: float | None = None
    tag: str = field(init=False)
    texts: list[str] = field(init=False)

    def __post_init__(self):
        group = self.number // len(SCOPES)
        self.scope = self.number % len(SCOPES)
        self.tag = f"[g{group}]"
        self.texts = paraphrases(f"how tall is tower {group}? {self.tag}", 20)

    def question(self, text, **fields):
        scope = SCOPES[self.scope]
        return Question(text, **scope, params={"user": scope["namespace"]}, ttl=self.ttl, **fields)

    @cached_property
    def digests(self):
        """Of the requests whose answers are this topic's."""
        return {f"fp_{zlib.crc32(orjson.dumps(self.question(text).request())):08x}" for text in self.texts}


class Deck:
    """Cards in random order, and in each round as many of each kind as are in the deck: the rates do not drift."""

    def __init__(self, chance, cards):
        self._chance, self._cards, self._left = (
            chance,
            [kind for kind, count in cards.items() for _ in range(count)],
            [],
        )

    def draw(self):
        if not self._left:
            self._left = self._chance.sample(self._cards, len(self._cards))
        return self._left.pop()


class Load:
    """rate: questions a second."""

    def __init__(self, client: Client, ledger: Ledger, *, rate: int, seed: int) -> None:
        self.client, self.ledger, self.rate = client, ledger, rate
        self._chance = random.Random(seed)
        self._cards, self._ways = Deck(self._chance, CARDS), Deck(self._chance, WAYS)
        self._recent: deque[Topic] = deque([Topic(0)], maxlen=RECENT)
        self._old: deque[Topic] = deque([Topic(0)], maxlen=40 * RECENT)
        self._topics = 0
        self._tasks: set[asyncio.Task] = set()

    async def run(self, seconds: float) -> None:
        end, due, ticks = time.monotonic() + seconds, time.monotonic(), 0
        while due < end:
            questions = [self._next() for _ in range(self.rate // TICKS)]
            ways = [self._ways.draw() for _ in questions]
            self._start(*(self._one(way, asked) for way, asked in zip(ways, questions, strict=True) if way != "bulk"))
            bulk = [asked for way, asked in zip(ways, questions, strict=True) if way == "bulk"]
            cancelled = ticks % (5 * TICKS) == 0
            self._start(*(self._bulk(part, cancelled=cancelled) for part in _by_namespace(bulk)))
            ticks, due = ticks + 1, due + 1 / TICKS
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def done(self) -> None:
        while self._tasks:
            await asyncio.gather(*self._tasks)

    def _start(self, *works) -> None:
        for work in works:
            task = asyncio.create_task(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _next(self) -> Asked:
        card = self._cards.draw()
        if card in ("new", "short"):
            self._topics += 1
            topic = Topic(self._topics, SHORT_TTL if card == "short" else None)
            self._recent.append(topic)
            self._old.append(topic)
            text = topic.texts[0]
        else:
            topic = self._chance.choice(self._old if card == "old" else self._recent)
            text = topic.texts[0] if card == "repeat" else self._chance.choice(topic.texts)
        cache = card if card in ("refresh", "bypass") else "use"
        job_id = f"soak-{secrets.token_hex(6)}"
        question = topic.question(text, cache=cache, job_id=job_id, metadata={"for": job_id})
        return Asked(topic, question, floor=self.ledger.floor(topic.scope, fresh=cache != "use"))

    async def _one(self, way: str, asked: Asked) -> None:
        if way == "ask":  # under an id that the client makes
            asked.question, asked.named = asked.question.with_fields(job_id=None), False
        asked.at, asked.way = time.time(), way
        self.ledger.asked(asked)
        try:
            async with asyncio.timeout(PATIENCE):
                answer = await self.persist(self._asked_and_heard, asked)
        except (AskOnceError, TimeoutError) as error:
            self.ledger.lost(asked, f"{type(error).__name__}: {error}")
        else:
            self.ledger.arrived(asked, answer)

    async def _asked_and_heard(self, asked: Asked):
        try:
            if asked.way != "submit":
                return await self.client.ask(asked.question, timeout=PATIENCE)
            job_id = await self.client.submit(asked.question)
            return await self.client.result(job_id, timeout=PATIENCE, namespace=asked.question.namespace)
        except QuestionFailed as error:
            return error.answer
        except StoreUnreachable:
            self.ledger.unsure += not asked.named
            raise

    async def _bulk(self, part: list[Asked], *, cancelled: bool) -> None:
        waiting = {asked.question.job_id: asked for asked in part}
        for asked in part:
            asked.at, asked.way = time.time(), "bulk"
            self.ledger.asked(asked)
        namespace = part[0].question.namespace
        try:
            async with asyncio.timeout(PATIENCE):
                await self.persist(self.client.submit_many, [asked.question for asked in part])
                if cancelled:
                    called_off = await self.persist(self._cancel, list(waiting), namespace)
                    self.ledger.called_off(waiting[job_id] for job_id in called_off)
                await self.persist(self._collect, waiting, namespace)
        except (AskOnceError, TimeoutError) as error:
            for asked in waiting.values():
                self.ledger.lost(asked, f"{type(error).__name__}: {error}")

    async def _cancel(self, ids, namespace):
        return await self.client.cancel(ids, namespace=namespace)

    async def _collect(self, waiting: dict, namespace: str) -> None:
        async for answer in self.client.as_completed(list(waiting), namespace=namespace):
            self.ledger.arrived(waiting.pop(answer.job_id), answer)

    @staticmethod
    async def persist(call, *arguments):
        """While Redis is away. (What is submitted again under its job id is the same question.)"""
        while True:
            try:
                return await call(*arguments)
            except StoreUnreachable:
                await asyncio.sleep(0.5)


def _by_namespace(bulk: list[Asked]) -> list[list[Asked]]:
    parts: dict[str | None, list[Asked]] = {}
    for asked in bulk:
        parts.setdefault(asked.question.namespace, []).append(asked)
    return list(parts.values())
