"""Records that nobody of ours has written: each is refused under its name, and nothing else is ever raised."""

import ast
import asyncio
import contextlib
from pathlib import Path

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import askonce
import askonce_worker
from askonce import Question
from askonce.answer import Answer
from askonce.contract.chunk import pack, unpack
from askonce.contract.completion import text_body
from askonce.contract.keys import Keys, epoch_stamp
from askonce.contract.pending import read_pending
from askonce.contract.result import read_result, result_record
from askonce.operator.dead_letters import _read as read_letter
from askonce.question_checks import MAX_BYTES
from askonce.readable import MAX_ANSWER_BYTES, MAX_DEPTH, MAX_RECORD_BYTES, completion_of, read_json
from askonce.session.exact_lookup import read_entry as read_entry_of_client
from askonce.session.job_queue import JobQueue, Route
from askonce.session.listener import read_answer
from askonce_worker.cache import qdrant_messages
from askonce_worker.cache.exact import read_entry
from askonce_worker.cache.outbox import Outbox
from askonce_worker.cache.outbox_records import own_vector
from askonce_worker.cache.wrong_pairs import ReportedPairs
from askonce_worker.inflight.leader import Leader
from askonce_worker.inflight.leaders import View
from askonce_worker.inflight.records import (
    Settled,
    Unreadable,
    decode_leader,
    decode_record,
    decode_settled,
    encode_leader,
    encode_settled,
)
from askonce_worker.logs.redaction import Redactor
from askonce_worker.logs.unreadable import Refusals
from askonce_worker.providers.completion_reply import read_completion
from askonce_worker.providers.provider import ProviderError
from askonce_worker.queue.leased_job import leased_job
from askonce_worker.upkeep.rules import Validity, read_head
from support.jobs import job_record

QUESTION = Question("how?", "m", namespace="n", job_id="j", params={"temperature": 0.5}, metadata={"row": [1]})
BODY = {**text_body("so", model="m-1", usage={"prompt_tokens": 1}), "extra": [{"a": None}]}
HEAD = b'{"fingerprint":"' + QUESTION.fingerprint.encode() + b'",'
TIMES = {"created_at": 1_700_000_000, "expires_at": 1_800_000_000}
FACTS = {"epochs": "0.0.0.0", "scope": QUESTION.scope, "model": "m", "namespace": "n", "embedding": "e5"}
ENTRY = {**TIMES, **FACTS, "semantic": True, "snapshot": "m-1", "question": "how?", "body": BODY}
VECTOR = np.arange(1, 9, dtype=np.float32)
LEADER = Leader("w/1", QUESTION.fingerprint, "s", "0.0.0.0", "how?", "e5", VECTOR.astype(np.int8))
JOB = job_record(pack("n", 60_000, [QUESTION, QUESTION.with_fields(job_id="k")]), 1_700_000_000_000)
MARKER = HEAD + b'"deadline":1800000000000,"at":1700000000000000,"job":"bulk:j","listeners":["c"]}'
RESULT = HEAD + result_record(Answer("j", "answered", "llm", model="m", body=BODY))
FAILED = HEAD + b'"status":"failed","error":{"kind":"quota","message":"no more","status":429}}'
LETTER = orjson.dumps({"job": "j", "lane": "bulk", "cause": "c", "tries": 1, "at": 1, "record": orjson.loads(JOB)})

unhurried = settings(deadline=None, max_examples=300)
"""The first example pays for imports; and the machine may be busy."""

HUGE = [2**53, 2**63, 10**30, -1, 1e308, "x" * 100_000]
DEEP = orjson.loads(b"[" * 900 + b"]" * 900)
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8), st.sampled_from([*HUGE[:2], HUGE[4], HUGE[5]]),
)  # fmt: skip
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abkeov", max_size=3), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@st.composite
def tampered(draw, record: bytes) -> bytes:
    """A record of ours with something done to it: cut off, overwritten, or with other values in some places."""
    how = draw(st.sampled_from(["cut", "overwritten", "changed", "other"]))
    if how == "cut":
        return record[: draw(st.integers(0, len(record)))]
    if how == "overwritten":
        at = draw(st.integers(0, len(record) - 1))
        return record[:at] + draw(st.binary(max_size=6)) + record[at + 1 :]
    if how == "other":
        return orjson.dumps(draw(VALUES)) if draw(st.booleans()) else draw(st.binary(max_size=40))
    value = orjson.loads(record)
    for _ in range(draw(st.integers(1, 3))):
        value = draw(changed(value))
    return orjson.dumps(value)


@st.composite
def changed(draw, value):
    inside = isinstance(value, dict | list) and len(value) > 0 and draw(st.integers(0, 9)) > 0
    if not inside:
        return draw(VALUES)
    if isinstance(value, dict):
        name = draw(st.sampled_from(sorted(value)))
        if draw(st.integers(0, 5)) == 0:
            return {key: item for key, item in value.items() if key != name}
        return {**value, name: draw(changed(value[name]))}
    at = draw(st.integers(0, len(value) - 1))
    return [*value[:at], draw(changed(value[at])), *value[at + 1 :]]


