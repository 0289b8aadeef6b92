"""A worker's observers: metrics, traces, both or neither, depending on the settings."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from askonce.operator.admin import Admin
from askonce.prices.load import Prices
from askonce_worker.answering.chunk_job import Around, nothing_around
from askonce_worker.answering.lead_or_follow import LeadOrFollow
from askonce_worker.answering.ports import Finished
from askonce_worker.answering.stages import Stage, observed_by
from askonce_worker.cache.semantic import QdrantSemanticCache
from askonce_worker.health.parts import PartHealth
from askonce_worker.inflight.coalescer import RedisCoalescer
from askonce_worker.logs.unreadable import Refusals
from askonce_worker.providers.calls import Call, OnCall, unobserved
from askonce_worker.providers.embeddings import OpenAIEmbedder
from askonce_worker.settings import Settings
from askonce_worker.telemetry.installation import InstallationCounters
from askonce_worker.telemetry.metrics import Metrics
from askonce_worker.telemetry.metrics_server import LiveFigures, Reading, counter, counter_by_kind, gauge, serving
from askonce_worker.telemetry.tracing import Tracing, tracing

SAMPLE = 16
"""Jobs of a lane searched for the oldest: each worker is scraped every few seconds."""


@dataclass(frozen=True, slots=True)
class Watch:
    """metrics: None without a metrics port. traces: None if tracing is off."""

    metrics: Metrics | None
    traces: Tracing | None

    @property
    def stage(self) -> Stage:
        stages: list[Stage] = [watcher.stage for watcher in (self.metrics, self.traces) if watcher is not None]
        return observed_by(stages)

    @property
    def around(self) -> Around:
        return nothing_around if self.traces is None else self.traces.chunk

    @property
    def on_call(self) -> OnCall:
        watchers = [watcher.called for watcher in (self.metrics, self.traces) if watcher is not None]
        if not watchers:
            return unobserved

        def tell(call: Call) -> None:
            for watcher in watchers:
                watcher(call)

        return tell

    @property
    def on_published(self) -> list[Callable[[list[Finished]], None]]:
        return [] if self.metrics is None else [self.metrics.published]

    def retried(self, kind: str, model: str) -> None:
        if self.metrics is not None:
            self.metrics.retried(kind, model)

    def lease_lost(self) -> None:
        if self.metrics is not None:
            self.metrics.lease_lost()


def watch(settings: Settings) -> Watch:
    return Watch(Metrics() if settings.metrics_port else None, tracing())


@dataclass(frozen=True, slots=True)
class Figures:
    """The parts of a worker that report figures."""

    coalescer: RedisCoalescer
    lead_or_follow: LeadOrFollow
    embedder: OpenAIEmbedder
    vectors: QdrantSemanticCache | None
    refusals: Refusals
    health: PartHealth

    def read(self) -> list[Metric]:
        leading, following = self.coalescer.leading, self.coalescer.following
        takeovers, broken = self.lead_or_follow.takeovers, int(self.embedder.is_broken)
        refused = {**self.refusals.counts, "feed": self.coalescer.counters["unreadable"]}
        failures, failing = dict(self.health.failures), len(self.health.failing)
        return [
            gauge("askonce_leaders", "Questions in flight on this worker that others may follow.", leading),
            gauge("askonce_followers", "Questions of this worker waiting for a leader's answer.", following),
            self._pace(),
            gauge("askonce_embeddings_broken", "1 while vectors are unused: different texts got the same one.", broken),
            counter("askonce_takeovers", "Followers that asked the LLM in place of their leader.", takeovers),
            counter_by_kind("askonce_refused", "Records in Redis that could not be read, by kind.", refused),
            gauge("askonce_parts_failing", "Parts of this worker that keep failing.", failing),
            counter_by_kind("askonce_part_failures", "Failures of this worker's parts, by part.", failures),
        ]

    def _pace(self) -> Metric:
        family = GaugeMetricFamily(
            "askonce_under_way_most", "Current limit of this worker's concurrent texts or searches at a server.",
            labels=("server",),
        )  # fmt: skip
        family.add_metric(("embeddings",), self.embedder.most_under_way)
        if self.vectors is not None:
            family.add_metric(("qdrant",), self.vectors.most_under_way)
        return family


@asynccontextmanager
async def serving_metrics(watch: Watch, settings: Settings, prices: Prices, figures: Figures) -> AsyncIterator[None]:
    """Serve metrics while the block runs, if a port is set. Raises MetricsPortError."""
    if watch.metrics is None:
        yield
        return
    async with AsyncExitStack() as stack:
        admin = Admin(settings.redis_url.get_secret_value(), key_prefix=settings.key_prefix)
        stack.push_async_callback(admin.aclose)
        loop = asyncio.get_running_loop()
        totals = InstallationCounters(admin.totals, prices)
        live = LiveFigures(loop, Reading(lambda: admin.now(sample=SAMPLE), totals, admin.wrong_rates, figures.read))
        watch.metrics.registry.register(live)
        port = settings.metrics_port + settings.process_index
        await stack.enter_async_context(serving(watch.metrics.registry, port))
        yield
