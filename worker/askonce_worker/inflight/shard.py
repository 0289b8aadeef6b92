"""One shard's view and its position in the feed. No I/O, no clock.

Every feed record names its predecessor, so a view can tell that it missed something, whatever the reason: trimmed
records, a Redis that came back without its last writes or empty, a clock that went back.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from askonce_worker.inflight.leader import Change, Leader
from askonce_worker.inflight.leaders import View

START = "0-0"


@dataclass(frozen=True, slots=True)
class Record:
    """id: in the feed. after: the preceding id. change: None if unreadable."""

    id: str
    after: str
    change: Change | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The live leaders, and the end of the feed at the same moment."""

    position: str
    leaders: Sequence[Leader]


class Shard:
    """broken: records were missed, and none are applied until `replace`."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.position = START
        self.broken = True

    def apply(self, records: Iterable[Record], now: float) -> list[Change]:
        """Applies and returns new changes. Records may arrive twice, and over two connections."""
        applied: list[Change] = []
        for record in records:
            if self.broken or _order(record.id) <= _order(self.position):
                continue
            if record.after != self.position:
                self.broken = True
                break
            self.position = record.id
            if record.change is not None:
                self.view.apply(record.change, now)
                applied.append(record.change)
        return applied

    def replace(self, snapshot: Snapshot, now: float) -> None:
        self.position = snapshot.position
        self.view.replace(snapshot.leaders, now)
        self.broken = False


def _order(record_id: str) -> tuple[int, int]:
    ms, _, number = record_id.partition("-")
    return int(ms), int(number)
