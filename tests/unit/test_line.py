"""The line before a server, and the watch beside it: what waits, what is sent, what is done without."""

import asyncio

import pytest

from askonce_worker.pacing.limits import Limits, Waits
from askonce_worker.pacing.line import Line
from askonce_worker.pacing.pace import Pace
from askonce_worker.pacing.trouble import GivenUp, Trouble, Undelivered
from askonce_worker.pacing.waiting import REFILL, WaitingItems, Wanted
from askonce_worker.pacing.watch import Watch

BULK, INTERACTIVE = "bulk", "interactive"
PATIENT = Waits()


class Server:
    """sent: the batches that began. It answers while it is `open`; `trouble` is what it says instead."""

    def __init__(self, *, waits=PATIENT, items=4, batches=2, bound=1000, linger=0.0):
        self.sent, self.trouble, self.checks = [], None, 0
        self.open = asyncio.Event()
        self.open.set()
        paced = {"limits": Limits(items, batches, linger=linger), "pace": Pace(bound=bound)}
        self.line = Line("server", self._send, waits=waits, **paced, pause=lambda *_: 0.01)

    async def _send(self, batch):
        self.sent.append([wanted.item for wanted in batch])
        if self.trouble is not None:
            raise Undelivered(self.trouble)
        await self.open.wait()
        for wanted in batch:
            wanted.settle(wanted.item.upper())

    async def greet(self, seconds):
        self.checks += 1
        try:
            async with asyncio.timeout(seconds):
                await self.open.wait()
        except TimeoutError as error:
            raise Undelivered(Trouble.AWAY) from error

    async def ask(self, *items, lane=BULK, within=60.0, urgent=False):
        if self.line.is_given_up(lane):
            return [self.line.late] * len(items)
        wanted = [Wanted(item, 1, asyncio.get_running_loop().create_future()) for item in items]
        for each in wanted:
            self.line.add(each, lane, urgent=urgent)
        await self.line.wait(wanted, lane, within)
        return [each.found.result() if each.found.done() else self.line.late for each in wanted]


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


async def test_what_is_alone_goes_at_once_and_what_waits_goes_together():
    server = Server(items=4, batches=1)
    server.open.clear()
    asks = [asyncio.create_task(server.ask(name)) for name in "abcde"]
    await until(lambda: server.sent)
    server.open.set()
    assert await asyncio.gather(*asks) == [["A"], ["B"], ["C"], ["D"], ["E"]]
    assert server.sent == [["a"], ["b", "c", "d", "e"]]


async def test_nobody_is_waited_for_while_nothing_is_under_way():
    server = Server(linger=3600)
    server.open.clear()
    first, other = asyncio.create_task(server.ask("a")), asyncio.create_task(server.ask("b"))
    await until(lambda: server.sent)
    late = asyncio.create_task(server.ask("c"))
    await asyncio.sleep(0.02)
    assert server.sent == [["a", "b"]], "those of one tick go together; who comes later waits for company"
    server.open.set()
    assert await asyncio.gather(first, other) == [["A"], ["B"]]
    late.cancel()
    await server.line.close()


async def test_asks_go_first_then_what_holds_something_up():
    server = Server(items=1, batches=1)
    server.open.clear()
    asks = [asyncio.create_task(server.ask(name)) for name in "ab"]
    asks.append(asyncio.create_task(server.ask("urgent", urgent=True)))
    asks.append(asyncio.create_task(server.ask("now", lane=INTERACTIVE)))
    await until(lambda: server.sent)
    server.open.set()
    await asyncio.gather(*asks)
    assert server.sent == [["a"], ["now"], ["urgent"], ["b"]]


async def test_who_gives_up_ends_nothing_and_nothing_is_sent_twice():
    server = Server(waits=Waits(interactive=0.05))
    server.open.clear()
    patient, gone = asyncio.create_task(server.ask("a")), asyncio.create_task(server.ask("b"))
    await until(lambda: len(server.sent) == 2)
    assert await server.ask("c", lane=INTERACTIVE) == [GivenUp.SLOW]
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    server.open.set()
    assert await patient == ["A"]
    assert sorted(server.sent) == [["a"], ["b"]]


async def test_what_nobody_waits_for_any_more_is_not_sent():
    server = Server(items=1, batches=1, waits=Waits(interactive=0.05))
    server.open.clear()
    first = asyncio.create_task(server.ask("a"))
    await until(lambda: server.sent)
    assert await server.ask("b", lane=INTERACTIVE) == [GivenUp.SLOW]
    server.open.set()
    await first
    assert await server.ask("c") == ["C"]
    assert server.sent == [["a"], ["c"]]


async def test_a_question_whose_time_is_over_waits_no_longer():
    server = Server()
    server.open.clear()
    assert await server.ask("a", within=0.05) == [GivenUp.SLOW]


async def test_a_refusal_is_not_waited_for():
    server = Server()
    server.trouble = Trouble.REFUSED
    assert await server.ask("a", "b") == [GivenUp.REFUSED] * 2
    assert await server.ask("c") == [GivenUp.REFUSED]
    assert len(server.sent) == 1


