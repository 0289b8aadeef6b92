"""How a client receives answers: its own stream, and polling as a safety net.

A caller is registered in `Waiting` before Redis knows of it, so no notification can arrive too early. A lost
notification (the stream was trimmed, Redis failed over) costs about a second, until `_ask_again` polls.
"""

import asyncio
import secrets
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from askonce.answer import Answer, AnswerError
from askonce.contract.keys import Keys
from askonce.contract.result import read_result
from askonce.errors import AskOnceError, StoreUnreachable, UnknownJob
from askonce.session.batching import Batcher
from askonce.session.waiting import Waiting
from askonce.store.connection import ScriptCall, Store
from askonce.store.fetch import MOST_BYTES, fetched, unread
from askonce.store.scripts import Script
from askonce.tasks import stop

AT_ONCE = "+"
"""Name prefix of listeners that get small answers themselves, not only ids (publish_answers.lua)."""
LISTEN = Script("askonce", "listen")

START = b"0-0"
LOOK = 500
"""Maximum jobs in one script, because others use this Redis too."""
AGAIN_PER_SECOND = 1000
LONGEST_PAUSE = 2.0
PATIENCE = 60.0
"""Seconds for which callers wait while Redis is away."""


class Listener:
    """Results of jobs, by `namespace:job_id`. Its tasks start with the first caller that waits."""

    def __init__(self, store: Store, keys: Keys) -> None:
        self.id = f"{AT_ONCE}{secrets.token_hex(8)}"
        self.waiting = Waiting()
        self._store = store
        self._keys = keys
        self._stream = store.reader(keys.answered(self.id))
        self._position = START
        self._look: Batcher[tuple[str, str], bytes | None] = Batcher(self._look_at, most=4 * LOOK)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        if not self._tasks or any(task.done() for task in self._tasks):
            self._tasks = [asyncio.create_task(self._hear()), asyncio.create_task(self._ask_again())]

    async def listen(self, jobs: Sequence[str]) -> None:
        """Delivers existing answers, and tells callers of unknown jobs. The rest are notified later."""
        if len(jobs) == 1:
            self._hand_out(jobs[0], await self._look((jobs[0], self.id)))
        else:
            for job, raw in zip(jobs, await self._look_at([(job, self.id) for job in jobs]), strict=True):
                self._hand_out(job, raw)
        for job in jobs:
            self.waiting.confirm(job)

    async def peek(self, job: str) -> Answer | None:
        """The answer; None if there is none yet. Raises UnknownJob."""
        raw = await self._look((job, ""))
        if raw is None:
            raise UnknownJob(_job_id(job))
        return read_answer(job, raw) if raw else None

    async def run(self, call: ScriptCall) -> Any:
        """Runs a script that may lead to notifications. The script and the next read go out in one write, unless a read
        has begun."""
        if self._stream.is_free:
            try:
                return await self._stream.behind(call, self._position)
            except StoreUnreachable:  # it may be sent twice
                self._position = START
        return await self._store.script(call.script, call.keys, call.args)

    async def aclose(self) -> None:
        await stop(*self._tasks)
        await self._look.aclose()
        self._tasks = []
        self.waiting.close(StoreUnreachable("the client was closed"))

    async def _hear(self) -> None:
        """Reads the stream until it is cancelled. Once Redis is away for longer than PATIENCE, waiting callers fail."""
        clock = asyncio.get_running_loop().time
        heard, pause = clock(), 0.05
        while True:
            if not self.waiting.may_come:
                await self.waiting.anything()
                heard = clock()
            try:
                await self._hear_once()
                heard, pause = clock(), 0.05
            except AskOnceError as error:
                if clock() - heard > PATIENCE:
                    self.waiting.fail_all(error)
                self._position = START  # another server may have other positions; known answers are skipped
                await asyncio.sleep(pause)
                pause = min(LONGEST_PAUSE, 2 * pause)

    async def _hear_once(self) -> None:
        """Reads once. The position only advances once the answers are here, so a failure is read again."""
        items = await self._stream.after(self._position)
        if not items:
            return
        named = []
        for _, fields in items:
            ids = fields.get(b"ids", b"").decode("utf-8", "replace").split()
            record = fields.get(b"record")
            if record is None or len(ids) != 1:
                named += ids
            elif ids[0] in self.waiting:
                self._hand_out(ids[0], record)
        jobs = {self._key(job): job for job in named if job in self.waiting}
        async for key, raw in fetched(self._store, list(jobs)):
            self._hand_out(jobs[key], raw)
        self._position = items[-1][0]

    async def _ask_again(self) -> None:
        while True:
            await asyncio.sleep(1)
            jobs = self.waiting.overdue(AGAIN_PER_SECOND)
            with suppress(AskOnceError):
                await self.listen(jobs)

    def _hand_out(self, job: str, raw: bytes | None) -> None:
        if raw is None:
            self.waiting.vanished(job)
        elif raw:
            answer = read_answer(job, raw)
            if answer is not None:
                self.waiting.arrived(job, answer)

    async def _look_at(self, jobs: Sequence[tuple[str, str]]) -> list[bytes | None]:
        """Runs listen.lua for each job with its listener."""
        replies: dict[tuple[str, str], bytes | None] = {}
        waiting = list(dict.fromkeys(jobs))
        while waiting:
            part, waiting = _alike(waiting)
            namespace, listener = part[0][0].partition(":")[0], part[0][1]
            head = [self._keys.result(namespace, ""), listener, MOST_BYTES]
            values = await self._store.script(LISTEN, [], [*head, *(_job_id(job) for job, _ in part)])
            again, found = unread(part, values)
            waiting[:0] = again
            replies.update(found)
        return [replies[job] for job in jobs]

    def _key(self, job: str) -> str:
        namespace, _, job_id = job.partition(":")
        return self._keys.result(namespace, job_id)


def _alike(jobs: Sequence[tuple[str, str]]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Jobs for one script, of one namespace and listener, and the rest."""
    first = _script_of(jobs[0])
    part = [job for job in jobs if _script_of(job) == first][:LOOK]
    taken = set(part)
    return part, [job for job in jobs if job not in taken]


def _script_of(job: tuple[str, str]) -> tuple[str, str]:
    return job[0].partition(":")[0], job[1]


def _job_id(job: str) -> str:
    return job.partition(":")[2]


def read_answer(job: str, raw: bytes) -> Answer | None:
    """Like `read_result`, but an unreadable result becomes a failed answer, because no better one will come."""
    try:
        return read_result(_job_id(job), raw)
    except ValueError:
        error = AnswerError("invalid_response", "the result in Redis cannot be read")
        return Answer(_job_id(job), "failed", error=error)
