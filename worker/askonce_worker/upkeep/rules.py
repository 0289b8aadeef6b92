"""Decides which entries may stay. Pure."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from askonce.contract.keys import epoch_fields
from askonce.readable import read_object, text_of, time_of

HEAD_BYTES = 2048
"""An entry's facts are within this many bytes, before its question: names have at most 200 characters."""
QUESTION = b',"question":'


@dataclass(frozen=True, slots=True)
class Head:
    """The beginning of an entry. raw: as stored. model: as requested; snapshot: the model that answered."""

    raw: bytes
    epochs: str
    model: str
    namespace: str
    created_at: int
    expires_at: int
    semantic: bool
    snapshot: str | None

    @property
    def record(self) -> bytes:
        return self.raw + b"}"


def read_head(begin: bytes) -> Head | None:
    """begin: the first HEAD_BYTES of an entry. None if unreadable; lookups do not use such an entry."""
    raw, found, _ = begin.partition(QUESTION)  # no string can contain these bytes, because JSON escapes quotation marks
    if not found:
        return None
    try:
        facts = read_object(raw + b"}")
        snapshot = facts.get("snapshot")
        return Head(
            raw,
            text_of(facts, "epochs"),
            text_of(facts, "model"),
            text_of(facts, "namespace"),
            time_of(facts, "created_at"),
            time_of(facts, "expires_at"),
            facts.get("semantic") is True,
            snapshot if isinstance(snapshot, str) else None,
        )
    except ValueError:
        return None


def read_question(begin: bytes) -> str | None:
    """The question in the beginning of an entry; None if it is truncated or compressed."""
    found = _TEXT.match(begin.partition(QUESTION)[2])
    try:
        return None if found is None else str(orjson.loads(found[0]))
    except ValueError:
        return None


def question_bytes(begin: bytes) -> int | None:
    """An upper bound on the question's UTF-8 bytes, from the beginning of its entry; None if unknown."""
    question = read_question(begin)
    if question is not None:
        return len(question.encode())
    try:
        return int(read_object(begin.partition(b"\n")[0])["zstd"]["question"][0])
    except (ValueError, KeyError, TypeError, IndexError):
        return None


_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*+"')


@dataclass(frozen=True, slots=True)
class Validity:
    """What makes an entry valid now. superseded: by model, the snapshots whose answers are out of date.
    never: questions whose answers are not kept."""

    epochs: Mapping[str, int]
    retired: frozenset[str]
    superseded: Mapping[str, frozenset[str]]
    never: re.Pattern[str] | None = None

    def objection(self, head: Head, question: str = "") -> str | None:
        """Why this entry must go; None if it may stay. question: '' if unknown."""
        if self._is_older(head):
            return "invalidated"
        if head.model in self.retired or head.snapshot in self.retired:
            return "retired"
        if head.snapshot in self.superseded.get(head.model, frozenset()):
            return "superseded"
        if self.never is not None and self.never.search(question) is not None:
            return "about_now"
        return None

    def _is_older(self, head: Head) -> bool:
        """Whether the entry's epochs are outdated. One newer than what was read stays, because counters only grow."""
        now = (self.epochs.get(field, 0) for field in epoch_fields(head.namespace, head.model))
        stamp = head.epochs.split(".")
        if len(stamp) != 4 or not all(then.isascii() and then.isdecimal() and len(then) < 20 for then in stamp):
            return True
        return any(int(then) < current for then, current in zip(stamp, now, strict=True))

    @property
    def digest(self) -> str:
        """Equal if the same entries may stay."""
        superseded = {model: sorted(names) for model, names in self.superseded.items() if names}
        never = self.never.pattern if self.never is not None else None
        facts = (dict(self.epochs), sorted(self.retired), superseded, never)
        return hashlib.sha256(orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]
