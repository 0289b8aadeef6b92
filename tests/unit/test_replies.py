"""What replies of each endpoint say, and what they are worth."""

import math
from array import array
from base64 import b64encode

import pytest

from askonce import Answer
from askonce.contract.completion import CompletionVerdict, fault, verdict
from askonce.contract.counters import tokens
from askonce.replies.embeddings import encoded_as, packed
from askonce.replies.responses import text_response
from askonce.replies.shapes import reply_of

CALL = {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "c"}


def response(**fields):
    return {**text_response("four", model="m"), **fields}


def part(kind, **fields):
    return [{"type": "message", "role": "assistant", "content": [{"type": kind, **fields}]}]


@pytest.mark.parametrize(
    ("body", "worth", "text", "ending"),
    [
        (response(), "good", "four", "completed"),
        (response(output=[CALL]), "good", None, "completed"),
        (response(output=[{"type": "reasoning", "summary": []}]), "empty", None, "completed"),
        (response(output=part("output_text", text=" ")), "empty", " ", "completed"),
        (response(output=part("refusal", refusal="no")), "refused", None, "completed"),
        (
            response(status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
            "truncated", "four", "max_output_tokens",
        ),
        (
            response(status="incomplete", incomplete_details={"reason": "content_filter"}),
            "refused", "four", "content_filter",
        ),
        (response(status="queued", output=[]), "truncated", None, "queued"),
        (response(status="failed"), "faulty", "four", "failed"),
        (response(status="cancelled"), "faulty", "four", "cancelled"),
    ],
)  # fmt: skip
def test_a_response_is_worth_what_its_items_say(body, worth, text, ending):
    assert verdict(reply_of(body)) is CompletionVerdict(worth)
    assert (fault(body) is not None) == (worth == "faulty")
    answer = Answer("j", "answered", body=body)
    assert (answer.text, answer.finish_reason) == (text, ending)


def test_the_tokens_of_a_response_are_counted_as_those_of_a_completion():
    details = {"cached_tokens": 4, "cache_write_tokens": 0}
    usage = {"input_tokens": 7, "input_tokens_details": details, "output_tokens": 5, "total_tokens": 12}
    assert tokens(response(usage=usage)) == (7, 5, 4)


@pytest.mark.parametrize(
    "body",
    [
        {"object": "response"},
        response(output=None),
        response(output=[{}]),
        response(model=5),
        response(usage=[]),
        {"object": "list", "data": []},
        {"object": "list", "data": [{"embedding": None}]},
        {"object": "list", "data": [{"embedding": []}]},
        {"object": "list", "data": [{"embedding": "no base64"}]},
        {"object": "list", "data": [{"embedding": ["1"]}]},
    ],
)
def test_what_is_no_reply_is_refused(body):
    with pytest.raises(ValueError):
        reply_of(body)


def test_vectors_come_out_in_the_form_that_is_wanted():
    numbers = [0.5, -0.25, 3.0e-5, 1e39]
    base64 = packed(numbers)
    assert base64 == b64encode(array("f", [0.5, -0.25, 3.0e-5, math.inf]).tobytes()).decode()
    body = reply_of({"object": "list", "data": [{"index": 0, "embedding": base64}], "model": "m"})
    assert encoded_as(body, "base64") == body
    [item] = encoded_as(body, "float")["data"]
    assert item["embedding"] == pytest.approx([0.5, -0.25, 3.0e-5, math.inf])
    assert encoded_as(encoded_as(body, "float"), "base64") == body
    assert verdict(body) is CompletionVerdict.GOOD


def test_whole_numbers_stay_what_they_are():
    assert packed([1, -1, 127]) == [1, -1, 127]
    body = {"object": "list", "data": [{"index": 0, "embedding": [1, -1]}]}
    assert encoded_as(body, "float") == body
