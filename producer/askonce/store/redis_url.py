"""The URLs by which Redis is named, read in this one place for client and worker.

    redis://user:password@host:6379/0      rediss://... over TLS      unix:///path?db=0
    redis+sentinel://user:password@h1:26379,h2:26379/name/0?sentinel_username=...&sentinel_password=...

User and password are Redis's own; those of the Sentinels stand behind the question mark, as redis-py's other options
do. `rediss+sentinel://` reaches the Sentinels over TLS too. No error repeats anything of a URL: it may hold passwords.
"""

from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

from redis.asyncio.connection import Connection, SSLConnection, parse_url

from askonce.store.sentinel import MasterConnection, MasterSSLConnection, Sentinels

CLUSTER = "Redis Cluster is not supported: the scripts touch keys of several slots"
PLAIN = ("redis", "rediss", "unix")
SENTINEL = ("redis+sentinel", "rediss+sentinel")
SENTINEL_PORT = 26379
FORM = "a Sentinel URL reads redis+sentinel://host:26379,host:26379/name/0"
MALFORMED = "the Redis URL cannot be read (is the password in it percent-encoded?)"


def check_url(url: str) -> None:
    """Raises ValueError for what we cannot talk to."""
    connection_options(url)


def connection_options(url: str) -> dict[str, Any]:
    """What a redis-py connection to it is made of; its `connection_class` where that is not TCP. Raises ValueError."""
    scheme = url.partition("://")[0]
    if "cluster" in scheme:
        raise ValueError(CLUSTER)
    if scheme in SENTINEL:
        return _sentinel_options(url)
    if scheme not in PLAIN:
        raise ValueError(f"a Redis URL begins with {', '.join(f'{known}://' for known in PLAIN + SENTINEL)}")
    return _parsed(url)


def _parsed(url: str) -> dict[str, Any]:
    try:
        options = dict(parse_url(url))
    except ValueError:
        raise ValueError(MALFORMED) from None
    if urlsplit(url).scheme == "rediss":
        # redis-py 5 takes any name in a certificate, unless it is told not to.
        options.setdefault("ssl_check_hostname", options.get("ssl_cert_reqs") != "none")
    return options


def _sentinel_options(url: str) -> dict[str, Any]:
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError(MALFORMED) from None
    login, _, hosts = parts.netloc.rpartition("@")
    name, _, db = parts.path.strip("/").partition("/")
    if not hosts or not name or not (db or "0").isdigit():
        raise ValueError(FORM)
    query = dict(parse_qsl(parts.query))
    own = {key: query.pop(f"sentinel_{key}") for key in ("username", "password") if f"sentinel_{key}" in query}
    tls = parts.scheme.startswith("rediss")
    netloc = f"{login}@-" if login else "-"
    plain = SplitResult("rediss" if tls else "redis", netloc, f"/{db or 0}", urlencode(query), "")
    options = _parsed(plain.geturl())
    del options["host"]
    encryption = {key: value for key, value in options.items() if key.startswith("ssl_")}
    sentinels = Sentinels(_hosts(hosts), name, SSLConnection if tls else Connection, {**own, **encryption})
    kind = MasterSSLConnection if tls else MasterConnection
    return {**options, "connection_class": kind, "sentinels": sentinels}


def _hosts(hosts: str) -> tuple[tuple[str, int], ...]:
    try:
        found = [urlsplit(f"//{host}") for host in hosts.split(",")]
        named = tuple((host.hostname or "", host.port or SENTINEL_PORT) for host in found)
    except ValueError:
        raise ValueError(FORM) from None
    if not all(host for host, _ in named):
        raise ValueError(FORM)
    return named
