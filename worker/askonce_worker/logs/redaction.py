"""Redacts secrets in log lines, whatever wrote them."""

import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import SecretStr
from pydantic_settings import BaseSettings

SHORTEST = 8
"""Characters. Shorter secrets are left alone: they occur in ordinary words."""
INSTEAD = "***"
LOGIN = re.compile(r"(?<=://)[^/\s@\"'\\]+@")
TELLING = re.compile(r"password|secret|token|key", re.IGNORECASE)


class Redactor:
    """Replaces secrets, also in the way JSON escapes them, and the user and password of every URL."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        long = {secret for secret in secrets if len(secret) >= SHORTEST}
        spelt = long | {json.dumps(secret)[1:-1] for secret in long} | {ascii(secret)[1:-1] for secret in long}
        longest_first = sorted(spelt, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def __call__(self, text: str) -> str:
        text = LOGIN.sub(f"{INSTEAD}@", text) if "://" in text else text
        return self._secrets.sub(INSTEAD, text) if self._secrets is not None else text


def secrets_of(settings: BaseSettings) -> set[str]:
    """The keys and passwords in these settings, also those inside URLs, percent-encoded or not."""
    found: set[str] = set()
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            value = value.get_secret_value()
            if "://" not in value:
                found.add(value)
        if isinstance(value, str) and "://" in value:
            found.update(_in_url(value))
    return found


def _in_url(url: str) -> Iterator[str]:
    try:
        parts = urlsplit(url)
        words = [parts.password or "", *(value for name, value in parse_qsl(parts.query) if TELLING.search(name))]
    except ValueError:
        words = [url]
    for word in words:
        yield word
        yield unquote(word)
