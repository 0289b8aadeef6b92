"""The lines of a batch still to be asked, for a `Run`."""

import asyncio
from collections.abc import AsyncIterator

from askonce.batch.line_format import Form, Line, read_raw
from askonce.batch.lines import divided
from askonce.batch.spend_cap import SpendCap
from askonce.batch.totals import RunTotals
from askonce.prices.load import NoPrices
from askonce.question import Question
from askonce.served.part_ledger import PartLedger
from askonce.served.paying import Paying
from askonce.templates.template import Templates

MOST_BYTES = 64 * 1024 * 1024
"""Maximum bytes of lines in flight."""
PAUSE = 0.05


class Undone:
    """underway: lines in flight, by job id. Whoever receives an answer removes its line.

    cap: unlimited, because keys and namespaces have their own budgets.
    """

    def __init__(
        self,
        blocks: AsyncIterator[bytes],
        name: str,
        ledger: PartLedger,
        form: Form,
        templates: Templates,
        paying: Paying,
    ) -> None:
        self._paying = paying
        self.underway: dict[str, Line] = {}
        self.cap = SpendCap(NoPrices(), RunTotals(), cost=None, tokens=None)
        self._blocks, self._name = blocks, name
        self._ledger, self._form, self._templates = ledger, form, templates
        self._sizes: dict[str, int] = {}
        self._bytes = 0

    async def questions(self) -> AsyncIterator[Question]:
        """The questions, with their job ids. A malformed line yields an invalid question, which the client fails."""
        async for block in divided(self._blocks, self._name):
            for raw in block:
                if self._ledger.is_done(raw.number):
                    continue
                line = read_raw(raw, self._form)
                if line.question is not None:
                    line = Line(line.number, line.custom_id, self._templates.fit(line.question))
                await self._room()
                job_id = self._ledger.job_id(line.number)
                self.underway[job_id], self._sizes[job_id] = line, len(raw.data or b"")
                self._bytes += self._sizes[job_id]
                yield (line.question or Question("")).with_fields(job_id=job_id, payer=self._paying.payer)
            await asyncio.sleep(0)

    async def _room(self) -> None:
        while self._bytes > MOST_BYTES:
            await asyncio.sleep(PAUSE)
            self._sizes = {job_id: size for job_id, size in self._sizes.items() if job_id in self.underway}
            self._bytes = sum(self._sizes.values())
