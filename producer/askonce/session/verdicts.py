"""People's verdicts on whether one answer served two questions. They correct what workers counted."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from askonce.contract.audit import (
    Label,
    UnreadableAudit,
    corrections,
    decode_label,
    encode_label,
    encode_record,
    ledger_fields,
)
from askonce.contract.keys import Keys
from askonce.store.connection import ScriptCall, Store
from askonce.store.scripts import Script

SETTLE_LABEL = Script("askonce", "settle_label")
PAGE = 1000
MOST_LABELS, MOST_PEOPLE = 10_000, 100_000
KEPT = 41 * 86_400
TRIES = 10
"""Tries, in case several people judge the same match at once."""
SERVED = ("late", "served")
"""Reasons for examining a match after its answer was served."""

Word = Literal["right", "wrong", ""]


@dataclass(frozen=True, slots=True)
class Match:
    """A question that got the answer to another one: `entry` is the fingerprint of that one, `matched` its text."""

    asked: str
    entry: str
    question: str
    matched: str
    similarity: float = 0.0
    namespace: str = ""
    model: str = ""

    def label(self) -> Label:
        """The label of a match that no worker has examined, as far as known: it has no weight."""
        return Label(
            group="",
            asked=self.asked,
            entry=self.entry,
            question=self.question,
            matched=self.matched,
            similarity=self.similarity,
            margin=0.0,
            density=0.0,
            score=self.similarity,
            version=0,
            bin=0,
            found="served",
            right=None,
            by="",
            weight=0.0,
            namespace=self.namespace,
            model=self.model,
        )


class Verdicts:
    def __init__(self, store: Store, keys: Keys) -> None:
        self._store = store
        self._keys = keys.audit

    async def judge(self, match: Match, *, right: bool) -> bool:
        """Whether that was news."""
        for _ in range(TRIES):
            pair = match.label().id
            said, waiting = await self._store.pipeline(
                [("HGET", self._keys.people, pair), ("HGET", self._keys.waiting, pair)]
            )
            label = _read(waiting) or await self._looked_at(pair) or match.label()
            if not label.group:
                label = replace(label, namespace=match.namespace, model=match.model)
            settled = await self._settle(label, _word(said), waits=waiting is not None, right=right)
            if settled >= 0:
                return settled == 1
        return False

    async def judge_waiting(self, pair: str, *, right: bool) -> bool:
        """The same of a match that waits for it, by its id. Raises LookupError if none does."""
        [raw] = await self._store.pipeline([("HGET", self._keys.waiting, pair)])
        label = _read(raw)
        if label is None:
            raise LookupError(f"no match {pair} is waiting for a verdict")
        return await self._settle(label, "", waits=True, right=right) == 1

    async def labels(self) -> AsyncIterator[Label]:
        """The stored labels, newest first."""
        before: Any = "+"
        while True:
            query = ("XREVRANGE", self._keys.labels, before, "-", "COUNT", PAGE)
            [page] = await self._store.pipeline([query])
            for _, fields in page:
                label = _read(dict(zip(fields[::2], fields[1::2], strict=True)).get(b"label"))
                if label is not None:
                    yield label
            if len(page) < PAGE:
                return
            before = b"(" + page[-1][0]

    async def waiting(self) -> AsyncIterator[Label]:
        """The matches that wait for a person."""
        cursor: Any = b"0"
        while True:
            [(cursor, page)] = await self._store.pipeline([("HSCAN", self._keys.waiting, cursor, "COUNT", PAGE)])
            raws = page.values() if isinstance(page, dict) else page[1::2]
            for label in map(_read, raws):
                if label is not None:
                    yield label
            if int(cursor) == 0:
                return

    async def _looked_at(self, pair: str) -> Label | None:
        """The newest label of this match."""
        async for label in self.labels():
            if label.id == pair:
                return label
        return None

    async def _settle(self, before: Label, said: Word, *, waits: bool, right: bool) -> int:
        keys = self._keys
        label = replace(before, right=right, by="person")
        looked_at = before.weight > 0
        ledger = corrections(ledger_fields(before), ledger_fields(label)) if looked_at else {}
        sums = corrections(_sums(before), _sums(label)) if looked_at else {}
        seen = {f"{before.group}|{name}": value for name, value in sums.items()}
        counts = [ledger, seen, _of_agreement(before, said, right=right)]
        news = looked_at and before.right is not right
        args: list[Any] = [
            before.id,
            "right" if right else "wrong",
            said,
            "1" if waits else "",
            encode_label(label),
            encode_record(label) if news else "",
            KEPT,
            keys.seen(""),
            MOST_PEOPLE,
            MOST_LABELS,
        ]
        for fields in counts:
            args += [len(fields), *(part for name, value in fields.items() for part in (name, repr(float(value))))]
        names = [keys.people, keys.labels, keys.waiting]
        names += [keys.ledger(before.group), keys.records(before.group), keys.agreement]
        [settled] = await self._store.pipeline([ScriptCall(SETTLE_LABEL, names, args)])
        return int(settled)


def _sums(label: Label) -> dict[str, float]:
    """What a label adds to the sums of the rate (`audit/rate.py`). A question that was asked several times at once
    counts as one here."""
    if label.right is None:
        return {"unknown": label.weight}
    if label.found == "miss":
        return {}
    stood_for, served = max(0.0, label.weight - 1), float(label.found in SERVED)
    sums = {"checks": 1.0, "stood_for": stood_for, "squares": stood_for**2, "unchecked": -served}
    if not label.right:
        sums |= {"wrong": stood_for, "wrong_squares": stood_for**2, "served_wrong": served}
    if label.by == "judge":
        sums["same" if label.right else "different"] = stood_for + served
    return sums


def _of_agreement(before: Label, said: Word, *, right: bool) -> dict[str, float]:
    """Agreement of the judge with people: each match counts once."""
    if before.judged is None:
        return {}
    verdict = _verdict(before.judged)
    fields = {f"{verdict}:{_verdict(right)}": 1.0}
    return {**fields, f"{verdict}:{_verdict(said == 'right')}": -1.0} if said else fields


def _verdict(right: bool) -> str:
    return "same" if right else "different"


def _word(raw: bytes | None) -> Word:
    return "right" if raw == b"right" else "wrong" if raw == b"wrong" else ""


def _read(raw: bytes | None) -> Label | None:
    """None for one that cannot be read, too."""
    try:
        return None if raw is None else decode_label(raw)
    except UnreadableAudit:
        return None


def newest(labels: Sequence[Label]) -> list[Label]:
    """One of each match. labels: the newest first."""
    seen: dict[str, Label] = {}
    for label in labels:
        seen.setdefault(label.id, label)
    return [*seen.values()]


def row_of(label: Label, groups: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    """A row for `askonce-worker evaluate`, and what else is known. groups: namespace and model by group."""
    namespace, model = groups.get(label.group, (label.namespace, label.model))
    told = {"a": label.question, "b": label.matched, "same": label.right, "by": label.by, "found": label.found}
    known = bool(label.weight or label.similarity)  # unknown for two texts named by a person
    likeness = {"similarity": label.similarity if known else None, "score": label.score if known else None}
    return {**told, **likeness, "weight": label.weight, "namespace": namespace, "model": model, "id": label.id}
