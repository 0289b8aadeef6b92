"""Questions out, answers in, lines on disk."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
from contextlib import aclosing
from typing import cast

from askonce.answer import Answer
from askonce.batch.ledger import Ledger
from askonce.batch.source import Source
from askonce.batch_file import output_record
from askonce.client import Client
from askonce.question import Question
from askonce.tasks import stop

UNSAVED = 2000
"""Lines that are not on disk yet."""
SECONDS = 1.0
"""Between two looks at the files and the display."""
AGAIN = 3
"""How often a question is submitted again that Redis has lost: after a failover, or a result's lifetime."""
MOST_LOST = 100_000


class Run:
    """in_flight: most questions under way. timeout: seconds to each one's deadline. show: told after each save."""

    def __init__(
        self,
        client: Client,
        source: Source,
        ledger: Ledger,
        *,
        in_flight: int,
        ordered: bool,
        timeout: float | None,
        namespace: str,
        show: Callable[[], None],
    ) -> None:
        self._client = client
        self._source = source
        self._ledger = ledger
        self._in_flight = in_flight
        self._ordered = ordered
        self._timeout = timeout
        self._namespace = namespace
        self._show = show
        self._received: list[str] = []

    async def all(self) -> None:
        """Until every line is done. Cancelled or failed, it saves what has come; the next run goes on from there.

        Raises StoreUnreachable, OSError, ValueError.
        """
        main = asyncio.current_task()
        assert main is not None
        keeper = asyncio.create_task(self._keep())
        keeper.add_done_callback(lambda task: None if task.cancelled() else main.cancel())
        try:
            await self._passes()
        except asyncio.CancelledError:
            if keeper.done():
                await keeper  # raises what stopped us: the disk is full, or the like
            raise
        finally:
            await stop(keeper)
            self._save()
        self._ledger.finish()

    async def _passes(self) -> None:
        lost = await self._pass(self._source.questions(), MOST_LOST)
        for again in range(AGAIN):
            if lost:
                lost = await self._pass(lost, MOST_LOST if again < AGAIN - 1 else 0)

    async def _pass(self, questions: AsyncIterable[Question] | Iterable[Question], most_lost: int) -> list[Question]:
        """Those of them of which Redis knows nothing any more."""
        lost: list[Question] = []
        stream = self._client.map(
            questions, in_flight=self._in_flight, ordered=self._ordered, lane="bulk", timeout=self._timeout
        )
        async with aclosing(cast("AsyncGenerator[tuple[Question, Answer]]", stream)) as answers:
            async for question, answer in answers:
                if answer.error is not None and answer.error.kind == "unknown_job" and len(lost) < most_lost:
                    lost.append(question)
                    continue
                self._add(question.job_id or "", answer)
                if self._ledger.unsaved >= UNSAVED:
                    self._save()
        return lost

    def _add(self, job_id: str, answer: Answer) -> None:
        line = self._source.underway.pop(job_id)
        self._ledger.add(output_record(line, job_id, answer))
        if line.question is not None:
            self._received.append(job_id)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(SECONDS)
            self._save()

    def _save(self) -> None:
        """Only what is on disk may be forgotten."""
        if self._ledger.broken:
            return
        self._ledger.save()
        received, self._received = self._received, []
        self._client.forget(received, namespace=self._namespace)
        self._show()
