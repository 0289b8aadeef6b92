"""Which snapshot of a model answers, and when another one has taken its place. Pure.

Providers move an alias (`gpt-4o-mini`) from one snapshot to the next, and flap between the two while they do: so a
snapshot counts only once it has answered several times in a row.
"""

from dataclasses import dataclass, replace

import orjson

IN_A_ROW = 5


@dataclass(frozen=True, slots=True)
class Snapshots:
    """Those of one model. current: who answers. known: those that have answered several times in a row, in the order
    in which they came to that. superseded: whose entries have to go."""

    current: str
    known: tuple[str, ...]
    superseded: frozenset[str] = frozenset()


def first(snapshot: str, in_a_row: int) -> Snapshots:
    return Snapshots(snapshot, (snapshot,) if in_a_row >= IN_A_ROW else ())


def after(seen: Snapshots, snapshot: str, in_a_row: int, *, invalidate: bool) -> Snapshots:
    """What is known once this one has answered the last so many times.

    The newest one supersedes all others. One that comes back is no news: it answers again, so its entries stand.
    """
    if in_a_row < IN_A_ROW or (snapshot == seen.current and snapshot in seen.known):
        return seen
    known = seen.known if snapshot in seen.known else (*seen.known, snapshot)
    others = frozenset({*known, seen.current}) - {snapshot}
    superseded = others if invalidate and snapshot == known[-1] else seen.superseded - {snapshot}
    return replace(seen, current=snapshot, known=known, superseded=superseded)


def encode(snapshots: Snapshots) -> bytes:
    facts = {"current": snapshots.current, "known": snapshots.known, "superseded": sorted(snapshots.superseded)}
    return orjson.dumps(facts)


def decode(raw: bytes) -> Snapshots:
    facts = orjson.loads(raw)
    return Snapshots(facts["current"], tuple(facts["known"]), frozenset(facts["superseded"]))
