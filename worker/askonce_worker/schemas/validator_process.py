"""The process that looks at answers, as the worker has it."""

import socket
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

PROGRAM = Path(__file__).with_name("validator_program.py")
WALL_SECONDS = 4.0
"""Of one exchange with the process, its start included. Two of them are shorter than a lease in flight."""


class Ended(Exception):
    """The process is gone."""


class ValidatorProcess:
    """The process, and the socket to it: it ends with this socket, however this process ends."""

    def __init__(self) -> None:
        self._socket, other = socket.socketpair()
        with other:
            # Not of this process's session: Ctrl-C is meant for the worker, which may still have answers to look at.
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(PROGRAM)],
                stdin=other.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._replies: BinaryIO = self._socket.makefile("rb")
        self._socket.settimeout(WALL_SECONDS)

    def asked(self, request: bytes) -> bytes:
        """Raises TimeoutError, and Ended."""
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
        """Returns its exit code, negative of the signal that had ended it before."""
        self._replies.close()
        self._socket.close()
        self._process.kill()
        return self._process.wait()
