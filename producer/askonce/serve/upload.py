"""Reads the body of POST /v1/files: a form with a file, which is written to disk as it arrives."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from askonce.serve.refusals import Refused
from askonce.served.blobs import BLOCK

SILENCE = 30.0
"""Seconds within which the next bytes must arrive."""
LONGEST = 3600.0
"""Seconds within which all bytes must arrive."""
OTHER = 64 * 1024
"""Maximum bytes of a form besides its file."""
FIELDS = 16
AT_ONCE = 16
"""Concurrent uploads of a process: each may take 200 MB of temporary files."""
AGAIN = 5.0
"""Seconds after which a client may retry if there are too many uploads."""


@asynccontextmanager
async def uploaded(request: Request, most: int) -> AsyncIterator[FormData]:
    """most: maximum bytes of the file. Raises Refused."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise Refused(400, "the body must be a form (multipart/form-data) with the fields file and purpose")
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length) > most + OTHER:
        raise too_large(most)
    parser = MultiPartParser(
        request.headers, _bytes_of(request, most), max_files=1, max_fields=FIELDS, max_part_size=OTHER
    )
    try:
        async with asyncio.timeout(LONGEST):
            form = await parser.parse()
    except TimeoutError:
        raise Refused(408, f"the body did not arrive within {LONGEST:.0f} s") from None
    except MultiPartException as error:
        raise Refused(400, f"the form is malformed: {error.message}") from None
    except ClientDisconnect:
        raise Refused(400, "the body ended early") from None
    try:
        yield form
    finally:
        await form.close()


def too_large(most: int) -> Refused:
    return Refused(413, f"the file is over {most:,} bytes", code="too_large", param="file")


async def blocks_of(file: UploadFile) -> AsyncIterator[bytes]:
    while block := await file.read(BLOCK):
        yield block


async def _bytes_of(request: Request, most: int) -> Any:
    size, stream = 0, request.stream()
    while True:
        try:
            async with asyncio.timeout(SILENCE):
                part = await anext(stream, None)
        except TimeoutError:
            raise Refused(408, f"nothing of the body arrived for {SILENCE:.0f} s") from None
        if part is None:
            return
        size += len(part)
        if size > most + OTHER:
            raise too_large(most)
        yield part
