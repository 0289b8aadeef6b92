"""The policy by which a group is served, and its record."""

import math
from base64 import b64decode, b64encode
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from askonce.readable import read_object, text_of, time_of
from askonce_worker.audit.matches import PLAIN, Floats, Matches, Vectors

FORMAT = 1
"""Version of the record. A release reads its own version and older ones."""


class Unreadable(Exception):
    """A record that this release cannot read. The message is the record's name."""


class Verdict(Enum):
    """ask: not a hit. check: a hit, but the LLM is asked nevertheless. serve: a hit."""

    ASK = "ask"
    CHECK = "check"
    SERVE = "serve"


@dataclass(frozen=True, slots=True, eq=False)
class Policy:
    """version: counts the decisions about this group. threshold: the lowest score of a hit; None if nothing is served.
    chance: the probability that a hit is checked. gate: the lowest score that is put to a judge; None without a gate.
    weights: the learnt scorer's weights, one per feature; None if the score is the cosine.
    """

    version: int
    threshold: float | None
    chance: float
    weights: NDArray[np.float32] | None = None
    gate: float | None = None

    def scores(self, matches: Matches) -> Floats:
        """One score per match: the higher, the more likely it is right. Minus infinity without a match."""
        found = matches.cosine if self.weights is None else (matches.features() @ self.weights).astype(np.float64)
        return np.where(np.isnan(matches.cosine), -np.inf, found)

    def verdicts(self, scores: Floats, chances: Floats) -> list[Verdict]:
        """chances: one per score, uniform from 0 to 1."""
        return [self._verdict(score, chance) for score, chance in zip(scores, chances, strict=True)]

    def _verdict(self, score: float, chance: float) -> Verdict:
        if self.threshold is None or score < self.threshold:
            return Verdict.ASK
        return Verdict.CHECK if chance < self.chance else Verdict.SERVE

    def weight(self, verdict: Verdict) -> float:
        """The inverse of the probability that the match is audited, which is 1 if the LLM is asked anyway."""
        return 1 / self.chance if verdict is Verdict.CHECK else 1.0


def encode_policy(policy: Policy) -> bytes:
    record = {
        "format": FORMAT,
        "version": policy.version,
        "threshold": policy.threshold,
        "chance": policy.chance,
        "gate": policy.gate,
        "weights": None if policy.weights is None else b64encode(policy.weights.astype("<f4").tobytes()).decode(),
    }
    return orjson.dumps(record)


def decode_policy(name: str, data: bytes) -> Policy:
    """name: the record's, for the error. Raises Unreadable."""
    try:
        record = read_object(data)
        if record.get("format") != FORMAT:
            raise ValueError("unknown format")
        return Policy(
            version=time_of(record, "version"),
            threshold=None if record["threshold"] is None else _number(record["threshold"]),
            chance=_chance(record["chance"]),
            gate=None if record.get("gate") is None else _number(record["gate"]),
            weights=None if record["weights"] is None else _weights(text_of(record, "weights")),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise Unreadable(name) from error


def _number(value: Any) -> float:
    if type(value) not in {int, float} or not math.isfinite(value):
        raise ValueError("not a number")
    return float(value)


def _chance(value: Any) -> float:
    chance = _number(value)
    if not 0 < chance <= 1:
        raise ValueError("not a probability")
    return chance


def _weights(encoded: str) -> Vectors:
    weights = np.frombuffer(b64decode(encoded, validate=True), "<f4").astype(np.float32)
    if len(weights) <= PLAIN or not np.isfinite(weights).all():
        raise ValueError("not valid weights")
    return weights
