"""Keys of the front door. Redis stores only their digests."""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Any

import orjson

from askonce.payer import PERIODS, Payer
from askonce.prices.money import NANO
from askonce.readable import read_object, text_of, time_of

FORMAT = 1
"""Version of the record. A release reads its own version and older ones."""
MOST_NANO = 1_000_000 * NANO
"""Scripts count exactly up to nine times this amount."""
RIGHTS = ("ask", "read", "operator")
"""ask: questions. read: the figures, and the texts of entries. operator: changes to what is cached and queued."""


@dataclass(frozen=True, slots=True)
class AccessKey:
    """namespace: the only one it may use; None: any. created_at: Unix seconds. payer: its budget, if any."""

    name: str
    digest: str
    namespace: str | None
    rights: frozenset[str]
    created_at: int
    payer: Payer | None = None


def new_token() -> str:
    return f"askonce-{secrets.token_urlsafe(32)}"


def digest_of(token: str) -> str:
    """The stored form of a token. Tokens are long and random, so a fast digest cannot be reversed by guessing."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def write_key(key: AccessKey) -> bytes:
    return orjson.dumps(
        {
            "format": FORMAT,
            "digest": key.digest,
            "namespace": key.namespace,
            "rights": sorted(key.rights),
            "created_at": key.created_at,
            **({} if key.payer is None else {"budget": {"nano": key.payer.nano, "period": key.payer.period}}),
        }
    )


def read_key(name: str, raw: bytes) -> AccessKey | None:
    """The key, or None for a record that this release cannot read, which grants nothing."""
    try:
        record = read_object(raw)
        if record.get("format") != FORMAT:
            return None
        namespace = None if record.get("namespace") is None else text_of(record, "namespace")
        return AccessKey(
            name,
            text_of(record, "digest"),
            namespace,
            _rights(record["rights"]),
            time_of(record, "created_at"),
            _payer(name, record.get("budget")),
        )
    except (ValueError, KeyError, TypeError):
        return None


def _payer(name: str, budget: Any) -> Payer | None:
    """Raises KeyError, TypeError, ValueError."""
    return None if budget is None else payer_of(name, int(budget["nano"]), budget["period"])


def payer_of(name: str, nano: int, period: str) -> Payer:
    """Raises ValueError."""
    if not 0 < nano <= MOST_NANO or period not in PERIODS:
        raise ValueError(f"a budget must be AMOUNT/day or AMOUNT/month, above 0 and at most {MOST_NANO // NANO:,}")
    return Payer(name, nano, period)


def _rights(names: Any) -> frozenset[str]:
    """The known ones: a later release may have more."""
    return frozenset(names) & frozenset(RIGHTS)
