"""How often a job is tried."""

import pytest

from askonce_worker.queue.tries import TryDecision, decide, inherited, pause_ms


@pytest.mark.parametrize(
    ("lapses", "failures", "questions", "decision"),
    [
        (0, 0, 64, TryDecision.TRY),
        (2, 2, 64, TryDecision.TRY),
        (3, 0, 64, TryDecision.SPLIT),
        (0, 3, 64, TryDecision.SPLIT),
        (2, 3, 64, TryDecision.SPLIT),
        (4, 0, 1, TryDecision.TRY),
        (2, 3, 1, TryDecision.BURY),
        (5, 0, 0, TryDecision.BURY),
    ],
)
def test_a_job_is_tried_split_or_buried(lapses, failures, questions, decision):
    assert decide(lapses=lapses, failures=failures, questions=questions, max_tries=5) is decision


@pytest.mark.parametrize("max_tries", range(1, 8))
@pytest.mark.parametrize("lapses", range(6))
@pytest.mark.parametrize("failures", range(6))
def test_each_part_of_a_split_job_gets_at_least_one_try(lapses, failures, max_tries):
    lapses, failures = inherited(lapses=lapses, failures=failures, max_tries=max_tries)
    assert decide(lapses=lapses, failures=failures, questions=1, max_tries=max_tries) is TryDecision.TRY


def test_pauses_double_up_to_half_a_minute():
    assert [pause_ms(failures) for failures in (1, 2, 3, 6, 60)] == [1000, 2000, 4000, 30_000, 30_000]
