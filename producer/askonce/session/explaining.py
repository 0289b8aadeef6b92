"""Explains a question for a client, from Redis data alone and by a worker."""

import asyncio
from dataclasses import replace
from typing import Any

from askonce.contract.exact_entry import by_exact_entry, exact_entry
from askonce.contract.explaining import EXPLAIN, pack_request, read_explanation
from askonce.contract.keys import ARQ_JOB, Keys, epoch_fields, epoch_stamp
from askonce.errors import QueueFull
from askonce.explanation import Explanation
from askonce.question import Question
from askonce.session.attendance import NO_WORKERS
from askonce.session.job_queue import new_job_id
from askonce.store.connection import Store
from askonce.store.scripts import Script

EXPLAIN_SCRIPT = Script("askonce", "explain")
LANE = "interactive"
PAUSES = (0.02, 0.04, 0.08, 0.16, 0.3)
"""Seconds between polls for the reply; the last one repeats."""


class Explaining:
    """max_queued: questions in a lane, 0 for no bound."""

    def __init__(self, store: Store, keys: Keys, *, max_queued: int) -> None:
        self._store = store
        self._keys = keys
        self._max_queued = max_queued

    async def __call__(self, question: Question, timeout: float) -> Explanation:
        """question: checked. timeout: seconds to wait for a worker. Raises QueueFull."""
        known = await self._known(question)
        reply_to, timeout_ms = new_job_id(), max(1000, int(timeout * 1000))
        job, keys = f"explain-{reply_to}", self._keys
        arguments: list[Any] = [
            keys.workers,
            f"{ARQ_JOB}{job}",
            job,
            EXPLAIN,
            pack_request(reply_to, question, timeout_ms),
            timeout_ms,
            self._max_queued,
        ]
        said = await self._store.script(EXPLAIN_SCRIPT, [keys.queue(LANE), keys.wake, keys.load], arguments)
        if said == b"none":
            return replace(known, note=NO_WORKERS)
        if said != b"ok":
            raise QueueFull("Redis is nearly full" if said == b"memory" else "the interactive lane is full")
        return await self._reply(known, reply_to, job, timeout)

    async def _reply(self, known: Explanation, reply_to: str, job: str, timeout: float) -> Explanation:
        try:
            async with asyncio.timeout(timeout):
                raw = await self._arrival(reply_to, job)
        except TimeoutError:
            return replace(known, note=f"no worker explained it within {timeout:g} s")
        if raw is None:
            lost = "the worker that took it runs an older release, or could not explain it"
            return replace(known, note=f"{lost}: see `askonce dead-letters list`")
        try:
            return read_explanation(raw)
        except ValueError as error:
            return replace(known, note=f"the reply of a worker cannot be read: {error}")

    async def _arrival(self, reply_to: str, job: str) -> bytes | None:
        """The reply; None if the job is gone without one."""
        keys, pauses, gone = self._keys, iter(PAUSES), False
        sets = [keys.queue(LANE), keys.alone(LANE), keys.leases(LANE)]
        while True:
            looks = [("GET", keys.explained(reply_to)), *(("ZSCORE", key, job) for key in sets)]
            reply, *places = await self._store.pipeline(looks)
            if reply is not None:
                return bytes(reply)
            missing = not any(places)
            if missing and gone:  # the first time, it may have moved between these two reads
                return None
            gone = missing
            await asyncio.sleep(next(pauses, PAUSES[-1]))

    async def _known(self, question: Question) -> Explanation:
        """The explanation from Redis alone, based on the exact entry."""
        fields = epoch_fields(question.namespace or "", question.model or "")
        commands = [
            ("HMGET", self._keys.epochs, *fields),
            ("GET", self._keys.entry(question.fingerprint)),
            ("ZSCORE", self._keys.touched, question.fingerprint),
            ("TIME",),
        ]
        stamp, raw, touched, clock = await self._store.pipeline(commands)
        epochs = epoch_stamp(stamp)
        exact = exact_entry(question, raw, epochs, known=touched is not None, now=int(clock[0]))
        return by_exact_entry(question, epochs, exact)
