"""Exact hits are counted, and the idle clock of their entries is moved, once or twice a second for all of them."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Sequence

from askonce.answer import Answer
from askonce.connection import Store
from askonce.errors import AskOnceError
from askonce.keys import Keys
from askonce.question import Question
from askonce.scripts import Script
from askonce.stats_numbers import bucket, tokens

TOUCH = Script("askonce", "touch")
PAUSE = 0.5
MOST = 2000


class Hits:
    def __init__(self, store: Store, keys: Keys) -> None:
        self._store = store
        self._keys = keys
        self._counts: Counter[str] = Counter()
        self._touched: dict[str, None] = {}
        self._writer: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    def note(self, questions: Sequence[Question], answers: Sequence[Answer | None], seconds: float) -> None:
        """Those that have an answer. seconds: how long it took."""
        hit = f"hit:{bucket(seconds)}"
        for question, answer in zip(questions, answers, strict=True):
            if answer is not None:
                of = f"|{question.namespace}|{question.model}"
                tokens_in, tokens_out, _ = tokens(answer.body)
                self._counts["exact" + of] += 1
                self._counts[hit + of] += 1
                self._counts["saved_in" + of] += tokens_in
                self._counts["saved_out" + of] += tokens_out
                self._touched[question.fingerprint] = None
        if self._touched and self._writer is None:
            self._writer = asyncio.create_task(self._write_soon())

    async def _write_soon(self) -> None:
        try:
            while self._touched:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(PAUSE):
                        await self._closing.wait()
                await self._write()
        finally:
            self._writer = None

    async def _write(self) -> None:
        """What is lost here is a statistic and the recency of an entry."""
        counts, touched = self._counts, list(self._touched)
        self._counts, self._touched = Counter(), {}
        args: list[str | int] = [self._keys.stats("hour:"), len(counts)]
        for field, count in counts.items():
            args += (field, count)
        for at in range(0, len(touched), MOST):
            try:
                keys = [self._keys.stats("total"), self._keys.touched]
                await self._store.script(TOUCH, keys, [*args, *touched[at : at + MOST]])
            except AskOnceError:
                return
            args = [self._keys.stats("hour:"), 0]

    async def aclose(self) -> None:
        """What was noted is written, also what the writer is about to write."""
        self._closing.set()
        if self._writer is not None:
            await asyncio.wait([self._writer])
