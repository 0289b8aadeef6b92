"""Entries and results whose large fields are compressed: smaller, readable, bounded, and plain at their beginning."""

import hashlib
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pydoc_data import topics

import orjson
import pytest

from askonce import Answer, Question
from askonce.contract import frames
from askonce.contract.chunk import pack, unpack
from askonce.contract.completion import text_body
from askonce.contract.records import LEAST, VERSION, Body, open_record, read_record, write_record
from askonce.contract.result import read_result, result_record
from askonce.session.exact_lookup import read_entry as entry_of_client
from askonce.session.listener import read_answer
from askonce.zstd import ZstdCompressor
from askonce_worker.cache.exact import read_entry as entry_of_worker
from askonce_worker.upkeep.rules import question_bytes, read_head, read_question

PROSE = topics.topics["specialnames"]
HEAD = b'{"fingerprint":"' + b"f" * 43 + b'",'
FACTS = {
    "created_at": 1732400000,
    "expires_at": 1733000000,
    "scope": "s" * 43,
    "epochs": "0.0.0.0",
    "model": "gpt-4o-mini",
    "namespace": "default",
    "semantic": True,
    "snapshot": "gpt-4o-mini-2024-07-18",
}


def body(text):
    message = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
    return {
        "id": "chatcmpl-Abc123",
        "object": "chat.completion",
        "created": 1732400000,
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 31, "completion_tokens": 402, "total_tokens": 433},
    }


def entry(text, question="Why?"):
    return {**FACTS, "question": question, "body": body(text)}


def asked(**fields):
    return Question("q", **fields).with_fields(reads=VERSION)


@pytest.mark.parametrize("size", [500, 1000, 2000, 4000, 10_000, 100_000])
@pytest.mark.parametrize("question", ["Why?", PROSE[5000:8000]], ids=["short question", "long question"])
def test_a_record_comes_back_as_it_was(size, question):
    record = entry((PROSE * 2)[:size], question)
    assert read_record(write_record(record, compressed=True)) == record


def test_an_answer_of_2_kb_takes_less_than_half():
    record = entry(PROSE[:2000])
    assert len(write_record(record, compressed=True)) < 0.5 * len(orjson.dumps(record))


@pytest.mark.parametrize("record", [entry("short"), {**entry(PROSE[:300]), "body": None}], ids=["small", "no body"])
def test_a_small_record_is_plain(record):
    raw = write_record(record, compressed=True)
    assert len(raw) < LEAST
    assert raw == orjson.dumps(record)


def test_nothing_is_compressed_for_those_who_do_not_read_it():
    record = entry(PROSE[:5000])
    assert write_record(record, compressed=False) == orjson.dumps(record)


def test_what_does_not_get_smaller_and_what_is_very_large_stay_plain():
    noise = b"".join(hashlib.sha256(bytes([i])).digest() for i in range(200)).hex()
    dense, large = entry("a" * 100_000), entry(PROSE * 10)
    for record in ({**entry(""), "body": noise[: 2 * LEAST]}, dense, large):
        raw = write_record(record, compressed=True)
        assert raw == orjson.dumps(record) or len(raw) < len(orjson.dumps(record))
    assert len(orjson.dumps(large)) > frames.LARGEST
    assert write_record(large, compressed=True) == orjson.dumps(large)
    assert write_record(dense, compressed=True) == orjson.dumps(dense)


@pytest.mark.parametrize("question", ["Why?", PROSE[:1500]], ids=["short question", "long question"])
def test_upkeep_reads_the_same_at_the_beginning(question):
    plain, packed = (write_record(entry(PROSE[:3000], question), compressed=how) for how in (False, True))
    assert packed != plain
    assert read_head(packed[:2048]) == read_head(plain[:2048])
    assert read_question(plain) == question
    assert read_question(packed) in (question, None)
    assert len(question.encode()) <= question_bytes(packed[:2048]) <= 1.1 * len(question.encode()) + 2


def test_old_readers_take_a_compressed_entry_for_unreadable():
    with pytest.raises(ValueError):
        orjson.loads(write_record(entry(PROSE[:3000]), compressed=True))


def test_a_result_is_compressed_for_a_submitter_who_reads_that():
    answer = Answer("j", "answered", "semantic", 0.97, PROSE[:400], body=body(PROSE[:3000]), metadata={"row": 1})
    plain, compressed = (HEAD + result_record(answer, question) for question in (Question("q"), asked(model="m")))
    assert read_result("j", plain) == read_result("j", compressed) == answer
    assert len(compressed) < 0.5 * len(plain)
    assert compressed.startswith(HEAD + b'"status":"answered"')


