"""What workers learn about their hits, as stored in Redis. Pure.

Questions with the same namespace, model and template form a *group*. A *match* is a question and the most similar
cached one. A *label* says whether a match was right, that is, whether the cached answer also serves the question. If
comparing the answers cannot tell, the match waits for a person (`AuditKeys.waiting`).
"""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from math import isfinite
from typing import Any, Literal, get_args

import orjson

from askonce.fingerprint import SHORT
from askonce.readable import read_object, text_of, time_of

FORMAT = 1
"""The version of each record here. A release reads its own and older ones."""
TEMPLATE_SHOWN = 200
"""Characters of a template in its group's record."""

Found = Literal["check", "late", "miss", "served"]
"""Why a match was examined. check: it was a hit, and the LLM was asked anyway. late: the same, but after the hit was
served. miss: it was not a hit. served: it was, and only a person can judge it."""
By = Literal["answers", "judge", "person", ""]
"""Who decided whether it was right: the comparison of the answers, the judge, or a person; `` for nobody yet."""


class UnreadableAudit(ValueError):
    """A record that this release cannot read."""


@dataclass(frozen=True, slots=True)
class Group:
    """template: its beginning, for people; '' for none."""

    namespace: str
    model: str
    template: str


@dataclass(frozen=True, slots=True)
class Label:
    """A match that was examined.

    asked, entry: fingerprints of the question and the cached one. question, matched: their texts. similarity,
    margin, density: as in `audit/matches.py`. score: by the policy of this version that was in force. bin: of the
    ledger. right: None if unknown. judged: the judge's verdict, if any. weight: the inverse of the chance of being
    examined, times how often it was asked; 0: no worker has examined it. gate: it was a hit only because the judge said
    so. namespace, model: set if there is no group that has them.
    """

    group: str
    asked: str
    entry: str
    question: str
    matched: str
    similarity: float
    margin: float
    density: float
    score: float
    version: int
    bin: int
    found: Found
    right: bool | None
    by: By
    weight: float
    judged: bool | None = None
    namespace: str = ""
    model: str = ""
    gate: bool = False

    @property
    def id(self) -> str:
        """The match's id in `AuditKeys.waiting`."""
        return pair_id(self.asked, self.entry)


@dataclass(frozen=True, slots=True)
class Record:
    """What a scorer learns from: a label without its texts. by: also `` in records of 0.1.0."""

    asked: str
    entry: str
    similarity: float
    margin: float
    density: float
    version: int
    right: bool
    weight: float
    by: By = ""


def group_id(namespace: str, model: str, template: str | None) -> str:
    """22 characters."""
    made = _of_short if len(template or "") <= SHORT else _of_long
    return made(namespace, model, template)


def _group_id(namespace: str, model: str, template: str | None) -> str:
    return _digest(orjson.dumps([namespace, model, template]))


_of_short = lru_cache(maxsize=4096)(_group_id)
_of_long = lru_cache(maxsize=16)(_group_id)


def pair_id(asked: str, entry: str) -> str:
    """The id of two fingerprints, in order: may the second one's answer serve the first? 22 characters."""
    return _digest(f"{asked} {entry}".encode())


def encode_group(namespace: str, model: str, template: str | None) -> bytes:
    return _encode(asdict(Group(namespace, model, (template or "")[:TEMPLATE_SHOWN])))


def decode_group(data: bytes) -> Group:
    """Raises UnreadableAudit."""
    record = _decode(data)
    try:
        return Group(*(text_of(record, name) for name in ("namespace", "model", "template")))
    except ValueError as error:
        raise UnreadableAudit("group") from error


def encode_label(label: Label) -> bytes:
    return _encode(asdict(label))


def decode_label(data: bytes) -> Label:
    """Raises UnreadableAudit."""
    record = _decode(data)
    try:
        fields: dict[str, Any] = {
            **{name: text_of(record, name) for name in ("group", "asked", "entry", "question", "matched")},
            **{name: _number(record, name) for name in ("similarity", "margin", "density", "score", "weight")},
            **{name: time_of(record, name) for name in ("version", "bin")},
            **{name: _verdict(record, name) for name in ("right", "judged")},
            **{name: text_of({name: "", **record}, name) for name in ("namespace", "model")},
            "found": _one_of(Found, record, "found"),
            "by": _one_of(By, record, "by"),
            "gate": _verdict(record, "gate") is True,
        }
        return Label(**fields)
    except ValueError as error:
        raise UnreadableAudit("label") from error


def encode_record(label: Label) -> bytes:
    """The record of a label that is known to be right or wrong."""
    return _encode(asdict(_record_of(label)))


def decode_record(data: bytes) -> Record:
    """Raises UnreadableAudit."""
    record = _decode(data)
    try:
        fields: dict[str, Any] = {
            **{name: text_of(record, name) for name in ("asked", "entry")},
            **{name: _number(record, name) for name in ("similarity", "margin", "density", "weight")},
            "version": time_of(record, "version"),
            "right": _verdict(record, "right"),
            "by": _one_of(By, {"by": "", **record}, "by"),
        }
        if fields["right"] is None:
            raise ValueError("no label")
        return Record(**fields)
    except ValueError as error:
        raise UnreadableAudit("record") from error


def ledger_fields(label: Label) -> dict[str, float]:
    """What a label adds to its group's ledger, as in `audit/ledger.py`."""
    if label.right is None:
        return {f"{label.version}:unknown:{label.bin}": label.weight}
    outcome = "right" if label.right else "wrong"
    fields = {f"{label.version}:{outcome}:{label.bin}:{power}": label.weight**power for power in range(3)}
    if label.right and label.by == "judge":
        fields[f"{label.version}:judged:{label.bin}"] = label.weight
    if label.gate and not label.right:
        fields |= {f"{label.version}:gate:wrong": label.weight, f"{label.version}:gate:squares": label.weight**2}
    return fields


def corrections(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """What to add to sums that contain these, so that they contain those instead."""
    changes = {name: after.get(name, 0.0) - before.get(name, 0.0) for name in {**before, **after}}
    return {name: change for name, change in changes.items() if change}


def _record_of(label: Label) -> Record:
    assert label.right is not None
    match = (label.asked, label.entry, label.similarity, label.margin, label.density)
    return Record(*match, label.version, label.right, label.weight, label.by)


def _encode(fields: Mapping[str, Any]) -> bytes:
    return orjson.dumps({"format": FORMAT, **fields})


def _decode(data: bytes) -> dict[str, Any]:
    try:
        record = read_object(data)
    except ValueError as error:
        raise UnreadableAudit("no JSON object") from error
    if record.get("format") != FORMAT:
        raise UnreadableAudit("of another format")
    return record


def _number(record: dict[str, Any], name: str) -> float:
    value: Any = record.get(name)
    if type(value) not in {int, float} or not isfinite(value):
        raise ValueError(f"{name} is not a number")
    return float(value)


def _verdict(record: dict[str, Any], name: str) -> bool | None:
    value = record.get(name)
    if value is not None and not isinstance(value, bool):
        raise ValueError(f"{name} is not a verdict")
    return value


def _one_of(names: Any, record: dict[str, Any], name: str) -> Any:
    value = record.get(name)
    if value not in get_args(names):
        raise ValueError(f"{name} is unknown")
    return value


def _digest(data: bytes) -> str:
    """The first 16 bytes of SHA-256 as unpadded base64url."""
    return urlsafe_b64encode(hashlib.sha256(data).digest()[:16])[:22].decode()
