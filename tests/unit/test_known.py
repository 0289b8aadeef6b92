"""What is worked out of texts is worked out together, once, and forgotten for those that nobody asks for."""

from askonce_worker.matching.guard.known import Known


def test_what_was_asked_for_last_is_known():
    worked = []

    def lengths(texts):
        worked.append(list(texts))
        return [len(text) for text in texts]

    known = Known(lengths, 3)
    known.learn(["a", "bb", "a", "ccc"])
    assert [known.of(text) for text in ("bb", "a", "ccc")] == [2, 1, 3]
    assert worked == [["a", "bb", "ccc"]]
    known.learn(["ccc", "dddd"])
    assert worked[1:] == [["dddd"]]
    assert known.of("a") == 1
    assert worked[2:] == []
    assert known.of("bb") == 2
    assert worked[2:] == [["bb"]]
