"""What namespaces with a budget spend in batches: set aside with the file, counted with the answer, whoever dies."""

import pytest

from askonce import Question
from askonce_worker.parked import collecting, splitting
from askonce_worker.parked.provider_api import BatchApi
from askonce_worker.parked.sending import Sending
from askonce_worker.parked.settling import Settling
from askonce_worker.parked.store import ParkedStore
from askonce_worker.providers.provider import ProviderError
from askonce_worker.providers.retry import RetryDecision
from support.parked_money import COSTS, MAY, POOL, bill, kinds, money, towns
from support.parking import answers, dying, in_place, lines_of_batches, nothing_left, park, running, seen, taking
from support.wired import wired_workers
from support.worker_process import until


async def test_a_batch_is_paid_out_of_the_budget_at_its_prices(bounded, llm_server):
    await llm_server.control(batches={"seconds": 3600})
    async with wired_workers(1, bounded(1)) as [worker]:
        ids = await park(worker, *towns(5), *towns(2))
        await running(worker)
        assert await money(worker) == (0, pytest.approx(5 * MAY))
        await llm_server.control(batches={"finish": True})
        assert sorted(kinds(await answers(worker, ids))) == ["inflight"] * 2 + ["llm"] * 5
        await nothing_left(worker)
        assert await money(worker) == (pytest.approx(5 * COSTS), 0)
    assert await bill(llm_server) == pytest.approx(5 * COSTS)


async def test_over_the_budget_parked_questions_fail_and_hits_go_on(bounded, llm_server):
    async with wired_workers(1, bounded(3 * COSTS + 0.0001)) as [worker]:
        first = await answers(worker, await park(worker, *towns(1)))
        found = await answers(worker, await park(worker, *towns(6)))
        assert kinds(first + found[:1]) == ["llm", "exact"]
        assert sorted(kinds(found[1:])) == ["budget"] * 4 + ["llm"]
        [refused, *_] = [answer.error for answer in found if answer.error is not None]
        assert "the budget of default for this day" in refused.message
        assert kinds(await answers(worker, await park(worker, *towns(1)))) == ["exact"]
        await nothing_left(worker)
        assert await money(worker) == (pytest.approx(2 * COSTS), 0)
    assert (await bill(llm_server), (await seen(llm_server))[1]) == (pytest.approx(2 * COSTS), 0)


async def test_what_others_hold_is_waited_for(bounded, llm_server):
    """There is room for two answers at their bound, and in the end for three as they are."""
    await llm_server.control(batches={"seconds": 3600})
    async with wired_workers(1, bounded(2.5 * MAY)) as [worker]:
        ids = await park(worker, *towns(3))
        await running(worker)
        await in_place(worker, POOL, 1)
        assert await money(worker) == (0, pytest.approx(2 * MAY))
        await llm_server.control(batches={"finish": True, "seconds": 0})
        assert kinds(await answers(worker, ids)) == ["llm"] * 3
        await nothing_left(worker)
        assert await money(worker) == (pytest.approx(3 * COSTS), 0)


async def test_a_model_without_a_price_is_asked_in_no_batch_of_such_a_namespace(bounded, llm_server):
    async with wired_workers(1, bounded(1)) as [worker]:
        [found] = await answers(worker, await park(worker, Question("What?", model="other")))
    assert (found.error.kind, "no price of other is known" in found.error.message) == ("budget", True)
    assert (await seen(llm_server))[0]["billed"] == 0


async def test_what_leaves_its_batch_gives_its_money_back(bounded, llm_server):
    """One is asked at once, after its file was refused; one was cancelled, and its batch too."""
    await llm_server.control(batches={"seconds": 3600, "refuses": "town 0?"})
    async with wired_workers(1, bounded(1)) as [worker]:
        ids = await park(worker, *towns(2))
        async with taking(worker):
            assert kinds(await answers(worker, ids[:1])) == ["llm"]
            [name] = await running(worker)
            assert await money(worker) == (pytest.approx(2 * COSTS), pytest.approx(MAY))
            await worker.client.cancel(ids[1:])
            await worker.redis.hset(worker.keys.parked(f"batch:{name.decode()}"), "cancel", "1")
            await nothing_left(worker)
        assert await money(worker) == (pytest.approx(2 * COSTS), 0)
    assert (await seen(llm_server))[0]["billed"] == 0


