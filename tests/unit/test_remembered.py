"""What is remembered of texts is little, however long they are."""

import tracemalloc

import pytest

from askonce import Question
from askonce.contract.audit import group_id
from askonce.errors import InvalidQuestion
from askonce.question_checks import check_namespace

LONG, COUNT = 200_000, 400


def of_system(text):
    assert Question("q", model="m", namespace="n", system=text).scope


def of_template(text):
    assert Question("q", model="m", namespace="n", template=text).scope


def of_params(text):
    assert Question("q", model="m", namespace="n", params={"stop": text}).scope


def of_group(text):
    group_id("n", "m", text)


def of_namespace(text):
    with pytest.raises(InvalidQuestion):
        check_namespace(text)


@pytest.mark.parametrize("work", [of_system, of_template, of_params, of_group, of_namespace])
def test_long_texts_are_not_kept(work):
    tracemalloc.start()
    try:
        for number in range(COUNT):
            work(f"{number} " + "x" * LONG)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < COUNT * LONG / 2
