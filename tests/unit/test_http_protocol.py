"""Connections that send headers slowly, or without an end, are closed; others are served."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from uvicorn import Config, Server

from askonce.serve import http_protocol
from askonce.serve.http_protocol import MOST, PatientProtocol

REQUEST = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"


async def hello(request):
    return PlainTextResponse(f"hello {len(await request.body())}")


@pytest.fixture
async def port():
    app = Starlette(routes=[Route("/", hello, methods=["GET", "POST"])])
    server = Server(Config(app, port=0, http=PatientProtocol, ws="none", lifespan="off", log_level="critical"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.005)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await serving


@asynccontextmanager
async def connection(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(20):
            yield reader, writer
    finally:
        writer.close()


async def test_headers_that_never_end_are_refused(port):
    async with connection(port) as (reader, writer):
        writer.write(REQUEST[:-2] + b"x: " + b"a" * MOST)
        said = await reader.read()
        assert said.startswith(b"HTTP/1.1 400")
        assert b"too long" in said


async def test_a_later_request_has_to_come_in_time_as_the_first_one_has(port, monkeypatch):
    monkeypatch.setattr(http_protocol, "SECONDS", 0.3)
    async with connection(port) as (reader, writer):
        for _ in range(3):
            writer.write(REQUEST)
            assert (await reader.readuntil(b"hello 0")).startswith(b"HTTP/1.1 200")
        writer.write(REQUEST[:-2])
        assert await reader.read() == b""
    async with connection(port) as (reader, writer):
        assert await reader.read() == b""


async def test_a_long_body_is_no_long_header(port):
    async with connection(port) as (reader, writer):
        body = b"x" * (4 * MOST)
        for _ in range(2):
            writer.write(b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
            await reader.readuntil(b"hello %d" % len(body))
