"""One worker's copy of the policies in force: read when needed, each at most twice a second."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import structlog
from redis.asyncio import Redis

from askonce.contract.keys import Keys
from askonce.store.away import TROUBLE
from askonce_worker.audit.policy import Policy, Unreadable, decode_policy
from askonce_worker.audit.threshold import LEAST
from askonce_worker.logs.unreadable import Refusals

log = structlog.get_logger()

FRESH = 0.5
"""Seconds: all workers follow a decision within a second."""
REMEMBERED = 10_000
"""Groups."""


class Policies(Protocol):
    async def refresh(self, groups: Iterable[str]) -> None:
        """Reads those that may be out of date."""
        ...

    def of(self, group: str) -> Policy: ...

    def note(self, sent: set[str], excess: set[str]) -> None:
        """sent: groups that were recorded. excess: those of them that nothing will be decided about."""
        ...


@dataclass(frozen=True, slots=True)
class OnePolicy:
    """One policy for all groups and for ever, if nothing is decided."""

    policy: Policy

    async def refresh(self, groups: Iterable[str]) -> None:
        pass

    def of(self, group: str) -> Policy:  # noqa: ARG002
        return self.policy

    def note(self, sent: set[str], excess: set[str]) -> None:
        pass


@dataclass(frozen=True, slots=True)
class TakenPolicies:
    """The policies of some groups at one moment."""

    policies: Mapping[str, Policy]

    async def refresh(self, groups: Iterable[str]) -> None:
        pass

    def of(self, group: str) -> Policy:
        return self.policies[group]

    def note(self, sent: set[str], excess: set[str]) -> None:
        pass


class DecidedPolicies:
    """first: of a group that nothing was decided about. least: the chance of a check is at least this.

    Where there are too many groups, those without a ledger are checked as seldom as can be: their hits are measured
    together, and half of each would be asked for ever.
    """

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        refusals: Refusals,
        *,
        first: Policy,
        least: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis = redis
        self._keys = keys
        self._refusals = refusals
        self._first = replace(first, chance=max(first.chance, least))
        self._undecided = replace(first, chance=max(LEAST, least))
        self._excess: set[str] = set()
        self._least = least
        self._clock = clock
        self._known: dict[str, Policy] = {}
        self._read_at: dict[str, float] = {}
        self._raw: dict[str, bytes | None] = {}

    async def refresh(self, groups: Iterable[str]) -> None:
        now = self._clock()
        old = [group for group in dict.fromkeys(groups) if now - self._read_at.get(group, -FRESH) >= FRESH]
        if not old:
            return
        if len(self._known) > REMEMBERED:
            for known in (self._known, self._read_at, self._raw):
                known.clear()
        self._read_at.update(dict.fromkeys(old, now))  # concurrent chunks need not read them, too
        try:
            found = await self._redis.mget([self._keys.audit.policy(group) for group in old])
        except TROUBLE as error:
            log.warning("audit.policies_unread", error=type(error).__name__)
            return
        for group, raw in zip(old, found, strict=True):
            if group not in self._known or self._raw.get(group) != raw:
                self._known[group], self._raw[group] = self._read(group, raw), raw

    def of(self, group: str) -> Policy:
        policy = self._known.get(group, self._first)
        return self._undecided if policy is self._first and group in self._excess else policy

    def note(self, sent: set[str], excess: set[str]) -> None:
        if len(self._excess) > REMEMBERED:
            self._excess.clear()
        self._excess = (self._excess - sent) | excess

    def _read(self, group: str, raw: bytes | None) -> Policy:
        if raw is None:
            return self._first
        try:
            policy = decode_policy(self._keys.audit.policy(group), raw)
        except Unreadable as error:
            self._refusals("policy", key=str(error))
            return self._first
        return replace(policy, chance=max(policy.chance, self._least))
