"""A client's connections and tasks, in one event loop."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import orjson

from askonce.answer import Answer, AnswerError
from askonce.contract.keys import Keys, epoch_fields
from askonce.contract.records import VERSION, write_record
from askonce.contract.result import result_record
from askonce.contract.trace_context import current_trace
from askonce.errors import QueueFull
from askonce.explanation import Explanation
from askonce.question import Question
from askonce.session.asking import Asking
from askonce.session.attendance import Attendance
from askonce.session.backend import Lane, Status
from askonce.session.batching import Batcher
from askonce.session.exact_lookup import ExactLookup
from askonce.session.explaining import Explaining
from askonce.session.forgetting import Forgetting
from askonce.session.hits import Hits
from askonce.session.iteration import batched
from askonce.session.job_queue import JobQueue, Outcome, Route, timeout_ms
from askonce.session.listener import Listener
from askonce.session.waiting import Waiting
from askonce.session.wrong_hits import WrongHits
from askonce.settings import ClientSettings
from askonce.store.connection import ScriptCall, Store
from askonce.store.kept_scopes import KEEP_SCOPES, KeptScopes
from askonce.store.replication import warn_unless_replicated
from askonce.store.scripts import Script

STATUS = Script("askonce", "status")
CANCEL = Script("askonce", "cancel")
STORE_ANSWER = Script("askonce", "store_answer")
INVALIDATE = Script("askonce", "invalidate")

STATUSES: tuple[Status, ...] = ("unknown", "queued", "running", "answered", "failed")
CLOSING = 3.0
"""Seconds that a closing client has to write its last counts."""
PART = 500
"""Most jobs in one script."""
PARTS = 20
"""Most scripts in one round trip."""
STORED_TOGETHER = 128
STORED_BYTES = 8 * 1024 * 1024
"""Maximum bytes of completions in one round trip, unless a single one is larger."""

NewEntry = tuple[Question, Mapping[str, Any], float]
"""With its completion and its time to live in seconds."""


class Session:
    def __init__(self, settings: ClientSettings) -> None:
        self._settings = settings
        self._keys = Keys(settings.key_prefix)
        self._store = Store(settings.redis_url)
        self._listener = Listener(self._store, self._keys)
        self._queue = JobQueue(
            self._store,
            self._keys,
            chunk_size=settings.chunk_size,
            max_queued=settings.max_queued,
            result_ttl=settings.result_ttl,
            run=self._listener.run,
            reads=VERSION if settings.compress else 0,
        )
        self._exact = ExactLookup(self._store, self._keys)
        self._asking = Asking(self._exact, self._queue)
        self._lookup: Batcher[Question, Answer | None] = Batcher(self._exact.find, most=256)
        self._storing: Batcher[NewEntry, bool] = Batcher(self._store_all, most=STORED_TOGETHER)
        self._kept_scopes = KeptScopes()
        self._explaining = Explaining(self._store, self._keys, max_queued=settings.max_queued)
        self._hits = Hits(self._store, self._keys, self._listener.id)
        self.attendance = Attendance(self.workers_alive)
        self._forgetting = Forgetting(self._store, self._keys, settings.result_ttl)

    @property
    def waiting(self) -> Waiting:
        return self._listener.waiting

    def start(self) -> None:
        self._listener.start()

    async def workers_alive(self) -> int:
        [(seconds, micros)] = await self._store.pipeline([("TIME",)])
        now_ms = int(seconds) * 1000 + int(micros) // 1000
        [alive] = await self._store.pipeline([("ZCOUNT", self._keys.workers, now_ms, "+inf")])
        return int(alive)

    async def lookup(self, question: Question) -> Answer | None:
        return await self._lookup(question)

    async def lookup_many(self, questions: Sequence[Question]) -> list[Answer | None]:
        return await self._exact.find_new(questions)

    def count_hit(self, question: Question, answer: Answer, seconds: float) -> None:
        self._hits.note(question, answer, seconds)

    async def put_one(self, question: Question, lane: Lane, timeout: float, *, listen: bool) -> None:
        await self._queue.put_one(self._route(question.namespace or "", lane, timeout, listen), question)

    async def put_unless_cached(self, question: Question, job_id: str, timeout: float) -> Answer | None:
        return await self._asking(
            self._route(question.namespace or "", "interactive", timeout, listen=True), question, job_id
        )

    async def put(self, questions: Sequence[Question], lane: Lane, timeout: float, *, listen: bool) -> list[Outcome]:
        return await self._queue.put(self._route("", lane, timeout, listen), questions)

    def _route(self, namespace: str, lane: Lane, timeout: float, listen: bool) -> Route:
        return Route(lane, namespace, timeout_ms(timeout), self._listener.id if listen else "", current_trace())

    async def listen(self, jobs: Sequence[str]) -> None:
        await self._listener.listen(jobs)

    async def peek(self, job: str) -> Answer | None:
        return await self._listener.peek(job)

    async def status(self, namespace: str, job_ids: Sequence[str]) -> list[Status]:
        head = [self._keys.result(namespace, ""), self._keys.leases("")]
        return [STATUSES[reply] for reply in await self._of_each(STATUS, [], head, job_ids)]

    async def cancel(self, namespace: str, job_ids: Sequence[str]) -> list[bool]:
        record = result_record(Answer(None, "failed", error=AnswerError("cancelled", "cancelled before it was asked")))
        keys, ttl = self._keys, int(self._settings.result_ttl * 1000)
        head = [
            keys.result(namespace, ""),
            keys.answered(""),
            keys.leases(""),
            namespace,
            ttl,
            record,
            keys.stats("hour:"),
        ]
        return [reply == 1 for reply in await self._of_each(CANCEL, [keys.stats("total")], head, job_ids)]

    async def _of_each(self, script: Script, keys: list[str], head: Sequence[Any], job_ids: Sequence[str]) -> list[int]:
        replies: list[int] = []
        for group in batched(job_ids, PART * PARTS):
            calls = [ScriptCall(script, keys, [*head, *part]) for part in batched(group, PART)]
            for reply in await self._store.pipeline(calls):
                replies += reply
        return replies

    async def store(self, question: Question, body: Mapping[str, Any], ttl: float) -> bool:
        return await self._storing((question, body, ttl))

    async def _store_all(self, entries: Sequence[NewEntry]) -> list[bool | Exception]:
        replies: list[int] = []
        await self._keep_scopes(entries)
        calls, size = list[ScriptCall](), 0
        for entry in entries:
            call = self._store_call(*entry)
            calls.append(call)
            size += sum(len(argument) for argument in call.args if isinstance(argument, bytes))
            if size >= STORED_BYTES:
                replies += await self._store.pipeline(calls)
                calls, size = [], 0
        if calls:
            replies += await self._store.pipeline(calls)
        full = QueueFull("Redis is nearly full: nothing new is cached")
        return [full if reply < 0 else reply == 1 for reply in replies]

    async def _keep_scopes(self, entries: Sequence[NewEntry]) -> None:
        news = [argument for question, _, ttl in entries for argument in self._kept_scopes.note(question, ttl)]
        if news:
            await self._store.script(KEEP_SCOPES, [], [self._keys.scope(""), *news])

    def _store_call(self, question: Question, body: Mapping[str, Any], ttl: float) -> ScriptCall:
        facts = {"scope": question.scope, "model": question.model, "namespace": question.namespace}
        record = {**facts, "semantic": not question.exact_only, "question": question.text, "body": body}
        keys = self._keys
        return ScriptCall(
            STORE_ANSWER,
            [keys.epochs, keys.touched, keys.outbox, keys.entry(question.fingerprint), keys.expiries],
            [
                question.fingerprint,
                max(1000, int(ttl * 1000)),
                0 if question.exact_only else self._settings.outbox_max,
                write_record(record, compressed=self._settings.compress)[1:],
                orjson.dumps(facts)[1:],
                *epoch_fields(question.namespace or "", question.model or ""),
            ],
        )

    async def invalidate(self, epoch: str) -> None:
        """If there are replicas, wait until one has it too; logs a warning if none confirms it."""
        call = ScriptCall(INVALIDATE, [self._keys.epochs], [epoch])
        warn_unless_replicated(await self._store.replicated(call, int), "the invalidation")

    async def report_wrong(self, namespace: str, job_id: str, *, drop_entry: bool) -> bool:
        return await WrongHits(self._store, self._keys).report(namespace, job_id, drop_entry=drop_entry)

    async def report_right(self, namespace: str, job_id: str) -> bool:
        return await WrongHits(self._store, self._keys).report_right(namespace, job_id)

    async def explain(self, question: Question, timeout: float) -> Explanation:
        return await self._explaining(question, timeout)

    def forget(self, job: str, *, own: bool = False) -> None:
        self._forgetting.add(job, own=own)

    async def aclose(self) -> None:
        with suppress(TimeoutError):  # Redis is away: only statistics are lost, and memory until the results expire
            async with asyncio.timeout(CLOSING):
                await self._hits.aclose()
                await self._forgetting.aclose()
        await self.attendance.aclose()
        await self._lookup.aclose()
        await self._asking.aclose()
        await self._storing.aclose()
        await self._queue.aclose()
        await self._listener.aclose()
        await self._store.aclose()
