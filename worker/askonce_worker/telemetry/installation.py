"""The figures of `askonce stats` as Prometheus counters for the whole installation, read from the counters in Redis.

They include exact hits that clients read directly from the cache, which no worker sees. Every worker reports the same
numbers, so a dashboard must take the maximum, never the sum.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from prometheus_client import Metric

from askonce.contract.counters import SOURCES, UNMATCHED, Figures, read_counters
from askonce.prices.load import Prices
from askonce.prices.money import from_nano
from askonce_worker.telemetry.model_names import MODEL, TYPE_LABEL, ModelNames, counter_family

FRESH = 2.0
"""Seconds for which figures are reused."""
SHARE = 50
"""Figures are reused for at least this multiple of their read time: a thousand tenants have 40,000 counters."""


class InstallationCounters:
    """read: the counters since the beginning. prices: for spent and saved dollars. clock: monotonic seconds."""

    def __init__(
        self,
        read: Callable[[], Awaitable[Mapping[bytes, int]]],
        prices: Prices,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._prices = prices
        self._clock = clock
        self._model = ModelNames()
        self._metrics: list[Metric] = []
        self._fresh_until = float("-inf")

    async def metrics(self) -> list[Metric]:
        """Raises what `read` raises."""
        began = self._clock()
        if began >= self._fresh_until:
            counters = await self._read()
            self._metrics = await asyncio.to_thread(self._made_of, counters)
            now = self._clock()
            self._fresh_until = now + max(FRESH, SHARE * (now - began))
        return self._metrics

    def _made_of(self, counters: Mapping[bytes, int]) -> list[Metric]:
        by_model: dict[str, Figures] = {}
        for (_, model), figures in sorted(read_counters(counters, self._prices).items()):
            by_model.setdefault(self._model(model), Figures()).add(figures)
        return [*_questions(by_model), *_calls(by_model), *_money(by_model)]


def _questions(by_model: Mapping[str, Figures]) -> list[Metric]:
    questions = counter_family(
        "askonce_installation_questions", "Answers, including exact hits of clients.", "source", MODEL
    )
    unmatched = counter_family(
        "askonce_installation_unmatched", "Questions sent to the LLM without a similarity lookup.", "reason", MODEL
    )
    wrong = counter_family("askonce_installation_wrong_hits", "Hits reported as wrong.", MODEL)
    cancelled = counter_family("askonce_installation_cancelled", "Questions cancelled before a worker took them.")
    for model, figures in by_model.items():
        for name, count in figures.counts.items():
            if name in SOURCES:
                questions.add_metric((name, model), count)
            elif name.startswith(UNMATCHED):
                unmatched.add_metric((name.removeprefix(UNMATCHED), model), count)
        wrong.add_metric((model,), figures.counts["wrong"])
    cancelled.add_metric((), sum(figures.counts["cancelled"] for figures in by_model.values()))
    return [questions, unmatched, wrong, cancelled]


def _calls(by_model: Mapping[str, Figures]) -> list[Metric]:
    calls = counter_family("askonce_installation_llm_calls", "Requests to the LLM, including retries.", MODEL)
    errors = counter_family("askonce_installation_llm_errors", "Failed requests to the LLM.", MODEL)
    for model, figures in by_model.items():
        calls.add_metric((model,), figures.counts["calls"])
        errors.add_metric((model,), figures.counts["call_errors"])
    return [calls, errors]


def _money(by_model: Mapping[str, Figures]) -> list[Metric]:
    paid = counter_family("askonce_installation_tokens", "Tokens used, as the provider counts them.", TYPE_LABEL, MODEL)
    saved = counter_family(
        "askonce_installation_saved_tokens", "Tokens saved by answers without a call.", TYPE_LABEL, MODEL
    )
    cached = counter_family(
        "askonce_installation_cached_tokens", "Input tokens read from the provider's prompt cache.", MODEL
    )
    spent_dollars = counter_family(
        "askonce_installation_spent_dollars", "Dollars spent, for models with a known price.", MODEL
    )
    saved_dollars = counter_family(
        "askonce_installation_saved_dollars", "Dollars saved, for models with a known price.", MODEL
    )
    for model, figures in by_model.items():
        for kind, short in (("input", "in"), ("output", "out")):
            paid.add_metric((kind, model), figures.counts[f"tokens_{short}"])
            saved.add_metric((kind, model), figures.counts[f"saved_{short}"])
        cached.add_metric((model,), figures.counts["tokens_cached"])
        spent_dollars.add_metric((model,), from_nano(figures.spent))
        saved_dollars.add_metric((model,), from_nano(figures.saved))
    return [paid, saved, cached, spent_dollars, saved_dollars]
