"""One round of the work that every cache gets: what it took, what was paid for, and what was answered wrongly."""

import asyncio
from dataclasses import dataclass
from statistics import median
from typing import Any

from peers.process import Asker
from peers.questions import Questions

from support.llm_server import LLMServer

AT_ONCE = 64
BURST = 100
SINGLE = {"misses": 15, "semantic": 50, "exact": 100}
WRITTEN = 1.0
"""Seconds for what a cache writes after it has answered."""


@dataclass(frozen=True)
class Work:
    """How many questions a cache gets 64 at once: enough to take about a second."""

    misses: int = 256
    semantic: int = 512
    exact: int = 512


class Round:
    def __init__(self, asker: Asker, questions: Questions, llm: LLMServer) -> None:
        self._asker, self._questions, self._llm = asker, questions, llm

    async def run(self, work: Work) -> dict[str, dict[str, Any]]:
        """Each kind first one at a time, then AT_ONCE at once. Hits are of the round's own misses."""
        one, many = self._questions.new(SINGLE["misses"]), self._questions.new(work.misses)
        found = {"misses": await self._both("misses", one, many)}
        await asyncio.sleep(WRITTEN)
        reword = self._questions.reworded
        found["semantic"] = await self._both("semantic", reword(many, SINGLE["semantic"]), reword(many, work.semantic))
        repeats = [many[at % len(many)] for at in range(max(work.exact, SINGLE["exact"]))]
        found["exact"] = await self._both("exact", repeats[: SINGLE["exact"]], repeats[: work.exact])
        [asked] = self._questions.new(1)
        found["burst"] = (await self._paid("misses", reword([asked], BURST), BURST))[0]
        return found

    async def alike(self) -> dict[str, Any]:
        """Questions that look like others, and are not the same."""
        first, second = self._questions.alike()
        await self._asker.ask("misses", first, AT_ONCE)
        await asyncio.sleep(WRITTEN)
        return (await self._paid("misses", second, AT_ONCE))[0]

    async def _both(self, what: str, one: list[str], many: list[str]) -> dict[str, Any]:
        _, ms = await self._paid(what, one, 1)
        figures, _ = await self._paid(what, many, AT_ONCE)
        return {**figures, "p50_ms": round(median(ms), 3)}

    async def _paid(self, what: str, texts: list[str], at_once: int) -> tuple[dict[str, Any], list[float]]:
        before = await self._calls()
        asked = await self._asker.ask(what, texts, at_once)
        wrong = sum(not self._questions.right(text, given) for text, given in zip(texts, asked.answers, strict=True))
        figures = {
            "asked": len(texts),
            "per_second": round(len(texts) / asked.seconds, 1),
            "calls": await self._calls() - before,
            "wrong": wrong,
        }
        return figures, asked.ms

    async def _calls(self) -> int:
        stats = await self._llm.stats(brief=True)
        calls: int = stats["chat"]["calls"]
        return calls
