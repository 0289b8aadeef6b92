"""A worker's heartbeat for probes on the same machine: a small file, rewritten every second.

It needs neither Redis nor its password: a worker that waits for Redis is alive and must not be restarted. The file is
on a tmpfs if there is one (`/dev/shm`), which a container has even if its root is read-only. A worker holds a lock on
its file while it is alive. A file without a lock is a dead worker's, and the next probe removes it. Times are those of
the machine's monotonic clock, which all its processes share and nobody can set.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import json
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

EVERY = 1.0
LENGTH = 512
MEMORY = Path("/dev/shm")  # noqa: S108 - a directory of our own in it, which no other user may enter


@dataclass(frozen=True, slots=True)
class Beat:
    """A worker's state.

    Attributes:
        at: seconds of the monotonic clock.
        claims: whether it claims jobs.
        redis: whether it renewed its leases recently.
        failing: the parts that keep failing, separated by commas.
    """

    worker: str
    at: float
    claims: bool
    redis: bool
    failing: str = ""

    @property
    def age(self) -> float:
        return time.monotonic() - self.at


def directory() -> Path:
    """This user's directory, created if it is missing. Raises OSError, also if another user owns it."""
    base = MEMORY if os.access(MEMORY, os.W_OK | os.X_OK) else Path(tempfile.gettempdir())
    path = base / f"askonce-{os.getuid()}"
    path.mkdir(mode=0o700, exist_ok=True)
    if path.is_symlink() or path.stat().st_uid != os.getuid():
        raise PermissionError(f"{path} is not this user's own directory")
    return path


def installation(key_prefix: str, redis_url: str | None) -> str:
    """The first part of the file names of one installation's workers.

    Args:
        key_prefix: without an `@`.
        redis_url: its address tells installations with the same prefix apart; None matches any.
    """
    if redis_url is None:
        return f"{key_prefix}@"
    address = redis_url.strip().strip("\"'").rpartition("@")[2].rpartition("://")[2].partition("?")[0].rstrip("/")
    return f"{key_prefix}@{hashlib.sha256(address.encode()).hexdigest()[:12]}."


@contextlib.asynccontextmanager
async def beating(whose: str, now: Callable[[], Beat]) -> AsyncIterator[None]:
    """Write what `now` returns, at once and then every second while the block runs. Raises OSError at the start."""
    with _own_file(directory() / f"{whose}{os.getpid()}") as file:
        _write(file, now())
        task = asyncio.create_task(_keep_on(file, now))
        try:
            yield
        finally:
            task.cancel()


@contextlib.contextmanager
def _own_file(path: Path) -> Iterator[int]:
    """Create and lock the file. A probe may remove it before it is locked; then it is created again."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(file).st_ino:
                break
        os.close(file)
    try:
        yield file
    finally:
        path.unlink(missing_ok=True)
        os.close(file)


async def _keep_on(file: int, now: Callable[[], Beat]) -> None:
    while True:
        await asyncio.sleep(EVERY)
        with contextlib.suppress(OSError):  # a full tmpfs: the next second is another chance
            _write(file, now())


def _write(file: int, beat: Beat) -> None:
    """Always the same length, in one write, so that a reader never sees half a beat."""
    os.pwrite(file, json.dumps(asdict(beat)).encode().ljust(LENGTH), 0)


def beats(whose: str) -> list[Beat]:
    """The beats of this installation's live workers on this machine, under this user. Raises OSError."""
    paths = [path for path in sorted(directory().iterdir()) if path.name.startswith(whose)]
    return [beat for beat in map(_read, paths) if beat is not None]


def _read(path: Path) -> Beat | None:
    """None: its worker is dead, and the file is removed."""
    try:
        file = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
        return None
    except BlockingIOError:
        return _parsed(os.pread(file, LENGTH, 0))
    finally:
        os.close(file)


def _parsed(raw: bytes) -> Beat:
    try:
        return Beat(**json.loads(raw))
    except (ValueError, TypeError):
        raise OSError("the heartbeat file of a live worker cannot be read") from None
