"""The repair of an answer that does not fit its schema: the question to ask, and the sum of both calls. Pure."""

from collections.abc import Mapping
from typing import Any

from askonce.contract.records import Body
from askonce.question import Question
from askonce_worker.answering.ports import Completion
from askonce_worker.answering.schema_check import Mismatch

PROMPT = """\
Your answer does not fit the JSON schema: {mismatch}

Answer again with JSON that fits the schema, and nothing else."""


def repair_of(question: Question, mismatch: Mismatch) -> Question:
    """The question with the answer that does not fit, and the reason, added to its conversation."""
    answer = [{"role": "assistant", "content": mismatch.text}] if mismatch.text else []
    asked = {"role": "user", "content": PROMPT.format(mismatch=mismatch.message)}
    return question.with_fields(messages=(*question.conversation(), *answer, asked))


def both(first: Completion, second: Completion) -> Completion:
    """The second completion, with the usage and cost of both."""
    usage = _sum(first.body.get("usage"), second.body.get("usage"))
    costs = [each.cost for each in (first, second) if each.cost is not None]
    return Completion(Body({**second.body, "usage": usage}), sum(costs) if costs else None, second.tier)


def _sum(one: Any, other: Any) -> Any:
    """The usage of two calls, added field by field."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return {name: _sum(one.get(name), other.get(name)) for name in {**one, **other}}
    numbers = [each for each in (one, other) if isinstance(each, int | float) and not isinstance(each, bool)]
    if len(numbers) == 2:
        return sum(numbers)
    return one if other is None else other
