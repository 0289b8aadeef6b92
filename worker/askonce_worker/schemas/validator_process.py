"""The worker's handle on the process that validates answers."""

import socket
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

PROGRAM = Path(__file__).with_name("validator_program.py").read_text("utf-8")
"""Read at once: a later release may be installed under a running worker, which then starts the process again."""
WALL_SECONDS = 4.0
"""Limit of one exchange with the process, including its start. Two of them are shorter than a leader's lease."""


class Ended(Exception):
    """The process is gone."""


class ValidatorProcess:
    """The process ends when its socket closes, however this process ends."""

    def __init__(self) -> None:
        self._socket, other = socket.socketpair()
        with other:
            # In its own session, because Ctrl-C is for the worker, which may still have answers to validate.
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", PROGRAM],
                stdin=other.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._replies: BinaryIO = self._socket.makefile("rb")

    def ask(self, request: bytes) -> bytes:
        """Raises TimeoutError and Ended."""
        self._socket.settimeout(WALL_SECONDS)
        try:
            self._socket.sendall(request)
            reply = self._replies.readline()
        except TimeoutError:
            raise
        except OSError as error:
            raise Ended from error
        if not reply:
            raise Ended
        return reply

    def end(self) -> int:
        """Kill it. Returns its exit code: the negative signal number if a signal had already ended it."""
        self._replies.close()
        self._socket.close()
        self._process.kill()
        return self._process.wait()
