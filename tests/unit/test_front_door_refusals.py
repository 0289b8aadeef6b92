"""What the front door replies where there is no answer."""

import asyncio
import os
import signal

import httpx
import orjson
import pytest
import uvicorn
from starlette.requests import ClientDisconnect, Request
from starlette.routing import Route

from askonce.answer import Answer, AnswerError
from askonce.errors import QuestionFailed
from askonce.serve.app import make_app
from askonce.serve.completion_chunks import failed_chunk
from askonce.serve.refusals import refusal_of
from askonce.serve.serve_settings import ServeSettings
from askonce.serve.shutdown import when_told_to_stop
from askonce.serve.streaming import EventStreams
from support.ports import free_port
from support.worker_process import until


@pytest.mark.parametrize(
    ("kind", "status", "body", "replied", "retry"),
    [
        ("bad_request", 422, {"message": "no"}, 422, "false"),
        ("invalid_response", 200, {"message": "no JSON"}, 502, None),
        ("invalid_response", 200, None, 502, None),
        ("connection", None, None, 503, None),
        ("quota", None, None, 429, "false"),
        ("budget", None, None, 429, "false"),
        ("expired", None, None, 408, None),
        ("invalid_answer", None, None, 502, "false"),
    ],
)
def test_a_failed_answer_never_looks_like_a_success(kind, status, body, replied, retry):
    failed = Answer(job_id="j", status="failed", error=AnswerError(kind, "why", status), body=body)
    reply = refusal_of(QuestionFailed(failed))
    assert reply.status_code == replied
    assert reply.headers["x-askonce-error"] == kind
    assert reply.headers["x-askonce-job-id"] == "j"
    assert reply.headers.get("x-should-retry") == retry
    error = orjson.loads(reply.body)["error"]
    assert error["message"] == (body or {"message": "why"})["message"]
    if kind in ("quota", "budget"):
        assert (error["type"], error["code"]) == ("insufficient_quota", "insufficient_quota")


async def test_a_request_that_the_end_of_the_server_cuts_off_is_told_to_ask_again():
    begun = asyncio.Event()

    async def never(_):
        begun.set()
        await asyncio.Event().wait()

    port, app = free_port(), make_app(ServeSettings())
    app.router.routes.insert(0, Route("/never", never))
    config = uvicorn.Config(app, port=port, lifespan="off", timeout_graceful_shutdown=1, log_level="critical")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve())

    async def started():
        return server.started

    await until(started, what="the server")
    async with httpx.AsyncClient(timeout=60) as http:
        asked = asyncio.create_task(http.get(f"http://127.0.0.1:{port}/never"))
        await asyncio.wait_for(begun.wait(), 60)
        server.should_exit = True
        reply = await asked
    await serving
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
    assert (reply.json()["error"]["type"], reply.json()["error"]["code"]) == ("server_error", "server_ending")


async def test_a_signal_to_stop_is_heard_at_once_and_means_what_it_did():
    heard, told = [], asyncio.Event()
    before = signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    try:
        with when_told_to_stop(told.set):
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.wait_for(told.wait(), 60)
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == [signal.SIGTERM] * 2


async def streamed(work):
    async def receive():
        await asyncio.Event().wait()

    request = Request({"type": "http", "method": "POST", "headers": []}, receive)
    return await EventStreams(None, quiet=0.01).of(request, work, lambda _: iter(()), failed_chunk)


async def test_a_fault_after_a_stream_has_begun_is_its_last_event():
    async def work():
        await asyncio.sleep(0.2)
        raise ValueError("of the question itself")

    reply = await streamed(work())
    *_, last = [part async for part in reply.body_iterator]
    assert orjson.loads(last.removeprefix(b"data: "))["error"]["code"] == "internal_error"
    assert b"of the question" not in last


async def test_a_stream_that_nobody_reads_a_word_of_waits_for_nothing():
    ended = asyncio.Event()

    async def work():
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def gone(*_):
        raise OSError("the client is gone")

    reply = await streamed(work())
    with pytest.raises(ClientDisconnect):
        await reply({"type": "http", "asgi": {"spec_version": "2.4"}}, gone, gone)
    assert ended.is_set()


async def test_the_root_leads_to_the_page_behind_a_prefix_too():
    transport = httpx.ASGITransport(make_app(ServeSettings()), root_path="/prefix")
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        for path in ("/prefix/", "/prefix/ui"):
            assert (await http.get(path)).headers["location"] == "/prefix/ui/"
