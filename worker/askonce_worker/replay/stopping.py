"""Ctrl-C ends the current step, and the report covers what was seen so far. A second Ctrl-C ends at once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stop:
    """is_set: whether Ctrl-C was pressed."""

    def __init__(self) -> None:
        self.is_set = False
        self._before = signal.getsignal(signal.SIGINT)

    def arm(self) -> None:
        """Listen for Ctrl-C during the next step. Does nothing outside the main thread."""
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
