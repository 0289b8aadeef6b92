"""Metrics over HTTP, including figures that are read at each scrape.

The server has its own threads. The worker's parts are read in the worker's event loop.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog
from prometheus_client import CollectorRegistry, Metric, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from askonce.contract.wrong_rates import WrongRates
from askonce.errors import AskOnceError
from askonce.operator.live_state import LaneState, LiveState
from askonce_worker.telemetry.installation import InstallationCounters
from askonce_worker.telemetry.wrong_rates import wrong_rate_metrics

log = structlog.get_logger()

REDIS_TIMEOUT = 3.0
"""Seconds to read the figures from Redis; Prometheus itself waits ten."""
GAUGES: dict[str, tuple[Callable[[LiveState], float | None], str]] = {
    "askonce_outbox_depth": (lambda state: state.vectors_waiting, "Vectors waiting for Qdrant."),
    "askonce_outbox_lag_seconds": (
        lambda state: state.vectors_oldest_s,
        "Age of the oldest vector waiting for Qdrant; 0 if none is.",
    ),
    "askonce_refill_vectors": (
        lambda state: state.vectors_filling,
        "Estimated total of vectors in the collection being filled; 0 if none is.",
    ),
    "askonce_refill_vectors_made": (
        lambda state: state.vectors_filled,
        "Vectors already made for the collection being filled.",
    ),
    "askonce_parked_questions": (
        lambda state: state.parked,
        "Questions waiting for a provider batch, or in one.",
    ),
    "askonce_provider_batches": (lambda state: state.provider_batches, "Batches in progress at the provider."),
    "askonce_dead_letters": (lambda state: state.dead_letters, "Dead letters: jobs that were given up."),
    "askonce_entries": (lambda state: state.entries, "Cached answers."),
    "askonce_workers_alive": (lambda state: state.workers, "Live workers."),
}
LANE_GAUGES: dict[str, tuple[Callable[[LaneState], float | None], str]] = {
    "askonce_queue_waiting": (lambda lane: lane.waiting_jobs, "Waiting jobs."),
    "askonce_queue_leased": (lambda lane: lane.running_jobs, "Running jobs, leased by a worker."),
    "askonce_queue_questions": (lambda lane: lane.questions, "Waiting and running questions."),
    "askonce_queue_oldest_age_seconds": (
        lambda lane: lane.oldest_s,
        "Seconds since the oldest job was submitted; 0 if there is none.",
    ),
}


class MetricsPortError(Exception):
    """The metrics port is taken or invalid."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The sources of a scrape.

    state, totals, rates: the whole installation's, from Redis. own: those of this worker's parts.
    """

    state: Callable[[], Awaitable[LiveState]]
    totals: InstallationCounters
    rates: Callable[[], Awaitable[WrongRates | None]]
    own: Callable[[], list[Metric]]


class LiveFigures(Collector):
    """Collects figures at each scrape, in the event loop `loop`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, reading: Reading) -> None:
        self._loop = loop
        self._reading = reading

    def describe(self) -> Iterator[Metric]:
        """Empty, because the figures from Redis are missing while it is unreachable."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        reading = asyncio.run_coroutine_threadsafe(self._read(), self._loop)
        try:
            yield from reading.result(REDIS_TIMEOUT + 1)
        except TimeoutError:
            reading.cancel()

    async def _read(self) -> list[Metric]:
        metrics = self._reading.own()
        reachable = GaugeMetricFamily("askonce_redis_reachable", "1 if Redis answered in time, else 0.")
        try:
            async with asyncio.timeout(REDIS_TIMEOUT):
                state, totals = await self._reading.state(), await self._reading.totals.metrics()
                rates = wrong_rate_metrics(await self._reading.rates())
        except (AskOnceError, TimeoutError, ValueError) as error:
            log.warning("metrics.redis_figures_missing", error=type(error).__name__)
            reachable.add_metric((), 0)
            return [*metrics, reachable]
        reachable.add_metric((), 1)
        return [*metrics, reachable, *_of_state(state), *totals, *rates]


def gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value)


def counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value)


def counter_by_kind(name: str, text: str, counts: dict[str, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=("kind",))
    for kind, count in counts.items():
        family.add_metric((kind,), count)
    return family


def _of_state(state: LiveState) -> Iterator[Metric]:
    for name, (value, text) in GAUGES.items():
        yield gauge(name, text, value(state) or 0)
    for name, (lane_value, text) in LANE_GAUGES.items():
        family = GaugeMetricFamily(name, text, labels=("lane",))
        for lane, figures in state.lanes.items():
            family.add_metric((lane,), lane_value(figures) or 0)
        yield family
    yield from _of_budgets(state)


def _of_budgets(state: LiveState) -> Iterator[Metric]:
    """One series per namespace in ASKONCE_BUDGETS."""
    for name, text in (("limit", "Budget of the namespace for its period."), ("spent", "Spent in the current period.")):
        family = GaugeMetricFamily(f"askonce_budget_{name}_dollars", text, labels=("namespace",))
        for budget in state.budgets:
            family.add_metric((budget.namespace,), getattr(budget, name))
        yield family


@asynccontextmanager
async def serving(registry: CollectorRegistry, port: int) -> AsyncIterator[None]:
    """Serve `/metrics` on all addresses. Raises MetricsPortError."""
    try:
        server, thread = start_http_server(port, registry=registry)
    except (OSError, OverflowError) as error:
        raise MetricsPortError(f"ASKONCE_METRICS_PORT: cannot listen on port {port} ({error})") from error
    log.info("metrics.serving", port=port)
    try:
        yield
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()
        await asyncio.to_thread(thread.join)
