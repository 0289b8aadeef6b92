"""Responses and embeddings as questions: what is asked, what they share, and what is never cached."""

import orjson
import pytest

from askonce import InvalidQuestion, Question
from askonce.contract.chunk import pack, unpack
from askonce.question import SHARED_FIELDS


def response(**body):
    return Question.from_body({"model": "m", "input": "What is a monad?", **body}, endpoint="responses")


def embedding(given="a text", **body):
    return Question.from_body({"model": "m", "input": given, **body}, endpoint="embeddings")


def scope(question):
    return question.checked(namespace="default", model=None).scope


@pytest.mark.parametrize(
    ("body", "text", "sent"),
    [
        ({"input": "hi"}, "hi", "hi"),
        ({"input": [{"role": "user", "content": "hi"}]}, "hi", "hi"),
        (
            {"input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}]},
            "hi",
            "hi",
        ),
        (
            {"input": [{"role": "assistant", "content": "yes?"}, {"role": "user", "content": "hi"}]},
            "hi",
            [{"role": "assistant", "content": "yes?"}, {"role": "user", "content": "hi"}],
        ),
        (
            {"input": [{"type": "function_call_output", "call_id": "c", "output": "42"}]},
            "42",
            [{"type": "function_call_output", "call_id": "c", "output": "42"}],
        ),
        ({"input": None, "prompt": {"id": "pmpt_1"}}, "[prompt]", None),
    ],
)
def test_a_response_is_asked_as_it_was_written(body, text, sent):
    question = response(**body, instructions="Be brief.", temperature=0)
    question.checked(namespace="default", model=None)
    assert question.text == text
    request = question.request()
    assert request.pop("input", None) == sent
    rest = {name: value for name, value in body.items() if name != "input"}
    assert request == {"model": "m", "instructions": "Be brief.", "temperature": 0, **rest}
    assert not question.exact_only or isinstance(sent, list) or sent is None


@pytest.mark.parametrize(
    "body",
    [
        {"previous_response_id": "resp_1"},
        {"conversation": "conv_1"},
        {"background": True},
        {"prompt": {"id": "pmpt_1"}},
        {"tools": [{"type": "web_search"}]},
        {"tools": [{"type": "function", "name": "f"}, {"type": "mcp", "server_label": "x"}]},
        {"input": [{"type": "item_reference", "id": "msg_1"}, {"role": "user", "content": "hi"}]},
        {"input": [{"id": "msg_1"}, {"role": "user", "content": "hi"}]},
    ],
)
def test_what_depends_on_the_provider_is_never_cached(body):
    assert response(**body).cache == "bypass"
    asked = Question.from_body({"model": "m", "input": "q", **body}, endpoint="responses", cache="use", job_id="a")
    (read,) = unpack(orjson.loads(pack("default", 5, [asked.checked(namespace="default", model=None)]))).questions
    assert (read.cache, read.endpoint) == ("bypass", "responses")


@pytest.mark.parametrize(
    "body",
    [
        {"background": False, "tools": None, "previous_response_id": None},
        {"store": True, "truncation": "disabled", "text": {"format": {"type": "text"}}, "parallel_tool_calls": True},
        {"metadata": {"a": "b"}, "user": "u", "safety_identifier": "s", "service_tier": "flex", "tool_choice": "auto"},
        {
            "input": [
                {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "What is a monad?"}]}
            ]
        },
    ],
)
def test_responses_that_mean_the_same_share_a_scope(body):
    question, plain = response(**body), response()
    assert (scope(question), question.fingerprint) == (scope(plain), plain.fingerprint)
    assert question.cache == "use"


@pytest.mark.parametrize(
    "body",
    [
        {"store": False},
        {"instructions": "Be brief."},
        {"reasoning": {"effort": "low"}},
        {"tools": [{"type": "function", "name": "f", "strict": False, "parameters": None}]},
        {"text": {"format": {"type": "json_object"}}},
        {"include": ["reasoning.encrypted_content"]},
    ],
)
def test_responses_that_mean_something_else_do_not(body):
    assert scope(response(**body)) != scope(response())


def test_no_answer_crosses_endpoints():
    chat = Question.from_body({"model": "m", "messages": [{"role": "user", "content": "What is a monad?"}]})
    assert len({scope(chat), scope(response()), scope(embedding("What is a monad?"))}) == 3


