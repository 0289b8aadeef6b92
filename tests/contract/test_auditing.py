"""Workers look at their hits: what they learn of them, and what it costs who asks."""

import asyncio
import contextlib

import orjson

from askonce import Question
from askonce.contract.audit import decode_label, group_id
from askonce_worker.answering import lead_or_follow
from askonce_worker.answering.serving import FirstMatch
from support.asking import until_asked
from support.wired import MODEL, wired_workers
from support.worker_process import until

FIRST = "How tall is the red tower? [g1]"
OTHER = "What height has the red tower? [g1]"
THIRD = "What is the red tower's height? [g1]"
GROUP = group_id("default", MODEL, None)


async def says(llm_server, part, text):
    """What the LLM answers to what contains this."""
    await llm_server.fail("chat", "reply", contains=part, reply={"message": {"role": "assistant", "content": text}})


@contextlib.asynccontextmanager
async def checking(settings, llm_server):
    """A worker that checks all hits, with an answer to FIRST in its cache."""
    async with wired_workers(1, {**settings, "ASKONCE_AUDIT_RATE": "1"}) as [worker]:
        await says(llm_server, "How tall", "300 m")
        await worker.ask(FIRST)
        await worker.vectors_arrived()
        yield worker


async def labels(worker, count):
    async def so_many():
        found = await worker.redis.xrange(worker.keys.audit.labels)
        return found if len(found) >= count else None

    found = await until(so_many, what=f"{count} labels")
    assert len(found) == count
    return [decode_label(fields[b"label"]) for _, fields in found]


async def seen(worker):
    """The sums of the group over all hours."""
    sums = {}
    async for key in worker.redis.scan_iter(worker.keys.audit.seen("*")):
        for name, value in (await worker.redis.hgetall(key)).items():
            group, _, field = name.decode().partition("|")
            assert group == GROUP
            sums[field] = sums.get(field, 0.0) + float(value)
    return {name: value for name, value in sums.items() if value}


async def bulk(worker, text):
    """The source of the answer of a question in the bulk lane."""
    [name] = await worker.client.submit_many([text])
    await worker.run_next("bulk")
    answer = await worker.client.result(name, timeout=0)
    return answer.source, answer.text


async def test_a_hit_in_the_bulk_lane_is_asked_and_its_asker_gets_the_fresh_answer(settings, llm_server):
    async with wired_workers(1, {**settings, "ASKONCE_AUDIT_RATE": "1"}) as [worker]:
        await says(llm_server, "How tall", "300 m")
        await says(llm_server, "What height", "300 M.")
        await says(llm_server, "red tower's", "400 m")
        assert await bulk(worker, FIRST) == ("llm", "300 m")
        await worker.vectors_arrived()
        assert await bulk(worker, OTHER) == ("llm", "300 M.")
        await worker.vectors_arrived()
        assert await bulk(worker, THIRD) == ("llm", "400 m")
        right, wrong = await labels(worker, 2)
        assert not await worker.redis.exists(worker.keys.audit.ledger(GROUP))
    assert (right.question, right.matched, right.right, right.by, right.found) == (
        OTHER,
        FIRST,
        True,
        "answers",
        "check",
    )
    assert (wrong.question, wrong.right, wrong.weight) == (THIRD, False, 1.0)
    assert await seen_of(settings, worker) == {"answered": 3, "checks": 2}


async def seen_of(settings, worker):
    async with wired_workers(1, settings) as [reader]:
        assert reader.keys == worker.keys
        return await seen(reader)


async def test_a_hit_that_somebody_waits_for_is_served_at_once_and_checked_afterwards(settings, llm_server):
    async with checking(settings, llm_server) as worker:
        await says(llm_server, "What height", "400 m")
        [answer] = await worker.ask(OTHER)
        assert (answer.source, answer.text) == ("semantic", "300 m")
        [label] = await labels(worker, 1)
        assert (label.right, label.found) == (False, "late")
        [again] = await worker.ask(OTHER)
        assert (again.source, again.text) == ("exact", "400 m")
    assert await seen_of(settings, worker) == {"answered": 3, "checks": 1, "served_wrong": 1}


