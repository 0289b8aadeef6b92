"""The HTTP client below the SDK, which bounds the size of replies over any transport."""

from typing import Any
from urllib.request import getproxies

import httpx2
import openai

from askonce_worker.providers.address import is_loopback
from askonce_worker.providers.bounded_body import ACCEPTED, BadEncoding, BodyTooLarge, read_bounded
from askonce_worker.providers.http_transport import AiohttpTransport

CONNECT_TIMEOUT = 5.0
KEEP_ALIVE = 30.0


class ReplyTooLarge(httpx2.TransportError):
    """A reply has more bytes than are read of one."""


class BoundedClient(openai.DefaultAsyncHttpxClient):
    """Reads each reply whole, with a bound. most: bytes of a reply, packed or unpacked."""

    def __init__(self, *, most: int, **options: Any) -> None:
        super().__init__(**options)
        self._most = most
        self.headers["accept-encoding"] = ACCEPTED

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send as httpx2 does; the reply is read and decompressed. Raises httpx2's TransportError, ReplyTooLarge."""
        response = await super().send(request, **{**options, "stream": True})
        headers = response.headers
        try:
            body = await read_bounded(response.aiter_raw(), headers.get("content-encoding", ""), self._most)
        except BodyTooLarge as error:
            raise ReplyTooLarge(str(error)) from error
        except BadEncoding as error:
            raise httpx2.DecodingError(str(error)) from error
        finally:
            await response.aclose()
        for name in ("content-encoding", "content-length", "transfer-encoding"):
            headers.pop(name, None)
        return httpx2.Response(response.status_code, headers=headers, content=body, request=response.request)


def http_client(
    base_url: str | None, timeout: float, most: int | None
) -> tuple[openai.DefaultAsyncHttpxClient, httpx2.Timeout]:
    """A client with an unbounded pool, and its timeouts in seconds. most: None for replies of any size.

    A proxy named by the environment is left to httpx2's own transport: it takes socks proxies too, and those reached
    by TLS. No proxy leads to a server on this machine.
    """
    here = base_url is not None and is_loopback(base_url)
    proxied = not here and not getproxies().keys().isdisjoint(("http", "https", "all"))
    timeouts = httpx2.Timeout(timeout, connect=min(CONNECT_TIMEOUT, timeout))
    options: dict[str, Any] = {
        "limits": httpx2.Limits(keepalive_expiry=KEEP_ALIVE),
        "trust_env": not here,
        "timeout": timeouts,
        "transport": None if proxied else AiohttpTransport(keep_alive=KEEP_ALIVE),
    }
    if most is None:
        return openai.DefaultAsyncHttpxClient(**options), timeouts
    return BoundedClient(most=most, **options), timeouts
