"""A turn at the LLM is a slot and a share of the budget, and neither waits for the other in vain."""

import asyncio

from askonce import Question
from askonce_worker.answering.llm_slots import LLMSlots
from askonce_worker.answering.llm_turns import LLMTurns


class Share:
    def __init__(self, waits, alone=False):
        self.waits = waits
        self.alone = alone
        self.taken = self.given_back = 0

    async def take(self):
        self.taken += 1
        return self.waits.pop(0) if self.waits else 0.0

    def waits_alone(self):
        return self.alone

    def renew(self):
        pass

    def spent(self, usage=None):
        pass

    def give_back(self):
        self.given_back += 1


def turns(shares):
    return LLMTurns(LLMSlots(1, reserved=0), lambda question, lane: shares[question.model])


async def test_nobody_waits_for_the_budget_in_a_slot():
    shares = {"limited": Share([3600.0]), "free": Share([])}
    turn = turns(shares)

    async def limited():
        async with turn(Question("q", model="limited"), "bulk"):
            raise AssertionError

    waiting = asyncio.create_task(limited())
    while not shares["limited"].taken:
        await asyncio.sleep(0)
    async with asyncio.timeout(5), turn(Question("q", model="free"), "bulk"):
        assert not waiting.done()
    waiting.cancel()
    await asyncio.wait([waiting])
    assert shares["limited"].given_back == 1


async def test_one_of_many_asks_for_budget():
    shares = {"limited": Share([3600.0])}
    turn = turns(shares)

    async def ask():
        async with turn(Question("q", model="limited"), "bulk"):
            pass

    waiting = [asyncio.create_task(ask()) for _ in range(50)]
    for _ in range(200):
        await asyncio.sleep(0)
    assert shares["limited"].taken == 1
    waiting[0].cancel()
    async with asyncio.timeout(5):
        await asyncio.gather(*waiting[1:])
    assert shares["limited"].taken == 50


async def test_a_slot_is_free_again_after_an_error():
    turn = turns({"m": Share([])})
    for _ in range(2):
        try:
            async with asyncio.timeout(5), turn(Question("q", model="m"), "interactive"):
                raise ValueError
        except ValueError:
            pass


async def test_who_waits_for_his_namespace_alone_holds_up_no_other_of_the_model():
    share = Share([3600.0], alone=True)
    turn = turns({"limited": share})

    async def limited():
        async with turn(Question("q", model="limited", namespace="poor"), "bulk"):
            raise AssertionError

    waiting = asyncio.create_task(limited())
    while not share.taken:
        await asyncio.sleep(0)
    async with asyncio.timeout(5), turn(Question("q", model="limited", namespace="rich"), "bulk"):
        assert not waiting.done()
    waiting.cancel()
    await asyncio.wait([waiting])


async def test_a_turn_that_is_over_takes_no_slot_when_its_call_is_tried_again():
    """Several texts to be embedded share a request, and the turn of the first may end before the others'."""
    share = Share([0.0, 0.001], alone=True)
    turn = turns({"m": share})
    async with turn(Question("q", model="m"), "bulk") as first:
        pass
    await first.again()
    assert share.given_back == 2
    async with asyncio.timeout(5), turn(Question("q", model="m"), "bulk"):
        pass
