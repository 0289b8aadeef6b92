"""Parses Redis URLs, for client and worker.

    redis://user:password@host:6379/0      rediss://... over TLS      unix:///path?db=0
    redis+sentinel://user:password@h1:26379,h2:26379/name/0?sentinel_username=...&sentinel_password=...

`valkey://`, `valkeys://` and `valkey+sentinel://` mean the same. User and password are Redis's own; those of the
Sentinels stand behind the question mark, as other options do (`url_options.py`). `rediss+sentinel://` reaches the
Sentinels over TLS too. No error repeats a value of a URL: it may be a password.
"""

from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlsplit

from redis.asyncio.connection import parse_url

from askonce.store.failover import Generation, TcpConnection, TlsConnection, UnixConnection
from askonce.store.sentinel import MasterConnection, MasterTlsConnection, Sentinels
from askonce.store.url_options import read_options

NO_CLUSTER = "Redis Cluster is not supported: the scripts use keys in several slots"
PLAIN = ("redis", "rediss", "unix")
SENTINEL = ("redis+sentinel", "rediss+sentinel")
SENTINEL_PORT = 26379
FORM = "a Sentinel URL reads redis+sentinel://host:26379,host:26379/name/0"
MALFORMED = "the Redis URL cannot be read (is the password in it percent-encoded?)"
QUOTES = "\"'"


def tidy(text: str) -> str:
    """A setting without surrounding white space and quotes, because secret files end in a newline."""
    text = text.strip()
    if len(text) > 1 and text[0] in QUOTES and text[-1] == text[0]:
        text = text[1:-1].strip()
    return text


def check_url(url: str) -> None:
    """Raises ValueError for what we cannot talk to."""
    connection_options(url)


def connection_options(url: str) -> dict[str, Any]:
    """What connections to it are made of.

    Returns:
        Their `connection_class`, its arguments (a `generation` is shared by all connections that are made of these
        options), and `max_connections` where the URL has it.

    Raises:
        ValueError: The URL cannot be read, or has an option that cannot be honoured.
    """
    scheme, colon, rest = tidy(url).partition("://")
    scheme = scheme.lower().replace("valkeys", "rediss").replace("valkey", "redis")
    if "cluster" in scheme:
        raise ValueError(NO_CLUSTER)
    if scheme not in PLAIN + SENTINEL:
        raise ValueError(f"a Redis URL begins with {', '.join(f'{known}://' for known in PLAIN + SENTINEL)}")
    try:
        parts = urlsplit(f"{scheme}{colon}{rest}")
    except ValueError:
        raise ValueError(MALFORMED) from None
    options = _sentinel_options(parts) if scheme in SENTINEL else _plain_options(parts)
    return {**options, "generation": Generation(), "protocol": 2, "decode_responses": False}


def _plain_options(parts: SplitResult) -> dict[str, Any]:
    kind: dict[str, type] = {"redis": TcpConnection, "rediss": TlsConnection, "unix": UnixConnection}
    options = {**_place(parts), **read_options(parse_qsl(parts.query), tls=parts.scheme == "rediss")}
    if parts.scheme == "rediss":
        options.setdefault("ssl_check_hostname", _checks_names(options))
    if parts.scheme == "unix":
        options.pop("socket_keepalive", None)
    else:
        options.setdefault("socket_keepalive", True)
    return {**options, "connection_class": kind[parts.scheme]}


def _checks_names(options: dict[str, Any]) -> bool:
    """redis-py 5 accepts any host name in a certificate unless configured otherwise."""
    return options.get("ssl_cert_reqs") != "none"


def _place(parts: SplitResult) -> dict[str, Any]:
    """Host, port, database, user and password."""
    try:
        options = dict(parse_url(parts._replace(query="", fragment="").geturl()))
    except ValueError:
        raise ValueError(MALFORMED) from None
    options.pop("connection_class", None)
    db = parts.path.strip("/")
    if parts.scheme != "unix" and db and not db.isdecimal():
        raise ValueError(MALFORMED if "@" in db else "the database of the Redis URL must be a whole number")
    return options


def _sentinel_options(parts: SplitResult) -> dict[str, Any]:
    login, _, hosts = parts.netloc.rpartition("@")
    name, _, db = parts.path.strip("/").partition("/")
    if not hosts or not name or not (db or "0").isdigit():
        raise ValueError(FORM)
    tls = parts.scheme.startswith("rediss")
    query = dict(parse_qsl(parts.query))
    own = {key: query.pop(f"sentinel_{key}") for key in ("username", "password") if f"sentinel_{key}" in query}
    place = _place(SplitResult("redis", f"{login}@-" if login else "-", f"/{db or 0}", "", ""))
    del place["host"]
    options = {"socket_keepalive": True, **place, **read_options(query.items(), tls=tls)}
    if tls:
        options.setdefault("ssl_check_hostname", _checks_names(options))
    encryption = {key: value for key, value in options.items() if key.startswith("ssl_")}
    kind = TlsConnection if tls else TcpConnection
    options["sentinels"] = Sentinels(_hosts(hosts), name, kind, {**own, **encryption})
    return {**options, "connection_class": MasterTlsConnection if tls else MasterConnection}


def _hosts(hosts: str) -> tuple[tuple[str, int], ...]:
    try:
        found = [urlsplit(f"//{host}") for host in hosts.split(",")]
        named = tuple((host.hostname or "", host.port or SENTINEL_PORT) for host in found)
    except ValueError:
        raise ValueError(FORM) from None
    if not all(host for host, _ in named):
        raise ValueError(FORM)
    return named
