"""Reads a whole input without asking anything: for `--strict` and `--dry-run`."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from askonce.batch.estimated import estimated_tokens, most_completed
from askonce.batch.journal import Journal
from askonce.batch.line_format import Form, Line, read_raw
from askonce.batch.sampling import Blocks
from askonce.batch.source import unique
from askonce.prices.counts import STANDARD
from askonce.prices.load import Prices
from askonce.prices.money import from_nano

Paid = tuple[str, str]
"""A model and a tier: the standard tier if the question names none."""
SHOWN = 20
"""Malformed lines that are listed individually."""


@dataclass
class Examination:
    """What an input holds.

    Attributes:
        repeats: Questions that repeat an earlier line.
        reasons: Why lines are malformed, for the first `SHOWN`.
        prompt_tokens: An estimate, by model and tier.
        distinct: The same, without the repeats.
        completion_limit: Maximum tokens of their answers, by model and tier.
        unlimited: Questions that set no limit on their answer.
    """

    lines: int = 0
    malformed: int = 0
    repeats: int = 0
    reasons: list[str] = field(default_factory=list)
    prompt_tokens: Counter[Paid] = field(default_factory=Counter)
    distinct: Counter[Paid] = field(default_factory=Counter)
    completion_limit: Counter[Paid] = field(default_factory=Counter)
    unlimited: int = 0

    def add(self, line: Line, *, repeated: bool) -> None:
        self.lines += 1
        if line.question is None:
            self.malformed += 1
            if len(self.reasons) < SHOWN:
                self.reasons.append(f"line {line.number}: {line.reason}")
            return
        paid: Paid = (line.question.model or "", line.question.tier or STANDARD)
        tokens = estimated_tokens(line.question)
        self.prompt_tokens[paid] += tokens
        if repeated:
            self.repeats += 1
            return
        self.distinct[paid] += tokens
        limit = most_completed(line.question)
        self.completion_limit[paid] += limit or 0
        self.unlimited += limit == 0


async def examine(blocks: Blocks, form: Form) -> Examination:
    """Reads the whole input. Raises ValueError, OSError."""
    findings, ids, questions = Examination(), Journal(None), Journal(None)
    try:
        async for block in blocks:
            for raw in block:
                line = unique(ids, read_raw(raw, form))
                findings.add(line, repeated=_repeated(questions, line))
    finally:
        ids.close()
        questions.close()
    return findings


def _repeated(questions: Journal, line: Line) -> bool:
    if line.question is None or line.question.cache != "use":
        return False
    return questions.first_line(line.question.fingerprint, line.number) != line.number


def estimate(findings: Examination, prices: Prices) -> dict[str, Any]:
    """The cost of asking each distinct question, by tier, for JSON.

    `cost_at_most` includes the answers. It is None if one of them is unbounded.
    """
    prompts, limits = findings.distinct, findings.completion_limit
    priced = {paid: prices.total(paid[0], (tokens, 0, 0), paid[1]) for paid, tokens in prompts.items()}
    answers = sum(prices.total(model, (0, 0, tokens), tier) or 0 for (model, tier), tokens in limits.items())
    cost = sum(filter(None, priced.values()))
    bounded = not findings.unlimited and bool(prompts)
    return {
        "lines": findings.lines,
        "malformed": findings.malformed,
        "exact_repeats": findings.repeats,
        "prompt_tokens": sum(findings.prompt_tokens.values()),
        "prompt_tokens_without_repeats": sum(prompts.values()),
        "completion_tokens_at_most": sum(limits.values()) if bounded else None,
        "prompt_cost": round(from_nano(cost), 6),
        "cost_at_most": round(from_nano(cost + answers), 6) if bounded else None,
        "currency": prices.currency,
        "models_without_price": sorted({model for (model, _), price in priced.items() if price is None}),
    }
