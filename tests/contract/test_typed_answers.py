"""Answers that have to fit a schema, by workers as they are wired: looked at, repaired once, or failed; never kept."""

import asyncio

import orjson
import psutil
import pytest

from askonce import Question
from askonce.contract.keys import ARQ_JOB
from askonce.contract.records import read_record
from askonce.tasks import stop
from askonce_worker.answering.answers import INVALID
from askonce_worker.providers import rate_budget
from askonce_worker.providers.rate_budget import RateReservation
from askonce_worker.queue.leased_job import leased_job
from askonce_worker.schemas.schemas import Schemas
from askonce_worker.schemas.validator import AnswerValidator
from askonce_worker.schemas.validator_process import PROGRAM
from support.counting import counters
from support.inflight import alive
from support.parking import answers, nothing_left, taking
from support.wired import MODEL, wired_workers
from support.worker_process import until

SCHEMA = {
    "type": "object",
    "properties": {"label": {"enum": ["refund", "order"]}, "sure": {"type": "number"}},
    "required": ["label", "sure"],
    "additionalProperties": False,
}
FORMAT = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}}
GOOD = '{"label": "refund", "sure": 0.9}'
BAD = '{"label": "perhaps", "sure": 0.9}'


@pytest.fixture
async def worker(settings):
    async with wired_workers(1, settings) as [made]:
        yield made


@pytest.fixture
async def says(llm_server):
    """Has the LLM say these texts in turn, and then the last one for ever."""

    async def order(*texts):
        *first, last = texts
        rules = [{"kind": "reply", "reply": {"message": {"content": text}}, "times": 1} for text in first]
        await llm_server.control(chat={"failures": rules, "answer": last})

    return order


def typed(text="Where is my money? [g1]", **fields):
    return Question(text, schema=SCHEMA, **fields)


def untyped(text="Where is my money? [g1]", **fields):
    return Question(text, params={"response_format": FORMAT}, **fields)


async def ask(worker, *questions):
    """All at once, each a job of its own. Failed ones are answers, too."""
    names = [await worker.client.submit(question) for question in questions]
    await asyncio.gather(*(worker.run_next() for _ in names))
    found = {answer.job_id: answer async for answer in worker.client.as_completed(names, timeout=60)}
    return [found[name] for name in names]


async def requests(llm_server, endpoint="chat"):
    return [each["body"] for each in (await llm_server.stats())[endpoint]["requests"]]


async def entry_of(worker, question):
    filled = question.filled(namespace="default", model=MODEL)
    raw = await worker.redis.get(worker.keys.entry(filled.fingerprint))
    return None if raw is None else read_record(raw)


async def test_an_answer_that_fits_is_kept_and_serves_the_client_without_a_worker(worker, says, llm_server):
    await says(GOOD)
    [answer] = await ask(worker, typed())
    assert (answer.source, answer.text) == ("llm", GOOD)
    again = await worker.client.ask(typed(), timeout=5)
    assert (again.source, again.parsed) == ("exact", {"label": "refund", "sure": 0.9})
    assert len(await requests(llm_server)) == 1


async def test_one_that_does_not_fit_is_repaired_and_kept_under_its_own_question(worker, says, llm_server):
    await says(BAD, GOOD)
    question = typed(system="Be brief.", template="A mail: {text}", history=[{"role": "user", "content": "Hi"}])
    [answer] = await ask(worker, question)
    assert (answer.source, answer.text) == ("llm", GOOD)
    first, repair = await requests(llm_server)
    *conversation, said, told = repair["messages"]
    assert conversation == first["messages"]
    assert said == {"role": "assistant", "content": BAD}
    assert told["role"] == "user"
    assert '$.label: "perhaps" is not one of "refund" or "order"' in told["content"]
    assert repair["response_format"] == first["response_format"]
    assert (await worker.client.ask(question, timeout=5)).source == "exact"


