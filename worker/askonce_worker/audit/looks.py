"""A match to be audited: the cached answer is compared with a fresh one once that arrives."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from askonce.contract.audit import Found
from askonce_worker.audit.matches import Vectors


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """A question and the cached one that it matched.

    question: the question's vector. found: why it is audited. comparable: whether comparing the answers can show if the
    match was right. entry, matched, body: the cached question's fingerprint and text, and its answer. epochs: the stamp
    of both. similarity, margin, density: as in `matches.py`. score: under the policy of this version. bin: in the
    ledger. chance: the probability of being audited. gate: whether it is a hit only because the judge let it serve.
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
    """A uniform number from 0 to 1 that depends only on the arguments, so a job that runs again gets the same one."""
    digest = blake2b(f"{purpose} {namespace} {job_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
