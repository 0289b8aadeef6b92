"""Recently served matches (questions that got another question's answer), for people to review. Pure.

    {"at": 1732400000, "format": 1, "asked": "3fV0…", "entry": "9aC1…", "question": "…", "matched": "…",
     "namespace": "shop", "model": "gpt-4o-mini", "template": "", "source": "semantic", "similarity": 0.9931,
     "threshold": 0.99, "scorer": "cosine", "version": null, "job_id": "…"}

`at` is when these two were first matched within the hour, by Redis's clock (Unix s).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

import orjson

from askonce.contract.audit import pair_id
from askonce.readable import read_object, text_of, time_of

FORMAT = 1
MOST_SHOWN = 1000
"""Characters of a text."""
TEXTS = ("asked", "entry", "question", "matched", "namespace", "model", "template", "source", "scorer", "job_id")
HOURS = 25
"""Hours for which they are kept, including the current one."""


@dataclass(frozen=True, slots=True)
class ServedMatch:
    """asked, entry: fingerprints. question, matched, template: texts, or their beginnings. source: `semantic` or
    `inflight`. threshold: minimum score of a match, by this scorer and policy. at: None until Redis has set it.
    """

    asked: str
    entry: str
    question: str
    matched: str
    namespace: str
    model: str
    template: str
    source: str
    similarity: float
    threshold: float | None
    scorer: str
    version: int | None
    job_id: str
    at: int | None = None

    @property
    def id(self) -> str:
        """The same for a label of this match."""
        return pair_id(self.asked, self.entry)


def encode_match(match: ServedMatch) -> bytes:
    """The record after its time, which the script adds."""
    fields = {name: value for name, value in asdict(match).items() if name != "at"}
    return orjson.dumps({"format": FORMAT, **fields})[1:]


def decode_match(raw: bytes) -> ServedMatch:
    """Raises ValueError."""
    record = read_object(raw)
    if record.get("format") != FORMAT:
        raise ValueError("a match of another format")
    texts: dict[str, Any] = {name: text_of(record, name) for name in TEXTS}
    similarity, threshold = _number(record, "similarity"), _number(record, "threshold")
    if similarity is None:
        raise ValueError("no similarity")
    version = None if record.get("version") is None else time_of(record, "version")
    return ServedMatch(**texts, similarity=similarity, threshold=threshold, version=version, at=time_of(record, "at"))


def _number(record: Mapping[str, Any], name: str) -> float | None:
    value = record.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise ValueError(f"{name} is not a number")
    return float(value)