async def test_a_repair_is_paid_for_and_counted(worker, says, llm_server, settings, tmp_path):
    (tmp_path / "prices.json").write_bytes(orjson.dumps({"models": {MODEL: {"input": 1.0, "output": 2.0}}}))
    async with wired_workers(1, settings | {"ASKONCE_PRICES": str(tmp_path / "prices.json")}) as [priced]:
        await says(BAD, GOOD)
        [answer] = await ask(priced, typed())
        totals = await counters(priced.redis, priced.keys)
    counted = {name.decode().partition("|")[0]: int(value) for name, value in totals.items()}
    assert counted["calls"] == 2
    usage = answer.usage
    assert counted["tokens_in"] == usage["prompt_tokens"]
    assert counted["tokens_out"] == usage["completion_tokens"]
    assert answer.cost == pytest.approx((usage["prompt_tokens"] + 2 * usage["completion_tokens"]) / 1e6)
    assert counted["cost"] == round(answer.cost * 1e9)


async def test_one_that_does_not_fit_after_its_repair_fails_and_is_asked_again_the_next_time(worker, says, llm_server):
    await says(BAD)
    [first] = await ask(worker, typed())
    assert (first.status, first.error.kind, first.error.status) == ("failed", INVALID, None)
    assert '$.label: "perhaps" is not one of' in first.error.message
    assert first.usage["total_tokens"] > 0, "who paid for it is told"
    assert await entry_of(worker, typed()) is None
    await says(GOOD)
    [again] = await ask(worker, typed())
    assert (again.source, again.text) == ("llm", GOOD)
    assert len(await requests(llm_server)) == 3


@pytest.mark.parametrize(
    "said, words",
    [
        ("A refund, I think.", "it is not JSON"),
        (f"```json\n{GOOD}\n```", "it is not JSON"),
        ('{"label": "refund"}', '"sure" is a required property'),
        ("", "it is empty"),
        ('{"label": "refund", "sure": 1, "x": 2}', "'x' was unexpected"),
        ("[" * 200 + "]" * 200, "nested too deeply"),
        (f"\u3000{GOOD}", "it is not JSON"),
    ],
)
async def test_the_llm_is_told_what_is_wrong(worker, says, llm_server, said, words):
    await says(said, GOOD)
    [answer] = await ask(worker, typed())
    assert answer.text == GOOD
    assert words in (await requests(llm_server))[1]["messages"][-1]["content"]


@pytest.mark.parametrize(
    "kind, status, calls",
    [
        ("length", "failed", 1),
        ("refusal", "answered", 1),
        ("content_filter", "answered", 1),
        ("tool_calls", "answered", 1),
    ],
)
async def test_what_is_no_answer_to_the_schema_is_not_repaired(worker, llm_server, says, kind, status, calls):
    await says(BAD)
    await llm_server.fail("chat", kind)
    [answer] = await ask(worker, typed())
    assert answer.status == status
    assert len(await requests(llm_server)) == calls
    if status == "failed":
        assert (answer.error.kind, "finish_reason length" in answer.error.message) == (INVALID, True)


async def test_who_does_not_ask_for_it_gets_what_the_llm_says(worker, says, llm_server):
    await says(BAD)
    [answer] = await ask(worker, untyped())
    assert (answer.source, answer.text) == ("llm", BAD)
    assert len(await requests(llm_server)) == 1
    assert "valid" not in await entry_of(worker, untyped())


async def test_an_entry_that_does_not_fit_is_a_miss_for_who_asks_for_it_and_is_replaced(worker, says, llm_server):
    await says(BAD)
    await ask(worker, untyped())
    await worker.vectors_arrived()
    await says(GOOD)
    [same, near] = [*await ask(worker, typed()), *await ask(worker, typed("please Where is my money? [g1]"))]
    assert (same.source, same.text) == ("llm", GOOD)
    assert near.text == GOOD
    [as_ever] = await ask(worker, untyped())
    assert (as_ever.source, as_ever.text) == ("exact", GOOD)


async def test_an_entry_that_fits_serves_although_nobody_looked_at_it_before(worker, says, llm_server):
    await says(GOOD)
    await ask(worker, untyped())
    await worker.vectors_arrived()
    [same] = await ask(worker, typed())
    [near] = await ask(worker, typed("please Where is my money? [g1]"))
    assert (same.source, near.source) == ("exact", "semantic")
    assert len(await requests(llm_server)) == 1


