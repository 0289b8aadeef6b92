"""Checks of the arguments of a client's methods."""

import math
from collections.abc import AsyncIterable, Iterable, Mapping
from dataclasses import fields
from typing import Any

import orjson

from askonce.contract.completion import CompletionVerdict, reply_around, verdict
from askonce.contract.keys import LANES
from askonce.errors import InvalidQuestion
from askonce.question import Question
from askonce.question_checks import MAX_TTL, check_job_id
from askonce.readable import MAX_ANSWER_BYTES, read_json
from askonce.replies.shapes import NAMES, reply_of, shape_of
from askonce.schemas.wanted import without_format
from askonce.session.backend import Lane

Questions = Iterable[Question | str] | AsyncIterable[Question | str]


def fields_of(question: Question) -> dict[str, Any]:
    """The fields as the caller gave them, without what the schema added to the parameters: a copy adds it again."""
    made_of = {each.name: getattr(question, each.name) for each in fields(question)}
    if question.schema in (None, True):
        return made_of
    return {**made_of, "params": without_format(question.params, question.endpoint)}


def checked_seconds(value: Any, *, zero: bool = False) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not number or not (0 <= value <= MAX_TTL) or (value == 0 and not zero):
        raise ValueError(f"timeout: {value!r} is not a number of seconds{'' if zero else ' above 0'}")
    return float(value)


def checked_lane(lane: Any) -> Lane:
    if lane not in LANES:
        raise ValueError(f"lane: {lane!r} is not one of {', '.join(LANES)}")
    known: Lane = lane
    return known


def several(questions: Questions) -> Questions:
    if isinstance(questions, str | Question):
        raise TypeError("questions must be a list or a stream, not one question")
    return questions


def checked_ids(job_ids: Iterable[str]) -> list[str]:
    return list(each_checked(job_ids))


def each_checked(job_ids: Iterable[str]) -> Iterable[str]:
    if isinstance(job_ids, str):
        raise TypeError("job_ids must be a list, not one id")
    for job_id in job_ids:
        check_job_id(job_id)
        yield job_id


def checked_body(
    answer: str | Mapping[str, Any], question: Question, usage: Mapping[str, Any] | None
) -> Mapping[str, Any]:
    """The reply as it may be kept: made of a text, or a provider's own. Raises InvalidQuestion."""
    if not isinstance(usage, Mapping | None):
        raise InvalidQuestion("usage must be an object")
    if isinstance(answer, str):
        answer = reply_around(answer, question, usage)
    try:
        if shape_of(answer) != question.endpoint:
            raise ValueError("another endpoint's")
        found = verdict(answer)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidQuestion(f"the answer is neither a text nor {NAMES[question.endpoint]}") from error
    if found is not CompletionVerdict.GOOD:
        raise InvalidQuestion(f"the answer is {found.value}")
    try:
        reply_of(read_json(orjson.dumps(answer), MAX_ANSWER_BYTES))
    except (ValueError, TypeError) as error:
        raise InvalidQuestion(f"the answer cannot be kept: {error}") from error
    return answer
