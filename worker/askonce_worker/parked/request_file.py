"""The file of a batch: a line for each question that still has waiters, as far as they fit and can be paid for."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from askonce_worker.parked.batch_record import UNSENT, BatchRecord
from askonce_worker.parked.batches import Batches
from askonce_worker.parked.lines import request_line
from askonce_worker.parked.paying import Line, Paying
from askonce_worker.parked.pending import Pending
from askonce_worker.parked.store import AT_ONCE, ParkedStore

A_DAY = 86_400_000
MOST_BYTES = 64_000_000
"""Maximum bytes of a file, which is held in memory. Providers accept 200 MB."""


@dataclass(slots=True)
class RequestFile:
    """total: lines. epochs: of each namespace, just before. left: ids that did not fit."""

    content: bytearray = field(default_factory=bytearray)
    total: int = 0
    epochs: dict[str, str] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    unpaid: bool = False

    def has_room(self, line: bytes) -> bool:
        return not self.content or len(self.content) + len(line) <= MOST_BYTES


def until_midnight(now: int, wanted: int) -> int:
    """When to look again (Unix ms): at the latest at the end of the day, which may reset what is spent."""
    return min(wanted, (now // A_DAY + 1) * A_DAY)


class RequestFiles:
    """most: lines in a batch."""

    def __init__(self, store: ParkedStore, batches: Batches, pending: Pending, paying: Paying, *, most: int) -> None:
        self._store = store
        self._batches = batches
        self._pending = pending
        self._paying = paying
        self._most = most

    async def make(self, batch: BatchRecord) -> RequestFile:
        """Returns questions that do not fit. If some wait for money, the rest of their pool waits with them for a
        while."""
        file = RequestFile()
        first = not any(each.pool == batch.pool and each.state not in UNSENT for each in await self._batches.open())
        ids = await self._store.ids(batch.lines, 0, self._most)
        for at in range(0, len(ids), AT_ONCE):
            if file.left:
                file.left += ids[at:]
                break
            await self._add(file, batch, ids[at : at + AT_ONCE], first=first and not file.total)
        await self._store.move(file.left, batch.lines, f"ready:{batch.pool}")
        if file.unpaid:
            limit = await self._batches.limit(batch.pool)
            now = await self._batches.now_ms()
            paused = limit.paused(now)
            await self._batches.set_limit(batch.pool, replace(paused, until=until_midnight(now, paused.until)))
        return file

    async def _add(self, file: RequestFile, batch: BatchRecord, ids: list[str], *, first: bool) -> None:
        waiting = await self._pending.look(await self._store.read_from(batch.lines, ids))
        epochs: Mapping[str, str] = {each.parked.question.namespace or "": each.epochs for each in waiting}
        lines: list[Line] = [(each.parked, request_line(each.parked.id, each.parked.question)) for each in waiting]
        paid = await self._paying.afford(lines, first=first)
        file.left += paid.waits
        file.unpaid = file.unpaid or bool(paid.waits)
        for parked, line in paid.lines:
            if not file.has_room(line):
                file.left.append(parked.id)
                continue
            namespace = parked.question.namespace or ""
            file.epochs.setdefault(namespace, epochs[namespace])
            file.content += line
            file.total += 1