async def test_equal_questions_share_a_repair_and_a_failure(worker, says, llm_server):
    await llm_server.control(chat={"latency_ms": 200})
    await says(BAD, GOOD)
    found = await ask(worker, *[typed() for _ in range(4)])
    assert {answer.text for answer in found} == {GOOD}
    assert len(await requests(llm_server)) == 2
    await says(BAD)
    found = await ask(worker, *[typed("And my order? [g7]") for _ in range(4)])
    assert {answer.error.kind for answer in found} == {INVALID}
    assert len(await requests(llm_server)) == 4
    assert sum(answer.usage is not None for answer in found) == 1, "one of them has paid"


async def test_copies_in_a_chunk_share_a_failure_that_one_has_paid(worker, says, llm_server):
    await says(BAD)
    ids = await worker.client.submit_many([typed(job_id=f"copy-{n}") for n in range(3)], lane="bulk")
    await worker.run_next("bulk")
    found = [answer async for answer in worker.client.as_completed(ids, timeout=60)]
    assert {answer.error.kind for answer in found} == {INVALID}
    assert sum(answer.usage is not None for answer in found) == 1
    assert len(await requests(llm_server)) == 2


async def test_a_follower_that_wants_a_schema_does_not_take_what_does_not_fit(worker, says, llm_server):
    await llm_server.control(chat={"latency_ms": 300})
    await says(BAD, GOOD)
    leading = asyncio.create_task(ask(worker, untyped()))
    await _until_asked(llm_server, 1)
    [follower] = await ask(worker, typed())
    [leader] = await leading
    assert (leader.text, follower.text) == (BAD, GOOD)
    assert len(await requests(llm_server)) == 2


async def test_a_follower_without_a_schema_asks_where_its_leader_failed_for_its_own(worker, says, llm_server):
    await llm_server.control(chat={"latency_ms": 300})
    await says(BAD)
    leading = asyncio.create_task(ask(worker, typed()))
    await _until_asked(llm_server, 1)
    [follower] = await ask(worker, untyped())
    [leader] = await leading
    assert (leader.error.kind, follower.source, follower.text) == (INVALID, "llm", BAD)
    assert len(await requests(llm_server)) == 3


async def test_a_repair_that_is_refused_leaves_the_flaw_of_the_first_answer_and_what_it_cost(worker, llm_server):
    first = {"kind": "reply", "reply": {"message": {"content": BAD}}, "times": 1}
    await llm_server.control(chat={"failures": [first, {"kind": "status", "status": 400, "message": "too long"}]})
    [answer] = await ask(worker, typed())
    assert (answer.error.kind, answer.error.status) == (INVALID, None)
    assert '"perhaps" is not one of' in answer.error.message
    assert "its repair failed: bad_request" in answer.error.message
    assert answer.body["choices"][0]["message"]["content"] == BAD
    assert answer.usage["total_tokens"] > 0


async def test_a_deadline_during_the_repair_leaves_what_the_first_try_has_cost(worker, says, llm_server):
    await says(BAD)
    rules = [{"kind": "reply", "reply": {"message": {"content": BAD}}, "times": 1}, {"kind": "hang"}]
    await llm_server.control(chat={"failures": rules})
    job = await worker.client.submit(typed(), timeout=3)
    await worker.run_next()
    [answer] = [each async for each in worker.client.as_completed([job], timeout=20)]
    assert answer.error.kind == INVALID
    assert "its repair" in answer.error.message
    assert answer.usage["total_tokens"] > 0


async def test_an_explanation_knows_whether_what_is_cached_fits(worker, says):
    await says(BAD)
    await ask(worker, untyped())
    alone = await worker.client.explain(typed(), timeout=1)
    await worker.redis.delete(worker.keys.queue("interactive"))
    await alive(worker.redis, worker.keys, "worker-0")
    explained = await explanation_of(worker, typed())
    assert (alone.reason, alone.exact.state) == ("unchecked", "unchecked")
    assert (explained.outcome, explained.reason, explained.exact.state) == ("none", "unfit", "unfit")
    assert (await explanation_of(worker, untyped())).outcome == "exact"
    await worker.vectors_arrived()
    near = await explanation_of(worker, typed("Where's my money? [g1]"))
    assert (near.reason, near.in_scope[0].refused_by) == ("refused", ("schema",))
    await says(GOOD)
    await ask(worker, untyped(cache="refresh"))
    assert (await explanation_of(worker, typed())).outcome == "exact"


