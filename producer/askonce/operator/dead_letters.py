"""Dead letters, and asking their questions again."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from askonce.client import Client
from askonce.contract.chunk import FUNCTION, Chunk, unpack
from askonce.contract.keys import LANES
from askonce.operator.installation import Installation
from askonce.question import Question
from askonce.readable import read_object, text_of, time_of
from askonce.session.backend import Lane

PAGE = 200


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A job that was given up.

    Attributes:
        job: arq's id of the job.
        lane: its lane.
        cause: why it was given up.
        tries: how often it was tried.
        at: when it was given up (Unix ms).
        record: arq's job record, or its text if that is not JSON. It contains the prompts.
    """

    job: str
    lane: Lane
    cause: str
    tries: int
    at: int
    record: Any

    def chunk(self) -> Chunk:
        """The questions of the job.

        Raises:
            ValueError: the record cannot be read.
        """
        record = self.record
        if not isinstance(record, dict) or not isinstance(record.get("a"), list) or not record["a"]:
            raise ValueError("the job's record is malformed")
        if record.get("f") != FUNCTION:
            raise ValueError("another program's job")
        return unpack(record["a"][0])


@dataclass(frozen=True, slots=True)
class Replay:
    """The outcome of replaying a dead letter.

    Attributes:
        job: arq's id of the job.
        job_ids: the new job ids of the questions asked again, by their old ones.
        left_out: why other questions were not asked again, by job id.
    """

    job: str
    job_ids: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


class DeadLetters(Installation):
    """The dead letters of one installation.

    Args:
        client: submits the replayed questions.
        redis_url: Redis; ASKONCE_REDIS_URL where it is not given.
        key_prefix: of all keys; ASKONCE_KEY_PREFIX where it is not given.
    """

    def __init__(self, client: Client, redis_url: str | None = None, *, key_prefix: str | None = None) -> None:
        super().__init__(redis_url, key_prefix=key_prefix)
        self._client = client

    async def all(self) -> AsyncIterator[DeadLetter]:
        """Every dead letter, in no particular order.

        Raises:
            StoreUnreachable: Redis does not answer.
        """
        cursor: Any = b"0"
        seen: set[bytes] = set()
        while True:
            [(cursor, page)] = await self._store.pipeline([("HSCAN", self._keys.dead, cursor, "COUNT", PAGE)])
            pairs = page.items() if isinstance(page, dict) else zip(page[::2], page[1::2], strict=True)
            for job, letter in pairs:
                if job not in seen:
                    seen.add(job)
                    yield _read(job.decode("utf-8", "replace"), letter)
            if int(cursor) == 0:
                return

    async def get(self, jobs: Sequence[str]) -> list[DeadLetter]:
        """The letters of these jobs.

        Raises:
            LookupError: one of them is not a dead letter.
            StoreUnreachable: Redis does not answer.
        """
        if not jobs:
            return []
        [letters] = await self._store.pipeline([("HMGET", self._keys.dead, *jobs)])
        for job, letter in zip(jobs, letters, strict=True):
            if letter is None:
                raise LookupError(f"no dead letter {job}")
        return [_read(job, letter) for job, letter in zip(jobs, letters, strict=True)]

    async def drop(self, jobs: Sequence[str]) -> int:
        """Deletes the letters of these jobs.

        Returns:
            How many there were.

        Raises:
            StoreUnreachable: Redis does not answer.
        """
        if not jobs:
            return 0
        [dropped] = await self._store.pipeline([("HDEL", self._keys.dead, *jobs)])
        return int(dropped)

    async def replay(self, letter: DeadLetter) -> Replay:
        """Asks the questions of a letter again, with the same timeout, and drops the letter.

        A published result never changes, so a failed question gets a new job id. The id is the same each time the
        letter is replayed, so an interrupted replay can be repeated. A question whose result has expired keeps its job
        id. Questions answered before the job was given up are left out.

        Raises:
            ValueError: no question of the letter can be read. The letter stays.
            AskOnceError: what `submit_many` raises. The letter stays.
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


def _read(job: str, raw: bytes) -> DeadLetter:
    """Unreadable letters are listed too, so that they can be dropped."""
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
