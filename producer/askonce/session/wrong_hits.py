"""Wrong hits: two questions that were taken for one and need different answers, as somebody noticed and reported."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import orjson

from askonce import fingerprint as identity
from askonce.contract.keys import Keys
from askonce.errors import AnswerTimeout, UnknownJob
from askonce.store.connection import Store
from askonce.store.scripts import Script

REPORT_WRONG = Script("askonce", "report_wrong")
PAGE = 1000


@dataclass(frozen=True, slots=True)
class Report:
    """What a reported job says. pair: as it is kept, empty where its answer came from no other question's.
    entry: the fingerprint of the entry that has its answer."""

    pair: bytes
    entry: str
    model: str


def read_report(namespace: str, job_id: str, raw: bytes | None) -> Report:
    """The report in a result record. Raises UnknownJob, AnswerTimeout where there is no answer yet, ValueError."""
    if raw is None:
        raise UnknownJob(job_id)
    record: dict[str, Any] = orjson.loads(raw)
    if "deadline" in record:
        raise AnswerTimeout(job_id)
    if record["status"] == "failed":
        raise ValueError(no_answer(job_id))
    asked = record.get("asked")
    if asked is None:
        return Report(b"", record["fingerprint"], "")
    matched, scope = record["matched_question"], asked["scope"]
    entry = identity.fingerprint(scope, matched)
    first, second = sorted([(record["fingerprint"], asked["text"]), (entry, matched)])
    pair = {
        "pair": [first[0], second[0]],
        "a": first[1],
        "b": second[1],
        "namespace": namespace,
        "model": asked["model"],
    }
    return Report(orjson.dumps(pair), entry, asked["model"])


class WrongHits:
    def __init__(self, store: Store, keys: Keys) -> None:
        self._store = store
        self._keys = keys

    async def report(self, namespace: str, job_id: str, *, drop_entry: bool) -> bool:
        """Whether that was news. Raises what `read_report` does, and ValueError where there is nothing to be done."""
        [raw] = await self._store.pipeline([("GET", self._keys.result(namespace, job_id))])
        report = read_report(namespace, job_id, raw)
        if not report.pair and not drop_entry:
            raise ValueError(no_pair(job_id))
        keys = self._keys
        new, dropped = await self._store.script(
            REPORT_WRONG,
            [keys.wrong, keys.dropped, keys.touched, keys.expiries, keys.stats("total")],
            [
                report.pair,
                keys.stats("hour:"),
                f"wrong|{namespace}|{report.model}",
                keys.entry(""),
                report.entry if drop_entry else "",
            ],
        )
        return bool(new or dropped)

    async def all(self, namespace: str | None = None) -> AsyncIterator[dict[str, Any]]:
        """Every reported pair, the oldest first: a row for `askonce-worker evaluate`, and whose it is."""
        after: Any = "-inf"
        while True:
            query = ("ZRANGEBYSCORE", self._keys.wrong, after, "+inf", "WITHSCORES", "LIMIT", 0, PAGE)
            [page] = await self._store.pipeline([query])
            for member in page[::2]:
                pair = orjson.loads(member)
                if namespace in (None, pair["namespace"]):
                    whose = {name: pair[name] for name in ("namespace", "model")}
                    yield {"a": pair["a"], "b": pair["b"], "same": False, **whose}
            if not page:
                return
            after = b"(" + page[-1]


def no_answer(job_id: str) -> str:
    return f"job {job_id} failed: it had no answer"


def no_pair(job_id: str) -> str:
    return f"the answer to job {job_id} is no other question's: there is no pair to remember, only an entry to drop"
