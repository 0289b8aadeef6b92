"""A further try of an answer that does not fit: what is asked, and what both calls come to. Pure."""

from collections.abc import Mapping
from typing import Any

from askonce.contract.records import Body
from askonce.question import Question
from askonce_worker.answering.fitting import Flaw
from askonce_worker.answering.ports import Completion

ASKED = """\
Your answer does not fit the JSON schema: {flaw}

Answer again: with JSON that fits the schema, and nothing else."""


def repair_of(question: Question, flaw: Flaw) -> Question:
    """The conversation, the answer that does not fit, and why."""
    answer = [{"role": "assistant", "content": flaw.text}] if flaw.text else []
    asked = {"role": "user", "content": ASKED.format(flaw=flaw.words)}
    return question.with_fields(messages=(*question.conversation(), *answer, asked))


def both(first: Completion, second: Completion) -> Completion:
    """The second one, at the price of both."""
    usage = _sum(first.body.get("usage"), second.body.get("usage"))
    costs = [each.cost for each in (first, second) if each.cost is not None]
    return Completion(Body({**second.body, "usage": usage}), sum(costs) if costs else None, second.tier)


def _sum(one: Any, other: Any) -> Any:
    """Tokens of two calls, kind by kind."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return {name: _sum(one.get(name), other.get(name)) for name in {**one, **other}}
    numbers = [each for each in (one, other) if isinstance(each, int | float) and not isinstance(each, bool)]
    if len(numbers) == 2:
        return sum(numbers)
    return one if other is None else other
