"""What is worked out of texts is worked out together, once, and forgotten for those that nobody asks for."""

from askonce_worker.matching.guard.features import features_of_new, learn
from askonce_worker.matching.guard.text_cache import TextCache


def test_what_was_asked_for_last_is_known():
    worked = []

    def lengths(texts):
        worked.append(list(texts))
        return [len(text) for text in texts]

    known = TextCache(lengths, 3)
    known.learn(["a", "bb", "a", "ccc"])
    assert [known.of(text) for text in ("bb", "a", "ccc")] == [2, 1, 3]
    assert worked == [["a", "bb", "ccc"]]
    known.learn(["ccc", "dddd"])
    assert worked[1:] == [["dddd"]]
    assert known.of("a") == 1
    assert worked[2:] == []
    assert known.of("bb") == 2
    assert worked[2:] == [["bb"]]


def test_what_is_learnt_of_the_largest_chunk_is_known_until_each_question_was_compared():
    asked = [f"How do I change seat {seat}?" for seat in range(1000)]
    learn([(text, "How do I change seats?") for text in asked])
    first = features_of_new(asked[0])
    learn([(text, "How do I change seats?") for text in asked])
    assert features_of_new(asked[0]) is first
