"""Jobs that were given up, and a second life for their questions."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from askonce.client import Client
from askonce.closing import Closing
from askonce.contract.chunk import FUNCTION, Chunk, unpack
from askonce.contract.keys import LANES, Keys
from askonce.question import Question
from askonce.readable import read_object, text_of, time_of
from askonce.session.backend import Lane
from askonce.settings import client_settings
from askonce.store.connection import Store

PAGE = 200


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """at: Unix ms. record: arq's job record, or its text where that is no JSON. It holds the prompts."""

    job: str
    lane: Lane
    cause: str
    tries: int
    at: int
    record: Any

    def chunk(self) -> Chunk:
        """Raises ValueError where no question can be told from the record."""
        record = self.record
        if not isinstance(record, dict) or not isinstance(record.get("a"), list) or not record["a"]:
            raise ValueError("the job's record is malformed")
        if record.get("f") != FUNCTION:
            raise ValueError("the job is none of ours")
        return unpack(record["a"][0])


@dataclass(frozen=True, slots=True)
class Replay:
    """job_ids: of each question that is asked again, its old and its new one. left_out: why others are not."""

    job: str
    job_ids: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


class DeadLetters(Closing):
    """client: submits what is replayed. The rest goes over a connection of its own, which `async with` closes."""

    def __init__(self, client: Client, redis_url: str | None = None, *, key_prefix: str | None = None) -> None:
        settings = client_settings({"redis_url": redis_url, "key_prefix": key_prefix})
        self._client = client
        self._key = Keys(settings.key_prefix).dead
        self._store = Store(settings.redis_url)

    async def all(self) -> AsyncIterator[DeadLetter]:
        """In no order."""
        cursor: Any = b"0"
        seen: set[bytes] = set()
        while True:
            [(cursor, page)] = await self._store.pipeline([("HSCAN", self._key, cursor, "COUNT", PAGE)])
            pairs = page.items() if isinstance(page, dict) else zip(page[::2], page[1::2], strict=True)
            for job, letter in pairs:
                if job not in seen:
                    seen.add(job)
                    yield _read(job.decode("utf-8", "replace"), letter)
            if int(cursor) == 0:
                return

    async def get(self, jobs: Sequence[str]) -> list[DeadLetter]:
        """Raises LookupError for a job that is no dead letter."""
        if not jobs:
            return []
        [letters] = await self._store.pipeline([("HMGET", self._key, *jobs)])
        for job, letter in zip(jobs, letters, strict=True):
            if letter is None:
                raise LookupError(f"no dead letter {job}")
        return [_read(job, letter) for job, letter in zip(jobs, letters, strict=True)]

    async def drop(self, jobs: Sequence[str]) -> int:
        """How many there were."""
        if not jobs:
            return 0
        [dropped] = await self._store.pipeline([("HDEL", self._key, *jobs)])
        return int(dropped)

    async def replay(self, letter: DeadLetter) -> Replay:
        """Asks its questions again, with all the time they had, and drops the letter.

        A published result never changes: a question that ended as failed gets a new job id, always the same one from
        the same letter, so that a replay which broke off may be repeated. One whose result has expired keeps its own.
        Those that were answered before the job was given up are left out. Raises ValueError where none can be read, and
        what `submit_many` raises; the letter stays then.
        """
        chunk = letter.chunk()
        if not chunk.questions:
            raise ValueError("; ".join(f"{bad.job_id}: {bad.reason}" for bad in chunk.bad))
        replay = Replay(letter.job, left_out={bad.job_id: bad.reason for bad in chunk.bad})
        again = await self._again(letter, chunk, replay)
        if again:
            await self._client.submit_many(again, lane=letter.lane, timeout=chunk.timeout_ms / 1000)
        await self.drop([letter.job])
        return replay

    async def _again(self, letter: DeadLetter, chunk: Chunk, replay: Replay) -> list[Question]:
        names = [question.job_id or "" for question in chunk.questions]
        statuses = await self._client.status(names, namespace=chunk.namespace)
        questions = []
        for name, question in zip(names, chunk.questions, strict=True):
            status = statuses[name]
            if status in ("failed", "unknown"):
                replay.job_ids[name] = name if status == "unknown" else _new_id(letter, name)
                questions.append(question.with_fields(job_id=replay.job_ids[name]))
            else:
                replay.left_out[name] = status
        return questions

    async def aclose(self) -> None:
        await self._store.aclose()


def _read(job: str, raw: bytes) -> DeadLetter:
    """One that cannot be read is listed too: it can be dropped."""
    try:
        letter = read_object(raw)
        lane, tries = letter.get("lane"), letter.get("tries")
        if lane not in LANES or type(tries) is not int:
            raise ValueError("malformed")
        return DeadLetter(job, lane, text_of(letter, "cause"), tries, time_of(letter, "at"), letter.get("record"))
    except ValueError:
        return DeadLetter(job, "bulk", "the letter is malformed", 0, 0, raw.decode("utf-8", "backslashreplace"))


def _new_id(letter: DeadLetter, job_id: str) -> str:
    return hashlib.sha256(f"{letter.job} {letter.at} {job_id}".encode()).hexdigest()[:32]
