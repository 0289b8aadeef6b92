"""What a replay reports, as a sentence says it."""

import pytest

from askonce_worker.replay.sources.choosing import Format, format_of
from askonce_worker.replay.words import counted, lasting


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.0, "0.0 s"), (59.9, "59.9 s"), (90, "1.5 min"), (3600, "1.0 h"), (9e6, "2,500.0 h")]
)
def test_a_time_is_told_in_a_unit_in_which_it_is_something(seconds, said):
    assert lasting(seconds) == said


def test_one_call_is_no_calls():
    assert [counted(count, "call") for count in (0, 1, 1200)] == ["0 calls", "1 call", "1,200 calls"]


def test_a_generation_of_langfuse_is_told_by_its_type_alone():
    row = {"type": "GENERATION", "startTime": "2026-05-01T00:00:00Z", "model": "m", "input": "q"}
    assert format_of(row) is Format.langfuse
    assert format_of({**row, "type": "SPAN"}) is Format.columns
