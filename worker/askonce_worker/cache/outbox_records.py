"""Reads outbox records: names, vectors and facts, all of which are checked."""

import re
from collections.abc import Sequence

import numpy as np

from askonce.readable import read_object, text_of, time_of
from askonce_worker.answering.ports import StoredVector, Vector

MAX_DIMENSIONS = 65_536
"""Qdrant's own size limit."""
FINGERPRINT = re.compile(rb"[A-Za-z0-9_-]{43}")

Fields = dict[bytes, bytes]
Record = tuple[bytes, Fields]


def written_name(fields: Fields) -> str:
    """The fingerprint, or '' if malformed."""
    name = fields.get(b"fingerprint", b"")
    return name.decode() if FINGERPRINT.fullmatch(name) else ""


def own_vector(fields: Fields, embedding: str) -> bytes | None:
    """The vector if it is of this embedding model. During a rollout two models are in use, and a vector must not get
    into the other one's collection."""
    raw = fields.get(b"vector")
    if not raw:
        return None
    try:
        return raw if read_object(fields[b"record"]).get("embedding") == embedding else None
    except (KeyError, ValueError):
        return None


def floats_of(raw: bytes) -> Vector | None:
    """The vector. None if it is malformed or has no direction: Qdrant would refuse its whole batch."""
    if len(raw) % 4 or len(raw) > 4 * MAX_DIMENSIONS:
        return None
    vector = np.frombuffer(raw, np.float32)
    return vector if np.isfinite(vector).all() and vector.any() else None


def by_dimension(vectors: Sequence[StoredVector]) -> list[list[StoredVector]]:
    """Groups by dimension, because each has its own collection, and an upsert concerns one."""
    batches: dict[int, list[StoredVector]] = {}
    for vector in vectors:
        batches.setdefault(len(vector.vector), []).append(vector)
    return list(batches.values())


def stored_vector(fingerprint: str, vector: Vector, fields: Fields) -> StoredVector | None:
    if not fingerprint:
        return None
    try:
        facts = read_object(fields[b"record"])
        return StoredVector(
            fingerprint=fingerprint,
            vector=vector,
            scope=text_of(facts, "scope"),
            epochs=text_of(facts, "epochs"),
            model=text_of(facts, "model"),
            namespace=text_of(facts, "namespace"),
            created_at=time_of(facts, "created_at"),
            expires_at=time_of(facts, "expires_at"),
        )
    except (KeyError, ValueError):
        return None
