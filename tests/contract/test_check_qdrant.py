"""`askonce-worker check` says what is wrong at Qdrant's address: the scheme, the port, or that nothing is there."""

import asyncio
from urllib.parse import urlsplit

import pytest

from askonce_worker.cache.qdrant_messages import collection_of
from askonce_worker.check.qdrant_collection import collections
from askonce_worker.check.servers import qdrant
from askonce_worker.settings import Settings, SettingsError, load_settings
from support.faulty_qdrant import faulty_qdrant
from support.official_qdrant import official_client
from support.ports import free_port
from support.qdrant_limits import ApiKeys
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


@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")
async def test_a_key_that_only_reads_is_named(embedded_qdrant_url, prefix):
    async with faulty_qdrant(embedded_qdrant_url) as server:
        server.keys = ApiKeys("secret", read_only="look")
        read_only = Settings(qdrant_url=server.url, qdrant_api_key="look", key_prefix=prefix)
        found = await qdrant(read_only)
        assert not found.ok
        assert "is read-only" in found.advice, "where there is no collection yet"

        settings = Settings(qdrant_url=server.url, qdrant_api_key="secret", key_prefix=prefix)
        assert (await qdrant(settings)).ok
        client = official_client(server.url, api_key="secret")
        name = f"{prefix}-text-embedding-3-small-8"
        await client.grpc_collections.Create(collection_of(name, 8))
        found = await qdrant(read_only)
        assert not found.ok
        assert "is read-only" in found.advice, "where there is one"
        assert (await qdrant(settings)).ok
        [described] = await collections(settings)
        assert (described.ok, described.configured) == (True, name)
        assert "green, 0 vectors, 1 shard, quantisation none" in described.state
        await client.delete_collection(name)
        await client.close()


async def test_an_old_server_is_refused_and_an_older_one_gets_an_advice(embedded_qdrant_url):
    async with faulty_qdrant(embedded_qdrant_url) as server:
        server.version = "1.12.1"
        found = await said(server.url)
        assert (found.ok, "1.12.1 is too old" in found.advice) == (False, True)
        server.version = "1.16.3"
        found = await said(server.url)
        assert (found.ok, "1.17.0 or newer is recommended" in found.advice) == (True, True)


def test_a_url_without_a_scheme_is_refused_in_one_line(monkeypatch):
    monkeypatch.setenv("ASKONCE_QDRANT_URL", "qdrant:6334")
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert str(refused.value).startswith("ASKONCE_QDRANT_URL: ")
    assert "write http:// or https://" in str(refused.value)
    assert "\n" not in str(refused.value)
