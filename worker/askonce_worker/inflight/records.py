"""What stands in Redis about leaders: their records, the feed's, and the answers that followers read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast, get_args

import numpy as np
import orjson

from askonce_worker.inflight.leaders import Change, Ended, Leader, Led, Share
from askonce_worker.inflight.shard import Record


class Unreadable(Exception):
    """A record that this release cannot read."""


@dataclass(frozen=True, slots=True)
class Settled:
    """A leader's outcome, as its followers read it.

    at: when it was settled, Unix ms of Redis's clock. reusable: seconds for which later questions may have it, too.
    """

    share: Share
    body: dict[str, Any] | None = None
    reusable: float = 0.0
    at: int = 0

    def is_past(self, asked_ms: int) -> bool:
        """Whether a question of that moment comes too late for it: an answer that is not kept is for those alone who
        waited for it."""
        return self.at <= asked_ms and asked_ms >= self.at + self.reusable * 1000


FIELDS = ("fingerprint", "scope", "epochs", "text", "embedding")


def encode_leader(leader: Leader) -> bytes:
    """A line of JSON, then the vector: one byte a component."""
    head = orjson.dumps({name: getattr(leader, name) for name in FIELDS})
    return head + b"\n" + (b"" if leader.vector is None else leader.vector.tobytes())


def decode_leader(name: str, data: bytes) -> Leader:
    """Raises Unreadable."""
    head, _, vector = data.partition(b"\n")
    try:
        record = orjson.loads(head)
        fields = {field: record[field] for field in FIELDS}
    except (ValueError, KeyError, TypeError) as error:
        raise Unreadable(name) from error
    if not all(isinstance(value, str) for value in fields.values()):
        raise Unreadable(name)
    return Leader(id=name, **fields, vector=np.frombuffer(vector, np.int8) if vector else None)


def decode_record(record_id: bytes, fields: Mapping[bytes, bytes]) -> Record:
    """A record of the feed: `after ID`, then `led LEADER scope S record R` or `ended LEADER share S reusable MS`."""
    after = fields.get(b"after", b"").decode("utf-8", "replace")
    try:
        change: Change | None = _change(fields)
    except (Unreadable, KeyError, ValueError):
        change = None
    return Record(record_id.decode(), after, change)


def _change(fields: Mapping[bytes, bytes]) -> Change:
    if b"led" in fields:
        return Led(decode_leader(fields[b"led"].decode(), fields[b"record"]))
    return Ended(fields[b"ended"].decode(), _share(fields[b"share"].decode()), int(fields[b"reusable"]) / 1000)


def encode_settled(settled: Settled) -> bytes:
    return orjson.dumps({"share": settled.share, "reusable": settled.reusable, "body": settled.body})


def decode_settled(data: bytes) -> Settled:
    """What cannot be read is shared with nobody."""
    try:
        record = orjson.loads(data)
        body = record["body"]
        body = body if isinstance(body, dict) else None
        return Settled(_share(record["share"]), body, float(record["reusable"]), int(record["at"]))
    except (ValueError, KeyError, TypeError, Unreadable):
        return Settled("none")


def _share(value: Any) -> Share:
    if value not in get_args(Share):
        raise Unreadable(value)
    return cast(Share, value)
