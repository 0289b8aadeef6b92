"""Files that commands read and write. Problems with one are reported as bad input, in one line."""

import sys
from collections.abc import Iterator
from pathlib import Path


def write_output(file: str, content: bytes) -> None:
    """Writes a file; `-` is stdout. Raises ValueError if it cannot be created."""
    if file == "-":
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    path = Path(file)
    if not path.parent.is_dir():
        raise ValueError(f"{path.parent}: there is no such directory")
    if path.is_dir():
        raise ValueError(f"{path} is a directory")
    path.write_bytes(content)


def numbered_lines(file: str) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank; `-` is stdin. Raises ValueError if the file does not exist."""
    if file == "-":
        yield from ((number, line) for number, line in enumerate(sys.stdin.buffer, 1) if line.strip())
        return
    path = Path(file)
    if not path.exists():
        raise ValueError(f"{path}: there is no such file")
    if path.is_dir():
        raise ValueError(f"{path} is a directory")
    with path.open("rb") as lines:
        yield from ((number, line) for number, line in enumerate(lines, 1) if line.strip())
