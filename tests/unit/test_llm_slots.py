"""Who gets the next slot at the LLM."""

import asyncio

import pytest

from askonce_worker.answering.llm_slots import RECENT, LLMSlots
from askonce_worker.queue.flow import Flow

SLOW, QUICK, THIRD = (Flow("interactive", name, "m") for name in ("slow", "quick", "third"))


def bulk(flow):
    return flow._replace(lane="bulk")


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


async def held(slots, flow, count):
    """Asks for so many slots. Returns those that were given, and the tasks that still wait."""
    given, waiting = [], []

    async def take():
        slot = slots.slot(flow)
        await slot.acquire()
        slot.leave_line()
        given.append(slot)

    for _ in range(count):
        waiting.append(asyncio.create_task(take()))
    for _ in range(2 * count + 5):
        await asyncio.sleep(0)
    return given, [task for task in waiting if not task.done()]


async def end(*tasks):
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize(("total", "most"), [(64, 60), (16, 15), (8, 7), (4, 4), (1, 1)])
async def test_a_flow_that_is_alone_takes_every_slot_but_those_kept_for_another_model(total, most):
    slots = LLMSlots(total, reserved=1)
    given, waiting = await held(slots, SLOW, 80)
    assert len(given) == most
    await end(*waiting)


@pytest.mark.parametrize("lane", ["interactive", "bulk"])
@pytest.mark.parametrize("total", [8, 64])
async def test_however_many_namespaces_hang_on_one_model_another_model_gets_a_slot(lane, total):
    slots = LLMSlots(total, reserved=1)
    hanging = [await held(slots, Flow(lane, f"n{number}", "hangs"), 80) for number in range(10)]
    given, waiting = await held(slots, Flow(lane, "n1", "healthy"), 2)
    assert given
    await end(*waiting, *(task for _, tasks in hanging for task in tasks))


async def test_a_flow_leaves_slots_to_those_that_called_lately():
    clock = Clock()
    slots = LLMSlots(64, reserved=8, clock=clock)
    [[first], _] = await held(slots, QUICK, 1)
    first.release()
    given, waiting = await held(slots, SLOW, 80)
    assert len(given) == 59
    others, none = await held(slots, QUICK, 3)
    assert len(others) == 3 and not none
    for slot in [*others, *given]:
        slot.release()
    await end(*waiting)
    clock.now = RECENT + 1
    given, waiting = await held(slots, SLOW, 80)
    assert len(given) == 60
    await end(*waiting)


async def test_bulk_never_takes_the_reserved_slots_and_leaves_some_to_other_bulk_flows():
    slots = LLMSlots(64, reserved=8)
    given, waiting = await held(slots, bulk(SLOW), 100)
    others, more = await held(slots, bulk(QUICK), 10)
    third, yet_more = await held(slots, bulk(THIRD), 10)
    assert (len(given), len(others), len(third)) == (51, 3, 0)
    last = [await held(slots, bulk(Flow("", "n", model)), 3) for model in ("m2", "m3", "m4")]
    assert [len(slots) for slots, _ in last] == [1, 1, 0]
    asked, unasked = await held(slots, QUICK, 9)
    assert len(asked) == 6, "two stay free for other flows"
    await end(*unasked, *waiting, *more, *yet_more, *(task for _, tasks in last for task in tasks))


async def test_the_next_free_slot_goes_to_the_flow_that_holds_the_fewest():
    slots = LLMSlots(8, reserved=0)
    given, waiting = await held(slots, SLOW, 10)
    assert len(given) == 7
    others, more = await held(slots, QUICK, 3)
    for slot in given[:3]:
        slot.release()
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(others) == 2, "one stays free for a third flow, and one for another model"
    await end(*waiting, *more)


async def test_who_stops_waiting_takes_no_slot_with_it():
    slots = LLMSlots(1, reserved=0)
    [[first], _] = await held(slots, SLOW, 1)
    _, waiting = await held(slots, SLOW, 3)
    await end(*waiting)
    first.release()
    given, _ = await held(slots, QUICK, 1)
    assert len(given) == 1
