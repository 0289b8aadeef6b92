"""The rows of a frame, as a `Run` takes them."""

import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace

from askonce.batch.line_format import Form, Line, read_raw
from askonce.batch.spend_cap import SpendCap
from askonce.batch.table.asked import lines_of, sampled
from askonce.batch.table.prompt import Prompt, check_columns, parse_prompt, with_compared
from askonce.frames.frame import Frame
from askonce.question import Question
from askonce.tables.row import Row


class FrameLines:
    """underway, cap: as in a batch's `Source`. Job ids are new each time, because repeated questions are in the
    cache."""

    def __init__(self, frame: Frame, prompt: Prompt, form: Form, cap: SpendCap) -> None:
        self.underway: dict[str, Line] = {}
        self.cap = cap
        self._rows = rows_of(frame, prompt.columns)
        self._prompt = prompt
        self._form = form
        self._run = secrets.token_hex(8)

    async def questions(self) -> AsyncIterator[Question]:
        """Yields questions with job ids. A malformed row has a malformed question, so the client fails it without
        asking."""
        async for block in lines_of(self._rows, self._prompt):
            for raw in block:
                line = read_raw(raw, self._form)
                job_id = f"{self._run}-{line.number}"
                self.underway[job_id] = line
                yield (line.question or Question("")).with_fields(job_id=job_id)


def rows_of(frame: Frame, columns: Sequence[str]) -> Iterator[Row]:
    places = [frame.names.index(name) for name in columns]
    for number, cells in enumerate(frame.cells(places), 1):
        yield Row(number, dict(zip(columns, cells, strict=True)))


def prompt_for(frame: Frame, given: str, compared: str | None) -> Prompt:
    """The prompt, with the column to compare: the named one, else one chosen from a sample of the rows.

    Raises ValueError for a prompt that does not fit the frame.
    """
    prompt = parse_prompt(given, "prompt")
    check_columns(prompt.columns, frame.names, "prompt")
    for name in prompt.columns:
        if frame.names.count(name) > 1:
            raise ValueError(f"the frame has two columns {name}: rename one")
    if compared is not None:
        if prompt.parts[1::2].count(compared) != 1:
            raise ValueError(f"compared: {{{compared}}} must occur in the prompt exactly once")
        return replace(prompt, compared=compared)
    cells = sampled(rows_of(frame, prompt.columns), prompt)[1] if len(prompt.columns) > 1 else []
    return with_compared(prompt, cells)[0]
