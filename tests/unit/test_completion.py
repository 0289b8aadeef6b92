"""What a completion is worth, whichever server sent it."""

import pytest

from askonce import Answer
from askonce.contract.completion import CompletionVerdict, fault, verdict


def body(content="so", reason="stop", *, error=None, **message):
    choice = {"index": 0, "finish_reason": reason, "message": {"role": "assistant", "content": content, **message}}
    return {"choices": [choice if error is None else {**choice, "error": error}]}


@pytest.mark.parametrize(
    ("completion", "want"),
    [
        (body(), CompletionVerdict.GOOD),
        (body(None, "tool_calls", tool_calls=[{"id": "1"}]), CompletionVerdict.GOOD),
        (body(None, "function_call", function_call={"name": "f", "arguments": "{}"}), CompletionVerdict.GOOD),
        (body([{"type": "refusal", "refusal": "no"}]), CompletionVerdict.REFUSED),
        (body([{"type": "output_text", "text": "so"}]), CompletionVerdict.GOOD),
        (body(" "), CompletionVerdict.EMPTY),
        (body(None), CompletionVerdict.EMPTY),
        (body(reason="length"), CompletionVerdict.TRUNCATED),
        (body(reason=None), CompletionVerdict.TRUNCATED),
        (body(reason="default_limit"), CompletionVerdict.TRUNCATED),
        (body(reason="content_filter"), CompletionVerdict.REFUSED),
        (body(None, refusal="no"), CompletionVerdict.REFUSED),
        (body([{"type": "text", "text": "in parts"}]), CompletionVerdict.GOOD),
        (body([{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]), CompletionVerdict.EMPTY),
    ],
)
def test_the_verdict_on_a_completion(completion, want):
    assert verdict(completion) is want
    assert fault(completion) is None


@pytest.mark.parametrize(
    "reason",
    ["error", "ERROR", "network_error", "abort", "insufficient_system_resource", "MALFORMED_FUNCTION_CALL", "timeout"],
)
def test_a_finish_reason_that_names_a_fault_makes_it_no_answer(reason):
    completion = body("half an ans", reason)
    assert verdict(completion) is CompletionVerdict.FAULTY
    assert reason in fault(completion)


@pytest.mark.parametrize("error", [{"code": 502, "message": "upstream is gone"}, "upstream is gone"])
def test_an_error_within_a_choice_is_told_in_the_providers_words(error):
    completion = body("half an ans", "stop", error=error)
    assert verdict(completion) is CompletionVerdict.FAULTY
    assert fault(completion) == "upstream is gone"


def test_a_fault_that_a_router_names_beside_stop_makes_it_no_answer():
    completion = body("half an ans")
    completion["choices"][0]["native_finish_reason"] = "error"
    assert verdict(completion) is CompletionVerdict.FAULTY
    completion["choices"][0]["native_finish_reason"] = "STOP"
    assert verdict(completion) is CompletionVerdict.GOOD


def test_one_faulty_choice_is_enough():
    both = {"choices": [*body()["choices"], *body(reason="error")["choices"]]}
    assert verdict(both) is CompletionVerdict.FAULTY


def test_the_text_of_an_answer_in_parts_is_what_the_model_said_and_not_what_it_thought():
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "let me see"}]},
        {"type": "text", "text": "Forty"},
        {"type": "text", "text": "-two"},
    ]
    answer = Answer("j", "answered", body=body(parts))
    assert answer.text == "Forty-two"
    assert answer.body["choices"][0]["message"]["content"] == parts