@unhurried
@given(tampered(JOB))
def test_a_job_is_malformed_or_a_call_whose_chunk_can_be_judged(record):
    job = leased_job("j", "bulk", "t", 0, 0, record)
    if job.malformed:
        assert job.malformed.startswith("malformed record: ")
        return
    assert 0 <= job.enqueued_ms < 2**53
    try:
        chunk = unpack(job.args[0] if job.args else None)
    except ValueError:
        return
    assert len(chunk.questions) + len(chunk.bad) >= 1
    for question in chunk.questions:
        question.check()
        result_record(Answer(question.job_id, "failed", metadata=question.metadata))
        assert len(question.fingerprint) == 43
        orjson.dumps(question.request())


@unhurried
@given(tampered(RESULT) | tampered(FAILED) | tampered(MARKER))
def test_a_result_is_refused_or_an_answer_that_can_be_looked_at(record):
    answer = read_answer("n:j", record)
    if answer is not None:
        assert answer.status in ("answered", "failed")
        assert answer.text is None or isinstance(answer.text, str)
        _ = answer.finish_reason, answer.usage, answer.refusal
    with contextlib.suppress(ValueError):
        read_pending(record)
    with contextlib.suppress(ValueError):
        read_result("j", record)


@unhurried
@given(tampered(orjson.dumps(ENTRY)))
def test_an_entry_is_refused_or_answers(record):
    entry = read_entry(QUESTION.fingerprint, record)
    if entry is not None:
        assert isinstance(entry.question, str)
        result_record(Answer("j", "answered", "exact", cached_at=entry.created_at, body=entry.body))
    answer = read_entry_of_client(QUESTION, record, "0.0.0.0")
    assert answer is None or answer.text is None or isinstance(answer.text, str)
    head = read_head(record[:2048])
    if head is not None:
        Validity({"all": 1}, frozenset({"old"}), {"m": frozenset({"m-0"})}).objection(head)


def test_an_entry_of_other_epochs_or_another_scope_answers_nothing():
    assert read_entry_of_client(QUESTION, orjson.dumps(ENTRY), "0.0.0.0").text == "so"
    assert read_entry_of_client(QUESTION, orjson.dumps(ENTRY), "1.0.0.0") is None
    assert read_entry_of_client(QUESTION.with_fields(model="n"), orjson.dumps(ENTRY), "0.0.0.0") is None


def conflict(text, other):
    return None


@unhurried
@given(tampered(encode_leader(LEADER).partition(b"\n")[0]), st.binary(max_size=12))
def test_a_leader_is_refused_or_may_be_followed(head, vector):
    try:
        leader = decode_leader("w/2", head + b"\n" + vector)
    except Unreadable:
        return
    view = View("e5", conflict)
    view.replace([leader], 0.0)
    assert view.is_live("w/2")


NAMES = st.sampled_from([b"after", b"led", b"ended", b"scope", b"record", b"share", b"reusable"])
FIELDS = st.one_of(
    st.binary(max_size=20), st.sampled_from([b"any", b"same", b"none", b"1000", b"9" * 400, b"-1", b"w/1"])
)


@unhurried
@given(st.dictionaries(NAMES, FIELDS | st.just(encode_leader(LEADER))))
def test_a_record_of_the_feed_is_a_change_or_none(fields):
    record = decode_record(b"1-1", fields)
    view = View("e5", conflict)
    if record.change is not None:
        view.apply(record.change, 0.0)


SETTLED = encode_settled(Settled("any", BODY, 30.0))[:-1] + b',"at":5}'
UNSHARED = (
    b'{"share":"same","reusable":0.0,"at":5,"body":{"error":{"kind":"quota","message":"","status":429},"body":null}}'
)


@unhurried
@given(tampered(SETTLED) | tampered(UNSHARED))
def test_what_a_leader_has_settled_is_refused_or_can_be_published(record):
    settled = decode_settled(record)
    if settled.body is None:
        return
    if "choices" in settled.body:
        completion_of(settled.body)
    else:
        error = settled.body["error"]
        assert error.keys() <= {"kind", "message", "status"}
        assert isinstance(error["kind"] + error["message"], str)


def test_both_settlements_are_read_as_they_are():
    assert decode_settled(SETTLED).body == BODY
    assert decode_settled(UNSHARED).body["error"]["kind"] == "quota"


class Nobody:
    async def entries(self, names):
        return {}


RECORD = orjson.dumps({**TIMES, **FACTS})
VECTORS = st.one_of(
    st.just(VECTOR.tobytes()), st.binary(max_size=33), st.sampled_from([b"\x00" * 32, b"\xff" * 32, b"\x01" * 300_000])
)
PRINTS = st.one_of(st.just(QUESTION.fingerprint.encode()), st.binary(max_size=44), st.just(b"\xff" * 43))


