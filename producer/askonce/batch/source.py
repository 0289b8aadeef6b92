"""The input lines that are not done yet, as questions."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Any

from askonce.batch.journal import Journal
from askonce.batch.ledger import Ledger
from askonce.batch.line_format import Form, Line, read_raw
from askonce.batch.sampling import Blocks
from askonce.batch.spend_cap import SpendCap
from askonce.question import Question
from askonce.tables.lines import RawLine
from askonce.templates.template import Templates

CHANGED = "the input differs from the last run: --restart starts over"


class Source:
    """The lines still to be asked.

    Attributes:
        underway: Lines handed out, by job id. Whoever receives an answer removes its line.
        cap: The spend cap. Once it is reached, no more lines are handed out.

    Args:
        is_stream: The input is not a file that can be compared as a whole. Lines that were read before are compared as
        they arrive, and nothing is handed out until then: `questions` raises ValueError if they differ.
    """

    def __init__(
        self, blocks: Blocks, ledger: Ledger, form: Form, templates: Templates, cap: SpendCap, *, is_stream: bool
    ) -> None:
        self.underway: dict[str, Line] = {}
        self.cap = cap
        self._blocks = blocks
        self._ledger = ledger
        self._journal = ledger.journal
        self._form = form
        self._templates = templates
        self._is_stream = is_stream
        self._digest = hashlib.sha256()
        self._known: dict[str, Any] = dict(ledger.read)
        self._last_done = self._journal.last_done()

    async def questions(self) -> AsyncIterator[Question]:
        """Yields questions with job ids. A malformed line has a malformed question, so the client fails it without
        asking."""
        async for block in self._compared() if self._is_stream else self._blocks:
            for raw in block:
                line = self._undone(raw)
                if line is not None:
                    job_id = self._ledger.job_id(line.number)
                    if line.question is not None and not await self.cap.admit(job_id, line.question):
                        return
                    self.underway[job_id] = line
                    yield (line.question or Question("")).with_fields(job_id=job_id)
            await asyncio.sleep(0)

    def _undone(self, raw: RawLine) -> Line | None:
        """The line, or None if it is done. A done line is parsed only if its id is not in the journal yet."""
        is_done = raw.number <= self._last_done and self._journal.is_done(raw.number)
        if is_done and raw.number <= self._known["line"]:
            return None
        line = unique(self._journal, read_raw(raw, self._form))
        if raw.number > self._known["line"]:
            self._note(raw)
        if is_done:
            return None
        if line.question is None:
            return line
        return Line(line.number, line.custom_id, self._templates.fit(line.question))

    def _note(self, raw: RawLine) -> None:
        """Records that the ids of all lines up to this one are in the journal, and the digest of a stream so far."""
        digest = None
        if self._is_stream:
            self._add_to_digest(raw)
            digest = self._digest.hexdigest()
        self._ledger.read = {"line": raw.number, "digest": digest}

    def _add_to_digest(self, raw: RawLine) -> None:
        self._digest.update(b"%d %b\n" % (raw.number, raw.data or b""))

    async def _compared(self) -> Blocks:
        held: list[RawLine] = []
        last: int = self._known["line"]
        async for block in self._blocks:
            if not last:
                yield block
            elif block:
                self._compare(block, last)
                held += [raw for raw in block if not self._journal.is_done(raw.number)]
                if block[-1].number >= last:
                    last = 0
                    yield held
        if last:
            raise ValueError(CHANGED)

    def _compare(self, block: list[RawLine], last: int) -> None:
        for raw in block:
            if raw.number <= last:
                self._add_to_digest(raw)
        if block[-1].number >= last and self._digest.hexdigest() != self._known["digest"]:
            raise ValueError(CHANGED)


def unique(journal: Journal, line: Line) -> Line:
    """The line, or a malformed one if an earlier line has the same custom id."""
    if line.custom_id is None:
        return line
    first = journal.first_line(line.custom_id, line.number)
    if first == line.number:
        return line
    return Line(line.number, line.custom_id, reason=f"custom_id is already used in line {first}")
