"""What a question may be, and what becomes of a chat-completion request."""

from datetime import date
from enum import Enum

import pytest

from askonce import InvalidQuestion, Question

IMAGE = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": "data:,"}}]


class Models(str, Enum):  # noqa: UP042 - as users have them
    SMALL = "small"


def checked(text="q", **fields):
    return Question(text, **{"model": "m", **fields}).checked(namespace="default", model=None)


def test_the_defaults_of_the_client_fill_the_gaps_and_no_more():
    question = Question("q").checked(namespace="tenant", model="m")
    assert (question.namespace, question.model) == ("tenant", "m")
    own = Question("q", namespace="mine", model="my-model").checked(namespace="tenant", model="m")
    assert (own.namespace, own.model) == ("mine", "my-model")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"text": ""}, "empty"),
        ({"text": 5}, "string"),
        ({"text": "\udcff"}, "JSON"),
        ({"model": None}, "ASKONCE_MODEL"),
        ({"model": "a\nb"}, "model"),
        ({"model": "m" * 201}, "model"),
        ({"namespace": ""}, "namespace"),
        ({"namespace": "a b"}, "namespace"),
        ({"job_id": ""}, "job id"),
        ({"job_id": "a\u00e9"}, "job id"),
        ({"job_id": "x" * 201}, "job id"),
        ({"cache": "never"}, "cache"),
        ({"ttl": -1}, "ttl"),
        ({"ttl": True}, "ttl"),
        ({"ttl": "5"}, "ttl"),
        ({"threshold": 0}, "threshold"),
        ({"semantic": "no"}, "semantic"),
        ({"tier": "cheap"}, "standard, flex, batch"),
        ({"system": 5}, "system"),
        ({"system": "\udcff"}, "JSON"),
        ({"template": "no place"}, "template"),
        ({"template": "\udcff {text}"}, "JSON"),
        ({"params": None}, "object"),
        ({"params": {"stream": True}}, "stream"),
        ({"params": {"model": "m"}}, "parameters"),
        ({"params": {(1, 2): 3}}, "object"),
        ({"metadata": 2**70}, "JSON"),
        ({"params": {"x": float("nan")}}, "NaN"),
        ({"params": {"x": [{"y": float("inf")}]}}, "NaN"),
        ({"params": {"x": b"bytes"}}, "JSON"),
        ({"params": {"x": date(2024, 1, 1)}}, "JSON: date"),
        ({"metadata": {"when": [date(2024, 1, 1)]}}, "JSON: date"),
        ({"messages": ()}, "at least one"),
        ({"model": Models.SMALL}, "model"),
        ({"history": ["hello"]}, "role"),
        ({"history": [{"content": "hello"}]}, "role"),
        ({"history": "hello"}, "list"),
        ({"metadata": "x" * 20_000}, "metadata"),
        ({"text": "x" * 1_048_577}, "bytes"),
        ({"text": "q", "system": "x" * 1_048_577}, "bytes"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else "",
)
def test_what_is_wrong_is_named(fields, said):
    with pytest.raises(InvalidQuestion, match=said):
        checked(**fields)


def test_a_structure_that_contains_itself_is_refused():
    loop = []
    loop.append(loop)
    with pytest.raises(InvalidQuestion):
        checked(params={"x": loop})


def test_unknown_parameters_go_to_the_provider_as_they_are():
    question = checked(system="s", params={"top_k": 5, "stream": False, "timeout": 3})
    assert question.request() == {
        "top_k": 5,
        "model": "m",
        "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}],
    }


def test_parameters_go_as_the_openai_sdk_sends_them():
    params = {"logit_bias": {50256: -100, "7": 1}, "stop": ("a", "b"), "seed": 2**70, True: 1.5}
    question = checked(params=params)
    assert question.request() == {
        "logit_bias": {"50256": -100, "7": 1},
        "stop": ["a", "b"],
        "seed": 2**70,
        "true": 1.5,
        "model": "m",
        "messages": [{"role": "user", "content": "q"}],
    }
    assert question.scope == checked(params={**params, "stop": ["a", "b"]}).scope
    assert question.scope != checked(params={**params, "seed": 2**70 + 1}).scope


def test_a_template_holds_the_text_even_where_that_holds_the_placeholder():
    assert checked("{text} {0}", template="<{text}>").prompt() == "<{text} {0}>"


@pytest.mark.parametrize(
    "fields",
    [
        {"semantic": False},
        {"messages": ({"role": "user", "content": IMAGE},)},
        {"params": {"n": 2}},
        {"history": ({"role": "tool", "content": "5", "tool_call_id": "1"},)},
        {"history": ({"role": "user", "content": IMAGE},)},
    ],
    ids=str,
)
def test_where_similarity_says_nothing_only_the_same_question_matches(fields):
    assert checked(**fields).exact_only
    assert not checked().exact_only


def test_a_request_becomes_a_question_and_a_request_again():
    body = {
        "model": "m",
        "temperature": 0.2,
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "hello"},
            {"role": "user", "content": "q"},
        ],
    }
    question = Question.from_body(body).checked(namespace="default", model=None)
    assert (question.text, question.system, len(question.history)) == ("q", "be brief", 2)
    assert question.request() == body


def test_a_request_with_an_image_is_kept_whole():
    body = {"model": "m", "messages": [{"role": "user", "content": IMAGE}]}
    question = Question.from_body(body).checked(namespace="default", model=None)
    assert question.exact_only
    assert question.text == "What is it?"
    assert question.request() == body


def test_a_conversation_as_an_sdk_dumps_it_is_still_plain_text():
    part = [{"type": "text", "text": "be brief"}]
    nulls = {"refusal": None, "tool_calls": None, "function_call": None, "audio": None, "annotations": []}
    messages = [
        {"role": "system", "content": part, "name": None},
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "hello", **nulls},
        {"role": "user", "content": [{"type": "text", "text": "q"}], "name": None},
    ]
    question = Question.from_body({"model": "m", "messages": messages}).checked(namespace="default", model=None)
    assert (question.text, question.system, question.exact_only) == ("q", "be brief", False)
    assert question.history == (messages[1], messages[2])


@pytest.mark.parametrize("body", [{}, {"messages": []}, {"messages": ["q"]}, {"messages": "q"}, [], {"messages": [{}]}])
def test_what_is_no_request_is_refused(body):
    with pytest.raises(InvalidQuestion):
        Question.from_body(body).checked(namespace="default", model="m")
