"""How long an upload may take."""

import asyncio

import pytest
from starlette.requests import Request

from askonce.serve import file_routes, upload
from askonce.serve.file_routes import FileRoutes
from askonce.serve.refusals import Refused
from askonce.served.batches import TooMany


@pytest.mark.parametrize(("limit", "word"), [("LONGEST", "did not arrive within"), ("SILENCE", "nothing of the body")])
async def test_an_upload_that_never_ends_is_given_up(monkeypatch, limit, word):
    monkeypatch.setattr(upload, limit, 0.05)

    async def receive():
        await asyncio.sleep(0.001 if limit == "LONGEST" else 60)
        return {"type": "http.request", "body": b"", "more_body": True}

    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", b"multipart/form-data; boundary=b")]}
    with pytest.raises(Refused, match=word) as caught:
        async with upload.uploaded(Request(scope, receive), 1000):
            pass
    assert caught.value.status == 408


class Tenants:
    async def of(self, request):
        return None, "n"


class Files:
    most, count, room = 1000, 3, True

    async def check_room(self, namespace):
        if not self.room:
            raise TooMany


async def test_a_process_takes_so_many_uploads_at_a_time(monkeypatch):
    monkeypatch.setattr(file_routes, "AT_ONCE", 2)
    read = 0

    async def receive():
        nonlocal read
        read += 1
        await asyncio.Event().wait()

    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", b"multipart/form-data; boundary=b")]}
    files = Files()
    routes = FileRoutes(Tenants(), files)
    under_way = [asyncio.create_task(routes.create(Request(scope, receive))) for _ in range(2)]
    while read < 2:
        await asyncio.sleep(0)
    with pytest.raises(Refused) as caught:
        await routes.create(Request(scope, receive))
    assert (caught.value.status, caught.value.retry_after > 0) == (429, True)
    for task in under_way:
        task.cancel()
    await asyncio.wait(under_way)
    files.room = False
    with pytest.raises(Refused, match="quota"):
        await routes.create(Request(scope, receive))
    assert read == 2  # neither was read a byte of
