"""What the provider itself answers: its list of models."""

import httpx2
from starlette.requests import Request
from starlette.responses import Response

from askonce.serve.doorman import Doorman
from askonce.serve.refusals import Refused

SECONDS = 30.0


class Provider:
    """base_url: with its `/v1`. Without a key its list of models cannot be had."""

    def __init__(self, doorman: Doorman, *, base_url: str, api_key: str | None) -> None:
        headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        self._doorman = doorman
        self._http = httpx2.AsyncClient(base_url=base_url, headers=headers, timeout=SECONDS)

    async def models(self, request: Request) -> Response:
        """GET /v1/models, and /v1/models/NAME. Raises Refused."""
        await self._doorman.admit(request)
        name = request.path_params.get("name")
        try:
            reply = await self._http.get("models" if name is None else f"models/{name}")
        except httpx2.HTTPError as error:
            raise Refused(503, f"the provider cannot be reached ({type(error).__name__})", retry_after=1) from None
        return Response(reply.content, reply.status_code, media_type=reply.headers.get("content-type"))

    async def aclose(self) -> None:
        await self._http.aclose()
