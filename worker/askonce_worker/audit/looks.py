"""A match that is looked at: the cached answer is compared with a fresh one, once that is there."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from askonce.contract.audit import Found
from askonce_worker.audit.matches import Vectors


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """A question, and the cached one that is to be judged.

    question: its vector. found: why it is looked at. comparable: whether comparing answers can tell if the match was
    right. entry, matched, body: the cached question's fingerprint and text, and its answer. epochs: the stamp of both.
    similarity, margin, density: as in `matches.py`. score: by the policy of this version. bin: of the ledger. chance:
    with which it is looked at. gate: it is a hit by the judge's word alone.
    """

    question: Vectors
    found: Found
    comparable: bool
    entry: str
    matched: str
    body: Mapping[str, Any]
    epochs: str
    similarity: float
    margin: float
    density: float
    score: float
    version: int
    bin: int
    chance: float
    gate: bool = False


def draw(purpose: str, namespace: str, job_id: str) -> float:
    """Evenly from 0 to 1, and always the same for a job: one that runs again meets the same fate."""
    digest = blake2b(f"{purpose} {namespace} {job_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
