"""Cleans keys and addresses from settings, and refuses those that cannot work. Pure."""

import ipaddress
import re
from urllib.parse import urlsplit

INVISIBLE = " \t\r\n\v\f\u00a0\u200b\u2060\ufeff"
QUOTES = ("'", '"')
SENDABLE = re.compile(r"[\x20-\x7e]*")
"""Characters that an HTTP or gRPC header carries unchanged."""


def cleaned(value: str) -> str:
    """Strips the surrounding white space and quotation marks that files, shells and `env` files leave."""
    value = value.strip(INVISIBLE)
    while len(value) >= 2 and value[0] == value[-1] and value[0] in QUOTES:
        value = value[1:-1].strip(INVISIBLE)
    return value


def checked_key(key: str) -> str:
    """The key. Raises ValueError if no header can carry it."""
    if not SENDABLE.fullmatch(key):
        raise ValueError("it has a character that is not allowed in a header (a line break, or not ASCII)")
    return key


def checked_url(url: str) -> str:
    """The URL. Raises ValueError if it is not an HTTP URL, with what to write instead."""
    if not SENDABLE.fullmatch(url) or " " in url:
        raise ValueError("it has a character that is not allowed in a URL (white space, a line break, or not ASCII)")
    if "://" not in url:
        raise ValueError("it has no scheme: write http:// or https:// in front of it")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise ValueError(f"its scheme is {parts.scheme}: it must be http or https")
    if not parts.hostname:
        raise ValueError("it names no host")
    if parts.port == 0:
        raise ValueError("its port is 0")
    return url


def is_loopback(url: str) -> bool:
    """Whether this is a server on this machine: no proxy leads there."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
