"""Decides which waiting question may call the LLM next: a worker's slots, shared fairly between flows.

The next free slot goes to the flow that holds the fewest (max-min fairness); within a flow, to the first question, then
to others of its scope. A flow never takes the last slots for itself, so that one whose model hangs leaves some to the
others: after taking, it holds at most `SHARE` times what stays free. This is the dynamic threshold of shared-memory
switches (A. Choudhury and E. Hahne, IEEE/ACM Transactions on Networking 6, 1998): however many flows hang, some slots
stay free for the next one. Nor do many flows of one model take them all: the flows of a lane and model together leave
the last slots to a model that holds none.
"""

import asyncio
import itertools
import time
from collections import Counter, deque
from collections.abc import Callable

from askonce_worker.answering.scoped_line import ScopedLine
from askonce_worker.queue.flow import Flow

SHARE = 15
MODEL_SHARE = 31
"""The same bound for all flows of a lane and model together. Of 64 slots they leave 2."""
FEW = 8
"""With fewer slots than this, none is kept for another model."""
RECENT = 300.0
"""Seconds after its last call for which a flow counts as active: until then others leave slots free for it."""


class Slot:
    """One question's claim to a slot. Not thread-safe; `acquire` is not to be called twice at the same time."""

    def __init__(self, slots: "LLMSlots", flow: Flow, scope: str) -> None:
        self.flow = flow
        self.scope = scope
        self.held = False
        self.heads_line = False
        self._slots = slots

    async def acquire(self) -> None:
        """Waits for a slot, and for the head of the line before the budget of this lane and model."""
        await self._slots.wait_for(self)

    def leave_line(self) -> None:
        """Lets the next question of this lane and model ask for budget."""
        self._slots.leave_line(self)

    def release(self) -> None:
        self._slots.release(self)


Waiting = tuple[Slot, "asyncio.Future[None]"]


class LLMSlots:
    """The slots of one worker.

    Args:
        total: calls at a time.
        reserved: how many of these the bulk lane never takes.
        clock: seconds of any steady clock.
    """

    def __init__(self, total: int, reserved: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._total = total
        self._most_bulk = max(1, total - reserved)
        self._kept = max(1, total // 16) if total >= FEW else 0
        self._clock = clock
        self._held: Counter[Flow] = Counter()
        self._held_by_model: Counter[tuple[str, str]] = Counter()
        self._in_use = 0
        self._bulk = 0
        self._lines: set[tuple[str, str]] = set()
        self._waiting: dict[Flow, ScopedLine[Waiting]] = {}
        self._heads: deque[Waiting] = deque()
        self._last_served: dict[Flow, int] = {}
        self._last_seen: dict[tuple[str, str], float] = {}
        self._turn = itertools.count()

    def slot(self, flow: Flow, scope: str = "") -> Slot:
        """scope: questions of one scope go next to each other; '' keeps them in the order in which they came."""
        return Slot(self, flow, scope)

    async def wait_for(self, slot: Slot) -> None:
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = (slot, granted)
        if slot.heads_line:
            self._heads.append(waiting)
        else:
            self._waiting.setdefault(slot.flow, ScopedLine()).append(waiting, slot.scope)
        self._note(slot.flow)
        self._grant()
        try:
            await granted
        except asyncio.CancelledError:
            if not slot.held and waiting in self._heads:
                self._heads.remove(waiting)
            elif not slot.held:
                self._waiting[slot.flow].remove(waiting, slot.scope)
                self._forget_if_idle(slot.flow)
            self.leave_line(slot)
            self.release(slot)
            raise

    def leave_line(self, slot: Slot) -> None:
        if slot.heads_line:
            slot.heads_line = False
            self._lines.discard((slot.flow.lane, slot.flow.model))
            self._grant()

    def release(self, slot: Slot) -> None:
        if slot.held:
            slot.held = False
            self._in_use -= 1
            self._held[slot.flow] -= 1
            self._count(slot.flow, -1)
            self._bulk -= slot.flow.lane == "bulk"
            self._forget_if_idle(slot.flow)
            self._grant()

    def _grant(self) -> None:
        """Hands out free slots. The head of a line comes first, because others wait behind it."""
        for slot, granted in list(self._heads):
            last = bool(self._kept and self._held_by_model[slot.flow.lane, slot.flow.model])
            if self._room(slot.flow.lane) > last:
                self._heads.remove((slot, granted))
                self._give(slot, granted)
        while self._in_use < self._total:
            flows = [flow for flow in self._waiting if self._may_take(flow)]
            if not flows:
                return
            flow = min(flows, key=self._order)
            slot, granted = self._waiting[flow].popleft()
            if not self._waiting[flow]:
                del self._waiting[flow]
            slot.heads_line = True
            self._lines.add((flow.lane, flow.model))
            self._give(slot, granted)

    def _give(self, slot: Slot, granted: "asyncio.Future[None]") -> None:
        slot.held = True
        self._in_use += 1
        self._held[slot.flow] += 1
        self._count(slot.flow, 1)
        self._bulk += slot.flow.lane == "bulk"
        self._last_served[slot.flow] = next(self._turn)
        if not granted.done():
            granted.set_result(None)

    def _count(self, flow: Flow, change: int) -> None:
        model = (flow.lane, flow.model)
        self._held_by_model[model] += change
        if not self._held_by_model[model]:
            del self._held_by_model[model]

    def _room(self, lane: str) -> int:
        room = self._total - self._in_use
        return min(room, self._most_bulk - self._bulk) if lane == "bulk" else room

    def _may_take(self, flow: Flow) -> bool:
        model, room = (flow.lane, flow.model), self._room(flow.lane)
        if room <= 0 or model in self._lines:
            return False
        held, by_model = self._held[flow], self._held_by_model[model]
        if by_model == 0:
            return True
        if flow.lane == "interactive" and self._is_alone(flow):
            return room > self._kept
        if self._kept:
            if by_model + 1 > MODEL_SHARE * (room - 1):
                return False
            room -= 1
        return held == 0 or held + 1 <= SHARE * (room - 1)

    def _order(self, flow: Flow) -> tuple[int, bool, int]:
        return self._held[flow], flow.lane == "bulk", self._last_served.get(flow, -1)

    def _is_alone(self, flow: Flow) -> bool:
        return all(other == (flow.namespace, flow.model) for other in self._last_seen)

    def _note(self, flow: Flow) -> None:
        now = self._clock()
        self._last_seen.pop((flow.namespace, flow.model), None)
        self._last_seen[flow.namespace, flow.model] = now
        for other, seen in list(self._last_seen.items()):
            if now - seen < RECENT:
                break
            del self._last_seen[other]

    def _forget_if_idle(self, flow: Flow) -> None:
        if not self._waiting.get(flow):
            self._waiting.pop(flow, None)
            if self._held[flow] <= 0:
                del self._held[flow]
                self._last_served.pop(flow, None)
