"""askonce: ask once, answer many."""

from askonce.answer import Answer, AnswerError
from askonce.blocking import run
from askonce.client import Client
from askonce.errors import (
    AnswerTimeout,
    AskOnceError,
    InvalidQuestion,
    QuestionFailed,
    QueueFull,
    StoreUnreachable,
    UnknownJob,
)
from askonce.question import Question

__all__ = [
    "Answer",
    "AnswerError",
    "AnswerTimeout",
    "AskOnceError",
    "Client",
    "InvalidQuestion",
    "Question",
    "QuestionFailed",
    "QueueFull",
    "StoreUnreachable",
    "UnknownJob",
    "run",
]
