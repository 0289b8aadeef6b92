"""`ask`, `explain` and `run`: for scripts, notebooks and threads, whether a loop runs there already or not."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Unpack

from askonce.answer import Answer
from askonce.background import BACKGROUND
from askonce.calls.base import ClientOptions
from askonce.client import Client
from askonce.errors import AnswerTimeout
from askonce.explanation import Explanation
from askonce.own_loop import on_a_loop_of_its_own
from askonce.question import Question, QuestionFields
from askonce.session.attendance import no_workers
from askonce.session.backend import Lane


def ask(
    question: Question | str,
    *,
    client: Client | None = None,
    timeout: float | None = None,
    **fields: Unpack[QuestionFields],
) -> Answer:
    """Asks a question and blocks until it is answered.

    All threads share one client and one background thread, created by the first call and closed when the program ends.
    In asynchronous code use `Client.ask`, which does not block the event loop.

    Args:
        question: The question, or its text.
        client: Used instead of the shared `Client()`. It serves all threads and is kept until the program ends. It must
            not be closed elsewhere.
        timeout: Seconds to wait, and the question's deadline. None uses the client's (60).
        **fields: Fields of the question, such as `model`.

    Returns:
        The answer, which is never a failed one.

    Raises:
        AnswerTimeout: There was no answer within `timeout`.
        InvalidQuestion: The question is malformed.
        QuestionFailed: The question failed.
        QueueFull: The lane is full, or Redis is nearly full.
        StoreUnreachable: Redis does not answer.
    """
    asked = client if client is not None else BACKGROUND.client()
    return BACKGROUND.run(asked, asked.ask(question, timeout=timeout, **fields))


def explain(
    question: Question | str,
    *,
    client: Client | None = None,
    timeout: float = 10.0,
    **fields: Unpack[QuestionFields],
) -> Explanation:
    """Explains why a question is, or is not, answered from the cache, like `Client.explain`, but blocks.

    Args:
        question: The question, or its text.
        client: Used instead of the shared `Client()`. As with `ask`, it must not be closed elsewhere.
        timeout: Seconds to wait for a worker.
        **fields: Fields of the question, such as `model`.

    Returns:
        The explanation.

    Raises:
        InvalidQuestion: The question is malformed.
        QueueFull: The interactive lane is full, or Redis is nearly full.
        StoreUnreachable: Redis does not answer.
    """
    asked = client if client is not None else BACKGROUND.client()
    return BACKGROUND.run(asked, asked.explain(question, timeout=timeout, **fields))


def run(
    questions: Iterable[Question | str],
    *,
    client: Client | None = None,
    in_flight: int = 5000,
    lane: Lane = "bulk",
    timeout: float | None = None,
    **options: Unpack[ClientOptions],
) -> list[Answer]:
    """Asks many questions and blocks until all are answered.

    Ctrl-C ends the wait. Submitted questions continue, and their answers are in the cache the next time.

    Args:
        questions: Questions, or their texts: a list, a column of a data frame, or a generator, which is read as there
            is room.
        client: Asks, and is closed afterwards. None creates one from `options`.
        in_flight: Maximum number of questions in flight.
        lane: `bulk` or `interactive`.
        timeout: Seconds for the whole run. None waits as long as it takes.
        **options: For the `Client` that is created.

    Returns:
        The answers, in the order of the questions, failed ones included: see `answer.status`.

    Raises:
        AnswerTimeout: Not all were answered within `timeout`. Those that were are in the cache.
        StoreUnreachable: Redis does not answer.
        TypeError: `questions` is a whole data frame.
    """
    asked = chosen(client, options)
    return on_a_loop_of_its_own(_answers(asked, timeout, _values(questions), in_flight, lane), timeout)


def chosen(client: Client | None, options: ClientOptions) -> Client:
    """The client that asks. Raises TypeError if there are options for one that is made already."""
    if client is not None and options:
        raise TypeError(f"{next(iter(options))} is the client's own: give a client, or its options")
    return client or Client(**options)


def _values(questions: Iterable[Question | str]) -> Iterable[Question | str]:
    """The values of a column. An Arrow column yields Arrow scalars, which are converted."""
    if hasattr(questions, "columns"):
        raise TypeError("a whole data frame: give a column, as frame['text'], or use askonce.enrich(frame, prompt)")
    if hasattr(questions, "__arrow_c_array__") or hasattr(questions, "__arrow_c_stream__"):
        return (value.as_py() if hasattr(value, "as_py") else value for value in questions)
    return questions


async def _answers(
    client: Client, timeout: float | None, questions: Iterable[Question | str], in_flight: int, lane: Lane
) -> list[Answer]:
    found: list[Answer] = []
    async with client, _deadline(client, timeout, found):
        async for _, answer in client.map(questions, in_flight=in_flight, lane=lane, timeout=timeout):
            found.append(answer)
    return found


@asynccontextmanager
async def _deadline(client: Client, timeout: float | None, found: list[Answer]) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(timeout) as limit:
            yield
    except TimeoutError as error:
        if not limit.expired():
            raise
        late = f"no answer to question {len(found) + 1} within {timeout:g} s"
        reason = await no_workers(client.workers_alive)
        raise AnswerTimeout("", f"{late}: {reason}" if reason else late) from error
