"""Redis records about leaders: their own, the feed's, and the answers that followers read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast, get_args

import numpy as np
import orjson

from askonce.contract.records import Body
from askonce.readable import read_object, text_of, time_of
from askonce.replies.shapes import is_reply, reply_of
from askonce_worker.inflight.leader import Change, Ended, Leader, Led, Share
from askonce_worker.inflight.shard import Record


class Unreadable(Exception):
    """A record that this release cannot read."""


@dataclass(frozen=True, slots=True)
class Settled:
    """A leader's outcome, as its followers read it.

    at: when it was settled, Unix ms of Redis's clock. reusable: as in `Ended`.
    lapsed: its worker died.
    """

    share: Share
    body: dict[str, Any] | None = None
    reusable: float = 0.0
    at: int = 0
    lapsed: bool = False

    def is_past(self, asked_ms: int) -> bool:
        """Whether a question asked at that time is too late for it: an answer that is not cached only serves those who
        waited for it."""
        return self.at <= asked_ms and asked_ms >= self.at + self.reusable * 1000


MAX_DIMENSIONS = 65_536
"""Qdrant's own limit."""
FAILURE = {"kind", "message", "status"}
FIELDS = ("fingerprint", "scope", "epochs", "text", "embedding")


def encode_leader(leader: Leader) -> bytes:
    """A line of JSON, then the vector with one byte per component."""
    record = {name: getattr(leader, name) for name in FIELDS}
    head = orjson.dumps({**record, "slow": True} if leader.slow else record)
    return head + b"\n" + (b"" if leader.vector is None else leader.vector.tobytes())


def decode_leader(name: str, data: bytes) -> Leader:
    """Raises Unreadable."""
    head, _, vector = data.partition(b"\n")
    try:
        record = read_object(head)
        fields = {field: text_of(record, field) for field in FIELDS}
    except ValueError as error:
        raise Unreadable(name) from error
    components = np.frombuffer(vector, np.int8) if vector else None
    if components is not None and (len(components) > MAX_DIMENSIONS or not components.any()):
        raise Unreadable(name)
    return Leader(id=name, **fields, vector=components, slow=record.get("slow") is True)


def decode_record(record_id: bytes, fields: Mapping[bytes, bytes]) -> Record:
    """A record of the feed: `after ID`, then `led LEADER scope S record R` or `ended LEADER share S reusable MS`."""
    after = fields.get(b"after", b"").decode("utf-8", "replace")
    try:
        change: Change | None = _change(record_id, fields)
    except (Unreadable, KeyError, ValueError, OverflowError):
        change = None
    return Record(record_id.decode(), after, change)


def _change(record_id: bytes, fields: Mapping[bytes, bytes]) -> Change:
    if b"led" in fields:
        return Led(decode_leader(fields[b"led"].decode(), fields[b"record"]))
    share, reusable = _share(fields[b"share"].decode()), int(fields[b"reusable"]) / 1000
    return Ended(fields[b"ended"].decode(), share, reusable, int(record_id.partition(b"-")[0]))


def encode_settled(settled: Settled) -> bytes:
    record = {"share": settled.share, "reusable": settled.reusable, "body": settled.body}
    # settle.lua prepends the time; a lapsed leader needs none.
    return orjson.dumps({**record, "at": 0, "lapsed": True} if settled.lapsed else record)


def decode_settled(data: bytes) -> Settled:
    """Decodes an outcome. An unreadable one is not shared."""
    try:
        record = read_object(data)
        body = record["body"]
        if isinstance(body, dict):
            _check_outcome(body)
            body = Body(body)
        else:
            body = None
        lapsed = record.get("lapsed") is True
        return Settled(_share(record["share"]), body, float(record["reusable"]), time_of(record, "at"), lapsed)
    except (ValueError, KeyError, TypeError, OverflowError, Unreadable):
        return Settled("none")


def _check_outcome(body: dict[str, Any]) -> None:
    """Checks that it is a reply or a question's failure. Raises ValueError."""
    if is_reply(body):
        reply_of(body)
        return
    error = body.get("error")
    if not isinstance(error, dict) or not isinstance(error.get("status"), int | None) or not error.keys() <= FAILURE:
        raise ValueError("a malformed failure")
    text_of(error, "kind")
    text_of(error, "message")


def _share(value: Any) -> Share:
    if value not in get_args(Share):
        raise Unreadable(value)
    return cast(Share, value)
