"""The client on a Redis that Sentinel watches: it finds the master, again after a failover, and says what was lost."""

import asyncio

import pytest

from askonce import Answer, Client, StoreUnreachable, UnknownJob
from askonce.store.redis_url import check_url, connection_options
from support.sentinel import Watched, watched  # noqa: F401
from support.worker_process import until

MODEL = "m"


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://h1",
        "redis+sentinel:///name/0",
        "redis+sentinel://h1:port/name/0",
        "redis+sentinel://h1,/name/0",
        "redis+sentinel://h1/name/first",
        "redis+sentinel://:secret@[h1/name/0",
        "redis://:se/cret@h1:6379/0",
        "redis://h1/0?db=secret",
    ],
)
def test_a_malformed_url_is_refused_without_being_repeated(url):
    with pytest.raises(ValueError, match="Redis|Sentinel") as raised:
        check_url(url)
    assert "cret" not in str(raised.value)


def test_a_sentinel_url_names_hosts_master_logins_and_database():
    options = connection_options("rediss+sentinel://me:p%40ss@h1,[::1]:7/name/3?sentinel_username=s&ssl_cert_reqs=none")
    sentinels = options["sentinels"]
    assert (sentinels.hosts, sentinels.name) == ((("h1", 26379), ("::1", 7)), "name")
    assert sentinels.options.items() >= {"username": "s", "ssl_cert_reqs": "none"}.items()
    assert (options["username"], options["password"], options["db"]) == ("me", "p@ss", 3)
    assert options["ssl_cert_reqs"] == "none"
    assert "host" not in options


async def came_back(client):
    async def there():
        try:
            return await client.store("is anybody there?", "yes", model=MODEL)
        except StoreUnreachable:
            return False

    await until(there, what="the new master")


async def waits_for(client, job_id, servers):
    """Somebody who waits for its answer, and whom its marker in Redis names already."""
    with servers.server(servers.master) as redis:
        marker = f"askonce:result:default:{job_id}"
        unheard = redis.get(marker)
        waiting = asyncio.create_task(client.result(job_id, timeout=60))
        await until(lambda: asyncio.to_thread(lambda: redis.get(marker) != unheard), what="a listener")
    return waiting


async def test_the_client_goes_on_after_a_failover_and_what_it_lost_is_unknown(watched: Watched):  # noqa: F811
    async with Client(watched.url_of("operator"), model=MODEL) as client:
        await client.store("what is kept?", "this")
        kept = await client.submit("who waits?", job_id="kept")
        with watched.server(watched.replica) as replica:
            await until(lambda: asyncio.to_thread(replica.exists, f"askonce:result:default:{kept}"), what="replication")
        await asyncio.to_thread(watched.cut_the_replica_off)
        lost = await client.submit("who is lost?", job_id="lost")
        waiting = await waits_for(client, lost, watched)
        watched.kill(watched.sentinels[0])
        await asyncio.to_thread(watched.fail_over)
        await came_back(client)
        answer = await client.lookup("what is kept?")
        assert isinstance(answer, Answer)
        assert answer.text == "this"
        assert await client.status([kept, lost]) == {kept: "queued", lost: "unknown"}
        with pytest.raises(UnknownJob):
            await waiting
        assert await client.submit("who is lost?", job_id="lost") == lost
        assert await client.status([lost]) == {lost: "queued"}


async def test_an_unknown_master_is_told_by_its_name_and_no_password(watched: Watched):  # noqa: F811
    async with Client(watched.url_of("producer").replace("/askonce/", "/others/"), model=MODEL) as client:
        with pytest.raises(StoreUnreachable, match="no Sentinel knows the master 'others'") as raised:
            await client.lookup("q")
    assert "of-" not in str(raised.value)
