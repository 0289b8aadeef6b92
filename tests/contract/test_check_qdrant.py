"""`askonce-worker check` says what is wrong at Qdrant's address: the scheme, the port, or that nothing is there."""

import asyncio
from urllib.parse import urlsplit

import pytest

from askonce_worker.check.servers import qdrant
from askonce_worker.settings import Settings
from support.ports import free_port
from support.tls import NAME, Authority, tls_proxy


def said(url):
    return qdrant(Settings(qdrant_url=url))


@pytest.fixture
def authority(tmp_path, monkeypatch):
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    return authority


async def test_a_plain_server_behind_https_and_one_with_tls_behind_http(embedded_qdrant_url, authority):
    port = urlsplit(embedded_qdrant_url).port
    assert (await said(embedded_qdrant_url)).ok
    found = await said(f"https://127.0.0.1:{port}")
    assert not found.ok
    assert "write http:// instead of https://" in found.advice
    async with tls_proxy(port, authority.context(NAME)) as secured:
        assert (await said(f"https://{NAME}:{secured}")).ok
        found = await said(f"http://{NAME}:{secured}")
        assert not found.ok
        assert "write https:// instead of http://" in found.advice


async def test_a_port_that_speaks_rest():
    async def rest(reader, writer):
        await reader.readline()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(rest, "127.0.0.1", 0) as server:
        found = await said(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert not found.ok
    assert "speaks REST" in found.advice


async def test_a_port_where_nothing_is():
    found = await said(f"http://127.0.0.1:{free_port()}")
    assert not found.ok
    assert "nothing answers at port" in found.advice
