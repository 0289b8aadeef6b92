"""An answer as it stands in Redis."""

import pytest

from askonce import Answer, AnswerError
from askonce.contract.completion import text_body
from askonce.contract.pending import read_pending
from askonce.contract.result import read_result, result_record

HEAD = b'{"fingerprint":"' + b"f" * 43 + b'",'
MARKER = HEAD + b'"deadline":1732400000000,"job":"bulk:j1","listeners":["a","b"]}'


@pytest.mark.parametrize(
    "answer",
    [
        Answer("j", "answered", source="llm", model="m", body=text_body("hi", model="m")),
        Answer(
            "j",
            "answered",
            source="semantic",
            similarity=0.97,
            matched_question="q",
            cached_at=5,
            body=text_body("", model="m"),
        ),
        Answer("j", "failed", error=AnswerError("rate_limit", "slow down", 429), metadata={"row": [1, None]}),
        Answer("j", "failed", error=AnswerError("expired", "")),
        Answer("j", "answered", source="llm", body=text_body("hi", model="m"), unmatched="embeddings_slow"),
    ],
    ids=lambda answer: answer.unmatched or answer.source or answer.error.kind,
)
def test_an_answer_comes_back_as_it_was(answer):
    assert read_result("j", HEAD + result_record(answer)) == answer


def test_the_status_comes_first_since_scripts_look_for_it_there():
    assert result_record(Answer("j", "failed", model="m")).startswith(b'"status":"failed"')


def test_a_pending_marker_is_no_answer():
    assert read_result("j", MARKER) is None
    pending = read_pending(MARKER)
    assert (pending.lane, pending.job, pending.listeners) == ("bulk", "j1", ("a", "b"))
    assert read_pending(HEAD + b'"status":"failed"}') is None


@pytest.mark.parametrize(
    "raw", [b"", b"x", b"[]", b"{}", b"null", HEAD + b'"status":"lost"}', HEAD + b'"x":1}', b"\xff"]
)
def test_anything_else_is_refused(raw):
    with pytest.raises(ValueError):
        read_result("j", raw)


def test_what_the_model_said_and_what_it_cost_are_at_hand():
    body = text_body("hi", model="m", usage={"total_tokens": 3})
    answer = Answer("j", "answered", body=body)
    assert (answer.text, answer.finish_reason, answer.usage, answer.refusal) == (
        "hi",
        "stop",
        {"total_tokens": 3},
        None,
    )


def test_a_tool_call_and_a_refusal_have_no_text():
    message = {"role": "assistant", "content": None, "refusal": "no", "tool_calls": []}
    answer = Answer("j", "answered", body={"choices": [{"message": message, "finish_reason": "tool_calls"}]})
    assert (answer.text, answer.refusal, answer.finish_reason) == (None, "no", "tool_calls")


def test_a_failed_answer_has_no_text_whatever_its_body():
    answer = Answer("j", "failed", body={"error": {"message": "x"}})
    assert (answer.text, answer.finish_reason, answer.usage) == (None, None, None)
