"""The files that a batch writes: appended to, and on disk before the journal says so."""

import os
import stat
from pathlib import Path
from typing import Any

import orjson

from askonce.batch_file import REQUEST

STDOUT = 1


class OutputFile:
    """path: None is stdout. regular: a file, that can be read and cut. size: its bytes so far."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._fd = STDOUT if path is None else os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        self.regular = stat.S_ISREG(os.fstat(self._fd).st_mode) and path is not None
        self.size = os.fstat(self._fd).st_size if self.regular else 0
        self._lines: list[bytes] = []

    def append(self, line: bytes) -> None:
        """Held until `write`."""
        self._lines.append(line)

    def write(self) -> None:
        """On disk, from here on. What fails half-way is repaired by the next run."""
        if not self._lines:
            return
        data = memoryview(b"".join(self._lines))
        self._lines.clear()
        self.size += len(data)
        while data:
            data = data[os.write(self._fd, data) :]
        if self.regular:
            os.fsync(self._fd)

    def repair(self, committed: int, run: str) -> list[dict[str, Any]]:
        """The records that were written after the last commit. Whatever follows the last whole one is cut off.

        Raises ValueError where lines are missing that were there.
        """
        if self.size < committed:
            raise ValueError(
                f"{self.path}: {committed - self.size} bytes are missing at the end; --restart starts over"
            )
        found = []
        with os.fdopen(os.dup(self._fd), "rb") as file:
            file.seek(committed)
            for line in file:
                record = _own_record(line, run)
                if record is None:
                    break
                found.append(record)
                committed += len(line)
        self.truncate(committed)
        return found

    def truncate(self, size: int) -> None:
        if self.regular and self.size != size:
            os.ftruncate(self._fd, size)
            os.fsync(self._fd)
            self.size = size

    def close(self) -> None:
        if self._fd != STDOUT:
            os.close(self._fd)


def _own_record(line: bytes, run: str) -> dict[str, Any] | None:
    if not line.endswith(b"\n"):
        return None
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(record, dict) or not str(record.get("id")).startswith(f"{REQUEST}{run}-"):
        return None
    return record
