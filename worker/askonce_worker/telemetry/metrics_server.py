"""Metrics over HTTP, and the figures that are read at the moment when somebody asks for them.

The server has threads of its own; what is asked of the worker's parts runs in the worker's event loop.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Metric, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from askonce.errors import AskOnceError

log = structlog.get_logger()

PATIENCE = 3.0
"""Seconds for Redis to tell the state of the queue: Prometheus itself waits ten."""
LANE_GAUGES = {
    "askonce_queue_waiting": ("waiting_jobs", "Jobs that wait."),
    "askonce_queue_leased": ("running_jobs", "Jobs that a worker holds."),
    "askonce_queue_questions": ("questions", "Questions that wait or run."),
    "askonce_queue_oldest_age_seconds": ("oldest_s", "Since the oldest job was submitted; 0 where there is none."),
}
GAUGES = {
    "askonce_outbox_depth": ("vectors_waiting", "Vectors that still have to reach Qdrant."),
    "askonce_outbox_lag_seconds": ("vectors_oldest_s", "Since the oldest of them was written; 0 where there is none."),
    "askonce_dead_letters": ("dead_letters", "Jobs that could not be done."),
    "askonce_entries": ("entries", "Cached answers."),
    "askonce_workers_alive": ("workers", "Workers that show signs of life."),
}


class MetricsPortError(Exception):
    """Nobody can listen there."""


class LiveFigures(Collector):
    """now: the part `now` of `askonce stats`. own: the figures of this worker's parts. Both are called in `loop`."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        now: Callable[[], Awaitable[dict[str, Any]]],
        own: Callable[[], list[Metric]],
    ) -> None:
        self._loop = loop
        self._now = now
        self._own = own

    def describe(self) -> Iterator[Metric]:
        """Nothing is promised: what Redis knows is left out while it is away."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        reading = asyncio.run_coroutine_threadsafe(self._read(), self._loop)
        try:
            yield from reading.result(PATIENCE + 1)
        except TimeoutError:
            reading.cancel()

    async def _read(self) -> list[Metric]:
        metrics = self._own()
        reachable = GaugeMetricFamily("askonce_redis_reachable", "Whether Redis told its figures in time: 1 or 0.")
        try:
            async with asyncio.timeout(PATIENCE):
                state = await self._now()
        except (AskOnceError, TimeoutError, ValueError) as error:
            log.warning("metrics.redis_figures_missing", error=type(error).__name__)
            reachable.add_metric((), 0)
            return [*metrics, reachable]
        reachable.add_metric((), 1)
        return [*metrics, reachable, *_of_redis(state)]


def gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value)


def counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value)


def counter_by_kind(name: str, text: str, counts: dict[str, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=("kind",))
    for kind, count in counts.items():
        family.add_metric((kind,), count)
    return family


def _of_redis(state: dict[str, Any]) -> Iterator[Metric]:
    for name, (field, text) in GAUGES.items():
        yield gauge(name, text, state[field] or 0)
    for name, (field, text) in LANE_GAUGES.items():
        family = GaugeMetricFamily(name, text, labels=("lane",))
        for lane, figures in state["lanes"].items():
            family.add_metric((lane,), figures[field] or 0)
        yield family


@asynccontextmanager
async def serving(registry: CollectorRegistry, port: int) -> AsyncIterator[None]:
    """`/metrics` on all addresses. Raises MetricsPortError."""
    try:
        server, thread = start_http_server(port, registry=registry)
    except (OSError, OverflowError) as error:
        raise MetricsPortError(f"ASKONCE_METRICS_PORT: port {port} cannot be had ({error})") from error
    log.info("metrics.serving", port=port)
    try:
        yield
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()
        await asyncio.to_thread(thread.join)
