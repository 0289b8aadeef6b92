"""Ctrl-C ends what is going on, and the report is about what was seen so far. A second one ends at once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stop:
    """is_set: somebody wants it to end."""

    def __init__(self) -> None:
        self.is_set = False


@contextmanager
def on_interrupt() -> Iterator[Stop]:
    """In the main thread alone: elsewhere nothing is changed."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = signal.getsignal(signal.SIGINT)

    def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a signal handler
        stop.is_set = True
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, end)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
