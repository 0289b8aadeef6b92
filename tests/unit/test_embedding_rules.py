"""The pure rules of the embedding adapter: how many texts at once, how long they wait, which vectors are used."""

import numpy as np

from askonce import Question
from askonce_worker.matching.match import Matcher
from askonce_worker.matching.sameness import is_indistinct
from askonce_worker.providers.embedding_health import Health, Patience
from askonce_worker.providers.embedding_memory import VectorMemory
from askonce_worker.providers.embedding_pace import FIRST, MOST, Pace
from askonce_worker.providers.embedding_twins import DISTINCT, MANY, Twins

BULK = Patience(60.0, renewed=True)
INTERACTIVE = Patience(3.0, renewed=False)


def unit(seed):
    vector = np.random.default_rng(seed).standard_normal(64).astype(np.float32)
    return vector / np.linalg.norm(vector)


def work_off(pace, *, texts_a_second, replies, latency=0.0):
    """Replies of a server that works one text after the other."""
    now = 0.0
    for _ in range(replies):
        took = latency + pace.texts / texts_a_second
        pace.replied(began=now, now=now + took, more_waited=True)
        now += took
        yield took


def test_a_slow_server_gets_a_seconds_worth_and_no_more():
    pace = Pace()
    times = list(work_off(pace, texts_a_second=70, replies=50))
    assert max(times) < 1.1
    assert 20 <= pace.texts <= 80


def test_a_server_that_has_become_ten_times_as_slow_gets_less_at_once():
    pace = Pace()
    list(work_off(pace, texts_a_second=700, replies=20))
    first, *later = work_off(pace, texts_a_second=7, replies=5)
    assert first > 10
    assert max(later) < 2


def test_a_quick_server_gets_ever_more():
    pace = Pace()
    list(work_off(pace, texts_a_second=1_000_000, replies=10, latency=0.1))
    assert pace.texts == MOST, "in a second"


def test_a_single_text_says_nothing_of_many():
    pace = Pace()
    for now in range(10):
        pace.replied(began=now, now=now + 0.01, more_waited=False)
    assert pace.texts == FIRST


def test_requests_side_by_side_lower_the_bound_once():
    pace = Pace()
    for end in (1.5, 1.6, 1.7):
        pace.replied(began=0.0, now=end, more_waited=True)
    assert pace.texts == FIRST // 2


def test_a_bulk_text_waits_for_as_long_as_the_server_answers_others():
    health = Health()
    for now in range(0, 300, 20):
        health.replied(now)
    assert health.gives_up_at(0.0, BULK) == 280 + 60
    assert health.gives_up_at(0.0, INTERACTIVE) == 3


def test_a_server_that_is_down_is_done_without_after_the_lanes_patience():
    health = Health()
    health.replied(10.0)
    health.failed(began=10.0, now=11.0, pause=1.0)
    assert (health.gives_up_at(10.0, BULK), health.gives_up_at(10.0, INTERACTIVE)) == (70, 13)
    assert not health.is_given_up(11.5, BULK)
    health.failed(began=12.0, now=71.0, pause=99.0)
    assert health.is_given_up(72.0, BULK), "each text would wait a minute again"
    assert not health.is_given_up(71.0 + 15.0, BULK), "it is time to try again"
    assert health.gives_up_at(90.0, BULK) == 90.5
    health.replied(91.0)
    assert health.gives_up_at(91.0, BULK) == 151


def test_requests_side_by_side_fail_as_one():
    health = Health()
    for now in (5.0, 5.1, 5.2):
        health.failed(began=0.0, now=now, pause=1.0)
    assert (health.failures, health.resumes_at) == (1, 6.0)


def test_a_rate_limit_is_no_failure_and_is_waited_out_for_as_long_as_vectors_come():
    health = Health()
    health.put_off(50.0, 2.0)
    health.replied(55.0)
    health.put_off(56.0, 2.0)
    assert (health.down_since, health.failures, health.resumes_at) == (None, 0, 58.0)
    assert health.gives_up_at(0.0, BULK) == 115
    assert health.gives_up_at(57.0, INTERACTIVE) == 60


def test_a_server_that_only_says_later_is_done_without_after_the_lanes_patience():
    health = Health()
    for now in range(0, 100, 2):
        health.put_off(float(now), 2.0)
    assert health.gives_up_at(0.0, BULK) == 60
    assert health.is_given_up(99.0, BULK), "each text would wait a minute again"
    assert not health.is_given_up(100.5, BULK), "it is time to try again"
    assert not health.is_given_up(99.0, INTERACTIVE)


def test_a_vector_that_another_text_has_had_is_not_used():
    twins, vector = Twins(), unit(1)
    assert twins.check(["how do I pay?", "How do I pay"], [vector, vector]) == [True, True], "the same words"
    assert twins.check(["who is it?"], [vector + np.float32(1e-7)]) == [False]
    assert twins.check(["what is it?"], [unit(2)]) == [True]
    assert not twins.is_broken


def test_none_is_used_when_many_are_the_same_until_they_differ_again():
    twins = Twins()
    same = [f"question {number}" for number in range(MANY + 1)]
    twins.check(same, [unit(1)] * len(same))
    assert twins.is_broken
    assert twins.check(["another"], [unit(2)]) == [False]
    for number in range(DISTINCT):
        twins.check([f"distinct {number}"], [unit(100 + number)])
    assert not twins.is_broken
    assert twins.check(["one more"], [unit(3)]) == [True]


def test_texts_without_a_word_are_told_apart_by_their_symbols():
    assert is_indistinct("😀", "😂", 1.0)
    assert not is_indistinct("Is it so?", "is  it so", 1.0)
    assert not is_indistinct("Où est le café ?", "ou est le cafe", 1.0)
    assert not is_indistinct("how do I pay", "how can I pay", 0.999)


def test_a_stored_question_that_the_model_does_not_tell_apart_is_no_match():
    matcher = Matcher(threshold=0.9, max_chars=1000)
    assert matcher.matches(Question("how do I pay", model="m", namespace="n"), "how can I pay", 0.98)
    assert not matcher.matches(Question("how do I pay", model="m", namespace="n"), "how can I pay", 1.0)


def test_the_memory_of_vectors_is_bounded_in_bytes():
    memory = VectorMemory(most=10_000)
    for number in range(100):
        memory.add(f"text {number}", unit(number))
        memory.get("text 0")
    kept = [number for number in range(100) if memory.get(f"text {number}") is not None]
    assert 5 < len(kept) < 20
    assert kept[0] == 0, "one that is used again stays"
    assert kept[-1] == 99
