"""Requests that are forwarded to the provider: its list of models, and stored responses."""

import re
from urllib.parse import quote

import httpx2
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from askonce.serve.doorman import Doorman
from askonce.serve.refusals import Refused
from askonce.serve.streaming import HEADERS

SECONDS = 30.0
PATIENCE = 600.0
"""Maximum seconds between two events of a streamed response."""
ID = re.compile(r"[A-Za-z0-9_-]{1,200}")
NEVER = frozenset("?#\\")
"""Characters that a forwarded path must not contain."""


class Provider:
    """base_url: including `/v1`. Without an API key there is no list of models."""

    def __init__(self, doorman: Doorman, *, base_url: str, api_key: str | None) -> None:
        headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        self._doorman = doorman
        self._http = httpx2.AsyncClient(base_url=base_url, headers=headers, timeout=SECONDS)

    async def models(self, request: Request) -> Response:
        """GET /v1/models, and /v1/models/NAME. Raises Refused."""
        await self._doorman.admit(request)
        name = request.path_params.get("name")
        path = "models" if name is None else relayed(f"models/{name}")
        try:
            reply = await self._http.get(path)
        except httpx2.HTTPError as error:
            raise _unreachable(error) from None
        return Response(reply.content, reply.status_code, media_type=reply.headers.get("content-type"))

    async def kept(self, request: Request) -> Response:
        """GET and DELETE /v1/responses/ID, its input items, and its cancellation. Raises Refused."""
        await self._doorman.admit(request)
        if not ID.fullmatch(request.path_params["id"]):
            raise Refused(404, "there is no such response")
        asked = self._http.build_request(
            request.method,
            relayed(request.scope["path"].removeprefix("/v1/")),
            params=request.scope["query_string"],
            timeout=httpx2.Timeout(SECONDS, read=PATIENCE),
        )
        try:
            reply = await self._http.send(asked, stream=True)
        except httpx2.HTTPError as error:
            raise _unreachable(error) from None
        return StreamingResponse(
            reply.aiter_bytes(),
            reply.status_code,
            headers=HEADERS,
            media_type=reply.headers.get("content-type"),
            background=BackgroundTask(reply.aclose),
        )

    async def aclose(self) -> None:
        await self._http.aclose()


def relayed(path: str) -> str:
    """A path below the provider's `/v1`. It must not lead elsewhere, because our own key is sent. Raises Refused."""
    segments = path.split("/")
    if not path.isprintable() or NEVER & set(path) or {"", ".", ".."} & set(segments):
        raise Refused(404, f"there is no {path!r}", code="not_found")
    return "/".join(quote(each, safe=":@") for each in segments)


def _unreachable(error: httpx2.HTTPError) -> Refused:
    return Refused(503, f"the provider cannot be reached ({type(error).__name__})", retry_after=1)
