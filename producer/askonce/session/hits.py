"""Counts exact hits, and moves the idle clock of their entries, in one write every half second.

Each write has a number: one that is sent twice, because the connection broke, counts once. Until Redis has taken it,
later hits wait for the next write.
"""

import asyncio
import contextlib
from collections import Counter

from askonce.answer import Answer
from askonce.contract.counters import bucket, tokens
from askonce.contract.keys import Keys
from askonce.errors import AskOnceError
from askonce.question import Question
from askonce.store.connection import Store
from askonce.store.scripts import Script
from askonce.tasks import stop

TOUCH = Script("askonce", "touch")
PAUSE = 0.5
MOST = 2000


class Hits:
    """client: the numbers are its own."""

    def __init__(self, store: Store, keys: Keys, client: str) -> None:
        self._store = store
        self._keys = [keys.stats("total"), keys.touched, keys.tally(client)]
        self._hours = keys.stats("hour:")
        self._counts: Counter[str] = Counter()
        self._touched: dict[str, None] = {}
        self._number = 0
        self._sheet: Counter[str] = Counter()
        self._writer: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    def note(self, question: Question, answer: Answer, seconds: float) -> None:
        """Counts one hit. seconds: how long the lookup took."""
        of = f"|{question.namespace}|{question.model}"
        tokens_in, tokens_out, _ = tokens(answer.body)
        self._counts["exact" + of] += 1
        self._counts[f"hit:{bucket(seconds)}{of}"] += 1
        self._counts["saved_in" + of] += tokens_in
        self._counts["saved_out" + of] += tokens_out
        self._touched[question.fingerprint] = None
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_soon())

    async def _write_soon(self) -> None:
        try:
            while (self._counts or self._sheet) and not self._closing.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(PAUSE):
                        await self._closing.wait()
                await self._write()
            await self._write()
        finally:
            self._writer = None

    async def _write(self) -> None:
        """While Redis is away, counts are kept, but not which entries were hit."""
        with contextlib.suppress(AskOnceError):
            if self._sheet:
                await self._send([])
            touched, self._touched = list(self._touched), {}
            self._number += 1
            self._sheet, self._counts = self._counts, Counter()
            for at in range(0, len(touched), MOST):
                await self._send(touched[at : at + MOST])

    async def _send(self, touched: list[str]) -> None:
        args: list[str | int] = [self._hours, self._number, len(self._sheet)]
        for field, count in self._sheet.items():
            args += (field, count)
        await self._store.script(TOUCH, self._keys, [*args, *touched])
        self._sheet = Counter()

    async def aclose(self) -> None:
        """Writes the remaining counts. Cancelling this discards them."""
        self._closing.set()
        writer = self._writer
        if writer is not None:
            try:
                await asyncio.wait([writer])
            finally:
                await stop(writer)
