"""Sends served matches to Redis, for people to review: collected for half a second.

A match sent twice is stored once. While Redis is away they are dropped: they are only for review, and there will be
more.
"""

import asyncio

import structlog
from redis.asyncio import Redis

from askonce.contract.keys import Keys
from askonce.contract.matches import HOURS, MOST_SHOWN, ServedMatch, encode_match
from askonce.explanation import InForce
from askonce.fingerprint import fingerprint
from askonce.store.away import TROUBLE
from askonce.store.scripts import Script
from askonce_worker.answering.ports import Finished
from askonce_worker.answering.serving import Serving
from askonce_worker.matching.match import Matcher

log = structlog.get_logger()

KEEP_MATCHES = Script("askonce_worker.auditing", "keep_matches")
PAUSE = 0.5
MOST_AT_ONCE = 50
"""Maximum matches per half second and worker, because recording them takes time."""
LAST_CALL = 2.0
"""Seconds."""


class MatchFeed:
    """matcher: that of `serving`. most: matches of an hour that are kept."""

    def __init__(self, redis: Redis, keys: Keys, matcher: Matcher, serving: Serving, *, most: int) -> None:
        self._redis = redis
        self._keys = keys
        self._matcher = matcher
        self._serving = serving
        self._most = most
        self._gathered: dict[tuple[str, str], ServedMatch] = {}

    def published(self, finished: list[Finished]) -> None:
        for item in finished:
            matched, question = item.answer.matched_question, item.question
            if matched not in (None, question.text) and len(self._gathered) < MOST_AT_ONCE:
                match = self._match(item, matched or "")
                self._gathered.setdefault((match.asked, match.entry), match)

    async def run(self) -> None:
        """Sends what was gathered, until it is cancelled."""
        while True:
            await asyncio.sleep(PAUSE)
            await self._flush()

    async def aclose(self) -> None:
        """Sends what is left, for a while."""
        try:
            async with asyncio.timeout(LAST_CALL):
                await self._flush()
        except TimeoutError:
            log.warning("matches.given_up")

    def _match(self, item: Finished, matched: str) -> ServedMatch:
        question, answer = item.question, item.answer
        reuse = self._matcher.reuse(question)
        if answer.source == "semantic":
            in_force = self._serving.in_force(question, reuse)
        else:
            in_force = InForce(self._serving.joins(question, reuse))
        return ServedMatch(
            asked=question.fingerprint,
            entry=item.hit or fingerprint(question.scope, matched),
            question=question.text[:MOST_SHOWN],
            matched=matched[:MOST_SHOWN],
            namespace=question.namespace or "",
            model=question.model or "",
            template=(question.template or "")[:MOST_SHOWN],
            source=answer.source or "",
            similarity=answer.similarity or 0.0,
            threshold=in_force.threshold,
            scorer=in_force.scorer,
            version=in_force.version,
            job_id=question.job_id or "",
        )

    async def _flush(self) -> None:
        gathered, self._gathered = self._gathered, {}
        if not gathered:
            return
        arguments: list[str | bytes | int] = [self._keys.audit.matches(""), self._keys.audit.nearness("")]
        arguments += [self._most, HOURS * 3600]
        for match in gathered.values():
            arguments += [match.id, repr(match.similarity), encode_match(match)]
        try:
            await KEEP_MATCHES(self._redis, [], arguments)
        except TROUBLE as error:
            log.warning("matches.not_kept", error=type(error).__name__, matches=len(gathered))
