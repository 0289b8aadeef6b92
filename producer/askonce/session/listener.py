"""How a client hears of answers: one stream of its own, and a safety net for what the stream does not bring.

Whoever waits is entered in `Waiting` before Redis is told, so no notification can come too early. A notification that
is lost (the stream was trimmed, Redis failed over) costs a second or so: `_ask_again` looks for itself.
"""

import asyncio
import secrets
from collections.abc import Sequence
from contextlib import suppress

from askonce.answer import Answer, AnswerError
from askonce.contract.keys import Keys
from askonce.contract.result import read_result
from askonce.errors import AskOnceError, StoreUnreachable, UnknownJob
from askonce.session.batching import Batcher
from askonce.session.iteration import batched
from askonce.session.waiting import Waiting
from askonce.store.connection import ScriptCall, Store
from askonce.store.scripts import Script
from askonce.tasks import stop

LISTEN = Script("askonce", "listen")

START = b"0-0"
LOOK = 500
"""Most jobs in one script, and most results in one MGET: others use this Redis too."""
AGAIN_PER_SECOND = 1000
LONGEST_PAUSE = 2.0
PATIENCE = 60.0
"""Seconds for which a Redis that is away is waited for."""


class Listener:
    """Results of jobs, by `namespace:job_id`. Its tasks start with the first one who waits."""

    def __init__(self, store: Store, keys: Keys) -> None:
        self.id = secrets.token_hex(8)
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
        """Hands out the answers that are there; of the others, and of the unknown ones, those who wait will hear."""
        if len(jobs) == 1:
            self._hand_out(jobs, [await self._look((jobs[0], self.id))])
        else:
            self._hand_out(jobs, await self._look_at([(job, self.id) for job in jobs]))
        for job in jobs:
            self.waiting.confirm(job)

    async def peek(self, job: str) -> Answer | None:
        """The answer, or None while there is none. Raises UnknownJob."""
        raw = await self._look((job, ""))
        if raw is None:
            raise UnknownJob(_job_id(job))
        return read_answer(job, raw) if raw else None

    async def aclose(self) -> None:
        await stop(*self._tasks)
        await self._look.aclose()
        self._tasks = []
        self.waiting.close(StoreUnreachable("the client was closed"))

    async def _hear(self) -> None:
        """A Redis that is away for longer than PATIENCE is told to those who wait: nobody waits for ever."""
        clock = asyncio.get_running_loop().time
        heard, pause = clock(), 0.05
        while True:
            try:
                await self._hear_once()
                heard, pause = clock(), 0.05
            except AskOnceError as error:
                if clock() - heard > PATIENCE:
                    self.waiting.fail_all(error)
                self._position = START  # another Redis may count from another time; what is known already is skipped
                await asyncio.sleep(pause)
                pause = min(LONGEST_PAUSE, 2 * pause)

    async def _hear_once(self) -> None:
        """The position moves on only once the answers are here: what fails is heard again."""
        items = await self._stream.after(self._position)
        if not items:
            return
        told = (job for _, fields in items for job in fields.get(b"ids", b"").decode("utf-8", "replace").split())
        for jobs in batched([job for job in dict.fromkeys(told) if job in self.waiting], 4 * LOOK):
            commands = [("MGET", *map(self._key, part)) for part in batched(jobs, LOOK)]
            replies = await self._store.pipeline(commands)
            self._hand_out(jobs, [raw for reply in replies for raw in reply])
        self._position = items[-1][0]

    async def _ask_again(self) -> None:
        while True:
            await asyncio.sleep(1)
            jobs = self.waiting.overdue(AGAIN_PER_SECOND)
            with suppress(AskOnceError):
                await self.listen(jobs)

    def _hand_out(self, jobs: Sequence[str], raws: Sequence[bytes | None]) -> None:
        for job, raw in zip(jobs, raws, strict=True):
            if raw is None:
                self.waiting.vanished(job)
            elif raw:
                answer = read_answer(job, raw)
                if answer is not None:
                    self.waiting.arrived(job, answer)

    async def _look_at(self, jobs: Sequence[tuple[str, str]]) -> list[bytes | None]:
        """What listen.lua says of each job, under the listener beside it."""
        places: dict[tuple[str, str], list[int]] = {}
        for place, (job, listener) in enumerate(jobs):
            places.setdefault((job.partition(":")[0], listener), []).append(place)
        parts = [(group, part) for group, indexes in places.items() for part in batched(indexes, LOOK)]
        calls = [
            ScriptCall(LISTEN, [], [self._keys.result(namespace, ""), listener, *(_job_id(jobs[i][0]) for i in part)])
            for (namespace, listener), part in parts
        ]
        replies: list[bytes | None] = [None] * len(jobs)
        if calls:
            for (_, part), found in zip(parts, await self._store.pipeline(calls), strict=True):
                for place, raw in zip(part, found, strict=True):
                    replies[place] = raw
        return replies

    def _key(self, job: str) -> str:
        namespace, _, job_id = job.partition(":")
        return self._keys.result(namespace, job_id)


def _job_id(job: str) -> str:
    return job.partition(":")[2]


def read_answer(job: str, raw: bytes) -> Answer | None:
    """As `read_result`; what cannot be read is a failed answer, since nobody can wait for a better one."""
    try:
        return read_result(_job_id(job), raw)
    except ValueError:
        error = AnswerError("invalid_response", "the result in Redis cannot be read")
        return Answer(_job_id(job), "failed", error=error)