def test_a_chunk_says_what_its_submitter_reads():
    question = Question("q", model="m", namespace="n", job_id="j").with_fields(rule=1)
    chunks = [orjson.loads(pack("n", 1000, [question], reads=reads)) for reads in (0, 1)]
    assert "zstd" not in chunks[0]
    assert [unpack(chunk).questions[0].reads for chunk in chunks] == [0, 1]
    assert unpack({**chunks[1], "zstd": "x"}).questions[0].reads == 0


def test_a_body_is_compressed_once_for_its_entry_and_its_results(monkeypatch):
    kept = Body(body(PROSE[:3000]))
    made = []
    compress = frames.compress
    monkeypatch.setattr("askonce.contract.records.compress", lambda plain: made.append(plain) or compress(plain))
    raw = write_record({**FACTS, "question": "Why?", "body": kept}, compressed=True)
    result_record(Answer("j", "answered", "llm", body=kept), asked())
    record, found = open_record(raw)
    read = Body(record["body"], found["body"])
    again = HEAD + result_record(Answer("j", "answered", "exact", body=read), asked())
    assert len(made) == 1
    assert read_result("j", again).body == kept


def compressed(**changes):
    raw = write_record(entry(PROSE[:3000]), compressed=True)
    head, _, tail = raw.partition(b"\n")
    return orjson.dumps({**orjson.loads(head), **changes}) + b"\n" + tail


def bomb(size, **options):
    frame = ZstdCompressor(**options).compress(b'"' + b"a" * size + b'"', ZstdCompressor.FLUSH_FRAME)
    return len(frame), frame


def tail(frame, version=VERSION):
    return b"\n" + bytes([version]) + frame


SIZE, FRAME = bomb(30_000_000)
WIDE = bytes.fromhex("28b52ffd0088") + b"\x01\x00\x00"
"""A frame of nothing that asks for a window of 128 MB."""
HOSTILE = {
    "cut off": compressed()[:-40],
    "too long": compressed() + b"x",
    "no frames": compressed().partition(b"\n")[0] + b"\n\x01",
    "changed": compressed()[:-30] + bytes(30),
    "a newer version": compressed().replace(b"\n\x01", b"\n\x02"),
    "version 0": compressed().replace(b"\n\x01", b"\n\x00"),
    "no sizes": compressed(zstd=None),
    "sizes of another kind": compressed(zstd={"body": ["1", 2]}),
    "sizes below 0": compressed(zstd={"body": [5, -5]}),
    "an unknown field": compressed(zstd={"epochs": [10, 10]}),
    "a bomb that says so": orjson.dumps({"zstd": {"body": [30_000_002, SIZE]}}) + tail(FRAME),
    "a bomb that says less": orjson.dumps({"zstd": {"body": [SIZE, SIZE]}}) + tail(FRAME),
    "a wide window": orjson.dumps({"zstd": {"body": [10, len(WIDE)]}}) + tail(WIDE),
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE)
def test_a_damaged_or_hostile_record_is_refused_and_takes_no_memory(raw):
    tracemalloc.start()
    try:
        with pytest.raises(ValueError):
            read_record(raw)
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("name", "reason"), [("a newer version", "version 2"), ("a wide window", "damaged"), ("changed", "damaged")]
)
def test_the_reason_is_named(name, reason):
    with pytest.raises(ValueError, match=reason):
        read_record(HOSTILE[name])


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE)
def test_an_unreadable_entry_is_a_miss_and_an_unreadable_result_a_failure(raw):
    assert entry_of_worker("f", raw) is None
    assert entry_of_client(Question("q", model="m", namespace="n"), raw, "0.0.0.0") is None
    assert read_answer("n:j", raw).error.kind == "invalid_response"


def test_several_threads_may_write_and_read():
    """`askonce.ask` and the blocking client run loops in threads of their own."""
    records = [entry(PROSE[at : at + 9000], PROSE[at : at + 1200]) for at in range(0, 4000, 40)]
    with ThreadPoolExecutor(8) as pool:
        raws = list(pool.map(lambda record: write_record(record, compressed=True), records))
        assert list(pool.map(read_record, raws)) == records


def test_the_dictionary_never_changes():
    """What was compressed with it could not be read any more."""
    raw = files("askonce.contract").joinpath("dictionary_1.txt").read_bytes()
    assert hashlib.sha256(raw).hexdigest() == "ca8e0b72ab5208e63fedb4f2e8664ab1c6ae2ee548148aff67120a1494f97b76"


def test_text_of_no_provider_is_compressed_too():
    record = {**FACTS, "question": "q", "body": text_body("天空是什么颜色?" * 100, model="m")}
    assert read_record(write_record(record, compressed=True)) == record
