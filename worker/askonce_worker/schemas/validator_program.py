"""The program that validates answers. It is a separate process, because a schema of a few lines may take for ever.

Standard input is a socket. A request is two lines: a schema, and the answer to validate or an empty line to check only
the schema. The reply is one line, `[refused, errors]`: why the schema is refused, and what does not fit. The process
ends if a request takes too much CPU or memory, and at the end of its input. This module imports nothing of askonce, so
that it starts quickly.

`format` is an annotation, as JSON Schema defines it, and is not validated. External references are never fetched.
"""

import os
import resource
import signal
import socket
import sys
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice

try:
    import jsonschema_rs
    import orjson
    from jsonschema_rs import RegexOptions, ValidationError, ValidationErrorKind, Validator
except ImportError:  # perhaps another release of them is being installed
    sys.exit(os.EX_UNAVAILABLE)

CPU_SECONDS = 1.0
"""Limit of one validation, after which a signal ends the process, whatever it is doing."""
MAX_MEMORY = 402_653_184
"""Limit of the process's address space, in bytes."""
MAX_COMPILED = 64
"""Compiled schemas that are kept."""
MAX_ERRORS = 3
SHORT = 32_768
"""Bytes of an answer up to which `MAX_ERRORS` are reported. For a longer one it is only the first."""
MAX_MESSAGE = 300
"""Characters per error."""


class Refused(ValueError):
    """Not a JSON schema, or not a supported one."""


def main() -> None:
    """Serve requests until the input ends."""
    _limit_memory()
    with socket.socket(fileno=0) as connection, connection.makefile("rwb") as stream:
        while schema := stream.readline():
            answer = stream.readline()
            signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
            reply = _validated(schema, answer)
            signal.setitimer(signal.ITIMER_PROF, 0)
            stream.write(orjson.dumps(reply) + b"\n")
            stream.flush()


def _validated(schema: bytes, answer: bytes) -> tuple[str | None, list[str]]:
    try:
        validator = _compiled(schema)
    except Refused as error:
        return str(error), []
    return None, [_message(error) for error in _errors(validator, answer)] if answer.strip() else []


def _errors(validator: Validator, answer: bytes) -> Iterator[ValidationError]:
    value = orjson.loads(answer)
    try:
        validator.validate(value)
    except ValidationError as error:
        # The library builds all errors before it yields the first, and each holds a copy of the invalid value.
        return islice(validator.iter_errors(value), MAX_ERRORS) if len(answer) <= SHORT else iter([error])
    return iter(())


@lru_cache(maxsize=MAX_COMPILED)
def _compiled(raw: bytes) -> Validator:
    """Raises Refused."""
    schema = orjson.loads(raw)
    draft = jsonschema_rs.validator_cls_for(schema)  # the newest draft if `$schema` names none
    # Rust's `regex` runs in time linear in the text. It supports neither look-around nor backreferences.
    try:
        return draft(schema, validate_formats=False, offline=True, pattern_options=RegexOptions())
    except ValidationError as error:
        raise Refused(_refusal(error)) from error


def _refusal(error: ValidationError) -> str:
    if isinstance(error.kind, ValidationErrorKind.Referencing):
        return f"the schema has an unresolvable reference (external ones are not read): {_short(error.message)}"
    if isinstance(error.kind, ValidationErrorKind.Format):
        return f"the schema has a pattern that is invalid, or uses look-around or backreferences: {_message(error)}"
    return f"the schema is invalid: {_message(error)}"


def _message(error: ValidationError) -> str:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.instance_path)
    return f"${path}: {_short(error.message)}"


def _short(message: str) -> str:
    """Cut in the middle: a message begins with the invalid value, which may be long, and ends with the reason."""
    half = MAX_MESSAGE // 2
    return message if len(message) <= MAX_MESSAGE else f"{message[:half]}…{message[1 - half :]}"


def _limit_memory() -> None:
    if sys.platform == "linux":  # macOS does not enforce it
        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))


if __name__ == "__main__":
    main()
