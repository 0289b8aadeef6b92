"""Which entries may stay. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from askonce.keys import epoch_fields

HEAD_BYTES = 2048
"""What an entry says about itself stands in this much, before its question: names are of at most 200 characters."""
QUESTION = b',"question":'


@dataclass(frozen=True, slots=True)
class Head:
    """The beginning of an entry. raw: as it stands in Redis. model: as asked for; snapshot: who answered."""

    raw: bytes
    epochs: str
    model: str
    namespace: str
    created_at: int
    semantic: bool
    snapshot: str | None

    @property
    def record(self) -> bytes:
        return self.raw + b"}"


def read_head(begin: bytes) -> Head | None:
    """begin: the first HEAD_BYTES of an entry. None where it cannot be read: such an entry answers nothing either."""
    raw, found, _ = begin.partition(QUESTION)  # no string can hold these bytes: JSON escapes the quotation marks
    if not found:
        return None
    try:
        facts: dict[str, Any] = orjson.loads(raw + b"}")
        return Head(
            raw,
            facts["epochs"],
            facts["model"],
            facts["namespace"],
            facts["created_at"],
            facts.get("semantic") is True,
            facts.get("snapshot"),
        )
    except (ValueError, KeyError, TypeError):
        return None


@dataclass(frozen=True, slots=True)
class Standing:
    """What holds now. superseded: of each model, the snapshots whose answers are out of date."""

    epochs: Mapping[str, int]
    retired: frozenset[str]
    superseded: Mapping[str, frozenset[str]]

    def objection(self, head: Head) -> str | None:
        """Why this entry has to go."""
        if self._is_older(head):
            return "invalidated"
        if head.model in self.retired or head.snapshot in self.retired:
            return "retired"
        if head.snapshot in self.superseded.get(head.model, frozenset()):
            return "superseded"
        return None

    def _is_older(self, head: Head) -> bool:
        """One that is newer than what we have read stays: the counters only rise."""
        now = (self.epochs.get(field, 0) for field in epoch_fields(head.namespace, head.model))
        stamp = head.epochs.split(".")
        return len(stamp) != 4 or any(int(then) < current for then, current in zip(stamp, now, strict=True))

    @property
    def digest(self) -> str:
        """Equal where the same entries may stay."""
        superseded = {model: sorted(names) for model, names in self.superseded.items() if names}
        facts = (dict(self.epochs), sorted(self.retired), superseded)
        return hashlib.sha256(orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]
