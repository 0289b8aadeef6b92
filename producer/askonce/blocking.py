"""`ask`, `explain` and `run`: for scripts, notebooks and threads, whether a loop runs there already or not."""

import asyncio
import contextlib
import math
import threading
import time
from collections.abc import AsyncIterator, Coroutine, Iterable
from concurrent.futures import Future, wait
from contextlib import asynccontextmanager
from typing import Any, TypeVar, Unpack

from askonce.answer import Answer
from askonce.background import BACKGROUND, TICK
from askonce.calls.base import ClientOptions
from askonce.client import Client
from askonce.errors import AnswerTimeout
from askonce.explanation import Explanation
from askonce.question import Question, QuestionFields
from askonce.session.attendance import no_workers
from askonce.session.backend import Lane

T = TypeVar("T")
GRACE = 5.0


def ask(
    question: Question | str,
    *,
    client: Client | None = None,
    timeout: float | None = None,
    **fields: Unpack[QuestionFields],
) -> Answer:
    """Asks one question, and blocks until its answer is there.

    All threads share one client and one background thread, which are made at the first call and closed when the program
    ends. In asynchronous code use `Client.ask`, which does not block the event loop.

    Args:
        question: The question, or its text.
        client: Asks, in place of the shared `Client()`. One serves all threads, and must not be closed elsewhere: each
            is kept until the program ends.
        timeout: Seconds to wait, and the question's deadline. None takes the client's (60).
        **fields: Fields of the question, such as `model`.

    Returns:
        The answer, which is never a failed one.

    Raises:
        AnswerTimeout: There is no answer within `timeout`.
        InvalidQuestion: The question is malformed.
        QuestionFailed: The question ended as failed.
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
    """Explains why a question is, or is not, answered from the cache, as `Client.explain` does, and blocks meanwhile.

    Args:
        question: The question, or its text.
        client: Explains, in place of the shared `Client()`. As with `ask`, it must not be closed elsewhere.
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
    """Asks many questions, and blocks until all are answered.

    Ctrl-C ends the wait. What was submitted goes on, and is found in the cache the next time.

    Args:
        questions: Questions, or their texts. A generator is read as there is room.
        client: Asks, and is closed afterwards. None makes one of `options`.
        in_flight: Most questions under way at a time.
        lane: `bulk` or `interactive`.
        timeout: Seconds for all of it. None waits as long as the workers need.
        **options: Of the `Client` that is made.

    Returns:
        The answers in the order of the questions, failed ones among them: `answer.status` says so.

    Raises:
        AnswerTimeout: Not all are answered within `timeout`. Answers that came are in the cache.
        StoreUnreachable: Redis does not answer.
    """
    if client is not None and options:
        raise TypeError(f"{next(iter(options))} is the client's own: give a client, or its options")
    asked = client or Client(**options)
    return _on_a_loop_of_its_own(_answers(asked, timeout, questions, in_flight, lane), timeout)


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


def _on_a_loop_of_its_own(work: Coroutine[Any, Any, T], timeout: float | None) -> T:
    began: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any] | None]] = Future()
    ended: Future[T] = Future()

    async def main() -> T:
        began.set_result((asyncio.get_running_loop(), asyncio.current_task()))
        return await work

    def target() -> None:
        try:
            ended.set_result(asyncio.run(main()))
        except BaseException as error:  # noqa: BLE001 - the caller gets it
            ended.set_exception(error)

    # A daemon: questions out of a generator that hangs must not keep the program from ending.
    thread = threading.Thread(target=target, name="askonce", daemon=True)
    try:
        thread.start()  # Ctrl-C may come while it starts
        until = math.inf if timeout is None else time.monotonic() + timeout + GRACE
        while not ended.done() and time.monotonic() < until:
            wait([ended], min(TICK, max(0.0, until - time.monotonic())))
    except BaseException:
        with contextlib.suppress(RuntimeError, TimeoutError):  # it has just ended by itself, or never began
            loop, task = began.result(GRACE)
            loop.call_soon_threadsafe(task.cancel if task else loop.stop)
            wait([ended], GRACE)
        raise
    if not ended.done():
        raise AnswerTimeout("", f"not all answers within {timeout:g} s: the source of the questions blocks")
    return ended.result()
