"""How long an upload may take."""

import asyncio

import pytest
from starlette.requests import Request

from askonce.serve import upload
from askonce.serve.refusals import Refused


@pytest.mark.parametrize(("limit", "word"), [("LONGEST", "did not come within"), ("SILENCE", "nothing of the body")])
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
