"""The files a batch writes. A line is on disk before the journal says so."""

import hashlib
import os
import stat
from pathlib import Path
from typing import Any

import orjson

from askonce.batch.output_format import REQUEST

STDOUT = 1
END = 1024


class OutputFile:
    """An append-only file of lines.

    Attributes:
        path: None is stdout.
        regular: It is a file that can be read and truncated.
        size: Its size in bytes so far.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._fd = STDOUT if path is None else os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        self.regular = stat.S_ISREG(os.fstat(self._fd).st_mode) and path is not None
        self.size = os.fstat(self._fd).st_size if self.regular else 0
        self._lines: list[bytes] = []

    def append(self, line: bytes) -> None:
        """Buffers a line until `write`."""
        self._lines.append(line)

    def write(self) -> None:
        """Writes the lines to disk. Raises OSError; the next run repairs a partial write."""
        if not self._lines:
            return
        data = memoryview(b"".join(self._lines))
        self._lines.clear()
        self.size += len(data)
        while data:
            data = data[os.write(self._fd, data) :]
        if self.regular:
            os.fsync(self._fd)

    def end(self, size: int) -> str | None:
        """A digest of the last bytes before this size, to detect that a file was rewritten."""
        if not self.regular:
            return None
        length = min(size, END)
        return hashlib.blake2b(os.pread(self._fd, length, size - length), digest_size=16).hexdigest()

    def repair(self, committed: int, end: str | None, run: str) -> list[dict[str, Any]]:
        """Returns the records written after the last commit, and truncates a torn one at the end.

        Args:
            committed: The size at the last commit.
            end: The digest of the end at that time, if known.
            run: The run's name, with which its job ids begin.

        Raises:
            ValueError: Lines are missing, or this run did not write some of them. The file is left unchanged.
        """
        if self.size < committed:
            raise ValueError(
                f"{self.path}: {committed - self.size} bytes are missing at the end; --restart starts over"
            )
        if end is not None and self.end(committed) != end:
            raise self.changed()
        found, own = [], f'{{"id":"{REQUEST}{run}-'.encode()
        with os.fdopen(os.dup(self._fd), "rb") as file:
            file.seek(committed)
            for line in file:
                record = _record(line) if line.startswith(own) else None
                if record is None and not _is_torn(line, own):
                    raise self.changed()
                if record is None:
                    break
                found.append(record)
                committed += len(line)
        self.truncate(committed)
        return found

    def changed(self) -> ValueError:
        return ValueError(f"{self.path} was changed since; take out what was added, or --restart starts over")

    def truncate(self, size: int) -> None:
        if self.regular and self.size != size:
            os.ftruncate(self._fd, size)
            os.fsync(self._fd)
            self.size = size

    def close(self) -> None:
        if self._fd != STDOUT:
            os.close(self._fd)


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        record: dict[str, Any] = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return record if line.endswith(b"\n") else None


def _is_torn(line: bytes, own: bytes) -> bool:
    """Whether it is the beginning of one of our records, or what a file system leaves after a power cut."""
    return line.startswith(own[: len(line)]) or b"\0" in line
