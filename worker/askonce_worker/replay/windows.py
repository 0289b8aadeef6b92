"""Prepares calls in batches before they are played: templates taken out, numbered, embedded."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from askonce.question import Question
from askonce.templates.template import Templates
from askonce_worker.answering.ports import Vector
from askonce_worker.matching.match import Matcher, Reuse
from askonce_worker.replay.spool import Spooled
from askonce_worker.replay.texts import Texts
from askonce_worker.replay.vectors import Vectors

AHEAD = 3
"""Windows that are embedded ahead while one is played."""


@dataclass(slots=True)
class Item:
    """A call to play. number: its question's. vector: None if it is only matched exactly."""

    call: Spooled
    question: Question
    number: int
    reuse: Reuse
    vector: Vector | None = None


@dataclass(slots=True)
class Window:
    items: list[Item]
    ready: asyncio.Task[None] | None = field(default=None)


class Windows:
    """vectors: None if nothing is matched by similarity. without: numbers of the distinct questions that lack a vector
    they should have."""

    def __init__(self, templates: Templates, matcher: Matcher, texts: Texts, vectors: Vectors | None) -> None:
        self._templates = templates
        self._matcher = matcher
        self._texts = texts
        self._vectors = vectors
        self.without: set[int] = set()

    async def of(self, pages: Iterator[Sequence[Spooled]]) -> AsyncGenerator[list[Item], None]:
        """The windows in the order of the calls. Raises NoVectors."""
        waiting: deque[Window] = deque()
        try:
            for page in pages:
                waiting.append(self._begin(page))
                if len(waiting) > AHEAD:
                    yield await self._finished(waiting.popleft())
            while waiting:
                yield await self._finished(waiting.popleft())
        finally:
            for window in waiting:
                if window.ready is not None:
                    window.ready.cancel()
                    with suppress(asyncio.CancelledError, Exception):
                        await window.ready

    def _begin(self, page: Sequence[Spooled]) -> Window:
        window = Window([self._item(call) for call in page])
        semantic = [item for item in window.items if item.reuse.semantic]
        if self._vectors is not None and semantic:
            window.ready = asyncio.ensure_future(self._embed(semantic, self._vectors))
        return window

    def _item(self, call: Spooled) -> Item:
        question = self._templates.fit(call.question)
        return Item(call, question, self._texts.number_of(question), self._matcher.reuse(question))

    async def _embed(self, items: Sequence[Item], vectors: Vectors) -> None:
        found = await vectors.of([item.question.text for item in items])
        for item in items:
            item.vector = found[item.question.text]
            if item.vector is None:
                self.without.add(item.number)

    @staticmethod
    async def _finished(window: Window) -> list[Item]:
        if window.ready is not None:
            await window.ready
        return window.items
