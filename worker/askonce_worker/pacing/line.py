"""The line before a server: items from all jobs of a worker wait here and go out in batches, as the pace allows.

A failed batch is retried for as long as its items are wanted. A batch in flight is never sent twice, and no caller that
gives up cancels it, because others may want its items. More load only makes the line longer.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Generic

import structlog

from askonce_worker.logs.error_origin import place
from askonce_worker.pacing.health import Health, Patience
from askonce_worker.pacing.limits import Limits, Waits
from askonce_worker.pacing.pace import Pace
from askonce_worker.pacing.trouble import GivenUp, Trouble, Undelivered
from askonce_worker.pacing.waiting import INTERACTIVE, REFILL, Found, Item, WaitingItems, Wanted

log = structlog.get_logger(__name__)

LOOKS_UP = 1.0
"""Seconds after which waiters check whether waiting still makes sense."""


class Line(Generic[Item, Found]):
    """name: in log events.

    send: settles each item of a batch, or raises Undelivered.
    pause: gives the seconds to pause, from the failures in a row and the pause requested by the server, if any.
    """

    def __init__(
        self,
        name: str,
        send: Callable[[list[Wanted[Item, Found]]], Awaitable[None]],
        *,
        limits: Limits,
        pace: Pace,
        waits: Waits,
        pause: Callable[[int, float | None], float],
    ) -> None:
        self.health = Health()
        self._name = name
        self._send = send
        self._limits = limits
        self._pace = pace
        self._pause = pause
        self._interactive = Patience(min(waits.interactive, waits.bulk), renewed=False)
        self._bulk = Patience(waits.bulk, renewed=True)
        self._waiting: WaitingItems[Item, Found] = WaitingItems()
        self._items_under_way = 0
        self._refills = 0
        self._is_closed = False
        self._batches: dict[asyncio.Task[None], float] = {}
        self._timer: asyncio.TimerHandle | None = None

    @property
    def silent_since(self) -> float | None:
        """Since when a batch has been in flight without any response; None if there is none."""
        return max(min(self._batches.values()), self.health.heard_at) if self._batches else None

    @property
    def late(self) -> GivenUp:
        """Why an item goes without the server right now."""
        if self.health.refuses:
            return GivenUp.REFUSED
        return GivenUp.SLOW if self.health.down_since is None and not self._is_silent else GivenUp.AWAY

    @property
    def _is_silent(self) -> bool:
        """Whether a server that would respond if it could has been silent for as long as bulk waits."""
        since = self.silent_since if self.health.is_checked else None
        return since is not None and asyncio.get_running_loop().time() - since > self._bulk.seconds - LOOKS_UP

    def is_given_up(self, lane: str) -> bool:
        """Whether this lane should not wait at all."""
        return self.health.is_given_up(asyncio.get_running_loop().time(), self._patience(lane))

    def add(self, wanted: Wanted[Item, Found], lane: str, *, urgent: bool = False) -> None:
        self._waiting.add(wanted, lane, urgent=urgent)

    async def wait(self, open_ones: Collection[Wanted[Item, Found]], lane: str, within: float) -> None:
        """Waits until all are found or given up, for at most `within` seconds. Responses extend this."""
        patience = self._patience(lane)
        clock = asyncio.get_running_loop().time
        asked = clock()
        for wanted in open_ones:
            wanted.waiting += 1
        try:
            self.wake()
            futures = {wanted.found for wanted in open_ones if not wanted.found.done()}
            while futures:
                seconds = min(asked + within, self.health.gives_up_at(asked, patience)) - clock()
                if seconds <= 0:
                    return
                _, futures = await asyncio.wait(futures, timeout=min(seconds, LOOKS_UP))
        finally:
            for wanted in open_ones:
                wanted.waiting -= 1
                if not (wanted.waiting or wanted.sent or wanted.found.done()):
                    self._waiting.leave(wanted)
                    wanted.settle(self.late)

    def wake(self) -> None:
        """Sends what there is room for, now or when the server may be tried again."""
        if self._timer is not None:
            return
        loop = asyncio.get_running_loop()
        linger = self._limits.linger
        # With nothing in flight, wait only for items from the same tick of the event loop.
        seconds = max(linger if self._batches else 0.0, self.health.resumes_at - loop.time())
        if seconds > 0 or linger:
            self._timer = loop.call_later(seconds, self._fill_room)
        else:
            self._fill_room()

    def back(self, seconds: float) -> None:
        """The server responded. seconds: how long it took to answer a greeting."""
        self._pace.far(seconds)
        self.health.reached(asyncio.get_running_loop().time())
        self.stop_timer()
        self.wake()

    def stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def close(self) -> None:
        self._is_closed = True
        self.stop_timer()
        for batch in list(self._batches):
            batch.cancel()
        await asyncio.gather(*self._batches, return_exceptions=True)
        self._drop_all(GivenUp.AWAY)

    def _patience(self, lane: str) -> Patience:
        return self._interactive if lane == INTERACTIVE else self._bulk

    def _fill_room(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        if loop.time() < self.health.resumes_at:
            self.wake()
            return
        most = 1 if self.health.failures else self._limits.batches
        while self._waiting and len(self._batches) < most:
            room = self._pace.bound - self._items_under_way
            if room < 1 and self._items_under_way:
                break
            batch = self._waiting.take(
                items=min(self._limits.items, max(1, room)), size=self._limits.size, refill=self._room_of_a_refill
            )
            if not batch:
                break
            self._items_under_way += len(batch)
            self._refills += batch[0].lane == REFILL
            task = loop.create_task(self._deliver(batch))
            self._batches[task] = loop.time()
            task.add_done_callback(self._ended)

    @property
    def _room_of_a_refill(self) -> int:
        """One batch of at most a quarter of the bound, so that other items do not wait long for it."""
        return 0 if self._refills else max(1, self._pace.bound // 4)

    def _ended(self, batch: "asyncio.Task[None]") -> None:
        del self._batches[batch]
        if not batch.cancelled() and not self._is_closed and self._waiting and self._timer is None:
            self._fill_room()

    async def _deliver(self, batch: list[Wanted[Item, Found]]) -> None:
        clock = asyncio.get_running_loop().time
        began, more_waited = clock(), bool(self._waiting)
        try:
            await self._send(batch)
        except Undelivered as error:
            self._failed(error, batch, began, clock())
        except asyncio.CancelledError:
            _settle(batch, GivenUp.AWAY)
            raise
        except Exception as error:  # noqa: BLE001 - the items would be waited for in vain
            log.error(f"{self._name}.broken", items=len(batch), error=type(error).__name__, where=place(error))
            _settle(batch, GivenUp.AWAY)
        else:
            self.health.replied(clock())
            self._pace.replied(began=began, now=clock(), more_waited=more_waited)
            if batch[0].is_doubted:
                self._waiting.learn(answered=True)
            _settle(batch, GivenUp.REFUSED)
        finally:
            self._items_under_way -= len(batch)
            self._refills -= batch[0].lane == REFILL

    def _failed(self, error: Undelivered, batch: list[Wanted[Item, Found]], began: float, now: float) -> None:
        """Items still wanted are sent again after a pause. Nothing else is sent meanwhile."""
        left = [wanted for wanted in batch if not wanted.found.done()]
        trouble = error.trouble
        log.warning(f"{self._name}.failed", items=len(left), kind=trouble.value, status=error.status)
        if trouble is Trouble.REFUSED:
            self.health.refused(now)
            _settle(left, GivenUp.REFUSED)
            self._drop_all(GivenUp.REFUSED)
            return
        of_an_item = trouble in (Trouble.FAILING, Trouble.SLOW)
        if of_an_item and batch[0].is_doubted:
            self._waiting.learn(answered=False)
        if of_an_item and self.health.down_since is None and len(left) == 1 and left[0].is_doubted:
            self._blame(left[0], trouble, now)
            return
        pause = self._pause(min(6, self.health.failures + 1), error.pause)
        if trouble is Trouble.SLOW:
            self._pace.timed_out(began=began, now=now)
        if trouble is Trouble.BUSY:
            self._pace.put_off(began=began, now=now)
            self.health.put_off(now, pause)
        elif trouble is Trouble.SLOW and self.health.is_checked:
            self.health.spoke(now, pause)
        else:
            self.health.failed(began=began, now=now, pause=pause, unreachable=trouble is Trouble.AWAY)
        for wanted in left if of_an_item else ():
            wanted.failures += 1
            wanted.failing_since = wanted.failing_since or began
        self._waiting.put_back(left, last=of_an_item)
        self.wake()

    def _blame(self, wanted: Wanted[Item, Found], trouble: Trouble, now: float) -> None:
        """Handles an item that fails alone. It is retried for as long as bulk waits for a failing server."""
        if now - wanted.failing_since >= self._bulk.seconds:
            wanted.settle(GivenUp.SLOW if trouble is Trouble.SLOW else GivenUp.AWAY)
            return
        wanted.failures += 1
        pause = self._pause(min(6, wanted.failures), None)
        asyncio.get_running_loop().call_later(pause, self._again, wanted)

    def _again(self, wanted: Wanted[Item, Found]) -> None:
        if self._is_closed or not wanted.waiting:
            wanted.settle(GivenUp.AWAY)
            return
        self._waiting.put_back([wanted], last=True)
        self.wake()

    def _drop_all(self, why: GivenUp) -> None:
        _settle(self._waiting.clear(), why)


def _settle(batch: list[Wanted[Item, Found]], found: Found | GivenUp) -> None:
    for wanted in batch:
        wanted.settle(found)
