"""TLS in front of a server that has none: an authority of the test's own, and a proxy with a certificate of it."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import trustme

NAME = "localhost"


class Authority:
    """file: its own certificate, for those who are to trust it."""

    def __init__(self, directory: Path) -> None:
        self._ca = trustme.CA()
        self.file = directory / "authority.pem"
        self._ca.cert_pem.write_to_path(self.file)

    def context(self, name: str) -> ssl.SSLContext:
        """For a server that says it is `name`."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.set_alpn_protocols(["h2"])
        self._ca.issue_cert(name).configure_cert(context)
        return context


@contextlib.asynccontextmanager
async def tls_proxy(upstream: int, context: ssl.SSLContext) -> AsyncIterator[int]:
    """The port at which it listens. upstream: the port, on this machine too, of what speaks in the clear."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", upstream)
            await asyncio.gather(_copy(reader, there_writer), _copy(there_reader, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    # A refused certificate is what some tests are about: asyncio need not report it here too.
    asyncio.get_running_loop().set_exception_handler(_unless_tls(asyncio.get_running_loop()))
    async with server:
        yield server.sockets[0].getsockname()[1]


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()


def _unless_tls(loop: asyncio.AbstractEventLoop) -> Callable[[asyncio.AbstractEventLoop, dict], None]:
    def handle(_: asyncio.AbstractEventLoop, context: dict) -> None:
        if not isinstance(context.get("exception"), ssl.SSLError):
            loop.default_exception_handler(context)

    return handle