def test_scopes_and_fingerprints_stay_what_they_are():
    """They are a contract over processes and releases."""
    asked, text = response(), embedding("What is a monad?")
    golden = {
        scope(asked): "3PZxs-8VyGmoWN4OytAgwX4-zvYS_iVfSQ6nQX29Txc",
        asked.checked(namespace="default", model=None).fingerprint: "8vMYjr_qAawD70_GIAz9OaYkrpwUAzeX8xJgxj-GYpE",
        scope(text): "CkyZVpGYnRQVb5UHfREkvdZQO1DljqQbRiDcK7Sw8-Q",
        text.checked(namespace="default", model=None).fingerprint: "U6zLjWVTHNkUkD8yiVELB6TYjE9uVNu2CecX1Fu-qxg",
    }
    assert list(golden) == list(golden.values())


def test_a_worker_that_knows_chat_alone_finds_nothing_that_it_could_ask():
    for question in (response(temperature=0), response(), embedding(dimensions=3)):
        checked = question.with_fields(job_id="a").checked(namespace="default", model=None)
        chunk = orjson.loads(pack("default", 5, [checked]))
        [written] = chunk["scopes"]
        assert written.keys().isdisjoint({*SHARED_FIELDS, "fields"})
        (read,) = unpack(chunk).questions
        assert (read.endpoint, read.fingerprint) == (checked.endpoint, checked.fingerprint)
        assert read.request() == checked.request()
        written["endpoint"] = "of a newer release"
        (bad,) = unpack(chunk).bad
        assert "upgrade the workers first" in bad.reason


def test_every_blank_of_a_text_to_embed_counts():
    texts = ["é", "e\u0301", "a", "a ", " a", " "]
    prints = {embedding(text).checked(namespace="default", model=None).fingerprint for text in texts}
    assert len(prints) == len(texts)
    assert embedding().exact_only


@pytest.mark.parametrize("given", ["text", [1, 2, 3], ["one", "two"], [[1], [2, 3]]])
def test_inputs_come_out_as_they_went_in(given):
    question = embedding(given, dimensions=3, encoding_format="float").checked(namespace="default", model=None)
    several = given if isinstance(given, list) and not isinstance(given[0], int) else [given]
    assert question.request() == {"model": "m", "dimensions": 3, "input": several, "encoding_format": "base64"}
    assert scope(question) == scope(embedding(given, dimensions=3))
    assert scope(question) != scope(embedding(given))


def test_a_provider_s_own_parameters_keep_the_encoding_that_was_asked_for():
    bits = embedding("a", output_dtype="int8", encoding_format="base64", dimensions=8)
    assert bits.request()["encoding_format"] == "base64"
    assert "encoding_format" not in embedding("a", output_dtype="int8").request()
    assert scope(bits) != scope(embedding("a", output_dtype="int8", dimensions=8))
    assert embedding("a", output_dtype=None, user="u").request()["encoding_format"] == "base64"


def test_tokens_are_no_text():
    tokens, text = embedding([1, 2]), embedding("[1,2]")
    assert tokens.text == text.text
    assert scope(tokens) != scope(text)


@pytest.mark.parametrize("fields", [{"history": 3}, {"messages": 3}, {"params": 3, "history": "ab"}])
def test_a_malformed_question_is_made_and_refused_when_it_is_checked(fields):
    question = Question("q", model="m", namespace="n", endpoint="responses", **fields)
    with pytest.raises(InvalidQuestion, match="list|object"):
        question.check()


@pytest.mark.parametrize("endpoint", ["chat", "responses", "embeddings"])
def test_a_body_that_is_no_object_is_refused(endpoint):
    with pytest.raises(InvalidQuestion, match="the body must be an object"):
        Question.from_body([1], endpoint=endpoint)


@pytest.mark.parametrize(
    ("endpoint", "body", "word"),
    [
        ("responses", {"input": []}, "input"),
        ("responses", {"input": 5}, "input"),
        ("responses", {"input": "  "}, "empty"),
        ("responses", {"input": "q", "instructions": ["x"]}, "instructions"),
        ("embeddings", {}, "input"),
        ("embeddings", {"input": []}, "input"),
        ("embeddings", {"input": ["a", ""]}, "empty"),
        ("embeddings", {"input": [["a"]]}, "input"),
        ("embeddings", {"input": ["a"] * 2049}, "2048"),
        ("embeddings", {"input": ""}, "empty"),
        ("responses", {"input": [{"role": 3, "content": None}], "tools": 3, "model": 3}, "model"),
        ("images", {"input": "q", "messages": [{"role": "user", "content": "q"}]}, "endpoint"),
    ],
)
def test_malformed_requests_are_refused(endpoint, body, word):
    with pytest.raises(InvalidQuestion, match=word):
        Question.from_body({"model": "m", **body}, endpoint=endpoint).checked(namespace="default", model=None)
