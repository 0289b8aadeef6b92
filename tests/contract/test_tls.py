"""TLS to Redis and to Qdrant: who has the right certificate is talked to, and nobody else."""

from urllib.parse import urlsplit

import pytest
from redis.exceptions import RedisError

from askonce import Client
from askonce.errors import StoreUnreachable
from askonce_worker.answering.ports import SemanticCacheDown
from askonce_worker.cache.qdrant_channel import QdrantChannel
from askonce_worker.cache.semantic import QdrantSemanticCache
from askonce_worker.check.findings import findings
from askonce_worker.redis.connection import connect_redis
from askonce_worker.settings import Settings
from support.services import RealService
from support.tls import NAME, Authority, tls_proxy


@pytest.fixture
def authority(tmp_path, monkeypatch):
    """Trusted by this process."""
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    return authority


def port_of(url):
    return urlsplit(url).port


def over_tls(port, query=""):
    return f"rediss://{NAME}:{port}/0{query}"


async def test_client_and_worker_reach_a_redis_that_is_who_it_says(valkey_url, prefix, authority):
    async with tls_proxy(port_of(valkey_url), authority.context(NAME)) as port:
        async with (
            RealService(valkey_url, prefix),
            Client(over_tls(port), key_prefix=prefix, model="m") as client,
        ):
            assert (await client.ask("who is there?")).text == "answer to: who is there?"
        async with connect_redis(over_tls(port)) as redis:
            assert await redis.ping()


async def test_a_redis_with_another_name_is_refused(valkey_url, prefix, authority):
    async with tls_proxy(port_of(valkey_url), authority.context("elsewhere.example")) as port:
        async with Client(over_tls(port), key_prefix=prefix, model="m") as client:
            with pytest.raises(StoreUnreachable, match=f"not valid for '{NAME}'"):
                await client.lookup("who is there?")
        async with connect_redis(over_tls(port), reconnects=0) as redis:
            with pytest.raises(RedisError, match=f"not valid for '{NAME}'"):
                await redis.ping()
        [said] = await redis_findings(over_tls(port))
        assert not said.ok
        assert f"not valid for '{NAME}'" in said.state
        assert "SSL_CERT_FILE" in said.advice


async def test_a_redis_of_an_unknown_authority_is_refused(valkey_url, prefix, authority, tmp_path):
    (tmp_path / "another").mkdir()
    another = Authority(tmp_path / "another")
    async with (
        tls_proxy(port_of(valkey_url), another.context(NAME)) as port,
        Client(over_tls(port), key_prefix=prefix, model="m") as client,
    ):
        with pytest.raises(StoreUnreachable, match="certificate verify failed"):
            await client.lookup("who is there?")


async def test_the_url_may_name_the_authority_or_take_any_name(valkey_url, prefix, tmp_path):
    authority = Authority(tmp_path)
    async with tls_proxy(port_of(valkey_url), authority.context("elsewhere.example")) as port:
        query = f"?ssl_ca_certs={authority.file}&ssl_check_hostname=false"
        async with Client(over_tls(port, query), key_prefix=prefix, model="m") as client:
            assert await client.lookup("who is there?") is None
        async with Client(over_tls(port, "?ssl_cert_reqs=none"), key_prefix=prefix, model="m") as client:
            assert await client.lookup("who is there?") is None


async def test_qdrant_is_reached_under_its_own_name_alone(embedded_qdrant_url, prefix, authority):
    upstream = port_of(embedded_qdrant_url)
    async with tls_proxy(upstream, authority.context(NAME)) as port:
        assert await points_at(f"https://{NAME}:{port}", prefix) == 0
        async with tls_proxy(upstream, authority.context("elsewhere.example")) as wrong:
            with pytest.raises(SemanticCacheDown, match="UNAVAILABLE.*[Hh]ostname"):
                await points_at(f"https://{NAME}:{wrong}", prefix)
            [said] = await qdrant_findings(f"https://{NAME}:{wrong}")
            assert not said.ok
            assert "SSL_CERT_FILE" in said.advice


async def points_at(url, prefix):
    client = QdrantChannel(url)
    semantic = QdrantSemanticCache(client, embedding_model="m", now=lambda: 0.0, prefix=prefix, timeout=5)
    try:
        return await semantic.count()
    finally:
        await semantic.close()


NOWHERE = "http://127.0.0.1:9/v1"


async def findings_of(part, **settings):
    found = await findings(Settings(OPENAI_BASE_URL=NOWHERE, OPENAI_API_KEY="none", **settings))
    return [finding for finding in found if finding.part == part]


async def redis_findings(url):
    return await findings_of("redis", redis_url=url)


async def qdrant_findings(url):
    return await findings_of("qdrant", redis_url="redis://127.0.0.1:9/0", qdrant_url=url)
