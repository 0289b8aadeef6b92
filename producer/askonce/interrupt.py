"""Ctrl-C while the `askonce` command is loading ends it without a traceback.

Loading takes some tenths of a second. This module is imported before all others, and does nothing in other programs.
"""

import os
import signal
import sys
import threading
from types import FrameType

INTERRUPTED = 130


def _end_quietly_while_loading() -> None:
    """Sets a handler, until `raise_from_now_on`."""
    if _is_our_command() and threading.current_thread() is threading.main_thread() and _is_default():
        signal.signal(signal.SIGINT, _end)


def raise_from_now_on() -> None:
    """Ctrl-C raises KeyboardInterrupt again."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _is_our_command() -> bool:
    name = sys.argv[0].rpartition(os.sep)[2] if getattr(sys, "argv", None) else ""
    return name == "askonce" or "askonce.cli" in sys.orig_argv


def _is_default() -> bool:
    return signal.getsignal(signal.SIGINT) is signal.default_int_handler


def _end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a signal handler
    os._exit(INTERRUPTED)


_end_quietly_while_loading()
