"""Sets up OpenTelemetry's SDK from the OTEL_* variables: exporters, service name and sampling."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import structlog

from askonce_worker.telemetry.tracing import tracing

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

log = structlog.get_logger()

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")


@asynccontextmanager
async def exporting(environ: Mapping[str, str] = os.environ) -> AsyncIterator[None]:
    """Set up exporting as configured, unless a provider is already set. Flushes the last spans on exit."""
    provider = _provider(environ)
    try:
        yield
    finally:
        if provider is not None:
            await asyncio.to_thread(provider.shutdown)


def exporters_wanted(environ: Mapping[str, str]) -> list[str]:
    """Names of exporters, as OpenTelemetry's packages register them."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return []
    asked = environ.get("OTEL_TRACES_EXPORTER") or ("otlp" if any(environ.get(name) for name in ENDPOINTS) else "none")
    protocol = next((environ[name] for name in PROTOCOLS if environ.get(name)), "http/protobuf")
    otlp = "otlp_proto_grpc" if protocol == "grpc" else "otlp_proto_http"
    names = [name.strip() for name in asked.split(",")]
    return [otlp if name == "otlp" else name for name in names if name not in ("", "none")]


def _provider(environ: Mapping[str, str]) -> "TracerProvider | None":
    wanted = exporters_wanted(environ)
    if not wanted or tracing() is not None:
        return None
    try:
        from opentelemetry import trace  # noqa: PLC0415
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError:
        log.warning("tracing.off", reason="OTEL_* is set, but the SDK is not installed: pip install 'askonce[otel]'")
        return None
    resource = Resource.create({"service.name": "askonce-worker"}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    for name in wanted:
        found = list(entry_points(group="opentelemetry_traces_exporter", name=name))
        if not found:
            log.warning("tracing.no_exporter", name=name)
            continue
        provider.add_span_processor(BatchSpanProcessor(found[0].load()()))
    trace.set_tracer_provider(provider)
    log.info("tracing.on", exporters=wanted)
    return provider
