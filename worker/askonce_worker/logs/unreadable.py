"""Unreadable records in Redis: they are skipped, logged and counted, and do no harm."""

from collections import Counter

import structlog

log = structlog.get_logger()


KINDS = ("job", "question", "entry", "outbox", "scope", "wrong", "parked", "batch", "policy", "record")
"""A job, a question of a chunk, a cached answer, a vector on its way, the parts of a scope, a report of a wrong hit, a
parked question, a provider's batch, a group's policy, what a scorer learns from."""


class Refusals:
    """counts: by kind, since this worker began."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter(dict.fromkeys(KINDS, 0))

    def __call__(self, kind: str, **facts: object) -> None:
        """facts: for the log; nothing of the record's contents."""
        self.counts[kind] += 1
        log.warning(f"{kind}.unreadable", **facts)
