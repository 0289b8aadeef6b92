"""Identity: which questions are the same, and which answers may ever be exchanged.

Pure: no I/O, no clock. The hashes are a contract over processes and releases; golden values stand in the tests.
"""

import hashlib
import json
import unicodedata
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import orjson

from askonce.canonical import params_as_sent
from askonce.canonical_endpoints import scope_messages, scope_params

FIRST_RULE = 1
RULE = 2
"""The rule by which a scope id is made. A chunk names it, where it matters: clients and workers of two releases agree.

1: of parameters and messages as they are sent. 2: of what they mean (`canonical`). For a question without parameters
and earlier messages both make the same id."""

CHAT = "chat"
"""The endpoint of chat completions. Others are named in the scope."""

Messages = Sequence[Mapping[str, Any]]


def scope_id(
    *,
    namespace: str,
    model: str,
    system: str | None,
    template: str | None,
    history: Messages,
    params: Mapping[str, Any],
    messages: Messages | None = None,
    rule: int = RULE,
    endpoint: str = CHAT,
) -> str:
    """The id of all that must match exactly for an answer to be reused: 43 characters."""
    as_sent = rule == FIRST_RULE
    scope: dict[str, Any] = {
        "history": history if as_sent else scope_messages(endpoint, history),
        "model": model,
        "namespace": namespace,
        "params": params_as_sent(params) if as_sent else scope_params(endpoint, params),
        "system": system,
        "template": template,
    }
    if messages is not None:
        scope["messages"] = messages if as_sent else scope_messages(endpoint, messages)
    if endpoint != CHAT:
        scope["endpoint"] = endpoint
    return _digest(orjson.dumps(scope, option=orjson.OPT_SORT_KEYS))


def _plain_scope_id(
    namespace: str, model: str, system: str | None, template: str | None, params: bytes, rule: int, endpoint: str
) -> str:
    known = json.loads(params) if params else {}
    fixed: dict[str, Any] = {"namespace": namespace, "model": model, "system": system, "template": template}
    return scope_id(**fixed, history=(), params=known, rule=rule, endpoint=endpoint)


SHORT = 2048
"""Characters of a scope up to which many are remembered: 8 MB of them, and of the long ones a few, of 1 MB at most."""
short_scope_id = lru_cache(maxsize=4096)(_plain_scope_id)
long_scope_id = lru_cache(maxsize=16)(_plain_scope_id)
"""The scope ids of questions without history: a pipeline asks thousands under one. params: JSON, or empty."""


def normalised(text: str) -> str:
    """NFC, without white space at either end."""
    text = text.strip()
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def fingerprint(scope: str, text: str) -> str:
    """The identity of a question: 43 characters."""
    return verbatim(scope, normalised(text))


def verbatim(scope: str, text: str) -> str:
    """The identity of a question of which every blank counts: 43 characters."""
    return _digest(f"{scope}\n{text}".encode())


def _digest(data: bytes) -> str:
    """SHA-256 as 43 characters of unpadded base64url."""
    return urlsafe_b64encode(hashlib.sha256(data).digest())[:43].decode()
