"""A replay from log to report: reads the log, finds its templates, plays it."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, aclosing, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from askonce.prices.load import Prices
from askonce.question import Question
from askonce.templates.find_templates import find_templates
from askonce.templates.template import Group, Templates
from askonce_worker.matching.match import Matcher
from askonce_worker.matching.never_cache import never_cached
from askonce_worker.matching.profiles import profile_of
from askonce_worker.replay.candidates import Candidates
from askonce_worker.replay.labels import Labels
from askonce_worker.replay.money import Costs
from askonce_worker.replay.playing import FOR_EVER, Player
from askonce_worker.replay.reading import BadLog, ReadLog, read_logs
from askonce_worker.replay.report import Rules, Run, report
from askonce_worker.replay.risky import Risky
from askonce_worker.replay.sources.choosing import Reading
from askonce_worker.replay.spool import Spool
from askonce_worker.replay.stopping import Stop
from askonce_worker.replay.sums import Sums
from askonce_worker.replay.texts import Texts
from askonce_worker.replay.vectors import Vectors, embedder_of
from askonce_worker.replay.windows import Windows
from askonce_worker.replay.world import World
from askonce_worker.settings import Settings

SAMPLE, OF_A_GROUP = 10_000, 1000
"""Questions that are searched for templates: in all, and per model and system prompt. (`batch` samples 1,000.)"""
SHOWN, LONGEST = 20, 40
"""Columns that an error lists, and characters of a name."""
DISTANCES = (0.5, 1.0, 1.5, 2.0, 3.0)
"""The thresholds' distances from 1, as multiples of the configured one's."""


@dataclass(frozen=True, slots=True)
class Progress:
    """on_bytes: called with bytes read. on_calls: called with the number of calls to play. on_call: called per call."""

    on_bytes: Callable[[int], None]
    on_calls: Callable[[int], None]
    on_call: Callable[[], None]


class Replay:
    """directory: for data that does not fit into memory. vectors: a file to keep vectors in; None for none."""

    def __init__(
        self, directory: Path, settings: Settings, prices: Prices, *, threshold: float | None, vectors: Path | None
    ) -> None:
        self._directory = directory
        self._settings = settings
        self._prices = prices
        self._vectors = vectors or directory / "vectors.sqlite"
        self._thresholds = [] if threshold is None else [1 - times * (1 - threshold) for times in DISTANCES]
        self._main = DISTANCES.index(1.0) if self._thresholds else 0

    def run(
        self, paths: Sequence[Path], reading: Reading, stop: Stop, progress: Progress, *, strict: bool
    ) -> dict[str, Any]:
        """Returns the report. Raises BadLog, NoVectors."""
        with closing(Spool(self._directory)) as spool:
            read = read_logs(
                paths, reading, spool, strict=strict, on_bytes=progress.on_bytes, is_stopped=lambda: stop.is_set
            )
            if not read.calls:
                raise BadLog(_nothing(read))
            stop.arm()
            progress.on_calls(read.calls)
            return asyncio.run(self._played(paths, spool, read, stop, progress))

    async def _played(
        self, paths: Sequence[Path], spool: Spool, read: ReadLog, stop: Stop, progress: Progress
    ) -> dict[str, Any]:
        templates = find_templates(_some_of_each(spool.sample(SAMPLE)))
        span = spool.span()
        sums = Sums(len(self._thresholds) or 1, self._main, span, read.calls)
        risky, vectors = Risky(), self._opened_vectors()
        try:
            done, without = await self._play(spool, templates, vectors, (sums, risky), stop, progress)
        finally:
            if vectors is not None:
                await vectors.close()
        embedded = 0 if vectors is None else vectors.embedded
        names = [str(path) for path in paths]
        in_order = span is None or spool.is_in_order()
        run = Run(names, done and read.complete, in_order, without, embedded, self._prices.currency)
        shown = [template.text for group in templates.groups.values() for template in group]
        rules = Rules(self._settings.embedding, self._thresholds, self._main, self._settings.cache_ttl, shown)
        return report(run, read, sums, rules, risky.rows())

    async def _play(
        self,
        spool: Spool,
        templates: Templates,
        vectors: Vectors | None,
        sinks: tuple[Sums, Risky],
        stop: Stop,
        progress: Progress,
    ) -> tuple[bool, int]:
        """Returns whether all of it was played, and how many questions lack a vector that they should have."""
        matcher = Matcher(
            threshold=min(self._thresholds, default=None),
            max_chars=self._settings.semantic_max_chars,
            never=never_cached(self._settings.never_cache),
        )
        with ExitStack() as stack:
            texts = stack.enter_context(closing(Texts(self._directory)))
            candidates = None
            if self._thresholds:
                index = Candidates(self._directory / "index", matcher, texts, min(self._thresholds))
                candidates = stack.enter_context(closing(index))
            player = self._player(spool, texts, candidates, *sinks)
            windows = Windows(templates, matcher, texts, vectors)
            async with aclosing(windows.of(spool.in_order())) as found:
                async for window in found:
                    player.play(window, progress.on_call)
                    if stop.is_set:
                        return False, len(windows.without)
                    await asyncio.sleep(0)
            return True, len(windows.without)

    def _player(self, spool: Spool, texts: Texts, candidates: Candidates | None, sums: Sums, risky: Risky) -> Player:
        return Player(
            worlds=[World(each) for each in self._thresholds] or [World(None)],
            main=self._main,
            ttl=FOR_EVER if sums.span is None else self._settings.cache_ttl,
            candidates=candidates,
            texts=texts,
            labels=Labels(spool.body),
            costs=Costs(self._prices),
            sums=sums,
            risky=risky,
        )

    def _opened_vectors(self) -> Vectors | None:
        if not self._thresholds:
            return None
        settings = self._settings
        profile = profile_of(settings.embedding_model, settings.profiles, settings.embedding_dimensions)
        return Vectors(self._vectors, settings.embedding, embedder_of(settings, profile))


def _some_of_each(questions: Iterable[Question]) -> list[Question]:
    """At most `OF_A_GROUP` per group, so that each of the programs in a log is represented."""
    counts: dict[Group, int] = {}
    found = []
    for question in questions:
        group = (question.model, question.system)
        counts[group] = counts.get(group, 0) + 1
        if counts[group] <= OF_A_GROUP:
            found.append(question)
    return found


def _nothing(read: ReadLog) -> str:
    if read.replies:
        return "the log has answers but no requests: give the Batch input file as well as its output"
    if read.examples:
        return f"the log has no calls ({read.examples[0]}{_listed(read.columns)})"
    reasons = ", ".join(read.left_out)
    return f"the log has no calls, only {reasons}" if reasons else "the log has no calls"


def _listed(columns: Sequence[str]) -> str:
    if not columns:
        return ""
    shown = [name if len(name) <= LONGEST else f"{name[:LONGEST]}…" for name in columns[:SHOWN]]
    more = f" and {len(columns) - SHOWN:,} more" if len(columns) > SHOWN else ""
    return f"; its columns are {', '.join(shown)}{more}"
