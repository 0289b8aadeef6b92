"""A chunk on its way through Redis: what goes in comes out, and what is hostile harms itself alone."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from askonce import Question
from askonce.contract.chunk import FUNCTION, pack, unpack
from support.jobs import job_record

words = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=30).filter(lambda text: text.strip())
values = st.none() | st.booleans() | st.integers(-1000, 1000) | st.floats(-10, 10) | words
questions = st.builds(
    Question,
    text=words,
    model=st.sampled_from(["m1", "m2"]),
    system=st.none() | st.just("") | words,
    template=st.none() | words.map(lambda text: text + "{text}"),
    history=st.just(()) | st.just([{"role": "user", "content": "hi"}]),
    params=st.dictionaries(st.sampled_from(["temperature", "user", "x"]), values, max_size=3),
    cache=st.sampled_from(["use", "refresh", "bypass"]),
    ttl=st.none() | st.floats(1, 1000),
    threshold=st.none() | st.floats(0.1, 1),
    metadata=st.none() | st.dictionaries(words, values, max_size=2),
    semantic=st.booleans(),
    tier=st.sampled_from([None, "standard", "flex", "batch"]),
)


@given(st.lists(questions, min_size=1, max_size=12))
def test_questions_come_out_as_they_went_in(raw):
    sent = [
        question.with_fields(job_id=f"id-{n}").checked(namespace="tenant", model=None) for n, question in enumerate(raw)
    ]
    chunk = unpack(orjson.loads(pack("tenant", 5000, sent)))
    assert (chunk.namespace, chunk.timeout_ms, chunk.bad) == ("tenant", 5000, ())
    assert [question.fingerprint for question in chunk.questions] == [question.fingerprint for question in sent]
    for received, question in zip(chunk.questions, sent, strict=True):
        assert received.request() == question.request()
        for name in ("job_id", "cache", "ttl", "threshold", "metadata", "semantic", "tier"):
            assert getattr(received, name) == getattr(question, name)


def test_a_tier_that_a_newer_client_names_is_left_out():
    item = {"id": "a", "text": "q", "tier": "priority"}
    (question,) = unpack(valid(questions=[item])).questions
    assert question.tier is None


def test_a_scope_is_written_once():
    sent = [
        Question(f"q{n}", job_id=str(n), system="long " * 50).checked(namespace="default", model="m") for n in range(50)
    ]
    assert pack("default", 1000, sent).count(b"long long") <= 50


def valid(**changes):
    item = {"id": "a", "text": "q", "scope": 0}
    return {"v": 1, "namespace": "default", "timeout_ms": 5, "scopes": [{"model": "m"}], "questions": [item], **changes}


@pytest.mark.parametrize(
    "payload",
    [
        None,
        [],
        "x",
        {},
        valid(v=2),
        valid(namespace="a:b"),
        valid(namespace=None),
        valid(timeout_ms=0),
        valid(timeout_ms="5"),
        valid(scopes=None),
        valid(questions=[]),
        valid(questions=None),
        valid(questions=[{"text": "q", "scope": 0}]),
        valid(questions=[{"id": "a b", "text": "q", "scope": 0}]),
        valid(questions=[None]),
        valid(questions=[{"id": "a", "text": "q", "scope": 0}] * 10_001),
    ],
    ids=range(16),
)
def test_a_chunk_that_makes_no_sense_is_refused_whole(payload):
    with pytest.raises(ValueError):
        unpack(payload)


@pytest.mark.parametrize(
    "item",
    [
        {},
        {"scope": 0},
        {"text": "q", "scope": 9},
        {"text": "q", "scope": -1},
        {"text": "q", "scope": "0"},
        {"text": "q", "scope": None},
        {"text": "", "scope": 0},
        {"text": None, "scope": 0},
        {"text": "q", "scope": 0, "cache": "x"},
        {"text": "q", "scope": 0, "ttl": "x"},
        {"text": "q", "scope": 0, "semantic": 5},
        {"text": "q", "scope": 1},
        {"text": "q", "scope": 2},
    ],
    ids=str,
)
def test_a_malformed_question_harms_no_neighbour(item):
    good = {"id": "good", "text": "q", "scope": 0}
    chunk = unpack(valid(scopes=[{"model": "m"}, {"model": 5}, "x"], questions=[{"id": "bad", **item}, good]))
    assert [question.job_id for question in chunk.questions] == ["good"]
    assert [bad.job_id for bad in chunk.bad] == ["bad"]


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "text", "scope", "model"]), inner)
    ),
    max_leaves=10,
)


@given(st.lists(json, max_size=3), st.lists(json, max_size=3))
def test_whatever_comes_is_a_chunk_or_a_value_error(scopes, items):
    try:
        chunk = unpack(valid(scopes=scopes, questions=items))
    except ValueError:
        return
    assert len(chunk.questions) + len(chunk.bad) == len(items)


def test_the_job_record_is_arqs():
    record = orjson.loads(job_record(b'{"v":1}', 1732400000000))
    assert record == {"t": None, "f": FUNCTION, "a": [{"v": 1}], "k": {}, "et": 1732400000000}


def test_what_only_shapes_the_delivery_stays_with_its_own_question():
    raw = [Question("a", model="m", params={"user": "one"}), Question("b", model="m"), Question("c", model="m")]
    sent = [q.with_fields(job_id=f"id-{n}").checked(namespace="tenant", model=None) for n, q in enumerate(raw)]
    payload = orjson.loads(pack("tenant", 5000, sent))
    assert [q.request().get("user") for q in unpack(payload).questions] == ["one", None, None]
    assert len(payload["scopes"]) == 2


def received(question, **changes):
    """The question as a worker sees it. changes: of its scope, as it stands in the chunk."""
    payload = orjson.loads(pack("tenant", 5000, [question.with_fields(job_id="j", namespace="tenant")]))
    payload["scopes"][0].update(changes)
    return unpack(payload)


def test_whole_numbers_of_any_size_reach_the_worker_as_they_are():
    question = Question("q", model="m", namespace="tenant", params={"seed": 2**70, "x": [-(2**64)]})
    [asked] = received(question).questions
    assert asked.request() == question.request()
    assert asked.fingerprint == question.fingerprint


def test_the_questions_of_an_older_client_keep_the_fingerprint_that_it_gave_them():
    """It names no rule, and submitted them under the first one: under another one no answer could be published."""
    params = {"temperature": None, "tools": [], "response_format": {"type": "text"}}
    question = Question("q", model="m", namespace="tenant", params=params)
    old = question.with_fields(rule=1, job_id="j")
    payload = orjson.loads(pack("tenant", 5000, [old]))
    assert payload["scopes"] == [{"model": "m", "params": params}]
    [asked] = unpack(payload).questions
    assert (asked.scope, asked.params) == (question.with_fields(rule=1).scope, params)
    assert asked.scope != question.scope
    again = asked.with_fields(job_id="again")
    [replayed] = unpack(orjson.loads(pack("tenant", 5000, [again]))).questions
    assert replayed.fingerprint == asked.fingerprint


def test_a_plain_question_is_packed_as_ever():
    question = Question("q", job_id="j", model="m", namespace="n", system="s", template="<{text}>")
    [scope] = orjson.loads(pack("n", 5000, [question]))["scopes"]
    assert scope == {"model": "m", "system": "s", "template": "<{text}>"}


def test_a_worker_of_the_first_rule_finds_no_model_in_a_scope_of_the_second():
    """It would ask the LLM, and could not publish the answer."""
    for fields in ({"params": {"temperature": 0}}, {"history": [{"role": "user", "content": "hi"}]}):
        question = Question("q", job_id="j", model="m", namespace="tenant", **fields)
        payload = orjson.loads(pack("tenant", 5000, [question]))
        assert payload["scopes"] == [{"identity": 2, "fields": {"model": "m", **fields}}]
        [asked] = unpack(payload).questions
        assert (asked.fingerprint, asked.request()) == (question.fingerprint, question.request())


def test_the_rule_of_a_newer_client_is_refused_by_name():
    chunk = received(Question("q", model="m", params={"temperature": 0}), identity=3)
    assert chunk.questions == ()
    assert "upgrade the workers" in chunk.bad[0].reason
