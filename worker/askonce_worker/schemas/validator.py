"""Validates answers in a separate process, which is killed if a validation takes too long."""

import os
import signal
from collections import OrderedDict
from contextlib import suppress
from hashlib import blake2b
from typing import Any

from askonce.json_values import dumps, loads
from askonce_worker.schemas.validator_process import Ended, ValidatorProcess

TRIES = 2
"""The process may have been killed for another reason, so a new one gets a second try."""
OUT_OF_TIME = -signal.SIGPROF
"""The exit code of a process that exceeded its CPU time."""
NOT_STARTED = os.EX_UNAVAILABLE
"""The exit code of a process whose libraries are missing."""
UNAVAILABLE = "this worker cannot check answers at the moment"
KEPT = 1024
"""Verdicts on schemas that are remembered, by digest."""


class BadSchema(ValueError):
    """Not a JSON schema, or one that cannot be used within the limits. The verdict is remembered."""


class NotValidated(ValueError):
    """No verdict on the schema: this machine had no time or no process for it."""


class AnswerValidator:
    """Blocks while it validates: usually less than a millisecond, never longer than its limits.

    Its callers are plain functions, from cache lookups to settling parked questions. Making all of them coroutines
    would cost more than the wait, which is usually shorter than a turn of the event loop. A hostile schema gets its
    second only once.

    Schemas are single-line JSON.
    """

    def __init__(self) -> None:
        self._process: ValidatorProcess | None = None
        self._refused: OrderedDict[bytes, str | None] = OrderedDict()

    def start(self) -> None:
        """Start the process ahead of the next validation, which would otherwise wait a tenth of a second for it."""
        with suppress(OSError):  # the first validation tries again, and reports the error
            self._process = self._process or ValidatorProcess()

    def check(self, schema: bytes) -> None:
        """Raises BadSchema and NotValidated."""
        key = _key(schema)
        if key not in self._refused:
            self._validated(schema, b"")
        elif (refused := self._refused[key]) is not None:
            self._remember(key, refused)
            raise BadSchema(refused)

    def errors(self, schema: bytes, value: Any) -> list[str]:
        """Some of the reasons why a JSON value does not fit; empty if it fits. Raises BadSchema and NotValidated."""
        self.check(schema)
        return self._validated(schema, dumps(value))

    def close(self) -> None:
        self._end()

    def _validated(self, schema: bytes, answer: bytes) -> list[str]:
        reply = self._reply(b"%b\n%b\n" % (schema, answer))
        refused, errors = ("checking the schema takes too long", []) if reply is None else loads(reply)
        self._remember(_key(schema), refused)
        if refused is not None:
            raise BadSchema(refused)
        found: list[str] = errors
        return found

    def _remember(self, key: bytes, refused: str | None) -> None:
        self._refused[key] = refused
        self._refused.move_to_end(key)
        if len(self._refused) > KEPT:
            self._refused.popitem(last=False)

    def _reply(self, request: bytes) -> bytes | None:
        """None if the request exceeds the process's CPU time. Raises NotValidated."""
        ended = None
        for _ in range(TRIES):
            try:
                self._process = self._process or ValidatorProcess()
                return self._process.ask(request)
            except Ended:
                ended = self._end()
                if ended == OUT_OF_TIME:
                    break
            except OSError as error:
                self._end()
                self.start()
                raise NotValidated(UNAVAILABLE) from error
        self.start()
        if ended == NOT_STARTED:
            raise NotValidated(UNAVAILABLE)
        return None

    def _end(self) -> int | None:
        process, self._process = self._process, None
        return None if process is None else process.end()


def _key(schema: bytes) -> bytes:
    return blake2b(schema, digest_size=16).digest()
