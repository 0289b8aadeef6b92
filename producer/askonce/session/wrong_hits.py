"""Wrong hits: reports that two questions were matched although their answers differ."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from askonce import fingerprint as identity
from askonce.contract.keys import Keys
from askonce.contract.records import read_record
from askonce.errors import AnswerTimeout, UnknownJob
from askonce.session.verdicts import Match, Verdicts
from askonce.store.connection import ScriptCall, Store
from askonce.store.replication import warn_unless_replicated
from askonce.store.rows import rows
from askonce.store.scripts import Script

REPORT_WRONG = Script("askonce", "report_wrong")
PAGE = 1000
MOST_PAIRS = 100_000
"""Beyond these the oldest reports are forgotten: every worker holds all of them in memory."""


@dataclass(frozen=True, slots=True)
class Report:
    """One wrong hit.

    pair: the record of the two questions; empty if the answer was not another question's.
    entry: the fingerprint of the entry that holds the answer. match: the two; None if there is no pair.
    """

    pair: bytes
    entry: str
    namespace: str
    model: str
    match: Match | None = None


def pair_report(*, namespace: str, model: str, scope: str, asked: str, matched: str, similarity: float = 0.0) -> Report:
    """The report that these two texts of a scope need different answers. matched: whose answer was given."""
    own, entry = identity.fingerprint(scope, asked), identity.fingerprint(scope, matched)
    return match_report(Match(own, entry, asked, matched, similarity, namespace, model))


def match_report(match: Match) -> Report:
    """The report that these two need different answers."""
    first, second = sorted([(match.asked, match.question), (match.entry, match.matched)])
    whose = {"namespace": match.namespace, "model": match.model}
    pair = {"pair": [first[0], second[0]], "a": first[1], "b": second[1], **whose}
    return Report(orjson.dumps(pair), match.entry, match.namespace, match.model, match)


def read_report(namespace: str, job_id: str, raw: bytes | None) -> Report:
    """The report in a result record.

    Raises:
        UnknownJob: There is no such job.
        AnswerTimeout: There is no answer yet.
        ValueError: The job failed.
    """
    if raw is None:
        raise UnknownJob(job_id)
    record = read_record(raw)
    if "deadline" in record:
        raise AnswerTimeout(job_id)
    if record["status"] == "failed":
        raise ValueError(no_answer(job_id))
    asked = record.get("asked")
    if asked is None:
        return Report(b"", record["fingerprint"], namespace, "")
    return pair_report(
        namespace=namespace,
        model=asked["model"],
        scope=asked["scope"],
        asked=asked["text"],
        matched=record["matched_question"],
        similarity=_similarity(record),
    )


def _similarity(record: dict[str, Any]) -> float:
    found = record.get("similarity")
    return float(found) if isinstance(found, int | float) else 0.0


class Noted(NamedTuple):
    """What report_wrong.lua returns. replicas: how many are connected, -1 where Redis does not say so."""

    new: int
    dropped: int
    replicas: int


class Scored(NamedTuple):
    """A member of a sorted set."""

    member: bytes
    score: bytes


class WrongHits:
    def __init__(self, store: Store, keys: Keys) -> None:
        self._store = store
        self._keys = keys
        self._verdicts = Verdicts(store, keys)

    async def report(self, namespace: str, job_id: str, *, drop_entry: bool) -> bool:
        """Remembers the pair, and drops the entry if asked to.

        Waits until a replica has it too, where there are replicas, and logs a warning if none confirms it.

        Returns:
            Whether this is new.

        Raises:
            UnknownJob, AnswerTimeout: As `read_report`.
            ValueError: There is no pair to remember, and the entry is not to be dropped.
        """
        report = await self.of_job(namespace, job_id)
        if not report.pair and not drop_entry:
            raise ValueError(no_pair(job_id))
        return await self.add(report, drop_entry=drop_entry)

    async def never_matched(self, report: Report) -> bool:
        """Whether the pair was ever reported as wrong: workers then never match it, regardless of later verdicts."""
        [since] = await self._store.pipeline([("ZSCORE", self._keys.wrong, report.pair)])
        return since is not None

    async def of_job(self, namespace: str, job_id: str) -> Report:
        """Raises as `read_report`."""
        [raw] = await self._store.pipeline([("GET", self._keys.result(namespace, job_id))])
        return read_report(namespace, job_id, raw)

    async def report_right(self, namespace: str, job_id: str) -> bool:
        """Notes that the job was rightly given another question's answer. Returns and raises as `report` does."""
        report = await self.of_job(namespace, job_id)
        if report.match is None:
            raise ValueError(own_answer(job_id))
        return await self._verdicts.judge(report.match, right=True)

    async def add(self, report: Report, *, drop_entry: bool = False) -> bool:
        """Whether that was news."""
        keys = self._keys
        call = ScriptCall(
            REPORT_WRONG,
            [keys.wrong, keys.dropped, keys.touched, keys.expiries, keys.stats("total")],
            [
                report.pair,
                keys.stats("hour:"),
                f"wrong|{report.namespace}|{report.model}",
                keys.entry(""),
                report.entry if drop_entry else "",
                MOST_PAIRS,
            ],
        )
        written = await self._store.replicated(call, lambda reply: Noted(*reply).replicas)
        warn_unless_replicated(written, "the report of a wrong hit")
        noted = Noted(*written.value)
        judged = report.match is not None and await self._verdicts.judge(report.match, right=False)
        return bool(noted.new or noted.dropped or judged)

    async def all(self, namespace: str | None = None) -> AsyncIterator[dict[str, Any]]:
        """Every reported pair, the oldest first: a row for `askonce-worker evaluate`, with its namespace and model."""
        after: Any = "-inf"
        while True:
            query = ("ZRANGEBYSCORE", self._keys.wrong, after, "+inf", "WITHSCORES", "LIMIT", 0, PAGE)
            [page] = await self._store.pipeline([query])
            scored = rows(Scored, page)
            for each in scored:
                pair = orjson.loads(each.member)
                if namespace in (None, pair["namespace"]):
                    whose = {name: pair[name] for name in ("namespace", "model")}
                    yield {"a": pair["a"], "b": pair["b"], "same": False, **whose}
            if not scored:
                return
            after = b"(" + scored[-1].score


def no_answer(job_id: str) -> str:
    return f"job {job_id} failed: it had no answer"


def no_pair(job_id: str) -> str:
    return f"the answer to job {job_id} is its own: there is no pair to remember, only an entry to drop"


def own_answer(job_id: str) -> str:
    return f"the answer to job {job_id} is its own: there is nothing to judge"
