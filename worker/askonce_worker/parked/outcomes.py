"""Turns a batch's replies into the waiters' answers. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from askonce.contract.unmatched import Unmatched
from askonce.question import Question
from askonce_worker.answering.answers import from_llm, joined
from askonce_worker.answering.coalescing import Follow
from askonce_worker.answering.open_question import OpenQuestion
from askonce_worker.answering.ports import Completion, Finished
from askonce_worker.parked.records import Parked, Waiter

LANE = "bulk"


def is_same(parked: Parked, waiter: Waiter) -> bool:
    """Whether a waiter asked in exactly these words."""
    return waiter.question.text == parked.question.text


def with_waiters(parked: Parked, waiters: Sequence[Waiter]) -> Parked:
    return replace(parked, waiters=tuple(waiters))


def asked(parked: Parked) -> Question:
    """The question with the cache options of its first waiter in these words."""
    return next((waiter.question for waiter in parked.waiters if is_same(parked, waiter)), parked.question)


def from_batch(parked: Parked, said: Completion, unmatched: Unmatched | None) -> list[Finished]:
    """The first waiter in these words gets the LLM's answer; the others joined it."""
    text = parked.question.text
    first = next((waiter for waiter in parked.waiters if is_same(parked, waiter)), None)
    finished = []
    for waiter in parked.waiters:
        if waiter is first:
            finished += from_llm(_item(waiter, unmatched), said)
        else:
            same = is_same(parked, waiter)
            follow = Follow("", text, 1.0 if same else waiter.similarity or 0.0, same=same)
            finished.append(joined(waiter.question, LANE, said.body, follow))
    return finished


def _item(waiter: Waiter, unmatched: Unmatched | None) -> OpenQuestion:
    reuse: Any = None  # not read on the way out
    return OpenQuestion(waiter.question, LANE, waiter.deadline, 0, reuse, "", "", unmatched=unmatched)
