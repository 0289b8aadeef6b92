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
        self._before = signal.getsignal(signal.SIGINT)

    def arm(self) -> None:
        """For what begins now. In the main thread alone: elsewhere nothing is changed."""
        self.is_set = False
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self._end)

    def disarm(self) -> None:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self._before)

    def _end(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a signal handler
        self.is_set = True
        self.disarm()


@contextmanager
def on_interrupt() -> Iterator[Stop]:
    stop = Stop()
    stop.arm()
    try:
        yield stop
    finally:
        stop.disarm()
