"""Reads a request's whole body, within a size and a time limit."""

import asyncio
from typing import Any

from starlette.requests import ClientDisconnect, Request

from askonce.json_values import loads
from askonce.serve.refusals import Refused
from askonce.tables.packed import is_packed

MOST = 8 * 1024 * 1024
"""Maximum bytes. A question may have 1 MB, more with base64 images."""
SECONDS = 30.0
"""Seconds within which a body must arrive."""


async def read_object(request: Request) -> dict[str, Any]:
    """The JSON object in a request's body. Raises Refused."""
    try:
        async with asyncio.timeout(SECONDS):
            raw = await _read(request)
    except TimeoutError:
        raise Refused(408, f"the body did not arrive within {SECONDS:.0f} s") from None
    except ClientDisconnect:
        raise Refused(400, "the body ended early") from None
    try:
        body = loads(raw)
    except (ValueError, RecursionError) as error:
        if is_packed(raw) or request.headers.get("content-encoding", "identity") != "identity":
            raise Refused(415, "the body is compressed: send it uncompressed") from None
        reason = "it is empty" if not raw else f"{error}"
        raise Refused(400, f"the body is not valid JSON: {reason}") from None
    if not isinstance(body, dict):
        raise Refused(400, "the body must be an object")
    return body


async def _read(request: Request) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MOST:
            raise Refused(413, f"the body is over {MOST} bytes", code="too_large")
        parts.append(part)
    return b"".join(parts)
