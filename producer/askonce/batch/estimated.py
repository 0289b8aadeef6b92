"""Tokens of a call before it is made: about as many as it reads, at most as many as it may write. Pure."""

from askonce.prices.counts import as_count, completion_limit
from askonce.question import Question


def estimated_tokens(question: Question) -> int:
    """Of the prompt: a token for four characters of Latin script or for one of any other, and four a message."""
    messages = question.conversation()
    texts = [message.get("content") for message in messages]
    return 4 * len(messages) + sum(_text_tokens(text) for text in texts if isinstance(text, str))


def _text_tokens(text: str) -> int:
    if text.isascii():
        return len(text) // 4 + 1
    narrow = sum(character < "\u0500" for character in text)
    return narrow // 4 + len(text) - narrow + 1


def most_completed(question: Question) -> int | None:
    """Tokens of all choices of the answer together; 0 where nothing bounds them, None where there are none: vectors."""
    if question.endpoint == "embeddings":
        return None
    return as_count(completion_limit(question.params)) * max(1, as_count(question.params.get("n")))
