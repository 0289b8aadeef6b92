"""askonce: ask once, answer many."""

import askonce.interrupt  # noqa: F401 - before all that takes its time
from askonce.answer import Answer, AnswerError, ErrorKind
from askonce.blocking import ask, explain, run
from askonce.client import Client
from askonce.errors import (
    AnswerTimeout,
    AskOnceError,
    InvalidQuestion,
    NotAccepted,
    QuestionFailed,
    QueueFull,
    StoreUnreachable,
    UnknownJob,
)
from askonce.explanation import Difference, ExactEntry, Explanation, InForce, NearEntry
from askonce.frames.enrich import aenrich, enrich
from askonce.question import Question, QuestionFields

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "AnswerError",
    "AnswerTimeout",
    "AskOnceError",
    "Client",
    "Difference",
    "ErrorKind",
    "ExactEntry",
    "Explanation",
    "InForce",
    "InvalidQuestion",
    "NearEntry",
    "NotAccepted",
    "Question",
    "QuestionFailed",
    "QuestionFields",
    "QueueFull",
    "StoreUnreachable",
    "UnknownJob",
    "__version__",
    "aenrich",
    "ask",
    "enrich",
    "explain",
    "run",
]