@pytest.mark.parametrize("trouble", [Trouble.AWAY, Trouble.FAILING, Trouble.BUSY, Trouble.SLOW])
async def test_what_passes_is_waited_out(trouble):
    server = Server()
    server.trouble = trouble
    waiting = asyncio.create_task(server.ask("a"))
    await until(lambda: len(server.sent) > 1)
    server.trouble = None
    assert await waiting == ["A"]


async def test_a_server_that_says_nothing_is_done_without_and_used_again_as_soon_as_it_speaks():
    server = Server(waits=Waits(bulk=1.5))
    watch = Watch(server.line, server.greet, silence=1.5)
    server.open.clear()
    waiting = asyncio.create_task(server.ask("a"))
    await until(lambda: server.sent)
    watch.start()
    assert await waiting == [GivenUp.AWAY]
    await until(lambda: server.line.is_given_up(BULK))
    assert await server.ask("b") == [GivenUp.AWAY], "it does not wait again"
    server.open.set()
    await until(lambda: not server.line.is_given_up(BULK))
    assert await server.ask("c") == ["C"]
    assert server.sent == [["a"], ["c"]]
    await watch.close()


async def test_a_slow_server_that_speaks_is_waited_for_longer_than_one_that_is_silent():
    server = Server(waits=Waits(bulk=1.5))
    gate = asyncio.Event()

    async def greet(_):
        server.checks += 1

    watch = Watch(server.line, greet, silence=1.5)
    server.open = gate
    waiting = asyncio.create_task(server.ask("a"))
    await until(lambda: server.sent)
    watch.start()
    await until(lambda: server.checks == 3)
    assert not waiting.done()
    gate.set()
    assert await waiting == ["A"]
    await watch.close()


async def test_one_item_at_fault_holds_no_other_up_and_is_done_without_after_the_patience():
    server = Server(items=4, batches=1, waits=Waits(bulk=0.5))
    answer = server.line._send

    async def send(batch):
        if any(wanted.item == "bad" for wanted in batch):
            server.sent.append([wanted.item for wanted in batch])
            raise Undelivered(Trouble.FAILING)
        await answer(batch)

    server.line._send = send
    found = await asyncio.gather(*(server.ask(item) for item in ("bad", "a", "b", "c", "d", "e")))
    assert found == [[GivenUp.AWAY], ["A"], ["B"], ["C"], ["D"], ["E"]]
    assert server.sent[-1] == ["bad"]


async def test_after_a_failure_of_all_more_and_more_go_together_again():
    server = Server(items=8, batches=1)
    server.trouble = Trouble.FAILING
    names = "abcdefghijklmno"
    waiting = asyncio.create_task(server.ask(*names))
    await until(lambda: len(server.sent) > 4 and len(server.sent[-1]) == 1)
    server.sent.clear()
    server.trouble = None
    assert await waiting == [name.upper() for name in names]
    assert [len(batch) for batch in server.sent if len(batch) > 1][:2] == [2, 4]
    assert len(server.sent) <= 6, "15 are 1, 2, 4 and 8, after one more that failed"


async def test_a_server_that_is_slow_at_once_is_left_alone_for_a_moment():
    server = Server(waits=Waits(bulk=60.0))
    server.line.health.is_checked, server.trouble = True, Trouble.SLOW
    waiting = asyncio.create_task(server.ask("a"))
    began = asyncio.get_running_loop().time()
    await until(lambda: len(server.sent) > 3)
    assert asyncio.get_running_loop().time() - began >= 0.03, "the pause of each try"
    server.trouble = None
    assert await waiting == ["A"]


async def test_a_refill_shares_no_batch_has_one_place_and_comes_last_after_a_failure_too():
    server = Server(items=8, batches=3, bound=8)
    server.open.clear()
    texts = [asyncio.create_task(server.ask(f"r{number}", lane=REFILL)) for number in range(6)]
    await until(lambda: server.sent)
    asks = [asyncio.create_task(server.ask("ask", lane=INTERACTIVE)), asyncio.create_task(server.ask("bulk"))]
    await until(lambda: len(server.sent) > 1)
    assert all(len(batch) <= 2 for batch in server.sent if batch[0].startswith("r"))
    assert sum(batch[0].startswith("r") for batch in server.sent) == 1
    server.open.set()
    await asyncio.gather(*texts, *asks)
    assert not [
        batch for batch in server.sent if {"ask", "bulk"} & set(batch) and any(one.startswith("r") for one in batch)
    ]


async def test_what_failed_goes_back_into_its_own_lane():
    waiting = WaitingItems()
    refill, ask = (Wanted(item, 1, asyncio.get_running_loop().create_future(), waiting=1) for item in ("refill", "ask"))
    waiting.add(refill, REFILL)
    assert waiting.take(items=9, size=9, refill=9) == [refill]
    waiting.add(ask, INTERACTIVE)
    waiting.put_back([refill], last=False)
    assert waiting.take(items=9, size=9, refill=9) == [ask]
