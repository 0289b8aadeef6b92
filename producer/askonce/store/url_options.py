"""The query options of a Redis URL.

Unsupported options are refused by name. Errors never repeat a value, which may be a password.
"""

from collections.abc import Callable, Iterable
from typing import Any

LEAST_CONNECTIONS = 4
"""Minimum size of a pool: some connections block in reads while others send."""
LEAST_TIMEOUT = 2.0
"""Seconds. Redis holds back the reply to a blocking read for one or two."""
WORDS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


def read_options(pairs: Iterable[tuple[str, str]], *, tls: bool) -> dict[str, Any]:
    """The options, as redis-py's connections take them; `max_connections` is a pool's. Raises ValueError."""
    options: dict[str, Any] = {}
    for name, text in pairs:
        read = READERS.get(name) or TLS_READERS.get(name)
        if read is None:
            known = ", ".join([*READERS, *TLS_READERS])
            raise ValueError(f"the Redis URL has an unknown option {name!r}; known are {known}")
        if name in TLS_READERS and not tls:
            raise ValueError(f"the Redis URL's option {name!r} needs TLS: begin with rediss://")
        try:
            options[name] = read(text.strip())
        except ValueError as error:
            raise ValueError(f"the Redis URL's option {name!r} {error}") from None
    if options.pop("decode_responses", False):
        raise ValueError("the Redis URL's option 'decode_responses' must be omitted: replies are read as bytes")
    return options


def _word(text: str) -> bool:
    if text.lower() not in WORDS:
        raise ValueError("must be true or false")
    return WORDS[text.lower()]


def _number(least: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise ValueError("must be a number of seconds") from None
        if not least <= value < float("inf"):
            raise ValueError(f"must be at least {least:g} seconds")
        return value

    return read


def _whole(least: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or int(text) < least:
            raise ValueError(f"must be a whole number, at least {least}")
        return int(text)

    return read


def _protocol(text: str) -> int:
    """Both are taken, and RESP2 is spoken: the replies to our commands say the same in either."""
    if text not in ("2", "3"):
        raise ValueError("must be 2 or 3")
    return 2


def _cert_reqs(text: str) -> str:
    """Also as Python's ssl module and Celery spell it: CERT_NONE."""
    value = text.lower().removeprefix("cert_")
    if value not in ("none", "optional", "required"):
        raise ValueError("must be none, optional or required")
    return value


READERS: dict[str, Callable[[str], Any]] = {
    "db": _whole(0),
    "username": str,
    "password": str,
    "client_name": str,
    "protocol": _protocol,
    "decode_responses": _word,
    "max_connections": _whole(LEAST_CONNECTIONS),
    "socket_timeout": _number(LEAST_TIMEOUT),
    "socket_connect_timeout": _number(0.1),
    "socket_keepalive": _word,
    "health_check_interval": _number(0),
}
TLS_READERS: dict[str, Callable[[str], Any]] = {
    "ssl_cert_reqs": _cert_reqs,
    "ssl_check_hostname": _word,
    "ssl_ca_certs": str,
    "ssl_ca_data": str,
    "ssl_certfile": str,
    "ssl_keyfile": str,
}