async def test_what_is_billed_in_vain_is_spent(bounded, llm_server):
    """A reply without choices, and the answer of the next batch."""
    await llm_server.control(batches={"lines": [{"kind": "no_choices", "times": 1}]})
    async with wired_workers(1, bounded(1)) as [worker]:
        assert kinds(await answers(worker, await park(worker, *towns(1)))) == ["llm"]
        await nothing_left(worker)
        assert await money(worker) == (pytest.approx(2 * COSTS), 0)


@pytest.mark.parametrize("kind", ["missing", "junk"])
async def test_a_line_that_is_billed_and_cannot_be_read_counts_as_it_was_estimated(
    bounded, llm_server, monkeypatch, kind
):
    monkeypatch.setattr(collecting, "LOST_AFTER", 0.2)
    await llm_server.control(batches={"lines": [{"kind": kind, "contains": "town 1?", "times": 1}]})
    async with wired_workers(1, bounded(1)) as [worker]:
        assert kinds(await answers(worker, await park(worker, *towns(3)))) == ["llm"] * 3
        await nothing_left(worker)
        assert await money(worker) == (pytest.approx(MAY + 3 * COSTS), 0)


async def test_lines_that_were_never_run_do_not_count_where_another_cannot_be_read(bounded, llm_server):
    torn = {"kind": "junk", "contains": "town 0?", "times": 1}
    await llm_server.control(batches={"lines": [torn, {"kind": "status", "status": 429, "times": 3}]})
    async with wired_workers(1, bounded(1)) as [worker]:
        assert kinds(await answers(worker, await park(worker, *towns(4)))) == ["llm"] * 4
        await nothing_left(worker)
        assert await money(worker) == (pytest.approx(MAY + 4 * COSTS), 0)


async def test_a_kill_while_what_is_left_moves_on_charges_no_more_lines(bounded, llm_server, monkeypatch):
    """Two are billed and in no file, four were never run. Half have moved on when the worker loses its lock."""
    monkeypatch.setattr(collecting, "LOST_AFTER", 0.2)
    monkeypatch.setattr(splitting, "AT_ONCE", 3)
    rules = [{"kind": "missing" if n < 2 else "unrun", "contains": f"town {n}?", "times": 1} for n in range(6)]
    await llm_server.control(batches={"lines": rules})
    killed = dying(
        monkeypatch, ParkedStore, "move", "after", lambda ids, source, _: ids and source.startswith("lines:")
    )
    async with wired_workers(2, bounded(1)) as [worker, _]:
        assert kinds(await answers(worker, await park(worker, *towns(6)))) == ["llm"] * 6
        await nothing_left(worker)
        assert len(killed[0][0]) == 3
        assert await money(worker) == (pytest.approx(2 * MAY + 6 * COSTS), 0)


@pytest.mark.parametrize(("reads", "lost"), [(0, 2), (1, 0)], ids=["output", "errors"])
async def test_a_batch_without_one_of_its_files_counts_what_was_completed_and_not_read(
    bounded, llm_server, monkeypatch, reads, lost
):
    """Of four lines two are completed. The file is deleted at the provider before it is read."""
    real, read = BatchApi.content, []

    async def content(self, file_id):
        if len(read) == reads:
            await self.delete(file_id)
        read.append(file_id)
        async for line in real(self, file_id):
            yield line

    monkeypatch.setattr(BatchApi, "content", content)
    monkeypatch.setattr(collecting, "LOST_AFTER", 0.2)
    await llm_server.control(
        batches={"lines": [{"kind": "status", "contains": f"town {n}?", "status": 429, "times": 1} for n in (0, 1)]}
    )
    async with wired_workers(1, bounded(1)) as [worker]:
        assert kinds(await answers(worker, await park(worker, *towns(4)))) == ["llm"] * 4
        await nothing_left(worker)
        assert await money(worker) == (pytest.approx(lost * MAY + 4 * COSTS), 0)


