"""Identity: which questions are the same, and which answers may ever be exchanged.

Pure: no I/O, no clock. The hashes are a contract over processes and releases; golden values stand in the tests.
"""

import hashlib
import unicodedata
from base64 import urlsafe_b64encode
from functools import lru_cache
from typing import Any

import orjson

UNSHAPING = frozenset(
    {
        "metadata",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "store",
        "stream",
        "stream_options",
        "timeout",
        "user",
    }
)
"""Parameters that change how an answer is delivered or billed, not what it says."""


def _plain(value: Any) -> Any:
    """1.0 and 1 are the same parameter. (Beyond 2**53 no float is a certain integer.)"""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _digest(data: bytes) -> str:
    """SHA-256 as 43 characters of unpadded base64url."""
    return urlsafe_b64encode(hashlib.sha256(data).digest())[:43].decode()


def shaping(params: dict[str, Any]) -> dict[str, Any]:
    """The parameters that belong to the scope."""
    if not params:
        return {}
    kept = {key: _plain(value) for key, value in params.items() if key not in UNSHAPING}
    if kept.get("n") == 1:
        del kept["n"]
    return kept


def scope_id(
    *,
    namespace: str,
    model: str,
    system: str | None,
    template: str | None,
    history: tuple[dict[str, Any], ...],
    params: dict[str, Any],
    messages: tuple[dict[str, Any], ...] | None = None,
) -> str:
    """The id of all that must match exactly for an answer to be reused: 43 characters."""
    scope: dict[str, Any] = {
        "history": history,
        "model": model,
        "namespace": namespace,
        "params": shaping(params),
        "system": system,
        "template": template,
    }
    if messages is not None:
        scope["messages"] = messages
    return _digest(orjson.dumps(scope, option=orjson.OPT_SORT_KEYS))


@lru_cache(maxsize=4096)
def plain_scope_id(namespace: str, model: str, system: str | None, template: str | None, params: bytes) -> str:
    """The scope id of a question without history: a pipeline asks thousands under one. params: JSON, or empty."""
    known = orjson.loads(params) if params else {}
    return scope_id(namespace=namespace, model=model, system=system, template=template, history=(), params=known)


def normalised(text: str) -> str:
    """NFC, without white space at either end."""
    text = text.strip()
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def fingerprint(scope: str, text: str) -> str:
    """The identity of a question: 43 characters."""
    return _digest(f"{scope}\n{normalised(text)}".encode())
