"""A dead letter as listed on the page. Pure."""

from dataclasses import dataclass

from askonce.operator.dead_letters import DeadLetter
from askonce.serve.page.shown import shortened

SHOWN = 3
EXCERPT = 160


@dataclass(frozen=True, slots=True)
class Letter:
    """at: Unix s. questions: their number; texts: beginnings of the first ones. namespace: '' if it cannot be read."""

    job: str
    cause: str
    tries: int
    at: float
    namespace: str
    questions: int
    texts: tuple[str, ...]


def letter_of(letter: DeadLetter) -> Letter:
    try:
        chunk = letter.chunk()
    except ValueError:
        return Letter(letter.job, letter.cause, letter.tries, letter.at / 1000, "", 0, ())
    texts = tuple(shortened(question.text, EXCERPT) for question in chunk.questions[:SHOWN])
    number = len(chunk.questions) + len(chunk.bad)
    return Letter(letter.job, letter.cause, letter.tries, letter.at / 1000, chunk.namespace, number, texts)
