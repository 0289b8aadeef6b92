"""Why a Qdrant cannot be used: what is at its address, and whether its version is supported."""

import asyncio
import re
import ssl
from urllib.parse import SplitResult, urlsplit

REST_PORT = 6333
GRPC_PORT = 6334
OLDEST = (1, 12, 2)
RECOMMENDED = (1, 17, 0)
LOOK_SECONDS = 3.0
"""Seconds for one look at a port."""
TLS_ALERT = b"\x15\x03"
ASK_REST = b"GET / HTTP/1.1\r\nhost: qdrant\r\nconnection: close\r\n\r\n"


def grpc_port(parts: SplitResult) -> int:
    """The gRPC port. REST's default port, or none, means gRPC's default port."""
    return GRPC_PORT if parts.port in (None, REST_PORT) else parts.port


def too_old(version: str) -> str | None:
    """Why a server of this version is refused; None if it is not, or its version cannot be read."""
    return f"Qdrant {version} is too old: at least {_dotted(OLDEST)} is needed" if _is_below(version, OLDEST) else None


def advice(version: str) -> str | None:
    """What a supported but old server version does less well."""
    if _is_below(version, RECOMMENDED):
        return f"Qdrant {version} works; {_dotted(RECOMMENDED)} or newer is recommended"
    return None


async def address_fault(url: str) -> str | None:
    """What is wrong at the address of a Qdrant that does not answer over gRPC, and what to write instead.

    None if it cannot be told from outside. Never raises; takes a few seconds at most.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", grpc_port(parts)
    found = await _first_bytes(host, port)
    if found is None:
        rest = await _first_bytes(host, REST_PORT)
        if rest is not None and rest.startswith(b"HTTP/1"):
            return (
                f"this Qdrant answers REST at port {REST_PORT}, but not gRPC at port {port}: make that port reachable"
            )
        return f"nothing answers at port {port}"
    if found.startswith(b"HTTP/1") and b"400" not in found.split(b"\r\n")[0]:
        return f"port {port} speaks REST: give the URL the port of gRPC ({GRPC_PORT})"
    closed_without_a_word = not found  # as some TLS servers do when they are spoken to in the clear
    speaks_tls = (
        found.startswith(TLS_ALERT) or b"400" in found[:20] or (closed_without_a_word and await _has_tls(host, port))
    )
    if parts.scheme == "http" and speaks_tls:
        return f"port {port} speaks TLS: write https:// instead of http://"
    if parts.scheme == "https" and not await _has_tls(host, port):
        return f"port {port} does not speak TLS: write http:// instead of https://"
    return None


async def _first_bytes(host: str, port: int) -> bytes | None:
    """What a server says to a plain HTTP request: b'' for nothing, None if there is no server."""
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            reader, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return None
    try:
        writer.write(ASK_REST)
        async with asyncio.timeout(LOOK_SECONDS):
            return await reader.read(200)
    except (OSError, TimeoutError):
        return b""
    finally:
        writer.close()


async def _has_tls(host: str, port: int) -> bool:
    """Whether the server speaks TLS, with any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            _, writer = await asyncio.open_connection(host, port, ssl=context)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


def _is_below(version: str, least: tuple[int, int, int]) -> bool:
    found = re.match(r"v?(\d+)\.(\d+)\.(\d+)", version)
    return found is not None and tuple(map(int, found.groups())) < least


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
