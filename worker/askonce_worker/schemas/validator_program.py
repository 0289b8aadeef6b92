"""The program that looks at answers: a process of its own, since a schema of a few lines may take for ever.

On standard input, a socket, come two lines a request: a schema, and an answer that is to fit it or an empty line for
the schema alone. Back goes one line, `[refused, errors]`: why the schema is refused, or what does not fit. Whatever
takes too much of the processor or of memory ends the process; so does the end of its input. This module imports nothing
of askonce: it has to be up in no time.

`format` is a remark, as JSON Schema has it: it is not looked at. Nothing is fetched, whatever a schema refers to.
"""

import resource
import signal
import socket
import sys
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice

import jsonschema_rs
import orjson
from jsonschema_rs import RegexOptions, ValidationError, ValidationErrorKind, Validator

CPU_SECONDS = 1.0
"""Of one look. The system ends the process then, wherever it is."""
MOST_MEMORY = 402_653_184
"""Bytes of addresses of the whole process."""
COMPILED = 64
"""Schemas that are kept ready."""
SHOWN = 3
"""Errors that are told."""
SHORT = 32_768
"""Bytes of an answer. Of a longer one the first error is told alone."""
MOST_WORDS = 300
"""Characters of each."""


class Refused(ValueError):
    """No JSON schema, or one that is not looked at."""


def main() -> None:
    """Looks until nobody asks any more."""
    _limit_memory()
    with socket.socket(fileno=0) as connection, connection.makefile("rwb") as stream:
        while schema := stream.readline():
            answer = stream.readline()
            signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
            reply = _looked(schema, answer)
            signal.setitimer(signal.ITIMER_PROF, 0)
            stream.write(orjson.dumps(reply) + b"\n")
            stream.flush()


def _looked(schema: bytes, answer: bytes) -> tuple[str | None, list[str]]:
    try:
        validator = _compiled(schema)
    except Refused as error:
        return str(error), []
    return None, [_words(error) for error in _errors(validator, answer)] if answer.strip() else []


def _errors(validator: Validator, answer: bytes) -> Iterator[ValidationError]:
    value = orjson.loads(answer)
    try:
        validator.validate(value)
    except ValidationError as error:
        # The library makes all errors before it gives the first one: a copy of what is wrong in each.
        return islice(validator.iter_errors(value), SHOWN) if len(answer) <= SHORT else iter([error])
    return iter(())


@lru_cache(maxsize=COMPILED)
def _compiled(raw: bytes) -> Validator:
    """Raises Refused."""
    schema = orjson.loads(raw)
    draft = jsonschema_rs.validator_cls_for(schema)  # the newest one where `$schema` names none
    # The time of Rust's `regex` grows with the text alone. It knows neither look-around nor references back.
    try:
        return draft(schema, validate_formats=False, offline=True, pattern_options=RegexOptions())
    except ValidationError as error:
        raise Refused(_refusal(error)) from error


def _refusal(error: ValidationError) -> str:
    if isinstance(error.kind, ValidationErrorKind.Referencing):
        return f"the schema refers to what is not in it, and nothing outside of it is read: {_short(error.message)}"
    if isinstance(error.kind, ValidationErrorKind.Format):
        return f"the schema has a pattern that is none, or that looks around or back: {_words(error)}"
    return f"the schema is invalid: {_words(error)}"


def _words(error: ValidationError) -> str:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.instance_path)
    return f"${path}: {_short(error.message)}"


def _short(message: str) -> str:
    """It begins with the value that is wrong, which may be long, and ends with why."""
    half = MOST_WORDS // 2
    return message if len(message) <= MOST_WORDS else f"{message[:half]}…{message[1 - half :]}"


def _limit_memory() -> None:
    if sys.platform == "linux":  # macOS does not keep to it
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))


if __name__ == "__main__":
    main()
