"""The events of responses whose parts are of no documented form: the status of a stream cannot be taken back."""

import orjson
import pytest

from askonce.serve.response_events import response_events


@pytest.mark.parametrize(
    "item",
    [
        {"type": "message", "content": ["words", None, 3]},
        {"type": "message", "content": "words"},
        {"type": "message", "content": [{"type": ["text"]}, {"type": "output_text", "text": "t", "annotations": 3}]},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": None}, "words"]},
        {"type": "reasoning", "summary": 3, "content": [None]},
    ],
)
def test_a_stream_comes_to_its_end_whatever_a_part_is(item):
    body = {"object": "response", "status": "completed", "output": [item]}
    *_, done, last = [orjson.loads(event.partition(b"data: ")[2]) for event in response_events(body)]
    assert (done["type"], done["item"]) == ("response.output_item.done", item)
    assert (last["type"], last["response"]) == ("response.completed", body)


def test_what_comes_at_the_end_is_not_in_the_first_event():
    later = {"usage": {"total_tokens": 3}, "incomplete_details": {"reason": "max_output_tokens"}, "completed_at": 7}
    body = {"object": "response", "status": "incomplete", "output": [], "error": None, **later}
    first, *_, last = [orjson.loads(event.partition(b"data: ")[2]) for event in response_events(body)]
    assert first["response"] == {**body, **dict.fromkeys(later), "status": "in_progress"}
    assert (last["type"], last["response"]) == ("response.incomplete", body)