async def test_a_late_check_does_not_replace_what_came_while_it_was_asked(settings, llm_server):
    async with checking(settings, llm_server) as worker:
        await llm_server.control(chat={"answer": "400 m", "latency_ms": 1000})
        await worker.ask(OTHER)
        await until_asked(llm_server)
        await worker.client.store(Question(OTHER, model=MODEL), "500 m")
        await labels(worker, 1)
        await worker.vectors_arrived()
        assert (await worker.client.lookup(OTHER)).text == "500 m"


async def test_a_late_check_that_cannot_be_made_disturbs_nobody(settings, llm_server):
    async with checking(settings, llm_server) as worker:
        await llm_server.fail("chat", "hang", contains="What height")
        [answer] = await worker.ask(OTHER)
        assert (answer.source, answer.text) == ("semantic", "300 m")
    assert await seen_of(settings, worker) == {"answered": 2, "unchecked": 1, "unknown": 1}


async def test_without_a_judge_sentences_wait_for_a_person_and_no_call_is_spent(settings, llm_server):
    async with wired_workers(1, {**settings, "ASKONCE_AUDIT_RATE": "1"}) as [worker]:
        await worker.ask(FIRST)
        await worker.vectors_arrived()
        [answer] = await worker.ask(OTHER)
        assert answer.source == "semantic"
        [label] = await labels(worker, 1)
        assert (label.right, label.by, label.found) == (None, "", "served")
        [(name, waiting)] = (await worker.redis.hgetall(worker.keys.audit.waiting)).items()
        assert (name.decode(), decode_label(waiting)) == (label.id, label)
        assert (await llm_server.stats(brief=True))["chat"]["calls"] == 1


async def test_with_a_budget_misses_are_labels_and_ledgers_add_up(settings, llm_server):
    async with wired_workers(
        2, {**settings, "ASKONCE_ERROR_BUDGET": "0.01", "ASKONCE_SIMILARITY_THRESHOLD": "0.999"}
    ) as two:
        one, other = two
        await says(llm_server, "tower", "300 m")
        await says(llm_server, "house", "30 m")
        await one.ask(FIRST)
        await one.vectors_arrived()
        assert await bulk(other, OTHER) == ("llm", "300 m")
        await other.vectors_arrived()
        [answer] = await one.ask("What height has the red house? [g1]")
        assert answer.source == "llm"
        wrong, right = sorted(await labels(one, 2), key=lambda label: label.right is True)
        assert (right.right, wrong.right, right.found, wrong.found) == (True, False, "miss", "miss")
        ledger = await one.redis.hgetall(one.keys.audit.ledger(GROUP))
        assert {name: float(value) for name, value in ledger.items()} == {
            b"since": 3,
            b"0:requests": 3,
            **{f"0:right:{right.bin}:{power}".encode(): 1 for power in range(3)},
            **{f"0:wrong:{wrong.bin}:{power}".encode(): 1 for power in range(3)},
        }
        assert await one.redis.xlen(one.keys.audit.records(GROUP)) == 2
        assert orjson.loads(await one.redis.hget(one.keys.audit.groups, GROUP))["model"] == MODEL


async def test_without_either_setting_there_is_nothing_of_it(settings, llm_server):
    async with wired_workers(1, settings) as [worker]:
        audit = worker.service.audit
        assert (type(audit.serving), list(audit.periodic)) == (FirstMatch, [])
        assert set(audit.background) == {"matches"}  # for who looks through them: nothing is asked
        await worker.ask(FIRST)
        await worker.vectors_arrived()
        [answer] = await worker.ask(OTHER)
        assert answer.source == "semantic"
    async with wired_workers(1, settings) as [worker]:
        kept = {key.decode().split(":")[2] async for key in worker.redis.scan_iter(f"{worker.keys.prefix}:audit:*")}
        assert kept == {"matches", "nearness"}


