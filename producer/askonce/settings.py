"""The settings of a client, from its arguments and from environment variables with the prefix `ASKONCE_`."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from askonce.question_checks import MAX_TTL
from askonce.store.redis_url import tidy

PREFIX = "ASKONCE_"
OUTBOX_MAX = 100_000


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """job_ttl, result_ttl, cache_ttl: seconds. max_queued: questions in a lane, 0 for no bound.

    outbox_max: vectors that may wait for Qdrant. compress: whether large entries and results may be compressed.
    prices: a file of them.
    """

    redis_url: str = field(default="redis://localhost:6379/0", repr=False)
    model: str | None = None
    key_prefix: str = "askonce"
    chunk_size: int = 64
    job_ttl: float = 604_800
    result_ttl: float = 86_400
    cache_ttl: float = 604_800
    max_queued: int = 0
    outbox_max: int = OUTBOX_MAX
    compress: bool = True
    prices: str | None = None


def client_settings(given: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> ClientSettings:
    """The given values, else the environment's, else the defaults. Raises ValueError."""
    values = {}
    for name, check in CHECKS.items():
        variable = PREFIX + name.upper()
        if given.get(name) is not None:
            values[name] = check(name, tidied(given[name]))
        elif environ.get(variable):
            values[name] = check(variable, tidy(environ[variable]))
    return ClientSettings(**values)


def tidied(value: Any) -> Any:
    return tidy(value) if isinstance(value, str) else value


def url(name: str, value: Any) -> str:
    """Its error does not repeat it: there may be a password in it."""
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ValueError(f"{name} is not printable text")
    return value


def printable(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ValueError(f"{name}: {value!r} is not printable text")
    return value


def _prefix(name: str, value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", value):
        raise ValueError(f"{name}: {value!r} is not 1 to 64 of A-Z a-z 0-9 . _ -")
    return value


def number(kind: type[int] | type[float], least: float, most: float) -> Callable[[str, Any], Any]:
    words = "a whole number" if kind is int else "a number"

    def check(name: str, value: Any) -> Any:
        try:
            number = kind(value)
        except (TypeError, ValueError, OverflowError):
            number = None
        if number is None or isinstance(value, bool) or not least <= number <= most:
            raise ValueError(f"{name}: {value!r} is not {words} from {least:g} to {most:.0f}")
        return number

    return check


def flag(name: str, value: Any) -> bool:
    found = FLAGS.get(str(value).lower())
    if found is None:
        raise ValueError(f"{name}: {value!r} is neither 1 nor 0")
    return found


FLAGS = {
    **dict.fromkeys(("1", "true", "t", "yes", "y", "on"), True),
    **dict.fromkeys(("0", "false", "f", "no", "n", "off"), False),
}
"""The same forms as the worker reads."""
CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "redis_url": url,
    "model": printable,
    "key_prefix": _prefix,
    "chunk_size": number(int, 1, 1000),
    "job_ttl": number(float, 1, MAX_TTL),
    "result_ttl": number(float, 1, MAX_TTL),
    "cache_ttl": number(float, 1, MAX_TTL),
    "max_queued": number(int, 0, 10**12),
    "outbox_max": number(int, 0, 10**12),
    "compress": flag,
    "prices": printable,
}
