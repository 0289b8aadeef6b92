"""The pure rules of the embedding adapter: which vectors are used, and how many are kept."""

import numpy as np

from askonce import Question
from askonce_worker.matching.match import Matcher
from askonce_worker.matching.sameness import is_indistinct
from askonce_worker.providers.embedding_memory import VectorMemory
from askonce_worker.providers.embedding_twins import DISTINCT, MANY, Twins


def unit(seed):
    vector = np.random.default_rng(seed).standard_normal(64).astype(np.float32)
    return vector / np.linalg.norm(vector)


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
