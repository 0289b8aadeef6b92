"""Tokens of a call before it is made: an estimate of the prompt, an upper bound for the answer. Pure."""

from askonce.prices.counts import as_count, completion_limit
from askonce.question import Question


def estimated_tokens(question: Question) -> int:
    """Tokens of the prompt: one per four characters of Latin script, one per character of any other, and four per
    message."""
    messages = question.conversation()
    texts = [message.get("content") for message in messages]
    return 4 * len(messages) + sum(_text_tokens(text) for text in texts if isinstance(text, str))


def _text_tokens(text: str) -> int:
    if text.isascii():
        return len(text) // 4 + 1
    narrow = sum(character < "\u0500" for character in text)
    return narrow // 4 + len(text) - narrow + 1


def most_completed(question: Question) -> int | None:
    """The most tokens of all choices together. 0 if they are unbounded, None if there are none (embeddings)."""
    if question.endpoint == "embeddings":
        return None
    return as_count(completion_limit(question.params)) * max(1, as_count(question.params.get("n")))
