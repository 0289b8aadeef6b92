"""Ends a batch early: questions that no worker has begun are cancelled, and answers already paid for are used.

It needs no state of a server: what was asked is in Redis, under job ids derived from batch and line.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from typing import cast

from askonce.answer import Answer
from askonce.batch.line_format import Form, read_raw
from askonce.batch.lines import divided
from askonce.batch.output_format import output_record
from askonce.client import Client
from askonce.errors import AnswerTimeout
from askonce.served.part_ledger import PartLedger
from askonce.session.iteration import batched
from askonce.tables.lines import RawLine

TOGETHER = 5000
NOT_ASKED = frozenset({"unknown_job", "cancelled", "expired"})


class LastAnswers:
    """Collects the answers to a ledger's remaining lines. seconds: how long to wait for calls in flight."""

    def __init__(self, client: Client, ledger: PartLedger, form: Form, *, seconds: float) -> None:
        self._client, self._ledger, self._form = client, ledger, form
        self._until = asyncio.get_running_loop().time() + seconds

    async def take(self, blocks: AsyncIterator[bytes], name: str) -> None:
        """blocks: the input. Raises OSError, LeaseLost, StoreUnreachable."""
        if next(self._ledger.undone(), None) is None:
            return  # nothing to read, and the input may be gone
        for part in batched(map(self._ledger.job_id, self._ledger.undone()), TOGETHER):
            await self._client.cancel(part, namespace=self._form.namespace)
        async for block in divided(blocks, name):
            lines = {self._ledger.job_id(raw.number): raw for raw in block if not self._ledger.is_done(raw.number)}
            known = await self._client.status(lines, namespace=self._form.namespace)
            await self._take({job_id: lines[job_id] for job_id, status in known.items() if status != "unknown"})

    async def _take(self, asked: dict[str, RawLine]) -> None:
        left = max(0.0, self._until - asyncio.get_running_loop().time())
        answers = self._client.as_completed(asked, namespace=self._form.namespace, timeout=left)
        with suppress(AnswerTimeout):  # the model takes too long: the rest counts as not asked
            async with aclosing(cast("AsyncGenerator[Answer]", answers)) as stream:
                async for answer in stream:
                    self._add(asked[answer.job_id or ""], answer)
                    if self._ledger.is_full:
                        await self._ledger.keep()
        await self._ledger.keep()
        self._client.forget(asked, namespace=self._form.namespace)

    def _add(self, raw: RawLine, answer: Answer) -> None:
        if answer.error is None or answer.error.kind not in NOT_ASKED:
            line = read_raw(raw, self._form)
            self._ledger.add(output_record(line, self._ledger.job_id(raw.number), answer), asked=None)
