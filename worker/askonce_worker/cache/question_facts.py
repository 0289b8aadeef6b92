"""Redis data for explaining a question, and the reply to the client."""

from collections.abc import Sequence

from redis.asyncio import Redis

from askonce.contract.exact_entry import exact_entry
from askonce.contract.explaining import explanation_record
from askonce.contract.keys import Keys, epoch_fields, epoch_stamp
from askonce.contract.scope_record import Parts, read_scope
from askonce.explanation import Explanation
from askonce.question import Question
from askonce_worker.answering.ports import Entry
from askonce_worker.cache.exact import ExactCache, read_entry
from askonce_worker.cache.wrong_pairs import ReportedPairs
from askonce_worker.explaining.ports import Known
from askonce_worker.logs.unreadable import Refusals

KEPT = 60
"""Seconds for which a reply is kept for its client."""


class QuestionFacts:
    """reported: updated from Redis by each lookup."""

    def __init__(
        self, redis: Redis, keys: Keys, exact: ExactCache, reported: ReportedPairs, refusals: Refusals
    ) -> None:
        self._redis = redis
        self._keys = keys
        self._exact = exact
        self._reported = reported
        self._refusals = refusals

    async def known(self, question: Question) -> Known:
        keys = self._keys
        while True:
            pipe = self._redis.pipeline(transaction=False)
            pipe.time()
            pipe.hmget(keys.epochs, list(epoch_fields(question.namespace or "", question.model or "")))
            pipe.get(keys.entry(question.fingerprint))
            pipe.zscore(keys.touched, question.fingerprint)
            self._reported.ask(pipe)
            (now, _), stamp, raw, touched, wrong, dropped = await pipe.execute()
            if not self._reported.take(wrong, dropped):
                break
        epochs = epoch_stamp(stamp)
        entry = None if raw is None else read_entry(question.fingerprint, raw)
        fits = entry is not None and self.fits(question, entry)
        exact = exact_entry(question, raw, epochs, known=touched is not None, now=now, fits=fits)
        return Known(epochs, exact, now)

    async def entries(self, fingerprints: Sequence[str]) -> dict[str, Entry]:
        return await self._exact.entries(fingerprints)

    def fits(self, question: Question, entry: Entry) -> bool:
        return self._exact.fits(question, entry)

    async def scopes(self, scopes: Sequence[str]) -> dict[str, Parts]:
        if not scopes:
            return {}
        found = {}
        for scope, raw in zip(scopes, await self._redis.mget([self._keys.scope(each) for each in scopes]), strict=True):
            try:
                if raw is not None:
                    found[scope] = read_scope(raw)
            except ValueError:
                self._refusals("scope", scope=scope)
        return found

    async def reply(self, reply_to: str, explanation: Explanation) -> None:
        await self._redis.set(self._keys.explained(reply_to), explanation_record(explanation), ex=KEPT)
