"""The embedded stack as one context manager, for the `local` command, the demo and the tests.

with Stack(parts) as stack:        # every part has answered a real request
    run(stack.environment)
    stack.wait()                   # raises PartDied if a part ends
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Self

from askonce_worker.local.parts import Part, environment_of

START_TIMEOUT = 60.0
STOP_TIMEOUT = 3.0
"""Seconds for all parts to save their data and remove their temporary directories."""
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""The embedding engine's idle threads would spin."""


class PartDied(Exception):
    """A part ended or never answered. `part` is its name; the message has its last output."""

    def __init__(self, part: str, reason: str) -> None:
        super().__init__(f"{part} {reason}")
        self.part = part


@dataclass(frozen=True, slots=True)
class _Child:
    part: Part
    process: subprocess.Popen[bytes]
    output: IO[bytes]
    """An unnamed file, so nothing is left behind however this ends."""

    def last_output(self) -> str:
        length = self.output.seek(0, os.SEEK_END)
        self.output.seek(max(0, length - 2000))
        return self.output.read().decode(errors="replace").strip()


class Stack:
    """The parts, running while the context is open.

    Args:
        parts: What to run.
        on_answer: Called with the name of each part once it answers.
    """

    def __init__(self, parts: Sequence[Part], on_answer: Callable[[str], None] | None = None) -> None:
        self._parts = parts
        self._on_answer = on_answer
        self._children: list[_Child] = []

    @property
    def environment(self) -> dict[str, str]:
        """The variables through which worker and client reach the parts."""
        return environment_of(self._parts)

    def __enter__(self) -> Self:
        try:
            for part in self._parts:
                self._children.append(_start(part))
            self._until_all_answer()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def wait(self) -> None:
        """Block until a part ends. Raises PartDied."""
        while True:
            self.check()
            time.sleep(0.1)

    def check(self) -> None:
        """Raises PartDied if a part has ended."""
        for child in self._children:
            code = child.process.poll()
            if code is not None:
                raise PartDied(child.part.name, f"ended with {code}: {child.last_output() or 'it printed nothing'}")

    def stop(self) -> None:
        """Stop all parts: gracefully within STOP_TIMEOUT, else by force. Leaves no process behind."""
        children, self._children = self._children, []
        for child in children:
            _close_stdin(child.process)
        deadline = time.monotonic() + STOP_TIMEOUT
        for child in children:
            with suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.0, deadline - time.monotonic()))
            _kill_group(child.process)
            child.process.wait()
            child.output.close()

    def _until_all_answer(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        waiting = list(self._parts)
        while waiting:
            answering = [part for part in waiting if part.answers()]
            self.check()  # after the probe: another server on the same port may have answered it
            for part in answering:
                waiting.remove(part)
                if self._on_answer is not None:
                    self._on_answer(part.name)
            if waiting and time.monotonic() > deadline:
                raise PartDied(waiting[0].name, f"did not answer within {START_TIMEOUT:.0f} s")
            time.sleep(0.05)


def _start(part: Part) -> _Child:
    output = TemporaryFile()  # noqa: SIM115 - the child's for as long as it lives
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", *part.command],
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=subprocess.STDOUT,
        env={**os.environ, **_ONE_THREAD, **part.given},
        start_new_session=True,  # Ctrl-C reaches only us, and a part's own children are killed with it
    )
    return _Child(part, process, output)


def _close_stdin(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Also if the child itself has ended: valkey-server outlives a killed supervisor."""
    if sys.platform == "win32":
        process.kill()
        return
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
