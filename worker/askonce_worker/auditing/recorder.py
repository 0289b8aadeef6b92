"""Sends what a worker learns about its hits to Redis: collected for half a second, and resent until accepted.

Calls are numbered: one repeated because the connection broke in between counts once. Until it is acknowledged, later
data waits for the next. A killed worker loses at most half a second, requests and labels alike, which does not bias the
estimates.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from askonce.contract.audit import Label, encode_group, encode_label, encode_record, group_id, ledger_fields
from askonce.contract.keys import Keys
from askonce.question import Question
from askonce.store.away import AWAY, TROUBLE
from askonce.store.scripts import Script

log = structlog.get_logger()

RECORD = Script("askonce_worker.auditing", "record")
OnGroups = Callable[[set[str], set[str]], None]

PAUSE = 0.5
LAST_CALLS = 5.0
"""Seconds."""
KEPT = 41 * 86_400
"""Seconds after the last request of a group."""
MOST_GROUPS = 10_000
MOST_WAITING = 10_000
MOST_SUMS = 10_000
"""Of an hour, by their groups: about 600 KB, of some thousand groups. Those of further groups stand under no name."""
AT_ONCE = 100
"""Groups, and labels, of one call: a longer script would keep other clients of Redis waiting."""
MOST_LABELS = 5_000
"""That wait in a worker while Redis is away, and records of a group: more are dropped."""


@dataclass(slots=True)
class Gathered:
    """Of one group."""

    record: bytes
    requests: int = 0
    ledger: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    seen: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    records: list[bytes] = field(default_factory=list)


class Recorder:
    """period: requests of a group from one decision to the next; 0: nothing is decided, and there are no ledgers.

    on_groups: called with the groups that were sent, and those of them for which there is no ledger.
    """

    def __init__(
        self, redis: Redis, keys: Keys, *, worker: str, period: int, on_groups: OnGroups = lambda _sent, _excess: None
    ) -> None:
        self._on_groups = on_groups
        self._redis = redis
        self._keys = keys
        self._worker = worker
        self._period = period
        self._groups: dict[str, Gathered] = {}
        self._labels: list[tuple[str, bytes]] = []
        self._number = 0
        self._unsent: list[Any] = []
        self._sent: set[str] = set()

    def answered(self, question: Question, version: int | None, count: int = 1) -> None:
        """A question has its answer. version: of the policy in force; None: it takes no part in the ledger."""
        gathered = self._of(question)
        gathered.seen["answered"] += count
        if self._period and version is not None:
            gathered.requests += count
            gathered.ledger[f"{version}:requests"] += count

    def seen(self, question: Question, **sums: float) -> None:
        """Adds to the sums of the question's group."""
        for name, value in sums.items():
            self._of(question).seen[name] += value

    def gate(self, question: Question, version: int, **sums: float) -> None:
        """Adds to what is known of the judge as a gate, names as in `GATE` of `audit/ledger.py`."""
        for name, value in sums.items():
            self._of(question).ledger[f"{version}:gate:{name}"] += value
        self.seen(question, **{f"gate_{name}": value for name, value in sums.items()})

    def unknown(self, question: Question, version: int, at: int, weight: float) -> None:
        """Counts a match that was examined but could not be judged. at: its bin."""
        self.seen(question, unknown=weight)
        if self._period:
            self._of(question).ledger[f"{version}:unknown:{at}"] += weight

    def label(self, question: Question, label: Label, *, waits: bool = False) -> None:
        """waits: for a person's verdict."""
        if label.right is None:
            self.unknown(question, label.version, label.bin, label.weight)
        elif self._period:
            gathered = self._of(question)
            for name, value in ledger_fields(label).items():
                gathered.ledger[name] += value
            if len(gathered.records) < MOST_LABELS:
                gathered.records.append(encode_record(label))
        if len(self._labels) < MOST_LABELS:
            self._labels.append((label.id if waits else "", encode_label(label)))

    async def run(self) -> None:
        """Sends what was gathered, until it is cancelled."""
        while True:
            await asyncio.sleep(PAUSE)
            try:
                await self._flush()
            except AWAY as error:
                log.warning("audit.redis_away", error=type(error).__name__)
            except RedisError as error:  # nearly full, or missing permissions: it must not grow without bound
                self._unsent.clear()
                log.warning("audit.not_recorded", error=type(error).__name__, reason=str(error)[:200])

    async def aclose(self) -> None:
        """Sends what is left, for a while."""
        try:
            async with asyncio.timeout(LAST_CALLS):
                await self._flush()
        except TROUBLE as error:
            log.warning("audit.given_up", error=type(error).__name__)

    async def _flush(self) -> None:
        """Sends all. Raises one of TROUBLE; what was not acknowledged is sent again with the next call."""
        while self._unsent or self._groups or self._labels:
            if not self._unsent:
                self._number += 1
                self._unsent = self._next()
            keys = self._keys
            names = [keys.audit.groups, keys.audit.labels, keys.audit.waiting, keys.audit.due]
            excess = await RECORD(self._redis, [*names, keys.tally(f"{self._worker}:audit")], self._unsent)
            self._unsent = []
            if excess != 0:
                self._on_groups(self._sent, {group.decode() for group in excess})

    def _of(self, question: Question) -> Gathered:
        namespace, model = question.namespace or "", question.model or ""
        group = group_id(namespace, model, question.template)
        found = self._groups.get(group)
        if found is None:
            found = self._groups[group] = Gathered(encode_group(namespace, model, question.template))
        return found

    def _next(self) -> list[Any]:
        groups = [(name, self._groups.pop(name)) for name in list(self._groups)[:AT_ONCE]]
        labels, self._labels = self._labels[:AT_ONCE], self._labels[AT_ONCE:]
        self._sent = {name for name, _ in groups}
        args: list[Any] = [f"{self._keys.prefix}:audit:", self._number, self._period, KEPT, MOST_GROUPS, MOST_WAITING]
        args += [len(groups), MOST_SUMS]
        for name, gathered in groups:
            args += [name, gathered.record, gathered.requests, *_counted(gathered.ledger), *_counted(gathered.seen)]
            args += [len(gathered.records), *gathered.records]
        args.append(len(labels))
        for waits, label in labels:
            args += [waits, label]
        return args


def _counted(sums: Mapping[str, float]) -> list[Any]:
    args: list[Any] = [len(sums)]
    for name, value in sums.items():
        args += [name, repr(float(value))]
    return args
