"""The page with the rights that deploy/redis/users.acl gives to the front door."""
# ruff: noqa: F811

import re

import httpx
from redis import Redis

from askonce.operator.access_keys import AccessKeys
from support.acl import guarded_valkey  # noqa: F401
from support.front_door import front_door
from support.worker_process import until


async def test_the_page_is_served_with_the_front_doors_rights(guarded_valkey, prefix):
    settings = {"ASKONCE_REDIS_URL": guarded_valkey.url_of("front-door"), "ASKONCE_KEY_PREFIX": prefix}
    async with (
        AccessKeys(guarded_valkey.url_of("operator"), key_prefix=prefix) as keys,
        front_door(settings, guarded=False) as door,
        httpx.AsyncClient(base_url=door.root, timeout=30, follow_redirects=True) as http,
    ):
        token = await keys.add("ada", namespace=None, rights=frozenset({"read", "operator"}))
        await until(lambda: has(http, "/ui/", "Log in"), what="the need of a key")
        form = (await http.get("/ui/login")).text
        csrf = re.search(r'name="csrf" value="([^"]+)"', form)[1]
        assert "Savings" in (await http.post("/ui/login", data={"csrf": csrf, "key": token})).text
        for page in ("savings", "matches", "entries", "work"):
            assert (await http.get(f"/ui/{page}")).status_code == 200
        assert "Nothing is cached yet." in (await http.get("/ui/entries")).text
        assert '<option value="nobody" selected>' in (await http.get("/ui/", params={"namespace": "nobody"})).text
        csrf = re.search(r'name="csrf" value="([^"]+)"', (await http.get("/ui/work")).text)[1]
        assert "Entries" in (await http.post("/ui/work/count", data={"csrf": csrf})).text
        assert "Why no hit" in (await http.post("/ui/entries/why", data={"csrf": csrf, "text": "a", "model": "m"})).text
        assert "Work" in (await http.post("/ui/work/invalidate", data={"csrf": csrf, "model": "m"})).text
        assert "Log in" in (await http.post("/ui/logout", data={"csrf": csrf})).text
    with Redis.from_url(guarded_valkey.url) as redis:
        assert [entry for entry in redis.acl_log() if entry["username"] != "default"] == []


async def has(http, path, text):
    return text in (await http.get(path)).text
