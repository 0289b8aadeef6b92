"""What 'Redis is away' means, for client and worker: the call is not at fault, and may succeed later.

Either nothing responds (no connection, no reply in time), or a server replies that it cannot work now. Our connections
turn the latter into `RefusedForNow`, so `except AWAY` catches both.
"""

import re

from redis.exceptions import (
    AuthenticationError,
    ConnectionError,  # noqa: A004
    NoPermissionError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TimeoutError,  # noqa: A004
)


class RefusedForNow(ConnectionError):
    """The server answers, but cannot work now. The connection to it has been dropped."""


AWAY = (ConnectionError, TimeoutError, OSError)
"""What any call to Redis may raise while it is away. (OSError includes Python's own TimeoutError.)"""

TROUBLE = (RedisError, OSError)
"""Anything a call to Redis may raise, for loops that log it and retry."""

CODES = ("READONLY", "LOADING", "MASTERDOWN", "NOREPLICAS", "CLUSTERDOWN", "MISCONF", "BUSY", "UNBLOCKED")
"""Error codes of Redis and Valkey that end by themselves: a replica since a failover, a server that loads its data, has
lost its master, its replicas or its disk, runs a long script, or has just become a replica while a call was blocked."""

REFUSAL = re.compile(rf"(?:{'|'.join(CODES)}) |.*@user_script: ?\d+: -(?:{'|'.join(CODES)}) ")
"""The second form is what a script raises on Redis 6."""


def is_refusal_for_now(error: ResponseError) -> bool:
    """Whether this error reply says that the server cannot work now."""
    return isinstance(error, ReadOnlyError) or REFUSAL.match(str(error)) is not None


def passes(error: BaseException) -> bool:
    """Whether this error, or its cause, says that Redis is away. Refused credentials stay refused."""
    cause = error.__cause__ or error
    return isinstance(cause, AWAY) and not isinstance(cause, AuthenticationError)


def is_unavailable(error: ResponseError) -> bool:
    """Whether the server lacks this command, or denies it: providers rename INFO and CONFIG away."""
    return isinstance(error, NoPermissionError) or str(error).lower().startswith("unknown command")