async def test_a_judge_tells_sentences_apart_within_its_budget(settings, llm_server):
    judged = {"ASKONCE_AUDIT_RATE": "1", "ASKONCE_JUDGE_MODEL": "judge", "ASKONCE_AUDIT_BUDGET": "0.0015"}
    async with wired_workers(1, {**settings, **judged}) as [worker]:
        await says(llm_server, '"a":', "S")
        await bulk(worker, FIRST)
        await worker.vectors_arrived()
        source, text = await bulk(worker, OTHER)
        assert (source, text) == ("llm", f"answer to: {OTHER}")
        [label] = await labels(worker, 1)
        assert (label.right, label.by, label.judged) == (True, "judge", True)
        [day] = [key async for key in worker.redis.scan_iter(worker.keys.audit.judge("*"))]
        spent = {name.decode(): float(value) for name, value in (await worker.redis.hgetall(day)).items()}
        assert (spent["calls"], spent["pairs"]) == (1, 1)
        assert 0 < spent["cost"] <= 0.0015
        await worker.redis.hset(day, "cost", 0.0015)
        await worker.vectors_arrived()
        assert (await bulk(worker, THIRD))[0] == "llm"  # its judging was begun before the budget was known to be spent
        last = (await labels(worker, 2))[1]
        assert (last.right, last.by) == (None, "")
        [answer] = await worker.ask("Tell me what height the red tower has [g1]")
        assert answer.source == "semantic"
        assert (await labels(worker, 3))[2].found == "served"
        asked = (await llm_server.stats())["chat"]["requests"]
        assert sum(request["body"]["model"] == "judge" for request in asked) == 1


async def test_a_hit_that_was_to_be_checked_is_served_where_the_llm_fails(settings, llm_server):
    async with checking(settings, llm_server) as worker:
        await llm_server.fail("chat", "status", status=400, contains="What height")
        assert await bulk(worker, OTHER) == ("semantic", "300 m")
    assert await seen_of(settings, worker) == {"answered": 2, "unchecked": 1, "unknown": 1}


async def test_the_same_question_is_asked_once_however_often_it_is_checked(settings, llm_server):
    async with wired_workers(1, {**settings, "ASKONCE_AUDIT_RATE": "1"}) as [worker]:
        await says(llm_server, "tower", "300 m")
        await bulk(worker, FIRST)
        await worker.vectors_arrived()
        names = [name for _ in range(6) for name in await worker.client.submit_many([OTHER])]
        await asyncio.gather(*(worker.run_next("bulk") for _ in names))
        assert [(await worker.client.result(name, timeout=0)).text for name in names] == ["300 m"] * 6
        assert (await llm_server.stats(brief=True))["chat"]["calls"] == 2
        assert all(label.right for label in await labels(worker, 6))


async def test_a_check_that_takes_long_leaves_its_question_to_the_hit_unless_that_was_invalidated(
    settings, llm_server, monkeypatch
):
    async with checking(settings, llm_server) as worker:
        monkeypatch.setattr(lead_or_follow, "MOST_CHECKING", 1.0)
        await llm_server.fail("chat", "hang", contains="What height")
        assert await bulk(worker, OTHER) == ("semantic", "300 m")
        await llm_server.fail("chat", "hang", contains="red tower's", times=1)
        monkeypatch.setattr(lead_or_follow, "MOST_CHECKING", 5.0)
        checked = asyncio.create_task(bulk(worker, THIRD))

        async def is_asked():
            return (await llm_server.stats(brief=True))["chat"]["in_flight"]

        await until(is_asked, what="the check")
        await worker.client.invalidate(all=True)
        assert await checked == ("llm", f"answer to: {THIRD}")
