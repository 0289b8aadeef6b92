"""aiohttp's connections below the SDK's HTTP client: a call takes three fifths of the processor time of httpx2's.

The SDK brings such a transport too. That one calls a refused or broken connection a timeout, lets a reply that is not
HTTP escape as aiohttp's own error, and lets no more than 100 requests run at once.
"""

import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import cache

import aiohttp
import httpx2

MAX_HEADER = 65_536
"""Bytes. aiohttp's 8,190 are fewer than some gateways send."""


class AiohttpTransport(httpx2.AsyncBaseTransport):
    """Opens as many connections as there are requests, and keeps idle ones for `keep_alive` seconds.

    Bodies are passed on as they come in, still packed. TLS is checked as httpx2 does it. Proxies and redirects are
    left to httpx2.
    """

    def __init__(self, *, keep_alive: float) -> None:
        self._keep_alive = keep_alive
        self._tls = _tls()
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        seconds = request.extensions["timeout"]
        timeout = aiohttp.ClientTimeout(connect=seconds["connect"], sock_read=seconds["read"])
        content = await request.aread()
        with _translated():
            response = await self._opened().request(
                request.method,
                str(request.url),
                headers=request.headers,
                data=content or None,
                allow_redirects=False,
                timeout=timeout,
            )
        return httpx2.Response(response.status, headers=response.raw_headers, stream=_Body(response))

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        """The session belongs to the loop of the first request. httpx2 keeps the cookies."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=self._keep_alive, ssl=self._tls),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                max_line_size=MAX_HEADER,
                max_field_size=MAX_HEADER,
            )
        return self._session


@cache
def _tls() -> ssl.SSLContext:
    """One for all connections: reading the certificates of the authorities takes a twentieth of a second."""
    return httpx2.create_ssl_context()


class _Body(httpx2.AsyncByteStream):
    """The body of a reply. A connection whose body was not read to its end is closed, not kept."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _translated():
            async for chunk in self._response.content.iter_any():
                yield chunk

    async def aclose(self) -> None:
        if self._response.content.is_eof():
            self._response.release()
        else:
            self._response.close()


@contextmanager
def _translated() -> Iterator[None]:
    """Raises what the SDK knows. Some of aiohttp's timeouts are connection errors too."""
    try:
        yield
    except TimeoutError as error:
        raise httpx2.ReadTimeout(str(error)) from error
    except (aiohttp.ClientError, OSError, ValueError) as error:  # ValueError: a header that cannot be sent
        raise httpx2.NetworkError(str(error)) from error
