"""Which snapshot of a model answers, and when another one has replaced it. Pure.

Providers move a name (`gpt-4o-mini`) from one snapshot to the next. Routers keep answering under one name from several
snapshots in turn. So an upgrade is a change that lasts: one snapshot has answered for a while, often enough, and far
longer in a row than any snapshot did before another one came back.
"""

from dataclasses import dataclass, replace

import orjson

from askonce.readable import read_object, text_of, time_of

IN_A_ROW = 10
STAYS = 600.0
"""Seconds and answers after which a change counts."""
FAR_LONGER = 10
"""Required multiple of the longest run that ended in a return. (A router that uses the second snapshot for one call in
twenty makes runs of 20 answers; a run of 200 has a chance of 1 in 28,000.)"""


@dataclass(frozen=True, slots=True)
class Run:
    """The current snapshot: it has answered `count` times in a row, since this Unix second. longest: the longest run
    that ended with the return of an earlier snapshot, 0 if none ever returned."""

    snapshot: str
    count: int
    since: int
    longest: int = 0

    def stays(self, now: int, seconds: float = STAYS) -> bool:
        return self.count >= max(IN_A_ROW, FAR_LONGER * self.longest) and now - self.since >= seconds


@dataclass(frozen=True, slots=True)
class Snapshots:
    """The snapshots of one model.

    current: the one that answers. known: those that lasted, in order of appearance. superseded: those whose entries
    must go. flapping: several answer in turn, and none has lasted since.
    """

    current: str
    known: tuple[str, ...]
    superseded: frozenset[str] = frozenset()
    flapping: bool = False


def first(run: Run) -> Snapshots:
    """The initial state of a model."""
    return Snapshots(run.snapshot, (run.snapshot,) if run.count >= IN_A_ROW else ())


def after(seen: Snapshots, run: Run, *, stays: bool, invalidate: bool) -> Snapshots:
    """The state after this run.

    The newest snapshot that lasted supersedes all others. While a name flaps, the entries of all snapshots stay.
    """
    if not stays:
        return replace(seen, superseded=frozenset(), flapping=True) if run.longest and not seen.flapping else seen
    if run.snapshot == seen.current and run.snapshot in seen.known:
        return replace(seen, flapping=False) if seen.flapping else seen
    known = (*(name for name in seen.known if name != run.snapshot), run.snapshot)
    others = frozenset({*known, seen.current}) - {run.snapshot}
    return Snapshots(run.snapshot, known, others if invalidate else frozenset())


def encode(snapshots: Snapshots) -> bytes:
    facts = {
        "current": snapshots.current,
        "known": snapshots.known,
        "superseded": sorted(snapshots.superseded),
        "flapping": snapshots.flapping,
    }
    return orjson.dumps(facts)


def decode(raw: bytes) -> Snapshots:
    facts = orjson.loads(raw)
    superseded, flapping = frozenset(facts["superseded"]), bool(facts.get("flapping"))
    return Snapshots(facts["current"], tuple(facts["known"]), superseded, flapping)


def read_run(raw: bytes) -> Run:
    """A run as store_entries.lua keeps it. Raises ValueError."""
    record = read_object(raw)
    return Run(
        text_of(record, "snapshot"), time_of(record, "count"), time_of(record, "since"), time_of(record, "longest")
    )
