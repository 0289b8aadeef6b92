"""Which entries belong in the semantic cache, judged without reading them whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from askonce.contract.keys import Keys
from askonce_worker.providers.embedding_reply import SPECIAL_TOKENS
from askonce_worker.upkeep.heads import beginnings
from askonce_worker.upkeep.refill_cost import LETTERS_A_TOKEN, tokens_of
from askonce_worker.upkeep.rules import HEAD_BYTES, Head, question_bytes, read_head, read_question

GRACE = 600
"""Seconds for which a new entry's vector may still be in the outbox."""
BYTES_A_LETTER = 6
"""Maximum bytes of a letter in JSON."""


@dataclass(frozen=True, slots=True)
class Fitting:
    """An entry that belongs in the semantic cache. question: None if compressed. tokens: an estimate."""

    head: Head
    question: str | None
    tokens: int


async def fitting(
    redis: Any, keys: Keys, names: Sequence[str], *, max_tokens: int, grace: float = GRACE
) -> dict[str, Fitting]:
    """The entries that belong in the semantic cache and are old enough to be there.

    max_tokens: the embedding model's limit for one text. grace: seconds.
    """
    if not names:
        return {}
    now, begins = await beginnings(redis, keys, names, HEAD_BYTES + BYTES_A_LETTER * max_tokens)
    found = {}
    for name, begin in zip(names, begins, strict=True):
        head, question, size = read_head(begin), read_question(begin), question_bytes(begin)
        has_vector = size is None or size + SPECIAL_TOKENS <= max_tokens
        if has_vector and head is not None and head.semantic and head.created_at <= now - grace:
            tokens = tokens_of(question) if question is not None else (size or max_tokens) // LETTERS_A_TOKEN
            found[name] = Fitting(head, question, tokens)
    return found
