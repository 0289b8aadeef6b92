"""A batch's record in Redis: a hash whose state the server that runs the batch changes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from askonce.readable import read_json

FORMAT = b"1"
"""Version of the record. A release reads its own version and older ones."""
TIMES = (
    "in_progress",
    "finalizing",
    "completed",
    "failed",
    "expired",
    "cancelling",
    "cancelled",
)
TEXTS = ("id", "namespace", "endpoint", "input_file_id", "window", "status")


@dataclass(frozen=True, slots=True)
class Wishes:
    """askonce's own options of a batch, for all its lines. output_lifetime: seconds."""

    cache: str = "use"
    tier: str | None = None
    output_lifetime: int | None = None


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """A batch.

    key: name of the access key that created it; '' if none was needed. times: by status, when it began, in Unix s.
    counts: total, completed, failed. errors: in OpenAI's format.
    """

    id: str
    namespace: str
    endpoint: str
    input_file_id: str
    window: str
    created_at: int
    expires_at: int
    status: str
    metadata: Mapping[str, str] | None = None
    key: str = ""
    wishes: Wishes = field(default_factory=Wishes)
    times: Mapping[str, int] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    errors: list[dict[str, Any]] = field(default_factory=list)
    output_file_id: str | None = None
    error_file_id: str | None = None

    def shown(self) -> Mapping[str, Any]:
        """The batch in the format of OpenAI's API."""
        return {
            "id": self.id,
            "object": "batch",
            "endpoint": self.endpoint,
            "errors": {"object": "list", "data": self.errors} if self.errors else None,
            "input_file_id": self.input_file_id,
            "completion_window": self.window,
            "status": self.status,
            "output_file_id": self.output_file_id,
            "error_file_id": self.error_file_id,
            "created_at": self.created_at,
            "expires_at": self.expires_at,
            **{f"{name}_at": self.times.get(name) for name in TIMES},
            "request_counts": {name: self.counts.get(name, 0) for name in ("total", "completed", "failed")},
            "metadata": self.metadata,
        }


def first_fields(record: BatchRecord) -> dict[str, str | bytes | int]:
    """The fields of a new batch in Redis; the script adds its times."""
    wishes = {name: getattr(record.wishes, name) for name in ("cache", "tier", "output_lifetime")}
    return {
        "format": FORMAT,
        "id": record.id,
        "namespace": record.namespace,
        "endpoint": record.endpoint,
        "input_file_id": record.input_file_id,
        "window": record.window,
        "metadata": orjson.dumps(record.metadata),
        "wishes": orjson.dumps(wishes),
        "key": record.key,
        "status": record.status,
    }


def read_batch(reply: Mapping[bytes, bytes] | list[bytes]) -> BatchRecord | None:
    """Read HGETALL's reply. None if the batch is gone or this release cannot read it."""
    fields = reply if isinstance(reply, Mapping) else dict(zip(reply[::2], reply[1::2], strict=True))
    if fields.get(b"format") != FORMAT:
        return None

    def text(name: str) -> str:
        return fields[name.encode()].decode()

    def number(name: str) -> int:
        return int(fields.get(name.encode()) or 0)

    try:
        plain: dict[str, Any] = {name: text(name) for name in TEXTS}
        return BatchRecord(
            **plain,
            created_at=number("created_at"),
            expires_at=number("expires_at"),
            metadata=read_json(fields[b"metadata"]),
            key=fields.get(b"key", b"").decode(),
            wishes=Wishes(**read_json(fields[b"wishes"])),
            times={name: number(f"{name}_at") for name in TIMES if fields.get(f"{name}_at".encode())},
            counts={name: number(name) for name in ("total", "completed", "failed")},
            errors=read_json(fields.get(b"errors") or b"[]"),
            output_file_id=fields.get(b"output_file_id", b"").decode() or None,
            error_file_id=fields.get(b"error_file_id", b"").decode() or None,
        )
    except (KeyError, TypeError, ValueError):
        return None