async def test_what_is_read_of_a_file_that_goes_away_counts_as_it_is(bounded, llm_server, monkeypatch):
    """Three of four completed lines are read and the file is gone: one is an answer, two are billed in vain."""
    real, read = BatchApi.content, []

    async def content(self, file_id):
        lines = sorted([line async for line in real(self, file_id)], key=lambda line: b'"choices":[]' not in line)
        read.append(file_id)
        for line in lines[:3] if file_id == read[0] else lines:
            yield line
        if read == [file_id]:
            await self.delete(file_id)

    monkeypatch.setattr(BatchApi, "content", content)
    monkeypatch.setattr(collecting, "LOST_AFTER", 0.2)
    rules = [{"kind": "no_choices", "contains": f"town {n}?", "times": 1} for n in (0, 1)]
    await llm_server.control(batches={"lines": rules})
    async with wired_workers(1, bounded(1)) as [worker]:
        assert kinds(await answers(worker, await park(worker, *towns(4)))) == ["llm"] * 4
        await nothing_left(worker)
        assert await money(worker) == (pytest.approx(MAY + 6 * COSTS), 0)


async def test_a_batch_that_is_lost_counts_as_it_was_estimated(bounded, llm_server, monkeypatch):
    real, gone = BatchApi.look, []

    async def look(self, batch_id):
        gone[:] = gone or [batch_id]
        if batch_id in gone:
            raise ProviderError(RetryDecision("bad_request", final=True), "no such batch", status=404)
        return await real(self, batch_id)

    monkeypatch.setattr(BatchApi, "look", look)
    monkeypatch.setattr(collecting, "LOST_AFTER", 0.2)
    async with wired_workers(1, bounded(1)) as [worker]:
        assert kinds(await answers(worker, await park(worker, *towns(2)))) == ["llm", "llm"]
        await nothing_left(worker)
        assert await money(worker) == (pytest.approx(2 * MAY + 2 * COSTS), 0)


@pytest.mark.parametrize(
    ("part", "method", "when"),
    [
        (ParkedStore, "afford", "after"),
        (Sending, "_running", "before"),
        (Settling, "_send", "after"),
        (ParkedStore, "done", "before"),
        (ParkedStore, "done", "after"),
        (ParkedStore, "move", "after"),
    ],
)
async def test_nothing_is_counted_twice_nor_held_for_ever(monkeypatch, bounded, llm_server, part, method, when):
    """The first worker loses its lock at that point, as one that died, and another one goes on."""
    killed = dying(monkeypatch, part, method, when, lambda first, *_: first)
    async with wired_workers(2, bounded(1)) as [worker, _]:
        assert set(kinds(await answers(worker, await park(worker, *towns(4))))) <= {"llm", "exact"}
        await nothing_left(worker)
        assert killed
        assert await money(worker) == (pytest.approx(4 * COSTS), 0)
    assert await bill(llm_server) == pytest.approx(4 * COSTS)


async def test_each_namespace_with_a_budget_has_batches_of_its_own(bounded, llm_server):
    await llm_server.control(batches={"seconds": 3600})
    async with wired_workers(1, bounded(1.5 * MAY)) as [worker]:
        for namespace in ("default", "free"):
            await park(worker, *[question.with_fields(namespace=namespace) for question in towns(2)])

        async def made():
            return sorted((await lines_of_batches(worker)).values()) == [1, 2]

        await until(made, seconds=60, what="a batch of each")
        await in_place(worker, POOL, 1)
