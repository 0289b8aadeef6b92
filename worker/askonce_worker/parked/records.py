"""Redis records of parked questions and provider batches. No I/O.

A parked question is a hash: `place`, `scope` (its name in `parked:scopes`), `question` (version and text), `epochs`,
`tries`, `vector` while it is new, `wasted` (the batch whose reply was paid for but unusable), `aside` and `payer`
(billionths reserved for its line, and the namespace whose budget holds them) and `w:JOB_ID` for each waiter. All
waiters share the scope. A waiter with other words has its own text.
"""

import base64
import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from askonce.contract.chunk import pack, unpack
from askonce.errors import InvalidQuestion
from askonce.question import Question
from askonce.readable import read_object, text_of, time_of
from askonce_worker.answering.ports import Vector

VERSION = 1
WAITS = b"w:"
NEVER = 9_007_199_254_740_991
"""The deadline (Unix ms) of a question without waiters: the largest integer that a score holds."""
KEEPS = ("cache", "ttl")
"""Fields for whether and how long its answer is cached, set by the first waiter and kept after it left."""
OWN = ("cache", "ttl", "threshold", "semantic", "metadata", "schema")


class Unreadable(ValueError):
    """A record that this release cannot read."""


@dataclass(frozen=True, slots=True)
class Waiter:
    """question: with its job id. deadline: Unix ms. similarity: if it has other words, else None. raw: as stored.

    late: it arrived when the question was already in a batch.
    """

    question: Question
    deadline: int
    similarity: float | None
    raw: bytes
    late: bool = False

    @property
    def field(self) -> str:
        return f"w:{self.question.job_id}"


@dataclass(frozen=True, slots=True)
class Parked:
    """question: without a job id. epochs: when it was parked. tries: number of batches it was in.

    asked: Unix ms. wasted: the batch whose reply was paid for but unusable.
    """

    id: str
    place: str
    question: Question
    epochs: str
    tries: int
    waiters: tuple[Waiter, ...]
    vector: Vector | None = None
    asked: int = 0
    wasted: str = ""

    @property
    def deadline(self) -> int:
        return min((waiter.deadline for waiter in self.waiters), default=NEVER)


@dataclass(frozen=True, slots=True)
class Packed:
    """A question and a waiter, serialised for Redis."""

    scope: str
    scope_record: bytes
    question: bytes
    waiter: bytes


def pool_of(question: Question, bounded: Collection[str]) -> str:
    """Questions of a pool may share a file: those of a model and, if their namespace has a budget (bounded), of that
    namespace."""
    namespace, model = question.namespace or "", question.model or ""
    if namespace in bounded:
        return f"|{namespace}|{model}"
    return f"||{model}" if model.startswith("|") else model


def model_of(pool: str) -> str:
    return pool.split("|", 2)[-1] if pool.startswith("|") else pool


def is_bounded(pool: str) -> bool:
    """Whether its namespace has a budget."""
    return pool.startswith("|") and not pool.startswith("||")


def parked_id(question: Question, epochs: str, asked: int, *, shared: bool) -> str:
    """22 characters. Questions that may share an answer share an id; those that never follow, or are not cached, have
    their own.

    asked: Unix ms. Questions with a `ttl` share it with those of the same `ttl` asked within the same period of that
    length: nobody joins a question that has waited longer than its answer may be old.
    """
    own = "" if shared else f"|{question.namespace}:{question.job_id}"
    age = "" if question.ttl is None else f"|{question.ttl}|{asked // max(1, int(question.ttl * 1000))}"
    digest = hashlib.sha256(f"{question.fingerprint}|{epochs}{age}{own}".encode()).digest()[:16]
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def packed(question: Question, deadline: int, asked: int) -> Packed:
    chunk = orjson.loads(pack(question.namespace or "", 1, [question]))
    [scope], [item] = chunk["scopes"], chunk["questions"]
    record = orjson.dumps({"namespace": question.namespace, "scope": scope})
    own = {name: item[name] for name in OWN if name in item}
    keeps = {name: item[name] for name in KEEPS if name in item}
    waiter = {"deadline": deadline, **({"reads": question.reads} if question.reads else {}), **own}
    name = base64.urlsafe_b64encode(hashlib.sha256(record).digest()[:12]).decode()
    return Packed(
        name, record, orjson.dumps({"v": VERSION, "text": question.text, "asked": asked, **keeps}), orjson.dumps(waiter)
    )


def reworded(waiter: Waiter, text: str, similarity: float) -> bytes:
    """The waiters, moved to another question with this text."""
    record = orjson.loads(waiter.raw)
    if waiter.question.text == text:
        return waiter.raw
    return orjson.dumps({**record, "text": waiter.question.text, "similarity": similarity})


def read_parked(name: str, fields: Mapping[bytes, bytes], scope: bytes | None) -> Parked:
    """Raises Unreadable."""
    try:
        record, shared = read_object(fields[b"question"]), read_object(scope or b"")
        if record.get("v") != VERSION:
            raise Unreadable("of a version that a newer release knows")
        keeps = {name: record[name] for name in KEEPS if name in record}
        question = _question(shared, text_of(record, "text")).with_fields(**keeps)
        waiters = [
            _waiter(question, field.decode()[len(WAITS) :], raw)
            for field, raw in fields.items()
            if field.startswith(WAITS)
        ]
        waiters.sort(key=lambda waiter: (waiter.deadline, waiter.field))
        vector = np.frombuffer(fields[b"vector"], np.float32) if fields.get(b"vector") else None
        place, epochs = fields[b"place"].decode(), fields[b"epochs"].decode()
        tries, wasted = int(fields.get(b"tries", b"0")), fields.get(b"wasted", b"").decode()
        asked = record["asked"] if type(record.get("asked")) is int else 0
        return Parked(name, place, question, epochs, tries, tuple(waiters), vector, asked, wasted)
    except (ValueError, KeyError, TypeError, InvalidQuestion) as error:
        raise Unreadable(f"{name}: {type(error).__name__}") from error


def _question(shared: Mapping[str, Any], text: str) -> Question:
    chunk = {
        "v": 1,
        "namespace": shared["namespace"],
        "timeout_ms": 1,
        "scopes": [shared["scope"]],
        "questions": [{"id": "-", "text": text}],
    }
    read = unpack(chunk)
    if read.bad:
        raise Unreadable(read.bad[0].reason)
    return read.questions[0]


def _waiter(question: Question, job_id: str, raw: bytes) -> Waiter:
    record = read_object(raw)
    own = {name: record[name] for name in OWN if name in record}
    reads, similarity = record.get("reads", 0), record.get("similarity")
    if type(reads) is not int or not isinstance(similarity, float | int | None):
        raise Unreadable("who waits")
    text = record.get("text", question.text)
    mine = question.with_fields(job_id=job_id, text=text, reads=reads, tier="batch", **own)
    mine.check()
    return Waiter(mine, time_of(record, "deadline"), similarity, raw, record.get("late") is True)
