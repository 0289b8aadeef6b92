"""A file's record in Redis: everything but its bytes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from askonce.readable import read_object, text_of, time_of

FORMAT = 1
"""Version of the record. A release reads its own version and older ones."""


@dataclass(frozen=True, slots=True)
class FileRecord:
    """size: bytes. created_at, expires_at: Unix s. fence: that of the lease that wrote it; 0 for an upload."""

    id: str
    namespace: str
    filename: str
    purpose: str
    size: int
    created_at: int
    expires_at: int
    fence: int = 0

    @property
    def blob(self) -> str:
        return blob_of(self.id) if not self.fence else f"{versions_of(self.id)}/{self.fence:06}"

    def shown(self) -> Mapping[str, Any]:
        """The file in the format of OpenAI's API."""
        return {
            "id": self.id,
            "object": "file",
            "bytes": self.size,
            "created_at": self.created_at,
            "expires_at": self.expires_at,
            "filename": self.filename,
            "purpose": self.purpose,
            "status": "processed",
            "status_details": None,
        }


def blob_of(name: str) -> str:
    return f"files/{name}"


def versions_of(name: str) -> str:
    """The folder of a result file: each server that writes it writes its own version."""
    return f"files/{name}.d"


def write_file(record: FileRecord) -> bytes:
    return orjson.dumps({"format": FORMAT, **asdict(record)})


def read_file(raw: bytes | None) -> FileRecord | None:
    """None if the file is gone or this release cannot read its record."""
    try:
        record = read_object(raw or b"null")
        if record.get("format") != FORMAT:
            return None
        fields: dict[str, Any] = {name: text_of(record, name) for name in ("id", "namespace", "filename", "purpose")}
        fields |= {name: time_of(record, name) for name in ("size", "created_at", "expires_at")}
        return FileRecord(**fields, fence=time_of({"fence": 0, **record}, "fence"))
    except ValueError:
        return None