async def explanation_of(worker, question):
    asked = asyncio.create_task(worker.client.explain(question, timeout=20))
    name = await until(lambda: leased(worker), what="the job")
    job = leased_job(name, "interactive", "token", 0, 0, await worker.redis.get(f"{ARQ_JOB}{name}"))
    await worker.service.explaining.run(job, job.args[0])
    explained = await asked
    await worker.redis.zrem(worker.keys.leases("interactive"), name)
    return explained


async def leased(worker):
    """As a worker claims it: who asked takes a job that is nowhere for lost."""
    queue, leases = worker.keys.queue("interactive"), worker.keys.leases("interactive")
    for name in await worker.redis.zrange(queue, 0, 0):
        await worker.redis.zadd(leases, {name: 2**52})
        await worker.redis.zrem(queue, name)
        return name.decode()
    return None


async def test_a_follower_without_a_schema_does_not_fail_with_its_leaders_repair(worker, llm_server):
    first = {"kind": "reply", "reply": {"message": {"content": BAD}}, "times": 1}
    refused = {"kind": "status", "status": 400, "message": "too long", "times": 1}
    await llm_server.control(chat={"latency_ms": 300, "failures": [first, refused], "answer": BAD})
    leading = asyncio.create_task(ask(worker, typed()))
    await _until_asked(llm_server, 1)
    [follower] = await ask(worker, untyped())
    [leader] = await leading
    assert (leader.error.kind, follower.source, follower.text) == (INVALID, "llm", BAD)


async def test_of_several_choices_the_one_that_does_not_fit_is_repaired(worker, llm_server):
    choices = [{"index": n, "message": {"role": "assistant", "content": text}} for n, text in enumerate((GOOD, BAD))]
    made = [{**each, "finish_reason": "stop"} for each in choices]
    await llm_server.control(chat={"failures": [{"kind": "reply", "reply": {"choices": made}, "times": 1}]})
    await ask(worker, typed(params={"n": 2}))
    assert (await requests(llm_server))[1]["messages"][-2] == {"role": "assistant", "content": BAD}


@pytest.mark.parametrize(
    "schema, words",
    [
        ({"type": "nothing"}, "the schema is invalid"),
        ({"$ref": "http://127.0.0.1:9/schema.json"}, "external ones are not read"),
        ({"$ref": "#/$defs/missing"}, "unresolvable reference"),
        ({"properties": {"a": {"pattern": "(?=a)b"}}}, "look-around or backreferences"),
    ],
)
async def test_a_schema_that_cannot_be_looked_at_is_not_paid_for(worker, llm_server, schema, words):
    [answer] = await ask(worker, Question("What?", schema=schema))
    assert (answer.error.kind, words in answer.error.message) == ("invalid_question", True)
    assert await requests(llm_server) == []


@pytest.mark.parametrize("schema", [{"type": "nothing"}, {"$ref": "#/$defs/missing"}])
async def test_no_batch_is_paid_for_a_schema_that_is_refused(batch_worker, says, llm_server, schema):
    await says(GOOD)
    async with wired_workers(1, batch_worker) as [worker], taking(worker):
        ids = await worker.client.submit_many([Question("What?", schema=schema), typed()], lane="bulk")
        refused, other = await answers(worker, ids)
    assert (refused.error.kind, other.tier) == ("invalid_question", "batch")
    assert await requests(llm_server) == []
    assert [batch["lines"] for batch in (await llm_server.stats())["batches"]["batches"]] == [1]


async def test_the_tokens_of_an_answer_that_does_not_fit_count_towards_the_limits(worker, says, monkeypatch):
    counted = []

    class Watched(RateReservation):
        def spent(self, usage=None):
            counted.append(usage)
            super().spent(usage)

    monkeypatch.setattr(rate_budget, "RateReservation", Watched)
    await says(BAD)
    [answer] = await ask(worker, typed())
    assert answer.error.kind == INVALID
    assert counted[-1] == answer.usage


