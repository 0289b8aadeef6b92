"""A worker process sends its spans where the OTEL_* variables say, and none where they say nothing."""

import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from askonce_worker.telemetry.trace_export import exporters_wanted
from support.asking import client_for, collected, settings_for
from support.spans import recorded
from support.worker_process import workers


class Collector(ThreadingHTTPServer):
    """A collector of OTLP over HTTP."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Receiver)
        self.received = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def spans(self):
        """With the attributes of their resource."""
        return [
            ({entry.key: entry.value.string_value for entry in resource.resource.attributes}, span)
            for request in self.received
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        assert self.path == "/v1/traces"
        self.server.received.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def collector():
    with Collector() as collector:
        thread = threading.Thread(target=collector.serve_forever)
        thread.start()
        yield collector
        collector.shutdown()
        thread.join()


@pytest.fixture
def settings(valkey_url, embedded_qdrant_url, llm_server, prefix):
    return settings_for(valkey_url, embedded_qdrant_url, llm_server, prefix)


async def test_spans_reach_the_collector_that_the_environment_names(settings, collector):
    traced = {**settings, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_EXPORTER_OTLP_COMPRESSION": "none"}
    with recorded() as application:
        async with client_for(settings) as client, workers(1, traced) as [worker]:
            with application.tracer.start_as_current_span("backend request") as request:
                first = await client.submit("Where do spans go? [gx1]")
                await client.ask("And those of who waits? [gx3]", timeout=60)
                rest = await client.submit_many(["And many at once? [gx4]", "All of them? [gx5]"])
            await collected(client, [first, *rest])
            assert await worker.stop() == 0
    spans = collector.spans()
    assert {"askonce.chunk", "askonce.exact", "chat test-model"} <= {span.name for _, span in spans}
    assert sum(span.name == "askonce.chunk" for _, span in spans) == 3
    assert {span.trace_id for _, span in spans} == {request.context.trace_id.to_bytes(16, "big")}
    assert {resource["service.name"] for resource, _ in spans} == {"askonce-worker"}


async def test_a_service_name_of_ones_own_is_kept(settings, collector):
    own = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{collector.url}/v1/traces", "OTEL_SERVICE_NAME": "answers"}
    async with client_for(settings) as client, workers(1, {**settings, **own}) as [worker]:
        await collected(client, [await client.submit("Who am I? [gx2]")])
        assert await worker.stop() == 0
    assert {resource["service.name"] for resource, _ in collector.spans()} == {"answers"}


WITHOUT = """
import asyncio, sys
sys.modules["opentelemetry"] = None
from askonce_worker.process import service
from askonce_worker.telemetry import trace_export
from askonce_worker.telemetry import tracing
async def main():
    async with trace_export.exporting({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}):
        assert tracing.tracing() is None
asyncio.run(main())
"""


def test_where_opentelemetry_is_not_installed_a_worker_says_so_and_runs():
    ran = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "askonce[otel]" in ran.stdout + ran.stderr


@pytest.mark.parametrize(
    ("environment", "names"),
    [
        ({}, []),
        ({"OTEL_SERVICE_NAME": "x"}, []),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, []),
        ({"OTEL_SDK_DISABLED": "True", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, []),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, ["otlp_proto_http"]),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c"}, ["otlp_proto_http"]),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, ["otlp_proto_grpc"]),
        ({"OTEL_TRACES_EXPORTER": "console, otlp"}, ["console", "otlp_proto_http"]),
    ],
)
def test_which_exporters_the_environment_asks_for(environment, names):
    assert exporters_wanted(environment) == names