@unhurried
@given(PRINTS, VECTORS, tampered(RECORD))
def test_a_vector_on_its_way_is_refused_and_counted_or_can_be_stored(fingerprint, vector, record):
    refusals = Refusals()
    outbox = Outbox(None, Keys(), None, None, Nobody().entries, worker="w", embedding="e5", refusals=refusals)
    fields = {b"fingerprint": fingerprint, b"vector": vector, b"record": record}
    stored = asyncio.run(outbox._vectors([(b"1-1", fields), (b"1-2", GOOD)]))
    assert stored[-1].fingerprint == QUESTION.fingerprint, "the neighbour was harmed"
    for each in stored:
        qdrant_messages.point(each)
    if len(stored) == 1 and own_vector(fields, outbox._embedding):
        assert refusals.counts["outbox"] == 1


GOOD = {b"fingerprint": QUESTION.fingerprint.encode(), b"vector": VECTOR.tobytes(), b"record": RECORD}


@unhurried
@given(tampered(b'{"pair":["a","b"],"a":"x","b":"y"}'), st.binary(max_size=50))
def test_a_report_is_refused_and_counted_or_known(member, fingerprint):
    refusals = Refusals()
    reported = ReportedPairs(Keys(), refusals)
    reported.take([(member, 1.0), (b'{"pair":["c","d"]}', 2.0)], [(fingerprint, 1.0)])
    assert reported("c", "d")
    assert refusals.counts["wrong"] in (0, 1)


@unhurried
@given(tampered(LETTER))
def test_a_dead_letter_can_always_be_listed(raw):
    letter = read_letter("j", raw)
    assert letter.lane in ("bulk", "interactive")
    with contextlib.suppress(ValueError):
        letter.chunk()


@unhurried
@given(st.lists(st.none() | st.binary(max_size=4), min_size=4, max_size=4))
def test_epochs_are_compared_as_they_are(values):
    assert isinstance(epoch_stamp(values), str)


@unhurried
@given(tampered(orjson.dumps(BODY)))
def test_a_providers_reply_is_refused_or_a_completion(raw):
    try:
        body = read_completion(raw, Redactor())
    except ProviderError as error:
        assert error.kind == "invalid_response"
    else:
        orjson.dumps(body)


@pytest.mark.parametrize("deep", [DEEP, {"a": DEEP}])
def test_what_is_nested_too_deeply_is_refused_everywhere(deep):
    def nested(record, name):
        text = orjson.dumps({**record, name: "HERE"})
        inside = b"[" * 900 + b"]" * 900
        return text.replace(b'"HERE"', inside if isinstance(deep, list) else b'{"a":' + inside + b"}")

    assert leased_job("j", "bulk", "t", 0, 0, nested(orjson.loads(JOB), "x")).malformed
    assert read_answer("n:j", nested(orjson.loads(RESULT), "metadata")).error.kind == "invalid_response"
    assert read_entry("f", nested(ENTRY, "body")) is None
    assert read_entry("f", nested({**ENTRY, "body": BODY}, "x")) is None
    assert decode_settled(nested(orjson.loads(SETTLED), "body")) == Settled("none")
    with pytest.raises(ProviderError):
        read_completion(nested(BODY, "x"), Redactor())


def test_what_is_too_large_is_refused():
    with pytest.raises(ValueError, match="over"):
        read_json(b" " * 101, 100)
    with pytest.raises(ProviderError):
        read_completion(orjson.dumps({**BODY, "x": "x" * MAX_ANSWER_BYTES}), Redactor())
    chunk = orjson.loads(pack("n", 1000, [QUESTION]))
    chunk["questions"][0]["text"] = "x" * (MAX_BYTES + 1)
    assert "bytes" in unpack(chunk).bad[0].reason
    assert read_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)


def test_no_chunk_is_larger_than_a_worker_reads():
    queue = JobQueue(None, Keys(), chunk_size=1000, max_queued=0, result_ttl=60, run=None)
    route = Route("bulk", "n", 60_000)
    large = [QUESTION.with_fields(text="x" * 1_000_000, job_id=f"j{n}") for n in range(30)]
    chunks = queue._chunks([(route, question) for question in large])
    sizes = [len(pack("n", 60_000, [question for _, question in chunk[1]])) for chunk in chunks]
    assert max(sizes) < MAX_RECORD_BYTES
    assert [place for chunk in chunks for place, _ in chunk[1]] == list(range(30))
    assert 3 < len(chunks) < 30


def test_nothing_is_unpickled_or_executed():
    """No code of ours so much as names what could."""
    for package in (askonce, askonce_worker):
        for path in Path(package.__path__[0]).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                assert not (names_in(node) & {"pickle", "marshal", "shelve", "dill", "yaml", "eval", "exec"}), path


def names_in(node):
    if isinstance(node, ast.Import):
        return {alias.name.partition(".")[0] for alias in node.names}
    if isinstance(node, ast.ImportFrom):
        return {(node.module or "").partition(".")[0]}
    return {node.id} if isinstance(node, ast.Name) else set()