async def test_an_entry_that_nobody_has_marked_is_looked_at_once(settings, says, monkeypatch):
    looked = []

    def errors(self, schema, value):
        looked.append(value)
        return real(self, schema, value)

    real = AnswerValidator.errors
    monkeypatch.setattr(AnswerValidator, "errors", errors)
    async with wired_workers(1, settings) as [watched]:
        await says(GOOD)
        await ask(watched, untyped())
        assert looked == []
        await watched.vectors_arrived()
        for text in ("Where is my money? [g1]", "Where's my money? [g1]", "Where is my money now? [g1]"):
            for _ in range(3):
                [hit] = await ask(watched, typed(text))
                assert hit.source == ("exact" if text == untyped().text else "semantic")
        assert len(looked) == 1
        await says(BAD)
        await ask(watched, untyped(cache="refresh"))
        [as_ever] = await ask(watched, untyped())
        await says(GOOD)
        [again] = await ask(watched, typed())
    assert (as_ever.source, as_ever.text) == ("exact", BAD)
    assert again.text == GOOD, "what took its place is looked at"


async def test_a_schema_that_takes_too_long_fails_once_paid_and_then_unpaid(worker, says, llm_server):
    schema = {"allOf": [{"uniqueItems": True}] * 2700}
    await says(str(list(range(50_000))))
    [first] = await ask(worker, Question("What?", schema=schema))
    assert (first.error.kind, "too long" in first.error.message) == (INVALID, True)
    [second] = await ask(worker, Question("And what else?", schema=schema))
    assert (second.error.kind, "too long" in second.error.message) == ("invalid_question", True)
    assert len(await requests(llm_server)) == 1


async def test_a_worker_ends_the_process_that_looks(settings, says):
    await says(GOOD)
    async with wired_workers(1, settings) as [made]:
        await ask(made, typed())
        [looks] = [each for each in psutil.Process().children() if PROGRAM in each.cmdline()]
    assert not looks.is_running()


async def test_between_the_looks_of_a_chunk_others_have_their_turn(settings, says, monkeypatch):
    turns, looked_in = 0, []
    mismatch = Schemas.mismatch

    def look(self, question, body):
        looked_in.append(turns)
        return mismatch(self, question, body)

    async def take_turns():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    monkeypatch.setattr(Schemas, "mismatch", look)
    texts = [f"Where is my order? [g{n}]" for n in range(3)]
    async with wired_workers(1, settings) as [watched]:
        await says(GOOD)
        await ask(watched, *map(untyped, texts))
        looked_in.clear()
        other = asyncio.create_task(take_turns())
        ids = await watched.client.submit_many(list(map(typed, texts)), lane="bulk")
        await watched.run_next("bulk")
        await stop(other)
        found = await answers(watched, ids)
    assert {answer.source for answer in found} == {"exact"}
    assert len(set(looked_in)) == len(looked_in) == 3


async def test_responses_are_repaired_too(worker, llm_server):
    message = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": BAD}]}
    rule = {"kind": "reply", "reply": {"output": [message]}, "times": 1}
    await llm_server.control(responses={"failures": [rule], "answer": GOOD})
    [answer] = await ask(worker, typed(endpoint="responses", system="Be brief."))
    assert answer.text == GOOD
    first, repair = await requests(llm_server, "responses")
    assert repair["text"] == first["text"]
    assert repair["instructions"] == "Be brief."
    assert [item["role"] for item in repair["input"]] == ["user", "assistant", "user"]


async def test_lines_of_a_batch_that_do_not_fit_are_asked_at_once(batch_worker, says, llm_server):
    good, bad = "Money? [g1]", "Order? [g2]"
    rule = {"kind": "reply", "reply": {"message": {"content": BAD}}, "contains": bad}
    await llm_server.control(chat={"answer": GOOD}, batches={"lines": [rule]})
    async with wired_workers(1, batch_worker) as [worker]:
        async with taking(worker):
            ids = await worker.client.submit_many([typed(good), typed(bad), untyped(bad)], lane="bulk")
            first, second, as_ever = await answers(worker, ids)
        assert (first.text, first.tier) == (GOOD, "batch")
        assert (second.text, second.tier) == (GOOD, None)
        assert as_ever.text == BAD
        assert (await entry_of(worker, typed(bad)))["valid"] is True
        await nothing_left(worker)
    assert len(await requests(llm_server)) == 1


async def _until_asked(llm_server, count):
    async with asyncio.timeout(20):
        while (await llm_server.stats(brief=True))["chat"]["calls"] < count:
            await asyncio.sleep(0.02)
