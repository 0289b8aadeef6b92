"""Connections that send headers slowly, or without an end, are closed; others are served."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route
from uvicorn import Config, Server

from askonce.serve import http_protocol
from askonce.serve.http_protocol import MOST, PatientProtocol

REQUEST = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"
CHUNKED = b"POST %s HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"


async def hello(request):
    return PlainTextResponse(f"hello {len(await request.body())}")


async def unread(_):
    return PlainTextResponse("unread")


async def stream(_):
    async def parts():
        for n in range(10):
            yield f"part {n}"
            await asyncio.sleep(0.1)

    return StreamingResponse(parts())


@pytest.fixture
async def port():
    routes = [("/", hello), ("/unread", unread), ("/stream", stream)]
    app = Starlette(routes=[Route(path, endpoint, methods=["GET", "POST"]) for path, endpoint in routes])
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


@pytest.mark.parametrize("path", [b"/", b"/unread"])
async def test_trailers_that_never_end_are_refused(port, path):
    async with connection(port) as (reader, writer):
        writer.write(CHUNKED % path + b"0\r\n")
        with pytest.raises(ConnectionError):
            while True:
                writer.write(b"x: " + b"a" * 1000 + b"\r\n")
                await writer.drain()
        reader.feed_eof()


@pytest.mark.parametrize(("request_", "drop"), [(REQUEST, b"\r\n"), (CHUNKED % b"/unread", b"1\r\na\r\n")])
async def test_what_comes_without_a_request_keeps_no_connection(port, monkeypatch, request_, drop):
    monkeypatch.setattr(http_protocol, "SECONDS", 0.3)
    async with connection(port) as (reader, writer):
        writer.write(request_)
        await reader.readuntil(b"\r\n\r\n")
        with pytest.raises(ConnectionError):
            while True:
                writer.write(drop)
                await writer.drain()
                await asyncio.sleep(0.05)


async def test_a_request_that_has_begun_does_not_cut_off_the_reply_before_it(port, monkeypatch):
    monkeypatch.setattr(http_protocol, "SECONDS", 0.3)
    async with connection(port) as (reader, writer):
        writer.write(REQUEST.replace(b"/", b"/stream", 1) + REQUEST[:-2])
        await reader.readuntil(b"part 9")


async def test_a_body_is_no_header_of_the_request_after_it(port, monkeypatch):
    monkeypatch.setattr(http_protocol, "MOST", 1000)
    async with connection(port) as (reader, writer):
        body = b"x" * 20_000
        expects = b"host: localhost\r\nexpect: 100-continue\r\ncontent-length: %d\r\n\r\n" % len(body)
        writer.write(b"POST / HTTP/1.1\r\n" + expects)
        await reader.readuntil(b"100 Continue")
        writer.write(body + REQUEST[:-2])
        await reader.readuntil(b"hello %d" % len(body))
        writer.write(b"\r\n")
        await reader.readuntil(b"hello 0")
