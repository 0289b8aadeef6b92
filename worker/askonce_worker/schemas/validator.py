"""Looks at answers through a process of its own, which is ended when a look takes too long."""

import signal
from collections import OrderedDict
from contextlib import suppress
from hashlib import blake2b
from typing import Any

from askonce.json_values import dumps, loads
from askonce_worker.schemas.validator_process import Ended, ValidatorProcess

TRIES = 2
"""A process may be killed by somebody else; the next one is then not."""
OUT_OF_TIME = -signal.SIGPROF
"""The exit code of a process that took more of the processor than it may."""
KEPT = 1024
"""Schemas that are remembered, by their digests."""


class BadSchema(ValueError):
    """No JSON schema, or one that cannot be looked at within bounds. It is remembered."""


class NotValidated(ValueError):
    """Nothing is known of the schema: this machine had no time or no process for it."""


class AnswerValidator:
    """Blocks for as long as a look takes: less than a millisecond as a rule, never longer than its bounds.

    Who asks for a look is a plain function, from the cache's lookups to the settling of parked questions. All of these
    would be coroutines for the sake of a wait that mostly is shorter than its turn in the loop; a hostile schema has
    its second once.

    Schemas are JSON in one line.
    """

    def __init__(self) -> None:
        self._process: ValidatorProcess | None = None
        self._refused: OrderedDict[bytes, str | None] = OrderedDict()

    def start(self) -> None:
        """Ahead of the first look, which would wait a tenth of a second for the process."""
        with suppress(OSError):  # a look tries again, and says so
            self._process = self._process or ValidatorProcess()

    def check(self, schema: bytes) -> None:
        """Raises BadSchema and NotValidated."""
        key = _key(schema)
        if key not in self._refused:
            self._looked(schema, b"")
        elif (refused := self._refused[key]) is not None:
            self._remember(key, refused)
            raise BadSchema(refused)

    def errors(self, schema: bytes, value: Any) -> list[str]:
        """What of a JSON value does not fit, some of it; empty if all does. Raises BadSchema and NotValidated."""
        self.check(schema)
        return self._looked(schema, dumps(value))

    def close(self) -> None:
        self._end()

    def _looked(self, schema: bytes, answer: bytes) -> list[str]:
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
        """None: the process ends of it. Raises NotValidated."""
        for _ in range(TRIES):
            try:
                self._process = self._process or ValidatorProcess()
                return self._process.asked(request)
            except Ended:
                if self._end() == OUT_OF_TIME:
                    return None
            except OSError as error:
                self._end()
                raise NotValidated("this worker cannot check answers at the moment") from error
        return None

    def _end(self) -> int | None:
        process, self._process = self._process, None
        return None if process is None else process.end()


def _key(schema: bytes) -> bytes:
    return blake2b(schema, digest_size=16).digest()
