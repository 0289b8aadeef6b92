"""Reads a whole input without asking anything: for `--strict` and `--dry-run`."""

import os
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from askonce.batch.journal import Journal
from askonce.batch.lines import read_lines
from askonce.batch.source import read_raw, unique
from askonce.batch_file import Form, Line
from askonce.prices import Prices
from askonce.question import Question

SHOWN = 20
"""Malformed lines that are named one by one."""


@dataclass
class Findings:
    """prompt_tokens: an estimate, by model. distinct: the same of the questions that differ exactly."""

    lines: int = 0
    malformed: int = 0
    repeats: int = 0
    reasons: list[str] = field(default_factory=list)
    prompt_tokens: Counter[str] = field(default_factory=Counter)
    distinct: Counter[str] = field(default_factory=Counter)
    completion_limit: Counter[str] = field(default_factory=Counter)

    def add(self, line: Line, *, repeated: bool) -> None:
        self.lines += 1
        if line.question is None:
            self.malformed += 1
            if len(self.reasons) < SHOWN:
                self.reasons.append(f"line {line.number}: {line.reason}")
            return
        model, tokens = line.question.model or "", estimated_tokens(line.question)
        self.prompt_tokens[model] += tokens
        if repeated:
            self.repeats += 1
            return
        self.distinct[model] += tokens
        self.completion_limit[model] += _completion_limit(line.question)


async def examine(fd: int, form: Form) -> Findings:
    findings, ids, questions = Findings(), Journal(None), Journal(None)
    try:
        async for block in read_lines(fd):
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


def estimated_tokens(question: Question) -> int:
    """Of the prompt: four characters of Latin script each, one of any other; and four for each message."""
    messages = question.conversation()
    texts = [message.get("content") for message in messages]
    return 4 * len(messages) + sum(_text_tokens(text) for text in texts if isinstance(text, str))


def _text_tokens(text: str) -> int:
    if text.isascii():
        return len(text) // 4 + 1
    narrow = sum(character < "\u0500" for character in text)
    return narrow // 4 + len(text) - narrow + 1


def _completion_limit(question: Question) -> int:
    limit = question.params.get("max_completion_tokens") or question.params.get("max_tokens")
    return limit if isinstance(limit, int) else 0


def estimate(findings: Findings, prices: Prices) -> dict[str, Any]:
    """What the run would cost at most: every distinct question asked, none alike."""
    cost, unpriced = 0.0, []
    for model, tokens in findings.distinct.items():
        usage = {"prompt_tokens": tokens, "completion_tokens": findings.completion_limit[model]}
        price = prices.cost(model, usage)
        if price is None:
            unpriced.append(model)
        cost += price or 0.0
    return {
        "lines": findings.lines,
        "malformed": findings.malformed,
        "exact_repeats": findings.repeats,
        "prompt_tokens": sum(findings.prompt_tokens.values()),
        "prompt_tokens_without_repeats": sum(findings.distinct.values()),
        "completion_tokens_at_most": sum(findings.completion_limit.values()) or None,
        "cost": round(cost, 6),
        "currency": prices.currency,
        "models_without_price": sorted(unpriced),
    }


def open_input(path: str) -> int:
    """A file descriptor; `-` is stdin. Raises ValueError."""
    if path == "-":
        return 0
    try:
        return os.open(path, os.O_RDONLY)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from error
