"""Ctrl-C and SIGTERM, for commands that have children to end first."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn


class Stopped(KeyboardInterrupt):
    """Unwinds the `with` block wherever the main thread is. (asyncio lets a KeyboardInterrupt escape from a task.)"""


@contextmanager
def stop_on_signals() -> Iterator[None]:
    """Raise Stopped on the first Ctrl-C or SIGTERM, and ignore further ones while stopping."""

    def stop(_signal: int, _frame: object) -> NoReturn:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
        raise Stopped

    before = {each: signal.signal(each, stop) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
