"""The connection to a provider, down to the bytes: what it sends, keeps, gives up and says went wrong."""

import asyncio
import gzip
import socket
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from askonce_worker.answering.ports import LLMError
from askonce_worker.providers.provider import connect, post

REPLY = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


class Wire:
    """A server that says what it is told: `reply` is sent after each request, None hangs up."""

    url = ""

    def __init__(self) -> None:
        self.reply: bytes | None = REPLY
        self.ready: Callable[[], Awaitable[object]] | None = None
        self.requests: list[bytes] = []
        self.connections = 0
        self.gone = asyncio.Semaphore(0)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                self.requests.append(await reader.readuntil(b"\r\n\r\n"))
                await reader.readuntil(b"}")
                if self.ready is not None:
                    await self.ready()
                if self.reply is None:
                    break
                writer.write(self.reply)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            self.gone.release()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    wire = Wire()
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0)
    wire.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield wire
    server.close()


async def ask(url: str, *, times: int = 1, key: str = "k", timeout: float = 10.0) -> list[bytes]:
    client = connect(api_key=key, base_url=url, timeout=timeout)
    try:
        return await asyncio.gather(*(post(client, "/x", b"{}", timeout=60) for _ in range(times)))
    finally:
        await client.close()


@pytest.mark.parametrize(
    ("kind", "reply"),
    [
        ("connection", None),
        ("connection", b"what?\r\n\r\n"),
        ("connection", b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}"),
        ("timeout", b""),
        ("timeout", b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n{}"),
    ],
)
async def test_a_failure_has_its_true_name_and_leaves_no_connection(wire: Wire, kind: str, reply: bytes | None) -> None:
    wire.reply = reply
    with pytest.raises(LLMError) as raised:
        await ask(wire.url, timeout=0.2 if kind == "timeout" else 10)
    assert (raised.value.kind, raised.value.final) == (kind, False)
    await wire.gone.acquire()
    assert len(wire.requests) == 1


async def test_a_key_that_no_header_can_carry_is_a_failure_like_others(wire: Wire) -> None:
    with pytest.raises(LLMError):
        await ask(wire.url, key="k\nx: y")
    assert wire.requests == []


async def test_compressed_replies_and_long_headers_are_read(wire: Wire) -> None:
    body = gzip.compress(b'{"a": 1}')
    head = f"HTTP/1.1 200 OK\r\nx: {'x' * 30_000}\r\ncontent-encoding: gzip\r\ncontent-length: {len(body)}\r\n\r\n"
    wire.reply = head.encode() + body
    assert await ask(wire.url) == [b'{"a": 1}']


def packed(body: bytes, encoding: str = "gzip") -> bytes:
    data = gzip.compress(body) if encoding == "gzip" else zlib.compress(body)
    return f"HTTP/1.1 200 OK\r\ncontent-encoding: {encoding}\r\ncontent-length: {len(data)}\r\n\r\n".encode() + data


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_small_reply_that_unpacks_to_gigabytes_is_refused_while_it_is_unpacked(
    wire: Wire, encoding: str
) -> None:
    wire.reply = packed(bytes(200_000_000), encoding)
    tracemalloc.start()
    try:
        with pytest.raises(LLMError, match="too large") as raised:
            await ask(wire.url)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (raised.value.kind, raised.value.final) == ("invalid_response", True)
    assert peak < 60_000_000
    await wire.gone.acquire()


async def test_a_reply_without_an_end_is_refused_once_it_is_too_large(wire: Wire) -> None:
    wire.reply = b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 20_000_000
    with pytest.raises(LLMError, match="too large"):
        await ask(wire.url)
    await wire.gone.acquire()


async def test_a_server_that_speaks_no_tls_is_named_as_that() -> None:
    def refuse() -> None:
        with listening.accept()[0] as accepted:
            accepted.recv(65_536)
            accepted.sendall(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as serving:
        served = serving.submit(refuse)
        with pytest.raises(LLMError, match="http:// instead of https://") as raised:
            await ask(f"https://127.0.0.1:{listening.getsockname()[1]}")
        served.result()
    assert raised.value.kind == "connection"


async def test_a_refused_connection_and_an_unknown_host_are_named() -> None:
    with pytest.raises(LLMError, match="refuses connections"):
        await ask("http://127.0.0.1:1")
    with pytest.raises(LLMError, match="host name is not known"):
        await ask("http://no-such-host.invalid")


async def test_no_request_waits_for_anothers_connection(wire: Wire) -> None:
    wire.ready = asyncio.Barrier(150).wait
    assert await ask(wire.url, times=150) == [b"{}"] * 150


async def test_an_idle_connection_serves_the_next_and_ends_with_the_client(wire: Wire) -> None:
    client = connect(api_key="k", base_url=wire.url, timeout=10)
    for _ in range(3):
        await post(client, "/x", b"{}", timeout=60)
    assert (wire.connections, len(wire.requests)) == (1, 3)
    await client.close()
    await wire.gone.acquire()


async def test_a_request_cancelled_amid_its_reply_hangs_up(wire: Wire) -> None:
    wire.reply = b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n{}"
    arrived = asyncio.Event()

    async def tell() -> None:
        arrived.set()

    wire.ready = tell
    client = connect(api_key="k", base_url=wire.url, timeout=60)
    asking = asyncio.create_task(post(client, "/x", b"{}", timeout=60))
    await arrived.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await wire.gone.acquire()
    await client.close()


async def test_the_environments_proxy_is_used_except_for_this_machine(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", wire.url)
    assert await ask("http://provider.invalid/v1") == [b"{}"]
    assert wire.requests[0].startswith(b"POST http://provider.invalid/v1/x ")
    assert await ask(wire.url) == [b"{}"], "no proxy leads to this machine"
    assert wire.requests[1].startswith(b"POST /x ")
