"""The trace of who submits goes on in the worker: a span for each chunk, and within it one for each stage."""

import asyncio
import subprocess
import sys

import orjson
import pytest
from opentelemetry.trace import SpanKind, StatusCode

from askonce import Question, QuestionFailed
from askonce.contract.chunk import pack, unpack
from askonce.contract.trace_context import current_trace
from askonce_worker.answering.stages import unobserved
from support.spans import recorded
from support.wired import MODEL, wired_workers

STAGES = {"askonce.exact", "askonce.embed", "askonce.semantic", "askonce.turn", "askonce.claim", "askonce.publish"}
CHAT = f"chat {MODEL}"
SECRETS = {"OPENAI_API_KEY": "sk-secret-of-the-llm", "ASKONCE_EMBEDDING_API_KEY": "sk-secret-of-the-embeddings"}


@pytest.fixture
def settings(settings, llm_server):
    return {**settings, "ASKONCE_EMBEDDING_BASE_URL": llm_server.base_url, **SECRETS}


@pytest.fixture
def spans():
    with recorded() as spans:
        yield spans


async def test_a_chunks_span_and_its_stages_belong_to_the_trace_of_the_submit(settings, spans):
    async with wired_workers(1, settings) as [worker]:
        with spans.tracer.start_as_current_span("backend request") as request:
            [answer] = await worker.ask("Whose trace is it? [g1]")
    assert answer.source == "llm"
    [chunk] = spans.named("askonce.chunk")
    assert (chunk.context.trace_id, chunk.parent.span_id) == (request.context.trace_id, request.context.span_id)
    assert chunk.kind is SpanKind.CONSUMER
    assert chunk.attributes["messaging.destination.name"] == "interactive"
    assert chunk.attributes["messaging.batch.message_count"] == 1
    assert chunk.links == ()
    inside = [span for span in spans.all() if span.parent and span.parent.span_id == chunk.context.span_id]
    assert {span.name for span in inside} == STAGES | {CHAT}
    assert all(chunk.start_time <= span.start_time <= span.end_time <= chunk.end_time for span in inside)


async def test_the_call_of_the_llm_is_told_in_opentelemetrys_words(settings, spans, llm_server):
    await llm_server.fail("chat", "status", status=500, times=1)
    async with wired_workers(1, settings) as [worker]:
        [answer] = await worker.ask("How many tokens? [g2]")
    [call] = spans.named(CHAT)
    assert call.kind is SpanKind.CLIENT
    assert (call.attributes["gen_ai.operation.name"], call.attributes["gen_ai.request.model"]) == ("chat", MODEL)
    usage = answer.usage
    assert call.attributes["gen_ai.usage.input_tokens"] == usage["prompt_tokens"] > 0
    assert call.attributes["gen_ai.usage.output_tokens"] == usage["completion_tokens"] > 0
    assert [(event.name, dict(event.attributes)) for event in call.events] == [
        ("askonce.try_failed", {"error.type": "server_error"})
    ]
    assert call.status.status_code is StatusCode.UNSET


async def test_a_chunk_of_several_traces_goes_on_with_one_and_links_to_the_others(settings, spans):
    async def submit(worker, number):
        with spans.tracer.start_as_current_span(f"request {number}") as request:
            await worker.client.submit(f"Shared chunk, part {number}? [g3{number}]")
            return request.context

    async with wired_workers(1, settings) as [worker]:
        await worker.client.lookup("a connection is there")
        first, second, third = await asyncio.gather(*(submit(worker, number) for number in range(3)))
        await worker.run_next()
    [chunk] = spans.named("askonce.chunk")
    assert chunk.attributes["messaging.batch.message_count"] == 3
    assert chunk.parent.span_id == first.span_id
    assert {link.context.span_id for link in chunk.links} == {second.span_id, third.span_id}
    assert {link.context.trace_id for link in chunk.links} == {second.trace_id, third.trace_id}


async def test_a_failure_is_told_by_its_kind_and_nothing_that_is_asked_or_secret_is_in_a_span(
    settings, spans, llm_server
):
    await llm_server.fail("chat", "status", status=400, message="you asked: my private question [g4]")
    async with wired_workers(1, settings) as [worker]:
        with spans.tracer.start_as_current_span("backend request"), pytest.raises(QuestionFailed):
            await worker.ask(Question("my private question [g4]", system="a private instruction"))
    [call] = spans.named(CHAT)
    assert (call.status.status_code, call.status.description) == (StatusCode.ERROR, "bad_request")
    assert call.attributes["error.type"] == "bad_request"
    assert [event.name for event in call.events] == ["askonce.try_failed"]
    said = spans.said()
    assert "private" not in said
    assert "secret" not in said
    assert settings["ASKONCE_REDIS_URL"] not in said


async def test_a_question_that_comes_without_a_trace_begins_one(settings, spans):
    async with wired_workers(1, settings) as [worker]:
        await worker.ask("Nobody's? [g5]")
    [chunk] = spans.named("askonce.chunk")
    assert chunk.parent is None


async def test_without_a_provider_nothing_is_traced_and_nothing_carried(settings):
    async with wired_workers(1, settings) as [worker]:
        assert worker.service.watch.stage is unobserved
        assert worker.service.watch.traces is None
        await worker.ask("Untraced? [g6]")
    assert current_trace() == ""


def test_a_chunk_carries_its_traces_and_is_as_before_without_any():
    question = Question("?", model="m", namespace="n", job_id="j").checked(namespace="n", model="m")
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with_traces, without = (orjson.loads(pack("n", 1000, [question], traces)) for traces in ([trace], []))
    assert with_traces.pop("traces") == [trace]
    assert with_traces == without
    assert unpack(with_traces).traces == ()
    assert unpack({**without, "traces": [trace]}).traces == (trace,)


@pytest.mark.parametrize(
    "spoilt",
    [
        "text", 7, {"a": 1}, [None, 3, "", "00-x-y-01", [], "00-" + "0" * 32 + "-b7ad6b7169203331-01"],
        ["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nevil: 1"],
    ],
)  # fmt: skip
def test_traces_that_are_none_harm_no_question(spoilt):
    chunk = {"v": 1, "namespace": "n", "timeout_ms": 1, "scopes": [{"model": "m"}]}
    read = unpack({**chunk, "questions": [{"id": "j", "text": "?", "scope": 0}], "traces": spoilt})
    assert (len(read.questions), read.traces) == (1, ())


def test_the_client_does_not_load_opentelemetry():
    code = (
        "import sys, askonce, askonce.session; sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
